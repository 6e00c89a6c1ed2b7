//! Who counts, and tells.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use super::stats::{DroppedSpans, OtlpStats};
use crate::layer::stderr::tell;

/// Hears of spans that were dropped.
pub(super) type OnDrop = Box<dyn Fn(&DroppedSpans) + Send + Sync>;

/// What was exported and dropped. Others hear of it only in the worker's thread and at the shutdown: a span that ends
/// waits for nobody's callback.
pub(super) struct Ledger {
    counts: Mutex<Counts>,
    on_drop: Option<OnDrop>,
}

#[derive(Default)]
struct Counts {
    stats: OtlpStats,
    untold: Vec<DroppedSpans>,
    last_cause: Option<String>,
}

impl Ledger {
    pub(super) fn new(on_drop: Option<OnDrop>) -> Self {
        Self { counts: Mutex::default(), on_drop }
    }

    pub(super) fn stats(&self) -> OtlpStats {
        self.with(|counts| counts.stats)
    }

    pub(super) fn exported(&self, count: u64) {
        self.with(|counts| counts.stats.exported += count);
    }

    pub(super) fn metrics_failed(&self) {
        self.with(|counts| counts.stats.metrics_failed += 1);
    }

    pub(super) fn dropped(&self, dropped: DroppedSpans) {
        self.with(|counts| counts.add(dropped));
    }

    /// Tells what was not told yet to the callback, if there is one.
    pub(super) fn tell(&self) {
        let Some(on_drop) = &self.on_drop else { return };
        let untold = self.with(|counts| std::mem::take(&mut counts.untold));
        untold.iter().for_each(on_drop);
    }

    /// Tells all of it, at the end: to the callback, else on stderr.
    pub(super) fn close(&self) {
        self.tell();
        let (stats, cause) = self.with(|counts| (counts.stats, counts.last_cause.take()));
        if stats.metrics_failed > 0 {
            tell(format_args!("metrics could not be exported, {} times", stats.metrics_failed));
        }
        let dropped = stats.dropped();
        if self.on_drop.is_some() || dropped == 0 {
            return;
        }
        match cause {
            Some(cause) => {
                tell(format_args!("{dropped} spans could not be exported: {stats}; the last reason: {cause}"))
            }
            None => tell(format_args!("{dropped} spans could not be exported: {stats}")),
        }
    }

    fn with<R>(&self, change: impl FnOnce(&mut Counts) -> R) -> R {
        change(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner))
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
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
