//! Mixed load of several threads in laps. After each lap the threads pause and the resources of the process are
//! measured.

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

use super::resources::Resources;
use super::setting::Setting;
use super::{disk, workload};
use crate::common::{count_running, graph};

/// The condition for the end of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Length {
    /// A number of laps.
    Laps(u64),
    /// A minimum duration and a minimum number of spans.
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

/// Number of runs that each thread records in a lap.
const RUNS: u64 = 36;

/// Number of laps after which all permanent allocations have been made.
const WARM_UP: u64 = 2;

/// Interval of the progress reports of a long run.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);

/// A layer that counts the spans that the program opens.
#[derive(Clone, Default)]
struct SpanCounter(Arc<AtomicU64>);

impl<S: Subscriber> Layer<S> for SpanCounter {
    fn on_new_span(&self, _: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Records laps with the recorder of this setting. Returns the number of opened spans.
pub(crate) fn run(setting: Setting, length: Length) -> u64 {
    let (root, recorder, guard) = setting.recorder();
    let layer = recorder.layer().with_filter(recorder.filter());
    let spans = SpanCounter::default();
    let subscriber = Dispatch::new(tracing_subscriber::registry().with(layer).with(spans.clone()));
    let opened = || spans.0.load(Ordering::Relaxed);
    let planned = workload::planned_losses();
    let started = Instant::now();
    let (mut laps, mut next_report, mut resources) = (0, Duration::ZERO, None);
    while !length.is_reached(laps, opened(), started.elapsed()) || resources.is_none() {
        lap(&subscriber, laps);
        with_default(&subscriber, || setting.settle(root.path(), laps));
        laps += 1;
        check_stats(setting, &recorder, planned);
        clean_up(setting, root.path());
        let now = Resources::now();
        if laps == WARM_UP {
            resources = Some(now);
        }
        if started.elapsed() >= next_report {
            next_report = started.elapsed() + REPORT_INTERVAL;
            report(setting, started.elapsed(), &now, opened(), &recorder);
        }
        if let Some(resources) = &resources {
            let is_flat = now.is_within(resources, &setting.slack());
            assert!(is_flat, "{setting:?}: after {laps} laps\n  {now}\nand after {WARM_UP}\n  {resources}");
        }
    }
    report(setting, started.elapsed(), &Resources::now(), opened(), &recorder);
    drop(guard);
    check_stats(setting, &recorder, planned);
    let stats = recorder.stats();
    assert_eq!(stats.events["rollout_started"], stats.events["rollout_ended"]);
    if setting.removes_bundles() {
        assert!(stats.removed_bundles > 0, "no bundle was removed: {stats}");
        assert!(stats.lost() > workload::planned_losses() - planned, "no bundle reached its quota: {stats}");
    }
    opened()
}

/// Records the whole workload in all threads and waits for its end.
fn lap(subscriber: &Dispatch, lap: u64) {
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let first = (lap * THREADS + thread) * RUNS;
            scope.spawn(move || with_default(subscriber, || (first..first + RUNS).for_each(workload::anything)));
        }
    });
}

/// Checks that only planned losses occurred, and that every operation except the conversations has ended.
#[track_caller]
fn check_stats(setting: Setting, recorder: &Recorder, planned_before: u64) {
    let stats = recorder.stats();
    let planned = workload::planned_losses() - planned_before;
    // Full bundles reject start events, which count as losses.
    assert!(stats.lost() == planned || (setting.removes_bundles() && stats.lost() > planned), "{setting:?}: {stats}");
    assert_eq!(stats.late, 0, "{setting:?}: {stats}");
    let count = |event: &str| stats.events.get(event).copied().unwrap_or_default();
    for operation in ["codex_turn", "tool_call", "code_cell"] {
        assert_eq!(count(&format!("{operation}_started")), count(&format!("{operation}_ended")), "{operation}");
    }
    let ends = ["inference_completed", "inference_failed", "inference_cancelled"].map(count);
    assert_eq!(count("inference_started"), ends.iter().sum::<u64>());
    assert!(count("rollout_started") - count("rollout_ended") <= workload::CONVERSATIONS);
}

/// Checks some of the ended bundles and removes all of them, unless the recorder removes bundles itself.
fn clean_up(setting: Setting, root: &Path) {
    if let Some(most) = setting.most_bundles() {
        // The last bundles of the lap may still exist: the recorder removes them when the next bundle starts.
        let most = most + usize::try_from(2 * THREADS * RUNS + workload::CONVERSATIONS).unwrap();
        assert!(disk::bundles(root).len() <= most, "{} bundles", disk::bundles(root).len());
        return;
    }
    let (ended, open): (Vec<_>, Vec<_>) = disk::bundles(root).into_iter().partition(|bundle| has_ended(bundle));
    for bundle in ended.iter().take(12) {
        // The graph of a bundle with a lost payload is incomplete.
        if !bundle.to_string_lossy().contains("-loss-") {
            assert_eq!(count_running(&graph(bundle)), 0, "{}", bundle.display());
        }
    }
    ended.iter().for_each(|bundle| std::fs::remove_dir_all(bundle).unwrap());
    open.iter().for_each(|bundle| disk::clear_payloads(bundle));
}

/// Returns `true` if a bundle is not one of the conversations, which stay open until the shutdown.
fn has_ended(bundle: &Path) -> bool {
    let id = bundle.to_string_lossy();
    !(0..workload::CONVERSATIONS).any(|conversation| id.ends_with(&workload::conversation_id(conversation)))
}

/// Prints one line of progress.
fn report(setting: Setting, elapsed: Duration, resources: &Resources, spans: u64, recorder: &Recorder) {
    let (seconds, lost) = (elapsed.as_secs(), recorder.stats().lost());
    println!("{seconds:4} s  {resources}  spans {spans:9}  lost {lost:6}  {setting:?}");
}
