//! The cost of a recorded span.

use std::path::Path;
use std::time::Duration;

use otel_trace::{AgentThread, Durability, Operation, Recorder, ThreadMeta, ToolCallMeta, Turn};
use tracing::dispatcher::with_default;
use tracing::{Span, info_span};

use crate::measure::{Plan, Subject};
use crate::peers::{BareWrites, Otel, RecordedWrites};
use crate::table::{Comparison, Table};
use crate::{Failure, recording};

/// Operations per batch.
const BATCH: usize = 100;
/// Operations per batch if each creates a file, which takes many times as long.
const BATCH_OF_FILES: usize = 10;

/// Target for the ratio of the time of a recorded span to that of bare writes.
const TARGET: Option<f64> = Some(1.5);

const ARGUMENTS: &str = r#"{"pattern":"fn main","path":"src","case_sensitive":true}"#;

/// An operation that is recorded on a turn by this crate and on a plain parent span by `tracing-opentelemetry`.
struct SpanCost {
    name: &'static str,
    ours: fn(&Turn, &str),
    otel: fn(&Span, &str),
    target: Option<f64>,
    batch: usize,
}

const SPANS: [SpanCost; 3] = [
    SpanCost {
        name: "tool handle, start and end",
        ours: |turn, id| turn.tool_call(ToolCallMeta::new("search").id(id)).complete(),
        otel: |turn, id| {
            drop(info_span!(
                parent: turn,
                "execute_tool",
                otel_trace.kind = "tool",
                otel.name = %format_args!("execute_tool {}", "search"),
                gen_ai.operation.name = "execute_tool",
                gen_ai.tool.name = "search",
                gen_ai.tool.call.id = id,
                otel.status_code = tracing::field::Empty,
                otel.status_description = tracing::field::Empty,
            ));
        },
        target: TARGET,
        batch: BATCH,
    },
    SpanCost {
        name: "plain tool span, start and end",
        ours: |turn, id| plain_span(turn.span(), id),
        otel: plain_span,
        target: TARGET,
        batch: BATCH,
    },
    SpanCost {
        name: "plain tool span with arguments as a payload",
        ours: |turn, id| plain_span_with_arguments(turn.span(), id),
        otel: plain_span_with_arguments,
        target: None,
        batch: BATCH_OF_FILES,
    },
];

fn plain_span(parent: &Span, id: &str) {
    drop(info_span!(
        parent: parent,
        "execute_tool",
        gen_ai.operation.name = "execute_tool",
        gen_ai.tool.name = "search",
        gen_ai.tool.call.id = id,
    ));
}

fn plain_span_with_arguments(parent: &Span, id: &str) {
    drop(info_span!(
        parent: parent,
        "execute_tool",
        gen_ai.operation.name = "execute_tool",
        gen_ai.tool.name = "search",
        gen_ai.tool.call.id = id,
        gen_ai.tool.call.arguments = ARGUMENTS,
    ));
}

/// Compares recorded spans with bare writes and with OpenTelemetry.
pub(crate) fn compare_spans(plan: Plan, root: &Path, table: &mut Table) -> Result<(), Failure> {
    for (number, SpanCost { name, ours, otel, target, batch }) in SPANS.into_iter().enumerate() {
        let root = root.join(format!("span-{number}"));
        let (recorder, _guard) = Recorder::builder().root(&root).build()?;
        let dispatch = recording(&recorder);
        let thread = with_default(&dispatch, || AgentThread::start(ThreadMeta::new()));
        let turn = with_default(&dispatch, || thread.turn(None));
        let bundle = thread.bundle().ok_or("nothing is recorded")?;

        let written = RecordedWrites::capture(&bundle, || {
            with_default(&dispatch, || ours(&turn, "call_of_the_bare_peer_000000"))
        })?;
        let bare_name = format!("bare: {written}");
        let bare = BareWrites::new(written, &root)?;
        let peer = Otel::new();
        let parent = with_default(&peer.dispatch, || info_span!("turn"));

        let ours = Subject::new(name, |ids| with_default(&dispatch, || ids.iter().for_each(|id| ours(&turn, id))));
        let bare = Subject::new(&bare_name, |ids| ids.iter().for_each(|_| bare.write()));
        let otel = Subject::new("`tracing-opentelemetry`", |ids| {
            with_default(&peer.dispatch, || ids.iter().for_each(|id| otel(&parent, id)));
        });
        let otel = otel.settled_by(|| peer.flush());
        table.measure(plan, Comparison::new(ours, batch).with(bare, target).with(otel, None).on(&[1, 2]));
        assert_eq!(recorder.stats().lost(), 0, "lost events are cheaper than recorded events");
    }
    Ok(())
}

/// Compares buffered recording, where another thread writes, with the batch processor of OpenTelemetry.
pub(crate) fn compare_buffered(plan: Plan, root: &Path, table: &mut Table) -> Result<(), Failure> {
    let [SpanCost { ours, otel, batch, .. }, ..] = SPANS;
    let (recorder, _guard) =
        Recorder::builder().root(root.join("buffered")).durability(Durability::Buffered).build()?;
    let dispatch = recording(&recorder);
    let thread = with_default(&dispatch, || AgentThread::start(ThreadMeta::new()));
    let turn = with_default(&dispatch, || thread.turn(None));
    let peer = Otel::new();
    let parent = with_default(&peer.dispatch, || info_span!("turn"));
    let drained = || {
        let written = || recorder.stats().events.get("tool_call_ended").copied().unwrap_or(0);
        let mut last = None;
        // The count of written events stops changing when the queue is empty.
        while last.replace(written()) != Some(written()) {
            std::thread::sleep(Duration::from_millis(2));
        }
    };
    let ours = Subject::new("tool handle, start and end, `Buffered`", |ids| {
        with_default(&dispatch, || ids.iter().for_each(|id| ours(&turn, id)));
    });
    let otel = Subject::new("`tracing-opentelemetry`", |ids| {
        with_default(&peer.dispatch, || ids.iter().for_each(|id| otel(&parent, id)));
    });
    let (ours, otel) = (ours.settled_by(drained), otel.settled_by(|| peer.flush()));
    table.measure(plan, Comparison::new(ours, batch).with(otel, Some(0.6)).on(&[1, 2]));
    assert_eq!(recorder.stats().lost(), 0, "lost events are cheaper than recorded events");
    Ok(())
}
