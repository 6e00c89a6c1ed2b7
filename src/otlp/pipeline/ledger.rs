//! Counters of exported and dropped spans, and the reporting of drops.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::stats::{DropReason, DroppedSpans, OtlpStats};
use crate::layer::stderr::report;

/// A callback that is called with dropped spans.
pub(super) type DropCallback = Box<dyn Fn(&DroppedSpans) + Send + Sync>;

/// The counters of a pipeline. Drops are counted on any thread, but reported only on the worker thread and during
/// shutdown, so that a thread that ends a span never waits for a callback.
pub(super) struct Ledger {
    counts: Mutex<Counts>,
    on_drop: Option<DropCallback>,
    /// The redacted URL to which spans are exported.
    url: OnceLock<String>,
    /// The redacted URL to which metrics are exported.
    metrics_url: OnceLock<String>,
}

#[derive(Default)]
struct Counts {
    stats: OtlpStats,
    /// Drops that were not reported yet, at most one entry per reason.
    unreported: Vec<DroppedSpans>,
    last_cause: Option<String>,
    /// The cause of the last failed export of metrics, unless it was reported when it happened.
    metrics_cause: Option<String>,
    reported: Reported,
    is_closed: bool,
}

/// Drops that were reported on stderr.
#[derive(Default)]
struct Reported {
    reasons: Vec<DropReason>,
    spans: u64,
    has_metrics_failure: bool,
}

impl Ledger {
    pub(super) fn new(on_drop: Option<DropCallback>) -> Self {
        Self { counts: Mutex::default(), on_drop, url: OnceLock::new(), metrics_url: OnceLock::new() }
    }

    /// Sets the redacted URL of spans for reports.
    pub(super) fn set_traces_url(&self, url: String) {
        self.url.get_or_init(|| url);
    }

    /// Sets the redacted URL of metrics for reports.
    pub(super) fn set_metrics_url(&self, url: String) {
        self.metrics_url.get_or_init(|| url);
    }

    pub(super) fn stats(&self) -> OtlpStats {
        self.with(|counts| counts.stats)
    }

    pub(super) fn count_exported(&self, count: u64) {
        self.with(|counts| counts.stats.exported += count);
    }

    /// Counts a failed export of metrics. Without a drop callback, reports the first failure on stderr.
    pub(super) fn count_metrics_failure(&self, cause: String) {
        let is_first = self.with(|counts| {
            counts.stats.metrics_failed += 1;
            let is_first = !counts.reported.has_metrics_failure && !counts.is_closed;
            counts.reported.has_metrics_failure = true;
            if !is_first {
                counts.metrics_cause = Some(cause.clone());
            }
            is_first
        });
        if is_first && self.on_drop.is_none() {
            self.report_metrics_failure("", &cause);
        }
    }

    fn report_metrics_failure(&self, times: &str, cause: &str) {
        let url = self.metrics_url.get().map_or("", String::as_str);
        report(format_args!(
            "metrics could not be exported{times}: {url}: {cause}; set OTEL_METRICS_EXPORTER=none to disable metrics"
        ));
    }

    /// Counts dropped spans. They are reported by the next call of [`report_drops`](Self::report_drops).
    pub(super) fn count_dropped(&self, dropped: DroppedSpans) {
        self.with(|counts| counts.add(dropped));
    }

    /// Reports the drops since the last call: to the callback if there is one, else the first of each reason on stderr.
    pub(super) fn report_drops(&self) {
        let unreported = self.with(|counts| std::mem::take(&mut counts.unreported));
        match &self.on_drop {
            Some(on_drop) => {
                // A callback may panic; neither the export nor the program must end because of it.
                let call = |dropped| catch_unwind(AssertUnwindSafe(|| on_drop(dropped)));
                unreported.iter().for_each(|dropped| drop(call(dropped)));
            }
            None => unreported.iter().for_each(|dropped| self.report_first(dropped)),
        }
    }

    /// Reports a drop on stderr if it is the first of its reason.
    fn report_first(&self, dropped: &DroppedSpans) {
        if !self.with(|counts| counts.mark_first(dropped)) {
            return;
        }
        let DroppedSpans { reason, count, cause } = dropped;
        let spans = if *count == 1 { "span" } else { "spans" };
        let url = self.url.get().map(|url| format!("{url}: ")).unwrap_or_default();
        let cause = cause.as_deref().map(|cause| format!(": {url}{cause}")).unwrap_or_default();
        report(format_args!(
            "{count} {spans} {reason}{cause}; {}; further drops are counted and reported at shutdown",
            advice(*reason)
        ));
    }

    /// Reports the remaining drops at shutdown: to the callback, else the totals on stderr, unless every drop was
    /// reported there before.
    pub(super) fn close(&self) {
        self.report_drops();
        let (stats, cause, metrics_cause) = self.with(|counts| {
            counts.is_closed = true;
            let has_more = counts.stats.dropped() > counts.reported.spans;
            (counts.stats, has_more.then(|| counts.last_cause.take()), counts.metrics_cause.take())
        });
        if self.on_drop.is_some() {
            return;
        }
        if let Some(cause) = metrics_cause {
            self.report_metrics_failure(&format!(", {} times", stats.metrics_failed), &cause);
        }
        let Some(cause) = cause else { return };
        let cause = cause.map(|cause| format!("; last cause: {cause}")).unwrap_or_default();
        report(format_args!("{} spans could not be exported: {stats}{cause}", stats.dropped()));
    }

    fn with<R>(&self, access: impl FnOnce(&mut Counts) -> R) -> R {
        access(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Returns what the user can do about drops of this reason.
fn advice(reason: DropReason) -> &'static str {
    match reason {
        DropReason::QueueFull => "enlarge the queue (OTEL_BSP_MAX_QUEUE_SIZE) or use a faster receiver",
        DropReason::Unreachable => "check that an OTLP receiver for the configured protocol listens there",
        DropReason::Rejected => "check endpoint, protocol and headers, and the receiver's log",
        DropReason::TooLarge => "raise the receiver's size limit, or export without content",
        DropReason::ShutDown => "set a longer flush timeout",
    }
}

impl Counts {
    fn add(&mut self, dropped: DroppedSpans) {
        self.stats.add(dropped.reason, dropped.count);
        if dropped.cause.is_some() {
            self.last_cause.clone_from(&dropped.cause);
        }
        match self.unreported.iter_mut().find(|unreported| unreported.reason == dropped.reason) {
            Some(unreported) => {
                unreported.count += dropped.count;
                unreported.cause = dropped.cause.or(unreported.cause.take());
            }
            None => self.unreported.push(dropped),
        }
    }

    /// Marks the reason of a drop as reported. Returns `true` if the drop is to be reported now: the first of its
    /// reason, except during shutdown, which reports totals.
    fn mark_first(&mut self, dropped: &DroppedSpans) -> bool {
        let is_first = !self.is_closed
            && dropped.reason != DropReason::ShutDown
            && !self.reported.reasons.contains(&dropped.reason);
        if is_first {
            self.reported.reasons.push(dropped.reason);
            self.reported.spans += dropped.count;
        }
        is_first
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
