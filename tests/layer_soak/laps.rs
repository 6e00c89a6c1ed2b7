//! Many threads at everything, in laps: after each all of them rest, and a look is taken at what is held then.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use otel_trace::Recorder;
use tracing::dispatcher::{Dispatch, with_default};
use tracing_subscriber::prelude::*;

use super::common::{graph, recorder, running};
use super::level::Level;
use super::{disk, work};

/// When to stop.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Length {
    Laps(u64),
    Time(Duration),
}

impl Length {
    fn is_reached(self, laps: u64, elapsed: Duration) -> bool {
        match self {
            Self::Laps(most) => laps >= most,
            Self::Time(most) => elapsed >= most,
        }
    }
}

const THREADS: u64 = 4;

/// Runs of each thread in a lap.
const RUNS: u64 = 36;

/// After so many laps everything that is held for good is held.
const WARM_UP: u64 = 2;

/// What may be held beyond the level after the warm-up. On the heap no more than a few hundred bytes were seen; the
/// files are those of the conversations, which may rest or not; what the allocator keeps resident is its own affair,
/// within limits.
const SLACK: Level = Level { heap: 16 * 1024, resident: 32 * 1024 * 1024, files: work::CONVERSATIONS as usize };

/// How often a long run says how it goes.
const EVERY: Duration = Duration::from_secs(5);

pub(crate) fn run(length: Length) {
    let (root, recorder, guard) = recorder();
    let layer = recorder.layer().with_filter(recorder.filter());
    let subscriber = Dispatch::new(tracing_subscriber::registry().with(layer));
    let started = Instant::now();
    let (mut laps, mut said, mut level) = (0, Duration::ZERO, None);
    while !length.is_reached(laps, started.elapsed()) || level.is_none() {
        lap(&subscriber, laps);
        laps += 1;
        check_stats(&recorder);
        tidy(root.path());
        let now = Level::now();
        if laps == WARM_UP {
            level = Some(now);
        }
        if started.elapsed() >= said {
            said = started.elapsed() + EVERY;
            say(started.elapsed(), &now, &recorder);
        }
        if let Some(level) = &level {
            assert!(now.is_within(level, &SLACK), "after {laps} laps\n  {now}\nand after {WARM_UP}\n  {level}");
        }
    }
    say(started.elapsed(), &Level::now(), &recorder);
    drop(guard);
    check_stats(&recorder);
    let ended = &recorder.stats().events;
    assert_eq!(ended["rollout_started"], ended["rollout_ended"]);
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
fn check_stats(recorder: &Recorder) {
    let stats = recorder.stats();
    assert_eq!((stats.lost(), stats.late), (work::planned_losses(), 0), "{stats}");
    let count = |event: &str| stats.events.get(event).copied().unwrap_or_default();
    for what in ["codex_turn", "tool_call", "code_cell"] {
        assert_eq!(count(&format!("{what}_started")), count(&format!("{what}_ended")), "{what}");
    }
    let ends = ["inference_completed", "inference_failed", "inference_cancelled"].map(count);
    assert_eq!(count("inference_started"), ends.iter().sum::<u64>());
    assert!(count("rollout_started") - count("rollout_ended") <= work::CONVERSATIONS);
}

/// Looks at some of the bundles that are over, and removes them.
fn tidy(root: &Path) {
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

fn say(elapsed: Duration, level: &Level, recorder: &Recorder) {
    let stats = recorder.stats();
    let events: u64 = stats.events.values().sum();
    println!("{:4} s  {level}  events {events:9}  lost {} as planned", elapsed.as_secs(), stats.lost());
}
