//! Runs that end while their log cannot grow. A log with an end names every loss.

use otel_trace::bundle::Reader;
use otel_trace::{AgentThread, Durability, Operation, Recorder, ThreadMeta, ToolCallMeta};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::subscriber::with_default;
use tracing_subscriber::prelude::*;

use crate::recovered::bundles;

/// The way in which a run ends.
#[derive(Debug, Clone, Copy)]
enum End {
    Completed,
    ShutDown,
    /// By a shutdown after the log can grow again.
    ShutDownWithSpace,
}

/// The losses and the end of a run.
struct Outcome {
    /// Losses according to the statistics of the recorder.
    lost: u64,
    /// Losses according to the log.
    logged: u64,
    /// `true` if the log has a `rollout_ended` event.
    has_end: bool,
}

/// Records a run whose files cannot grow beyond this size.
fn run_within(kilobytes: u64, end: End, durability: Durability) -> Outcome {
    let root = tempfile::tempdir().unwrap();
    let Rlimit { current, maximum } = getrlimit(Resource::Fsize);
    let limit = |current| setrlimit(Resource::Fsize, Rlimit { current, maximum }).unwrap();
    let builder = Recorder::builder().root(root.path()).no_parent().durability(durability).on_loss(|_| {});
    let (recorder, guard) = builder.build().unwrap();
    limit(Some(kilobytes << 10));
    let layer = recorder.layer().with_filter(recorder.filter());
    let thread = with_default(tracing_subscriber::registry().with(layer), || {
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = thread.turn(None);
        (0..200).for_each(|_| turn.tool_call(ToolCallMeta::new("look")).complete());
        thread
    });
    match end {
        End::Completed => thread.complete(),
        End::ShutDown => {}
        End::ShutDownWithSpace => limit(current),
    }
    drop(guard);
    limit(current);
    let mut outcome = Outcome { lost: recorder.stats().lost(), logged: 0, has_end: false };
    for line in Reader::open(&bundles(root.path())[0]).unwrap().lines().unwrap() {
        let event = serde_json::to_value(&line.unwrap().content.unwrap().event).unwrap();
        outcome.has_end |= event["type"] == "rollout_ended";
        if event["kind"] == "recording_gap" {
            outcome.logged += event["metadata"]["lost"].as_u64().unwrap();
        }
    }
    outcome
}

/// Checks runs with a range of log sizes, every way to end, and both direct and queued writing.
pub(crate) fn at_all_lengths() {
    let (mut ended, mut without_end) = (0, 0);
    for kilobytes in 3..=90 {
        for end in [End::Completed, End::ShutDown, End::ShutDownWithSpace] {
            // With a queue, the log may grow again before the queue is written.
            let is_queued = kilobytes % 4 == 0 && !matches!(end, End::ShutDownWithSpace);
            let durability = if is_queued { Durability::Buffered } else { Durability::PageCache };
            let Outcome { lost, logged, has_end } = run_within(kilobytes, end, durability);
            let case = format!("{kilobytes} KiB, {end:?}, {durability:?}: {lost} lost, {logged} logged");
            assert!(lost > 0 && logged <= lost, "{case}");
            assert!(!has_end || logged == lost, "{case}");
            *(if has_end { &mut ended } else { &mut without_end }) += 1;
        }
    }
    assert!(ended > 0 && without_end > 0, "{ended} runs with an end, {without_end} without");
}
