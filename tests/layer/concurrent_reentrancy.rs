//! Tests of reentrancy in many threads that share operations: bodies, fields and callbacks use the recorder while the
//! recorder calls them, under a global subscriber, which is therefore reentered.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use otel_trace::{
    AgentThread, Body, BodyBuf, BodyError, Json, Loss, Model, Operation, PayloadKind, Recorder, Redactor, SpanExt,
    ThreadMeta, ToolCallMeta, Turn,
};
use serde::{Serialize, Serializer};
use serde_json::json;
use tracing::{Level, Span, event, info_span};
use tracing_subscriber::prelude::*;

use crate::common::{bundles, child, count_running, graph, role};

const THREADS: u64 = 8;
const ROUNDS: u64 = 25;
const ALL: u64 = THREADS * ROUNDS;

/// Uses `tracing` inside of a callback, as a callback with `#[instrument]` does.
fn trace() {
    let span = info_span!("tool", otel_trace.kind = "tool", gen_ai.tool.call.id = "of a callback");
    span.in_scope(|| event!(target: "otel_trace", Level::INFO, otel_trace.event = "tool_call_runtime_started"));
    span.otel_trace().record_payload(PayloadKind::ToolResult, Json(&1));
}

/// A body that records a tool call in its own turn while it is encoded.
struct Nested<'a>(&'a Turn);

impl Serialize for Nested<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.tool_call(ToolCallMeta::new("n").id("of a body")).output("r");
        json!({ "type": "direct_response" }).serialize(serializer)
    }
}

/// A field or an error that records a tool call while it is formatted.
struct RecordsWhenFormatted<'a>(&'a Turn);

impl fmt::Debug for RecordsWhenFormatted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.tool_call(ToolCallMeta::new("n").id("of a field")).output("r");
        f.write_str("formatted")
    }
}

impl fmt::Display for RecordsWhenFormatted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.tool_call(ToolCallMeta::new("n").id("of an error")).output("r");
        f.write_str("formatted")
    }
}

/// A body whose encoding fails.
struct Fails;

impl Body for Fails {
    fn encode(&self, _: &mut BodyBuf) -> Result<(), BodyError> {
        Err(BodyError::new("planted"))
    }
}

/// A redactor that counts its calls and uses `tracing` in each.
#[derive(Clone, Default)]
struct TracingRedactor {
    bodies: Arc<AtomicU64>,
    texts: Arc<AtomicU64>,
}

impl Redactor for TracingRedactor {
    fn redact(&self, _: PayloadKind, _: &mut Vec<u8>, _: bool) {
        self.bodies.fetch_add(1, Ordering::Relaxed);
        trace();
        drop(AgentThread::start(ThreadMeta::new().id("of a callback")));
    }

    fn redact_text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.texts.fetch_add(1, Ordering::Relaxed);
        trace();
        drop(AgentThread::start(ThreadMeta::new().id("of a callback")));
        Cow::Borrowed(text)
    }
}

/// Records operations whose bodies, fields, errors and losses call back into the program.
fn round(turn: &Turn, plain: &Span) {
    let inference = turn.inference(Model { name: "m", provider: "p" });
    inference.request(Json(&json!({ "input": [] })));
    inference.response(Json(&json!({ "output_items": [] })));
    inference.complete();
    turn.tool_call(ToolCallMeta::new("n").id("by handle")).result(Json(&Nested(turn)));
    turn.tool_call(ToolCallMeta::new("n").id("failed")).fail(RecordsWhenFormatted(turn));
    turn.tool_call(ToolCallMeta::new("n").id("lost")).result(Fails);
    plain.in_scope(|| {
        let tool = info_span!("tool", otel_trace.kind = "tool", gen_ai.tool.call.id = "plain", gen_ai.tool.name = ?RecordsWhenFormatted(turn));
        tool.in_scope(|| {});
    });
}

fn program() {
    let (reported, redactor) = (Arc::new(AtomicU64::new(0)), TracingRedactor::default());
    let counter = Arc::clone(&reported);
    let on_loss = move |_: &Loss| {
        counter.fetch_add(1, Ordering::Relaxed);
        trace();
        drop(AgentThread::start(ThreadMeta::new().id("of a callback")).turn(None));
    };
    let builder = Recorder::builder().redact(redactor.clone()).on_loss(on_loss);
    let (recorder, guard) = builder.build().unwrap();
    tracing_subscriber::registry().with(recorder.layer().with_filter(recorder.filter())).init();
    let agent = AgentThread::start(ThreadMeta::new().id("t"));
    let turn = agent.turn(None);
    let plain = turn.span().clone();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| (0..ROUNDS).for_each(|_| round(&turn, &plain)));
        }
    });
    drop((turn, agent, plain));
    drop(guard);
    assert_eq!(recorder.stats().lost_bodies, [("tool_result", ALL)].into());
    assert_eq!((recorder.stats().lost(), recorder.stats().late), (ALL, 0));
    assert_eq!(reported.load(Ordering::Relaxed), ALL);
    let bodies = recorder.stats().payloads.values().sum::<u64>();
    assert_eq!(redactor.bodies.load(Ordering::Relaxed), bodies, "the redactor was not called once for each body");
    assert_eq!(
        redactor.texts.load(Ordering::Relaxed),
        2 * ALL,
        "the redactor was not called for each error, both from its span and from its handle"
    );
}

#[test]
fn reentrant_calls_from_many_threads_are_all_recorded() {
    if role().is_some() {
        return program();
    }
    let root = tempfile::tempdir().unwrap();
    let mut child = child("concurrent_reentrancy::reentrant_calls_from_many_threads_are_all_recorded", "nest");
    let output = child.env("OTEL_TRACE_ROOT", root.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let [bundle] = &bundles(root.path())[..] else {
        panic!("expected one bundle: threads of callbacks are not recorded")
    };
    let called = |id: &str| {
        let started = bundle.events("tool_call_started");
        started.iter().filter(|started| started["model_visible_call_id"] == id).count() as u64
    };
    let ids = ["by handle", "failed", "lost", "plain", "of a body", "of a field", "of an error", "of a callback"];
    assert_eq!(ids.map(called), [ALL, ALL, ALL, ALL, ALL, ALL, ALL, 0]);
    assert_eq!(bundle.events("inference_completed").len() as u64, ALL);
    let graph = graph(&bundle.path);
    assert_eq!((count_running(&graph), graph.tool_calls.len() as u64), (0, 7 * ALL));
}
