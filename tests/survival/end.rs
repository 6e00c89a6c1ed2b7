//! Runs that end while their log may not grow: what is missing is named, or the run has no end.

use otel_trace::bundle::Reader;
use otel_trace::{AgentThread, Durability, Operation, Recorder, ThreadMeta, ToolCallMeta};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::subscriber::with_default;
use tracing_subscriber::prelude::*;

use crate::verdict::bundles;

/// How a run comes to its end.
#[derive(Debug, Clone, Copy)]
enum End {
    Completed,
    ShutDown,
    /// There is room again by then.
    Late,
}

/// What a run left.
struct Outcome {
    lost: u64,
    /// … of that, as the log says.
    said: u64,
    has_end: bool,
}

/// A run of which no file becomes longer than this.
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
        End::Late => limit(current),
    }
    drop(guard);
    limit(current);
    let mut outcome = Outcome { lost: recorder.stats().lost(), said: 0, has_end: false };
    for line in Reader::open(&bundles(root.path())[0]).unwrap().lines().unwrap() {
        let event = serde_json::to_value(&line.unwrap().content.unwrap().event).unwrap();
        outcome.has_end |= event["type"] == "rollout_ended";
        if event["kind"] == "recording_gap" {
            outcome.said += event["metadata"]["lost"].as_u64().unwrap();
        }
    }
    outcome
}

/// Runs of all lengths that a log may have.
pub(crate) fn at_all_lengths() {
    let (mut ended, mut without_end) = (0, 0);
    for kilobytes in 3..=90 {
        for end in [End::Completed, End::ShutDown, End::Late] {
            // A queue may be written when there is room again.
            let is_queued = kilobytes % 4 == 0 && !matches!(end, End::Late);
            let durability = if is_queued { Durability::Buffered } else { Durability::PageCache };
            let Outcome { lost, said, has_end } = run_within(kilobytes, end, durability);
            let case = format!("{kilobytes} KiB, {end:?}, {durability:?}: {lost} lost, {said} said");
            assert!(lost > 0 && said <= lost, "{case}");
            assert!(!has_end || said == lost, "{case}");
            *(if has_end { &mut ended } else { &mut without_end }) += 1;
        }
    }
    assert!(ended > 0 && without_end > 0, "{ended} {without_end}");
}
