//! How far an export is.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use otel_trace::otlp::export::Progress;

/// How long it may take before a terminal is told that something goes on.
const PATIENCE: Duration = Duration::from_secs(1);

/// A bar on a terminal, once it takes long. Nothing where stderr is no terminal.
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
    pub(super) fn show(&self, progress: Progress) {
        if self.bar.is_hidden() && self.started.elapsed() > PATIENCE {
            // Stays hidden where stderr is no terminal.
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.set_length(progress.total as u64);
        self.bar.set_position(progress.done as u64);
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
