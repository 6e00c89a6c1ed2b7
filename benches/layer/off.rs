//! What a program pays that does not record, and for spans that are none of ours.

use std::hint::black_box;
use std::path::Path;

use otel_trace::{AgentThread, Operation, Recorder, ThreadMeta, ToolCallMeta};
use tracing::dispatcher::with_default;
use tracing::{Dispatch, Subscriber, info_span};
use tracing_subscriber::Layer;
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;

use crate::measure::{Plan, Subject};
use crate::table::{Comparison, Table};
use crate::{Failure, recording};

/// Operations a batch.
const BATCH: usize = 5_000;

/// A layer that does nothing.
struct Empty;

impl<S: Subscriber> Layer<S> for Empty {}

/// The layer as a program adds it, where nothing asks for a recording.
fn no_layer<S>() -> Option<impl Layer<S>>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    None::<Recorder>.map(|recorder| recorder.layer().with_filter(recorder.filter()))
}

/// Before any subscriber is made.
pub(crate) fn compare_without_subscriber(plan: Plan, table: &mut Table) {
    let turn = AgentThread::start(ThreadMeta::new()).turn(None);
    let handles = Subject::new("off: tool handle, no subscriber", |ids| {
        for id in ids {
            turn.tool_call(ToolCallMeta::new("search").id(id)).complete();
        }
    });
    let spans = Subject::new("`info_span!`, no subscriber", tool_spans);
    table.measure(plan, Comparison::of(handles, BATCH).with(spans, None));
}

/// Where a subscriber is, but no recording.
pub(crate) fn compare_off(plan: Plan, table: &mut Table) {
    let alone = Dispatch::new(tracing_subscriber::registry().with(no_layer()));
    let spans = under("off: tool span, `None` for our layer", &alone, tool_spans);
    let peer = Subject::new("no subscriber", tool_spans);
    table.measure(plan, Comparison::of(spans, BATCH).with(peer, None));
    drop(alone);

    let beside = Dispatch::new(tracing_subscriber::registry().with(Empty).with(no_layer()));
    let without = Dispatch::new(tracing_subscriber::registry().with(Empty));
    let spans = under("off: tool span, `None` beside an empty layer", &beside, tool_spans);
    let peer = under("the empty layer alone", &without, tool_spans);
    table.measure(plan, Comparison::of(spans, BATCH).with(peer, None));
}

/// Spans of other people while we record.
pub(crate) fn compare_other_spans(plan: Plan, root: &Path, table: &mut Table) -> Result<(), Failure> {
    let (recorder, _guard) = Recorder::builder().root(root).build()?;
    let bare = Dispatch::new(tracing_subscriber::registry().with(recorder.layer()));
    let filtered = recording(&recorder);
    let empty = Dispatch::new(tracing_subscriber::registry().with(Empty));
    for (name, dispatch) in [("a span that is none of ours", &bare), ("the same, our filter on our layer", &filtered)] {
        let ours = under(name, dispatch, other_spans);
        let peer = under("an empty layer", &empty, other_spans);
        table.measure(plan, Comparison::of(ours, BATCH).with(peer, Some(1.3)).on(&[1, 2]));
    }
    Ok(())
}

fn under<'a>(name: &'static str, dispatch: &'a Dispatch, batch: fn(&[String])) -> Subject<'a> {
    Subject::new(name, move |ids| with_default(dispatch, || batch(ids)))
}

/// The fields of a tool call.
fn tool_spans(ids: &[String]) {
    for id in ids {
        black_box(info_span!(
            "execute_tool",
            gen_ai.operation.name = "execute_tool",
            gen_ai.tool.name = "search",
            gen_ai.tool.call.id = id.as_str(),
        ));
    }
}

/// As many fields that mean nothing to us.
fn other_spans(ids: &[String]) {
    for id in ids {
        black_box(info_span!("request", http.request.method = "POST", url.path = "/v1", request.id = id.as_str()));
    }
}
