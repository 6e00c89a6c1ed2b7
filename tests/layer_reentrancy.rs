//! What a program does while the layer talks to it, under a global subscriber: that one is entered again, where a
//! scoped one hides itself. One test, for there is one global subscriber.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fmt;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use common::bundles;
use otel_trace::{
    AgentThread, AnyOperation, Body, BodyBuf, BodyError, Inference, Json, Model, Operation, PayloadKind, Recorder,
    Redactor, SpanExt, ThreadMeta, ToolCall, ToolCallMeta, Turn,
};
use serde::{Serialize, Serializer};
use tracing::{Level, Span, event, info_span};
use tracing_subscriber::prelude::*;

const MODEL: Model<'_> = Model { name: "m", provider: "p" };

/// Spans and events of ours, below whatever is the current span.
fn spans_of_ours() {
    let arguments = "{}";
    let tool = info_span!(
        "tool",
        otel_trace.kind = "tool",
        gen_ai.tool.name = "nested",
        gen_ai.tool.call.id = "nested",
        gen_ai.tool.call.arguments = arguments
    );
    tool.in_scope(|| {
        event!(target: "otel_trace", Level::INFO, otel_trace.event = "tool_call_runtime_started");
        event!(Level::INFO, "an event of the program's own");
    });
    tool.otel_trace().record_payload(PayloadKind::ToolResult, Json(&"nested"));
}

/// A body that uses the recorder while it is encoded, and even the window it is a body of.
struct Reentrant<'a> {
    turn: &'a Turn,
    inference: &'a Inference,
}

impl Serialize for Reentrant<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        spans_of_ours();
        self.inference.response(Json(&"from inside its own request"));
        drop(self.turn.tool_call(ToolCallMeta::new("nested").id("nested")));
        drop(AgentThread::start(ThreadMeta::new().id("nested")).turn(None));
        serializer.serialize_str("outer")
    }
}

/// A field that uses the recorder while it is shown.
struct Shown;

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        spans_of_ours();
        Span::current().record("gen_ai.tool.name", "recorded while shown");
        f.write_str("shown")
    }
}

/// A redactor that opens spans of ours, as one with `#[instrument]` on it does.
struct Traced;

impl Redactor for Traced {
    fn redact(&self, _: PayloadKind, _: &mut Vec<u8>, _: bool) {
        spans_of_ours();
        Span::current().otel_trace().record_payload(PayloadKind::ProtocolEvent, Json(&1));
    }
}

#[derive(Default)]
struct Held {
    tools: Vec<ToolCall>,
    windows: Vec<AnyOperation>,
}

struct Fails;

impl Body for Fails {
    fn encode(&self, _: &mut BodyBuf) -> Result<(), BodyError> {
        Err(BodyError::new("planted"))
    }
}

#[test]
fn a_program_may_use_the_recorder_while_it_is_called_by_it() {
    let (done, is_done) = mpsc::channel();
    let program = thread::spawn(move || {
        program();
        done.send(()).unwrap();
    });
    // A deadlock would last for ever.
    let ended = is_done.recv_timeout(Duration::from_secs(60));
    assert_ne!(ended, Err(mpsc::RecvTimeoutError::Timeout), "the program waits for itself");
    program.join().unwrap();
}

fn program() {
    let root = tempfile::tempdir().unwrap();
    let held = Arc::new(Mutex::new(Held::default()));
    let in_callback = Arc::clone(&held);
    let on_loss = move |_: &otel_trace::Loss| {
        spans_of_ours();
        let held = std::mem::take(&mut *in_callback.lock().unwrap());
        held.windows.iter().for_each(|window| window.record_payload(PayloadKind::ToolResult, Json(&"from on_loss")));
        held.tools.iter().for_each(|tool| tool.output("from on_loss"));
        drop(held);
        drop(AgentThread::start(ThreadMeta::new().id("from on_loss")));
    };
    let builder = Recorder::builder().root(root.path()).no_parent().redact(Traced).on_loss(on_loss);
    let (recorder, guard) = builder.build().unwrap();
    tracing_subscriber::registry().with(recorder.layer().with_filter(recorder.filter())).init();

    let thread = AgentThread::start(ThreadMeta::new().id("root").agent_name("with metadata to redact"));
    let turn = thread.turn(None);
    turn.span().in_scope(|| {
        // The body uses the recorder, and so does the redactor.
        let inference = turn.inference(MODEL);
        inference.request(Json(&Reentrant { turn: &turn, inference: &inference }));
        // Fields use it, at the opening and later, and in an event.
        let shown = info_span!("tool", otel_trace.kind = "tool", gen_ai.tool.call.id = ?Shown, gen_ai.tool.name = ?Shown);
        shown.record("gen_ai.tool.name", tracing::field::debug(Shown));
        shown.in_scope(|| {
            event!(target: "otel_trace", Level::INFO, otel_trace.event = "tool_call_runtime_started", otel_trace.payload = ?Shown);
        });
        // The listener uses it, and lets go of what it holds: while a body is lost, and while a start is lost.
        let payloads = thread.bundle().unwrap().join("payloads");
        let hold = || {
            let mut held = held.lock().unwrap();
            held.tools = vec![turn.tool_call(ToolCallMeta::new("held"))];
            held.windows = vec![shown.otel_trace(), turn.span().otel_trace()];
        };
        hold();
        turn.tool_call(ToolCallMeta::new("n")).result(Fails);
        hold();
        std::fs::rename(&payloads, payloads.with_extension("away")).unwrap();
        turn.inference(MODEL).request(Json(&1));
        let child = thread.span().in_scope(|| AgentThread::start(ThreadMeta::new().id("child")));
        drop(child);
        std::fs::rename(payloads.with_extension("away"), &payloads).unwrap();
    });
    drop((turn, thread));
    drop(guard);

    let bundles = bundles(root.path());
    assert_eq!(bundles.len(), 1, "a thread below the turn is spawned by it, one of a callback is not recorded");
    let bundle = &bundles[0];
    let texts: Vec<_> = bundle.lines.iter().map(ToString::to_string).collect();
    assert!(!texts.iter().any(|text| text.contains("from on_loss")));
    let threads: Vec<_> = bundle.all("thread_started").iter().map(|started| started["thread_id"].clone()).collect();
    assert_eq!(threads, ["root", "nested", "child"]);
    let request = bundle.all("other").into_iter().find(|other| !other["payloads"][0].is_null()).unwrap();
    assert_eq!(bundle.body(&request["payloads"][0]), "outer", "its place was taken while it was encoded");
    // One from the body and one by a handle there, three from fields, one from the event.
    let nested = |started: &&serde_json::Value| started["summary"]["label"] == "nested";
    assert_eq!(bundle.all("tool_call_started").into_iter().filter(nested).count(), 6);
    let stats = recorder.stats();
    assert_eq!(stats.lost_bodies, [("tool_result", 1)].into());
    assert_eq!(stats.lost_payloads, [("inference_request", 1), ("session_metadata", 1)].into());
    for name in ["thread", "tool_call", "codex_turn"] {
        let [started, ended] = ["started", "ended"].map(|what| bundle.all(&format!("{name}_{what}")).len());
        assert_eq!(started, ended, "{name}");
    }
}
