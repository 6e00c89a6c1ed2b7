//! The end of an export.

use super::Otlp;

/// Ends the export when it is dropped: keep it until the program ends.
///
/// What has ended is exported first, for the flush timeout at most; what is still left then is dropped, and what ends
/// later is only counted. If spans were dropped and no [`on_drop`](super::OtlpBuilder::on_drop) hears of it, one line on
/// stderr says how many, unless all of them have been said already.
#[derive(Debug)]
#[must_use = "dropping the guard ends the export"]
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
