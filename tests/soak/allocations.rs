//! Counts the heap allocations of a span: none if it is not recorded, four for a recorded tool call or turn.
//!
//! The test runs in a child process, because the allocations of other tests in the process would count, too.

use std::sync::atomic::{AtomicUsize, Ordering};

use otel_trace::{
    AgentThread, CodeCellMeta, Exact, Model, Operation, Recorder, SpanExt, Store, ThreadMeta, ToolCallMeta, Turn,
};
use stats_alloc::Region;
use tracing::dispatcher::with_default;
use tracing::{Dispatch, Subscriber, info_span};
use tracing_subscriber::Layer;
use tracing_subscriber::prelude::*;

use crate::common::run_in_child;
use crate::heap::HEAP;

const ROUNDS: usize = 1000;

/// A layer that does nothing.
struct Empty;

impl<S: Subscriber> Layer<S> for Empty {}

/// Returns the number of allocations per round, after enough rounds to have allocated all buffers. The rare allocations
/// of collections that grow by doubling amount to less than one per round.
fn allocations_per_round(dispatch: &Dispatch, mut round: impl FnMut(&str)) -> usize {
    // Ids are unique, because a repeated id would get a number and with it another allocation.
    static LAST: AtomicUsize = AtomicUsize::new(0);
    let first = LAST.fetch_add(2 * ROUNDS, Ordering::Relaxed);
    let ids: Vec<_> = (first..first + 2 * ROUNDS).map(|number| format!("call_{number:024}")).collect();
    with_default(dispatch, || {
        ids[..ROUNDS].iter().for_each(|id| round(id));
        let region = Region::new(HEAP);
        ids[ROUNDS..].iter().for_each(|id| round(id));
        let stats = region.change();
        (stats.allocations + stats.reallocations) / ROUNDS
    })
}

/// Records a tool call and an inference call with typed handles.
fn handles(turn: &Turn, id: &str) {
    let tool = turn.tool_call(ToolCallMeta::new("search").id(id));
    tool.record_payload(otel_trace::PayloadKind::ToolResult, Exact(b"{}"));
    let other = tool.clone();
    other.complete();
    tool.complete();
    let inference = turn.inference(Model { name: "m", provider: "p" });
    inference.request(Exact(b"{}"));
    inference.complete();
}

/// Opens the span of a tool call.
fn tool_span(id: &str) {
    let span = info_span!(
        "execute_tool",
        gen_ai.operation.name = "execute_tool",
        gen_ai.tool.name = "search",
        gen_ai.tool.call.id = id,
        otel.status_code = "OK",
    );
    span.in_scope(|| {});
}

/// Opens a span that is not recorded.
fn unrelated_span(id: &str) {
    info_span!("request", http.request.method = "POST", url.path = "/v1", request.id = id).in_scope(|| {});
}

/// Opens the span of an inference call, with or without messages.
fn chat(messages: Option<&str>) {
    let span = info_span!(
        "chat",
        gen_ai.operation.name = "chat",
        gen_ai.provider.name = "p",
        gen_ai.request.model = "m",
        gen_ai.input.messages = messages,
    );
    span.in_scope(|| {});
}

/// Counts the allocations per operation of every kind except tool calls.
fn allocations_of_each_kind(store: Store) -> [(&'static str, usize); 6] {
    let root = tempfile::tempdir().unwrap();
    let (recorder, guard) = Recorder::builder().root(root.path()).no_parent().store(store).build().unwrap();
    let recording = Dispatch::new(tracing_subscriber::registry().with(recorder.layer().with_filter(recorder.filter())));
    let thread = with_default(&recording, || AgentThread::start(ThreadMeta::new()));
    let turn = with_default(&recording, || thread.turn(None));
    let inference = |body: &[u8]| {
        let inference = turn.inference(Model { name: "m", provider: "p" });
        inference.request(Exact(body));
        inference.cancel("stopped");
    };
    let turn_span = || info_span!("turn", otel_trace.kind = "turn").in_scope(|| {});
    let counted = [
        ("turn, handle", allocations_per_round(&recording, |_| thread.turn(None).complete())),
        ("turn, span", thread.span().in_scope(|| allocations_per_round(&recording, |_| turn_span()))),
        (
            "cell, handle",
            allocations_per_round(&recording, |id| drop(turn.code_cell(CodeCellMeta::new("run()").call_id(id)))),
        ),
        ("inference, handle", allocations_per_round(&recording, |_| inference(b"{}"))),
        ("inference, span", turn.span().in_scope(|| allocations_per_round(&recording, |_| chat(None)))),
        (
            "inference, span with messages",
            turn.span().in_scope(|| allocations_per_round(&recording, |_| chat(Some("[]")))),
        ),
    ];
    drop(guard);
    assert_eq!(recorder.stats().lost(), 0);
    counted
}

#[test]
fn recorded_span_allocates_four_times_and_unrecorded_never() {
    run_in_child("allocations::recorded_span_allocates_four_times_and_unrecorded_never", check_allocations);
}

fn check_allocations() {
    // No subscriber.
    let no_subscriber = Dispatch::none();
    let turn = with_default(&no_subscriber, || AgentThread::start(ThreadMeta::new()).turn(None));
    assert_eq!(allocations_per_round(&no_subscriber, |id| handles(&turn, id)), 0);
    assert_eq!(
        allocations_per_round(&no_subscriber, |id| drop(info_span!("chat", gen_ai.operation.name = id).otel_trace())),
        0
    );

    // A subscriber without a recorder.
    let none = None::<Recorder>.map(|recorder| recorder.layer().with_filter(recorder.filter()));
    let unrecorded = Dispatch::new(tracing_subscriber::registry().with(Empty).with(none));
    let turn = with_default(&unrecorded, || AgentThread::start(ThreadMeta::new()).turn(None));
    assert_eq!(allocations_per_round(&unrecorded, |id| handles(&turn, id)), 0);
    assert_eq!(allocations_per_round(&unrecorded, tool_span), 0);

    // A subscriber with a recorder: spans that are not recorded, and tool calls.
    let root = tempfile::tempdir().unwrap();
    let (recorder, guard) = Recorder::builder().root(root.path()).no_parent().build().unwrap();
    let recording = Dispatch::new(tracing_subscriber::registry().with(recorder.layer().with_filter(recorder.filter())));
    let thread = with_default(&recording, || AgentThread::start(ThreadMeta::new()));
    let turn = with_default(&recording, || thread.turn(None));
    assert_eq!(allocations_per_round(&recording, unrelated_span), 0);
    let handle = allocations_per_round(&recording, |id| turn.tool_call(ToolCallMeta::new("search").id(id)).complete());
    let plain = turn.span().in_scope(|| allocations_per_round(&recording, tool_span));
    assert_eq!((handle, plain), (4, 4));
    drop(guard);
    assert_eq!(recorder.stats().lost(), 0);
    assert_eq!(recorder.stats().events["tool_call_ended"], 4 * ROUNDS as u64);

    // Other operations allocate more: a code cell writes three events, and an inference call references its request,
    // which has a body of two bytes here, and is an attempt of its span. The calls do not complete, so the turn keeps the
    // reason, which may be its own.
    let known = [(Store::Pack, [4, 4, 8, 21, 25, 25]), (Store::Files, [4, 4, 8, 23, 27, 27])];
    for (store, most) in known {
        for ((kind, counted), most) in allocations_of_each_kind(store).into_iter().zip(most) {
            assert!(counted <= most, "{kind}, {store:?}: {counted} allocations; expected at most {most}");
        }
    }
}
