//! Many threads at everything, in laps: after each all of them rest, and a look is taken at what is held then.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use otel_trace::Recorder;
use tracing::Subscriber;
use tracing::dispatcher::{Dispatch, with_default};
use tracing::span::{Attributes, Id};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::prelude::*;

use super::common::{graph, running};
use super::level::Level;
use super::setting::Setting;
use super::{disk, work};

/// When to stop.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Length {
    Laps(u64),
    /// When so much time has passed and so many spans were made.
    Time(Duration, u64),
}

impl Length {
    fn is_reached(self, laps: u64, spans: u64, elapsed: Duration) -> bool {
        match self {
            Self::Laps(most) => laps >= most,
            Self::Time(least, made) => elapsed >= least && spans >= made,
        }
    }
}

const THREADS: u64 = 4;

/// Runs of each thread in a lap.
const RUNS: u64 = 36;

/// After so many laps everything that is held for good is held.
const WARM_UP: u64 = 2;

/// How often a long run says how it goes.
const EVERY: Duration = Duration::from_secs(5);

/// Counts the spans that are made.
#[derive(Clone, Default)]
struct Spans(Arc<AtomicU64>);

impl<S: Subscriber> Layer<S> for Spans {
    fn on_new_span(&self, _: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Records laps in this way. Gives how many spans were made.
pub(crate) fn run(setting: Setting, length: Length) -> u64 {
    let (root, recorder, guard) = setting.recorder();
    let layer = recorder.layer().with_filter(recorder.filter());
    let spans = Spans::default();
    let subscriber = Dispatch::new(tracing_subscriber::registry().with(layer).with(spans.clone()));
    let made = || spans.0.load(Ordering::Relaxed);
    let planned = work::planned_losses();
    let started = Instant::now();
    let (mut laps, mut said, mut level) = (0, Duration::ZERO, None);
    while !length.is_reached(laps, made(), started.elapsed()) || level.is_none() {
        lap(&subscriber, laps);
        with_default(&subscriber, || setting.settle(root.path(), laps));
        laps += 1;
        check_stats(setting, &recorder, planned);
        tidy(setting, root.path());
        let now = Level::now();
        if laps == WARM_UP {
            level = Some(now);
        }
        if started.elapsed() >= said {
            said = started.elapsed() + EVERY;
            say(setting, started.elapsed(), &now, made(), &recorder);
        }
        if let Some(level) = &level {
            let is_flat = now.is_within(level, &setting.slack());
            assert!(is_flat, "{setting:?}: after {laps} laps\n  {now}\nand after {WARM_UP}\n  {level}");
        }
    }
    say(setting, started.elapsed(), &Level::now(), made(), &recorder);
    drop(guard);
    check_stats(setting, &recorder, planned);
    let stats = recorder.stats();
    assert_eq!(stats.events["rollout_started"], stats.events["rollout_ended"]);
    if setting.removes() {
        assert!(stats.removed_bundles > 0, "no bundle was one too many: {stats}");
        assert!(stats.lost() > work::planned_losses() - planned, "no bundle was full: {stats}");
    }
    made()
}

/// Everything in all threads, until all of it is over.
fn lap(subscriber: &Dispatch, lap: u64) {
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let first = (lap * THREADS + thread) * RUNS;
            scope.spawn(move || with_default(subscriber, || (first..first + RUNS).for_each(work::anything)));
        }
    });
}

/// Nothing is missing but what was planned, and everything that began ended, but for the conversations.
#[track_caller]
fn check_stats(setting: Setting, recorder: &Recorder, planned_before: u64) {
    let stats = recorder.stats();
    let planned = work::planned_losses() - planned_before;
    // Bundles that are full take nothing that begins.
    assert!(stats.lost() == planned || (setting.removes() && stats.lost() > planned), "{setting:?}: {stats}");
    assert_eq!(stats.late, 0, "{setting:?}: {stats}");
    let count = |event: &str| stats.events.get(event).copied().unwrap_or_default();
    for what in ["codex_turn", "tool_call", "code_cell"] {
        assert_eq!(count(&format!("{what}_started")), count(&format!("{what}_ended")), "{what}");
    }
    let ends = ["inference_completed", "inference_failed", "inference_cancelled"].map(count);
    assert_eq!(count("inference_started"), ends.iter().sum::<u64>());
    assert!(count("rollout_started") - count("rollout_ended") <= work::CONVERSATIONS);
}

/// Looks at some of the bundles that are over, and removes them, where the recorder does not.
fn tidy(setting: Setting, root: &Path) {
    if let Some(most) = setting.most_bundles() {
        // Those that the lap made last may still be among them: they are removed when the next one begins.
        let most = most + usize::try_from(2 * THREADS * RUNS + work::CONVERSATIONS).unwrap();
        assert!(disk::bundles(root).len() <= most, "{} bundles", disk::bundles(root).len());
        return;
    }
    let (over, open): (Vec<_>, Vec<_>) = disk::bundles(root).into_iter().partition(|bundle| is_over(bundle));
    for bundle in over.iter().take(12) {
        // A body that was lost is one that is left out.
        if !bundle.to_string_lossy().contains("-loss-") {
            assert_eq!(running(&graph(bundle)), 0, "{}", bundle.display());
        }
    }
    over.iter().for_each(|bundle| std::fs::remove_dir_all(bundle).unwrap());
    open.iter().for_each(|bundle| disk::clear_bodies(bundle));
}

fn is_over(bundle: &Path) -> bool {
    let id = bundle.to_string_lossy();
    !(0..work::CONVERSATIONS).any(|conversation| id.ends_with(&work::conversation_id(conversation)))
}

fn say(setting: Setting, elapsed: Duration, level: &Level, spans: u64, recorder: &Recorder) {
    let (seconds, lost) = (elapsed.as_secs(), recorder.stats().lost());
    println!("{seconds:4} s  {level}  spans {spans:9}  lost {lost:6}  {setting:?}");
}
