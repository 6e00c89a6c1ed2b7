//! Processes several bundles in parallel. A failure in one bundle does not stop the others.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::bundles::Bundle;
use super::extracted::wait_if_ending;
use super::{Status, output};

/// Time after which a progress bar is shown on a terminal.
const BAR_DELAY: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(100);

/// Calls `work` for every bundle, on all cores, and passes each outcome to `report` in the order of the bundles. Prints
/// errors to stderr and returns the worst status.
pub(super) fn for_each_bundle<T: Send>(
    bundles: &[Bundle],
    work: impl Fn(&Bundle) -> anyhow::Result<T> + Sync,
    mut report: impl FnMut(&Bundle, anyhow::Result<T>) -> anyhow::Result<Status>,
) -> Status {
    let progress = BundleBar::new(bundles.len());
    let next = AtomicUsize::new(0);
    let (sender, done) = mpsc::channel();
    thread::scope(|scope| {
        let workers = thread::available_parallelism().map_or(1, NonZero::get).min(bundles.len());
        for _ in 0..workers {
            let (sender, next, work) = (sender.clone(), &next, &work);
            scope.spawn(move || {
                while let place = next.fetch_add(1, Ordering::Relaxed)
                    && let Some(bundle) = bundles.get(place)
                    && sender.send((place, work(bundle))).is_ok()
                {}
            });
        }
        drop(sender);
        let mut worst = Status::Complete;
        let mut waiting = BTreeMap::new();
        let mut unreported = bundles.iter().enumerate().peekable();
        while let Some((place, outcome)) = progress.wait(&done) {
            waiting.insert(place, outcome);
            while let Some((place, bundle)) = unreported.peek()
                && let Some(outcome) = waiting.remove(place)
            {
                let status = progress.suspend(|| report(bundle, outcome));
                worst = worst.max(status.unwrap_or_else(|error| progress.suspend(|| report_error(&error))));
                unreported.next();
            }
        }
        worst
    })
}

/// Prints an error to stderr and returns [`Status::Fatal`].
pub(super) fn report_error(error: &anyhow::Error) -> Status {
    // Files that a signal removed are no error.
    wait_if_ending();
    output::eprint(format_args!("error: {error:#}"));
    Status::Fatal
}

/// A progress bar on stderr, shown after [`BAR_DELAY`]. Hidden if stderr is not a terminal.
struct BundleBar {
    bar: ProgressBar,
    started: Instant,
}

impl BundleBar {
    fn new(count: usize) -> Self {
        let style = ProgressStyle::with_template("{spinner} {pos}/{len} bundles, {elapsed}");
        let bar = ProgressBar::with_draw_target(Some(count as u64), ProgressDrawTarget::hidden());
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, started: Instant::now() }
    }

    /// Waits for the next outcome. Returns `None` when all bundles are done.
    fn wait<T>(&self, done: &mpsc::Receiver<T>) -> Option<T> {
        loop {
            match done.recv_timeout(TICK) {
                Ok(outcome) => {
                    self.bar.inc(1);
                    return Some(outcome);
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    self.bar.finish_and_clear();
                    return None;
                }
                Err(mpsc::RecvTimeoutError::Timeout) => self.tick(),
            }
        }
    }

    fn tick(&self) {
        if self.bar.is_hidden() && self.started.elapsed() > BAR_DELAY {
            // Stays hidden if stderr is not a terminal.
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.tick();
    }

    /// Hides the bar while `print` runs.
    fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }
}
