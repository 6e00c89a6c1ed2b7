//! How often a span takes memory: what nobody records never, a tool call or a turn that is recorded four times.
//!
//! A process of its own with one test: what else runs would be counted too.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::alloc::System;
use std::sync::atomic::{AtomicUsize, Ordering};

use otel_trace::{
    AgentThread, CodeCellMeta, Exact, Model, Operation, Recorder, SpanExt, Store, ThreadMeta, ToolCallMeta, Turn,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tracing::dispatcher::with_default;
use tracing::{Dispatch, Subscriber, info_span};
use tracing_subscriber::Layer;
use tracing_subscriber::prelude::*;

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ROUNDS: usize = 1000;

/// A layer that does nothing.
struct Empty;

impl<S: Subscriber> Layer<S> for Empty {}

/// How often each round took memory, once it was done often enough to have its buffers. What grows as it doubles does
/// not count a round.
fn per_round(dispatch: &Dispatch, mut round: impl FnMut(&str)) -> usize {
    // An id that comes again would get a number.
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

fn spans_of_ours(id: &str) {
    let span = info_span!(
        "execute_tool",
        gen_ai.operation.name = "execute_tool",
        gen_ai.tool.name = "search",
        gen_ai.tool.call.id = id,
        otel.status_code = "OK",
    );
    span.in_scope(|| {});
}

fn spans_of_others(id: &str) {
    info_span!("request", http.request.method = "POST", url.path = "/v1", request.id = id).in_scope(|| {});
}

/// An inference call as its span tells it, with messages or without.
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

/// What a span takes of each kind that is no tool call.
fn of_each_kind(store: Store) -> [(&'static str, usize); 6] {
    let root = tempfile::tempdir().unwrap();
    let (recorder, guard) = Recorder::builder().root(root.path()).no_parent().store(store).build().unwrap();
    let on = Dispatch::new(tracing_subscriber::registry().with(recorder.layer().with_filter(recorder.filter())));
    let thread = with_default(&on, || AgentThread::start(ThreadMeta::new()));
    let turn = with_default(&on, || thread.turn(None));
    let inference = |body: &[u8]| {
        let inference = turn.inference(Model { name: "m", provider: "p" });
        inference.request(Exact(body));
        inference.cancel("stopped");
    };
    let turn_span = || info_span!("turn", otel_trace.kind = "turn").in_scope(|| {});
    let counted = [
        ("turn, handle", per_round(&on, |_| thread.turn(None).complete())),
        ("turn, span", thread.span().in_scope(|| per_round(&on, |_| turn_span()))),
        ("cell, handle", per_round(&on, |id| drop(turn.code_cell(CodeCellMeta::new("run()").call_id(id))))),
        ("inference, handle", per_round(&on, |_| inference(b"{}"))),
        ("inference, span", turn.span().in_scope(|| per_round(&on, |_| chat(None)))),
        ("inference, span with messages", turn.span().in_scope(|| per_round(&on, |_| chat(Some("[]"))))),
    ];
    drop(guard);
    assert_eq!(recorder.stats().lost(), 0);
    counted
}

#[test]
fn what_nobody_records_takes_no_memory_and_a_span_that_is_recorded_four_pieces() {
    // Nobody.
    let nobody = Dispatch::none();
    let turn = with_default(&nobody, || AgentThread::start(ThreadMeta::new()).turn(None));
    assert_eq!(per_round(&nobody, |id| handles(&turn, id)), 0);
    assert_eq!(per_round(&nobody, |id| drop(info_span!("chat", gen_ai.operation.name = id).otel_trace())), 0);

    // A subscriber, and no recording in it.
    let none = None::<Recorder>.map(|recorder| recorder.layer().with_filter(recorder.filter()));
    let off = Dispatch::new(tracing_subscriber::registry().with(Empty).with(none));
    let turn = with_default(&off, || AgentThread::start(ThreadMeta::new()).turn(None));
    assert_eq!(per_round(&off, |id| handles(&turn, id)), 0);
    assert_eq!(per_round(&off, spans_of_ours), 0);

    // A recording: of what is none of ours, and of what is.
    let root = tempfile::tempdir().unwrap();
    let (recorder, guard) = Recorder::builder().root(root.path()).no_parent().build().unwrap();
    let on = Dispatch::new(tracing_subscriber::registry().with(recorder.layer().with_filter(recorder.filter())));
    let thread = with_default(&on, || AgentThread::start(ThreadMeta::new()));
    let turn = with_default(&on, || thread.turn(None));
    assert_eq!(per_round(&on, spans_of_others), 0);
    let handle = per_round(&on, |id| turn.tool_call(ToolCallMeta::new("search").id(id)).complete());
    let plain = turn.span().in_scope(|| per_round(&on, spans_of_ours));
    assert_eq!((handle, plain), (4, 4));
    drop(guard);
    assert_eq!(recorder.stats().lost(), 0);
    assert_eq!(recorder.stats().events["tool_call_ended"], 4 * ROUNDS as u64);

    // Others take more: a script has three events, and a call of a model must name its request, here a body of two bytes.
    let known = [(Store::Pack, [4, 4, 8, 19, 23, 23]), (Store::Files, [4, 4, 8, 21, 25, 25])];
    for (store, most) in known {
        for ((kind, counted), most) in of_each_kind(store).into_iter().zip(most) {
            assert!(counted <= most, "{kind}, {store:?}: {counted}, and {most} are known");
        }
    }
}
