//! The progress bar of an export.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use otel_trace::otlp::export::Progress;

/// Time after which the progress bar is shown on a terminal.
const BAR_DELAY: Duration = Duration::from_secs(1);

/// A progress bar on stderr, shown after [`BAR_DELAY`]. Hidden if stderr is not a terminal.
pub(super) struct SpanBar {
    bar: ProgressBar,
    started: Instant,
}

impl Default for SpanBar {
    fn default() -> Self {
        let style = ProgressStyle::with_template("{spinner} {bar:30} {pos}/{len} spans, {elapsed}");
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, started: Instant::now() }
    }
}

impl SpanBar {
    /// Updates the bar.
    pub(super) fn show(&self, progress: Progress) {
        if self.bar.is_hidden() && self.started.elapsed() > BAR_DELAY {
            // Stays hidden if stderr is not a terminal.
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.set_length(progress.total as u64);
        self.bar.set_position(progress.done as u64);
    }

    /// Removes the bar.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
