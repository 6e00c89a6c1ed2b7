//! The guard that shuts the pipeline down.

use super::pipeline::Otlp;

/// A guard that shuts the export pipeline down when it is dropped. Keep it until the program ends.
///
/// On drop, the pipeline flushes the spans that have ended, at most for the flush timeout. Spans that are still queued
/// after it are dropped, and spans that end later are dropped and counted. If spans were dropped and no
/// [`on_drop`](super::OtlpBuilder::on_drop) callback is set, one line on stderr reports their number, unless all of
/// them have been reported before.
#[derive(Debug)]
#[must_use = "dropping the guard shuts the export down"]
pub struct OtlpGuard(Otlp);

impl OtlpGuard {
    pub(super) fn new(otlp: Otlp) -> Self {
        Self(otlp)
    }
}

impl Drop for OtlpGuard {
    fn drop(&mut self) {
        self.0.shut_down();
    }
}
