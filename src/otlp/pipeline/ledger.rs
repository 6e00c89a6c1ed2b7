//! Who counts, and tells.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::stats::{DropReason, DroppedSpans, OtlpStats};
use crate::layer::stderr::tell;

/// Hears of spans that were dropped.
pub(super) type OnDrop = Box<dyn Fn(&DroppedSpans) + Send + Sync>;

/// What was exported and dropped. Others hear of it only in the worker's thread and at the shutdown: a span that ends
/// waits for nobody's callback.
pub(super) struct Ledger {
    counts: Mutex<Counts>,
    on_drop: Option<OnDrop>,
    /// Where spans go, as it may be shown.
    url: OnceLock<String>,
    /// Where metrics go.
    metrics_url: OnceLock<String>,
}

#[derive(Default)]
struct Counts {
    stats: OtlpStats,
    untold: Vec<DroppedSpans>,
    last_cause: Option<String>,
    metrics_cause: Option<String>,
    said: Said,
    is_closed: bool,
}

/// What stands on stderr already.
#[derive(Default)]
struct Said {
    reasons: Vec<DropReason>,
    spans: u64,
    metrics: u64,
}

impl Ledger {
    pub(super) fn new(on_drop: Option<OnDrop>) -> Self {
        Self { counts: Mutex::default(), on_drop, url: OnceLock::new(), metrics_url: OnceLock::new() }
    }

    /// Spans go there.
    pub(super) fn go_to(&self, url: String) {
        self.url.get_or_init(|| url);
    }

    /// Metrics go there.
    pub(super) fn metrics_go_to(&self, url: String) {
        self.metrics_url.get_or_init(|| url);
    }

    pub(super) fn stats(&self) -> OtlpStats {
        self.with(|counts| counts.stats)
    }

    pub(super) fn exported(&self, count: u64) {
        self.with(|counts| counts.stats.exported += count);
    }

    /// A collection did not arrive. The first is said on stderr, if nobody else hears of losses.
    pub(super) fn metrics_failed(&self, cause: String) {
        let is_first = self.with(|counts| {
            counts.stats.metrics_failed += 1;
            let is_first = counts.said.metrics == 0 && !counts.is_closed;
            counts.said.metrics = 1;
            if !is_first {
                counts.metrics_cause = Some(cause.clone());
            }
            is_first
        });
        if is_first && self.on_drop.is_none() {
            self.say_metrics("", &cause);
        }
    }

    fn say_metrics(&self, times: &str, cause: &str) {
        let url = self.metrics_url.get().map_or("", String::as_str);
        tell(format_args!(
            "metrics could not be exported{times}: {url}: {cause}; OTEL_METRICS_EXPORTER=none turns them off"
        ));
    }

    pub(super) fn dropped(&self, dropped: DroppedSpans) {
        self.with(|counts| counts.add(dropped));
    }

    /// Tells what was not told yet: to the callback, if there is one, else the first of each reason on stderr.
    pub(super) fn tell(&self) {
        let untold = self.with(|counts| std::mem::take(&mut counts.untold));
        match &self.on_drop {
            Some(on_drop) => {
                // Whoever hears of it may panic; the export goes on, and so does the program.
                let hear = |dropped| catch_unwind(AssertUnwindSafe(|| on_drop(dropped)));
                untold.iter().for_each(|dropped| drop(hear(dropped)));
            }
            None => untold.iter().for_each(|dropped| self.say_first(dropped)),
        }
    }

    fn say_first(&self, dropped: &DroppedSpans) {
        if !self.with(|counts| counts.is_first(dropped)) {
            return;
        }
        let DroppedSpans { reason, count, cause } = dropped;
        let spans = if *count == 1 { "span" } else { "spans" };
        let place = self.url.get().map(|url| format!("{url}: ")).unwrap_or_default();
        let cause = cause.as_deref().map(|cause| format!(": {place}{cause}")).unwrap_or_default();
        tell(format_args!(
            "{count} {spans} {reason}{cause}; {}; more of it is counted, and said at the end",
            advice(*reason)
        ));
    }

    /// Tells all of it, at the end: to the callback, else on stderr, where that does not say it already.
    pub(super) fn close(&self) {
        self.tell();
        let (stats, cause, metrics_cause) = self.with(|counts| {
            counts.is_closed = true;
            let has_more = counts.stats.dropped() > counts.said.spans;
            (counts.stats, has_more.then(|| counts.last_cause.take()), counts.metrics_cause.take())
        });
        if self.on_drop.is_some() {
            return;
        }
        if let Some(cause) = metrics_cause {
            self.say_metrics(&format!(", {} times", stats.metrics_failed), &cause);
        }
        let Some(cause) = cause else { return };
        let cause = cause.map(|cause| format!("; the last reason: {cause}")).unwrap_or_default();
        tell(format_args!("{} spans could not be exported: {stats}{cause}", stats.dropped()));
    }

    fn with<R>(&self, change: impl FnOnce(&mut Counts) -> R) -> R {
        change(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What to do.
fn advice(reason: DropReason) -> &'static str {
    match reason {
        DropReason::QueueFull => "a larger queue (OTEL_BSP_MAX_QUEUE_SIZE) or a faster receiver loses less",
        DropReason::Unreachable => "check that a receiver listens there and speaks that protocol",
        DropReason::Rejected => "check endpoint, protocol and headers, and the receiver's log",
        DropReason::TooLarge => "raise the receiver's limit, or export without content",
        DropReason::ShutDown => "a longer flush timeout may save them",
    }
}

impl Counts {
    fn add(&mut self, dropped: DroppedSpans) {
        self.stats.add(dropped.reason, dropped.count);
        if dropped.cause.is_some() {
            self.last_cause.clone_from(&dropped.cause);
        }
        match self.untold.iter_mut().find(|untold| untold.reason == dropped.reason) {
            Some(untold) => {
                untold.count += dropped.count;
                untold.cause = dropped.cause.or(untold.cause.take());
            }
            None => self.untold.push(dropped),
        }
    }

    /// Whether it is to be said: the first of its reason is, until all of them are.
    fn is_first(&mut self, dropped: &DroppedSpans) -> bool {
        let is_first =
            !self.is_closed && dropped.reason != DropReason::ShutDown && !self.said.reasons.contains(&dropped.reason);
        if is_first {
            self.said.reasons.push(dropped.reason);
            self.said.spans += dropped.count;
        }
        is_first
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
