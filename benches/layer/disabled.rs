//! The cost of disabled recording, and of unrelated spans while recording.

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

/// Operations per batch.
const BATCH: usize = 5_000;

/// A layer that does nothing.
struct Empty;

impl<S: Subscriber> Layer<S> for Empty {}

/// Returns the layer as a program adds it while recording is disabled.
fn no_layer<S>() -> Option<impl Layer<S>>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    None::<Recorder>.map(|recorder| recorder.layer().with_filter(recorder.filter()))
}

/// Compares the cost of handles with that of spans when there is no subscriber. Must run before any subscriber is created.
pub(crate) fn compare_without_subscriber(plan: Plan, table: &mut Table) {
    let turn = AgentThread::start(ThreadMeta::new()).turn(None);
    let handles = Subject::new("off: tool handle, no subscriber", |ids| {
        for id in ids {
            turn.tool_call(ToolCallMeta::new("search").id(id)).complete();
        }
    });
    let spans = Subject::new("`info_span!`, no subscriber", tool_spans);
    table.measure(plan, Comparison::new(handles, BATCH).with(spans, None));
}

/// Compares tool spans with and without a disabled layer.
pub(crate) fn compare_off(plan: Plan, table: &mut Table) {
    let alone = Dispatch::new(tracing_subscriber::registry().with(no_layer()));
    let spans = under("off: tool span, `None` for our layer", &alone, tool_spans);
    let peer = Subject::new("no subscriber", tool_spans);
    table.measure(plan, Comparison::new(spans, BATCH).with(peer, None));
    drop(alone);

    let beside = Dispatch::new(tracing_subscriber::registry().with(Empty).with(no_layer()));
    let without = Dispatch::new(tracing_subscriber::registry().with(Empty));
    let spans = under("off: tool span, `None` beside an empty layer", &beside, tool_spans);
    let peer = under("the empty layer alone", &without, tool_spans);
    table.measure(plan, Comparison::new(spans, BATCH).with(peer, None));
}

/// Compares unrelated spans under the recording layer with an empty layer.
pub(crate) fn compare_other_spans(plan: Plan, root: &Path, table: &mut Table) -> Result<(), Failure> {
    let (recorder, _guard) = Recorder::builder().root(root).build()?;
    let bare = Dispatch::new(tracing_subscriber::registry().with(recorder.layer()));
    let filtered = recording(&recorder);
    let empty = Dispatch::new(tracing_subscriber::registry().with(Empty));
    for (name, dispatch) in [("unrelated span", &bare), ("unrelated span, recording layer with its filter", &filtered)]
    {
        let ours = under(name, dispatch, other_spans);
        let peer = under("an empty layer", &empty, other_spans);
        table.measure(plan, Comparison::new(ours, BATCH).with(peer, Some(1.3)).on(&[1, 2]));
    }
    Ok(())
}

fn under<'a>(name: &'static str, dispatch: &'a Dispatch, batch: fn(&[String])) -> Subject<'a> {
    Subject::new(name, move |ids| with_default(dispatch, || batch(ids)))
}

/// Creates spans with the fields of a tool call.
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

/// Creates spans with as many fields that have no meaning to the recorder.
fn other_spans(ids: &[String]) {
    for id in ids {
        black_box(info_span!("request", http.request.method = "POST", url.path = "/v1", request.id = id.as_str()));
    }
}
