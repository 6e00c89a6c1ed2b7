//! Several bundles at once, and one failing does not stop the others.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::bundles::Bundle;
use super::{Status, say};

/// How long it may take before a terminal is told that something goes on.
const PATIENCE: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(100);

/// Does `work` for every bundle, on all cores, and hands each outcome to `tell` in order of the bundles. Gives the
/// worst status. What could not be done is told on stderr.
pub(super) fn each<T: Send>(
    bundles: &[Bundle],
    work: impl Fn(&Path) -> anyhow::Result<T> + Sync,
    mut tell: impl FnMut(&Bundle, anyhow::Result<T>) -> anyhow::Result<Status>,
) -> Status {
    let progress = Progress::new(bundles.len());
    let next = AtomicUsize::new(0);
    let (sender, done) = mpsc::channel();
    thread::scope(|scope| {
        let workers = thread::available_parallelism().map_or(1, NonZero::get).min(bundles.len());
        for _ in 0..workers {
            let (sender, next, work) = (sender.clone(), &next, &work);
            scope.spawn(move || {
                while let place = next.fetch_add(1, Ordering::Relaxed)
                    && let Some(bundle) = bundles.get(place)
                    && sender.send((place, work(&bundle.path))).is_ok()
                {}
            });
        }
        drop(sender);
        let mut worst = Status::Complete;
        let mut waiting = BTreeMap::new();
        let mut told = bundles.iter().enumerate().peekable();
        while let Some((place, outcome)) = progress.wait(&done) {
            waiting.insert(place, outcome);
            while let Some((place, bundle)) = told.peek()
                && let Some(outcome) = waiting.remove(place)
            {
                let status = progress.aside(|| tell(bundle, outcome));
                worst = worst.max(status.unwrap_or_else(|error| progress.aside(|| fatal(&error))));
                told.next();
            }
        }
        worst
    })
}

/// Says why something could not be done.
pub(super) fn fatal(error: &anyhow::Error) -> Status {
    say::err(format_args!("error: {error:#}"));
    Status::Fatal
}

/// A bar on a terminal, once it takes long. Nothing where stderr is no terminal.
struct Progress {
    bar: ProgressBar,
    started: Instant,
}

impl Progress {
    fn new(count: usize) -> Self {
        let style = ProgressStyle::with_template("{spinner} {pos}/{len} bundles, {elapsed}");
        let bar = ProgressBar::with_draw_target(Some(count as u64), ProgressDrawTarget::hidden());
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, started: Instant::now() }
    }

    /// The next outcome; none when all are there.
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
        if self.bar.is_hidden() && self.started.elapsed() > PATIENCE {
            // Stays hidden where stderr is no terminal.
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.tick();
    }

    /// Prints something without the bar in its way.
    fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }
}
