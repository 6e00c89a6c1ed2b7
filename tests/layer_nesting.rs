//! Many threads at the same windows, whose bodies, fields and callbacks all use the recorder while it uses them: under
//! a global subscriber, which is entered again each time.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use common::{bundles, child, graph, role, running};
use otel_trace::{
    AgentThread, Body, BodyBuf, BodyError, Json, Loss, Model, Operation, PayloadKind, Recorder, Redactor, SpanExt,
    ThreadMeta, ToolCallMeta, Turn,
};
use serde::{Serialize, Serializer};
use serde_json::json;
use tracing::{Level, Span, event, info_span};
use tracing_subscriber::prelude::*;

const THREADS: u64 = 8;
const ROUNDS: u64 = 25;
const ALL: u64 = THREADS * ROUNDS;

/// What a callback does with `tracing`, as one with `#[instrument]` on it would.
fn trace() {
    let span = info_span!("tool", otel_trace.kind = "tool", gen_ai.tool.call.id = "of a callback");
    span.in_scope(|| event!(target: "otel_trace", Level::INFO, otel_trace.event = "tool_call_runtime_started"));
    span.otel_trace().record_payload(PayloadKind::ToolResult, Json(&1));
}

/// A body that makes a call of its own turn while it is encoded.
struct Nested<'a>(&'a Turn);

impl Serialize for Nested<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.tool_call(ToolCallMeta::new("n").id("of a body")).output("r");
        json!({ "type": "direct_response" }).serialize(serializer)
    }
}

/// A field, or an error, that makes a call while it is shown.
struct Shown<'a>(&'a Turn);

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.tool_call(ToolCallMeta::new("n").id("of a field")).output("r");
        f.write_str("shown")
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.tool_call(ToolCallMeta::new("n").id("of an error")).output("r");
        f.write_str("shown")
    }
}

struct Fails;

impl Body for Fails {
    fn encode(&self, _: &mut BodyBuf) -> Result<(), BodyError> {
        Err(BodyError::new("planted"))
    }
}

#[derive(Clone, Default)]
struct Traced {
    bodies: Arc<AtomicU64>,
    texts: Arc<AtomicU64>,
}

impl Redactor for Traced {
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

/// One round: a call whose every part calls back.
fn round(turn: &Turn, plain: &Span) {
    let inference = turn.inference(Model { name: "m", provider: "p" });
    inference.request(Json(&json!({ "input": [] })));
    inference.response(Json(&json!({ "output_items": [] })));
    inference.complete();
    turn.tool_call(ToolCallMeta::new("n").id("by handle")).result(Json(&Nested(turn)));
    turn.tool_call(ToolCallMeta::new("n").id("failed")).fail(Shown(turn));
    turn.tool_call(ToolCallMeta::new("n").id("lost")).result(Fails);
    plain.in_scope(|| {
        let tool = info_span!("tool", otel_trace.kind = "tool", gen_ai.tool.call.id = "plain", gen_ai.tool.name = ?Shown(turn));
        tool.in_scope(|| {});
    });
}

fn program() {
    let (told, masked) = (Arc::new(AtomicU64::new(0)), Traced::default());
    let counter = Arc::clone(&told);
    let on_loss = move |_: &Loss| {
        counter.fetch_add(1, Ordering::Relaxed);
        trace();
        drop(AgentThread::start(ThreadMeta::new().id("of a callback")).turn(None));
    };
    let builder = Recorder::builder().redact(masked.clone()).on_loss(on_loss);
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
    assert_eq!(told.load(Ordering::Relaxed), ALL);
    let bodies = recorder.stats().payloads.values().sum::<u64>();
    assert_eq!(masked.bodies.load(Ordering::Relaxed), bodies, "each body once");
    assert_eq!(masked.texts.load(Ordering::Relaxed), 2 * ALL, "each error, as its span says it and as its handle does");
}

#[test]
fn whatever_calls_back_from_many_threads_is_all_there_and_nothing_waits_for_itself() {
    if role().is_some() {
        return program();
    }
    let root = tempfile::tempdir().unwrap();
    let mut child = child("whatever_calls_back_from_many_threads_is_all_there_and_nothing_waits_for_itself", "nest");
    let output = child.env("OTEL_TRACE_ROOT", root.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let [bundle] = &bundles(root.path())[..] else { panic!("one bundle: callbacks are not recorded") };
    let called = |id: &str| {
        let started = bundle.all("tool_call_started");
        started.iter().filter(|started| started["model_visible_call_id"] == id).count() as u64
    };
    let ids = ["by handle", "failed", "lost", "plain", "of a body", "of a field", "of an error", "of a callback"];
    assert_eq!(ids.map(called), [ALL, ALL, ALL, ALL, ALL, ALL, ALL, 0]);
    assert_eq!(bundle.all("inference_completed").len() as u64, ALL);
    let graph = graph(&bundle.path);
    assert_eq!((running(&graph), graph.tool_calls.len() as u64), (0, 7 * ALL));
}
