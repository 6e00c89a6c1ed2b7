//! Tests of reentrancy: bodies, fields, redactors and callbacks that use the recorder while the recorder calls them.
//!
//! The subscriber is global, because a scoped subscriber is not reentered. A process has one global subscriber, and
//! therefore the test runs in a child process.

use std::fmt;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use otel_trace::{
    AgentThread, AnyOperation, Body, BodyBuf, BodyError, Inference, Json, Model, Operation, PayloadKind, Recorder,
    Redactor, SpanExt, ThreadMeta, ToolCall, ToolCallMeta, Turn,
};
use serde::{Serialize, Serializer};
use tracing::{Level, Span, event, info_span};
use tracing_subscriber::prelude::*;

use crate::common::{bundles, run_in_child};

const MODEL: Model<'_> = Model { name: "m", provider: "p" };

/// Opens spans and reports events that are recorded, below the current span.
fn record_spans() {
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
        event!(Level::INFO, "an unrelated event");
    });
    tool.otel_trace().record_payload(PayloadKind::ToolResult, Json(&"nested"));
}

/// A body that uses the recorder while it is encoded, including the operation to which it belongs.
struct Reentrant<'a> {
    turn: &'a Turn,
    inference: &'a Inference,
}

impl Serialize for Reentrant<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        record_spans();
        self.inference.response(Json(&"from inside the request"));
        drop(self.turn.tool_call(ToolCallMeta::new("nested").id("nested")));
        drop(AgentThread::start(ThreadMeta::new().id("nested")).turn(None));
        serializer.serialize_str("outer")
    }
}

/// A field that uses the recorder while it is formatted.
struct RecordsWhenFormatted;

impl fmt::Debug for RecordsWhenFormatted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        record_spans();
        Span::current().record("gen_ai.tool.name", "recorded while formatted");
        f.write_str("formatted")
    }
}

/// A redactor that opens recorded spans, as a redactor with `#[instrument]` does.
struct TracingRedactor;

impl Redactor for TracingRedactor {
    fn redact(&self, _: PayloadKind, _: &mut Vec<u8>, _: bool) {
        record_spans();
        Span::current().otel_trace().record_payload(PayloadKind::ProtocolEvent, Json(&1));
    }
}

/// Handles that the `on_loss` callback uses and drops.
#[derive(Default)]
struct CallbackHandles {
    tools: Vec<ToolCall>,
    operations: Vec<AnyOperation>,
}

/// A body whose encoding fails.
struct Fails;

impl Body for Fails {
    fn encode(&self, _: &mut BodyBuf) -> Result<(), BodyError> {
        Err(BodyError::new("planted"))
    }
}

#[test]
fn callbacks_may_use_the_recorder() {
    run_in_child("reentrancy::callbacks_may_use_the_recorder", run_with_deadline);
}

fn run_with_deadline() {
    let (done, is_done) = mpsc::channel();
    let program = thread::spawn(move || {
        program();
        done.send(()).unwrap();
    });
    // A deadlock would otherwise block the test suite forever.
    let ended = is_done.recv_timeout(Duration::from_secs(60));
    assert_ne!(ended, Err(mpsc::RecvTimeoutError::Timeout), "the program is deadlocked");
    program.join().unwrap();
}

fn program() {
    let root = tempfile::tempdir().unwrap();
    let handles = Arc::new(Mutex::new(CallbackHandles::default()));
    let in_callback = Arc::clone(&handles);
    let on_loss = move |_: &otel_trace::Loss| {
        record_spans();
        let handles = std::mem::take(&mut *in_callback.lock().unwrap());
        handles
            .operations
            .iter()
            .for_each(|operation| operation.record_payload(PayloadKind::ToolResult, Json(&"from on_loss")));
        handles.tools.iter().for_each(|tool| tool.output("from on_loss"));
        drop(handles);
        drop(AgentThread::start(ThreadMeta::new().id("from on_loss")));
    };
    let builder = Recorder::builder().root(root.path()).no_parent().redact(TracingRedactor).on_loss(on_loss);
    let (recorder, guard) = builder.build().unwrap();
    tracing_subscriber::registry().with(recorder.layer().with_filter(recorder.filter())).init();

    let thread = AgentThread::start(ThreadMeta::new().id("root").agent_name("with metadata to redact"));
    let turn = thread.turn(None);
    turn.span().in_scope(|| {
        // The body and the redactor use the recorder.
        let inference = turn.inference(MODEL);
        inference.request(Json(&Reentrant { turn: &turn, inference: &inference }));
        // Fields use the recorder: at the opening of a span, later, and in an event.
        let span = info_span!("tool", otel_trace.kind = "tool", gen_ai.tool.call.id = ?RecordsWhenFormatted, gen_ai.tool.name = ?RecordsWhenFormatted);
        span.record("gen_ai.tool.name", tracing::field::debug(RecordsWhenFormatted));
        span.in_scope(|| {
            event!(target: "otel_trace", Level::INFO, otel_trace.event = "tool_call_runtime_started", otel_trace.payload = ?RecordsWhenFormatted);
        });
        // The callback uses the recorder and drops its handles, while a payload is lost and while a start event is lost.
        let payloads = thread.bundle().unwrap().join("payloads");
        let prepare_callback = || {
            let mut handles = handles.lock().unwrap();
            handles.tools = vec![turn.tool_call(ToolCallMeta::new("callback"))];
            handles.operations = vec![span.otel_trace(), turn.span().otel_trace()];
        };
        prepare_callback();
        turn.tool_call(ToolCallMeta::new("n")).result(Fails);
        prepare_callback();
        std::fs::rename(&payloads, payloads.with_extension("away")).unwrap();
        turn.inference(MODEL).request(Json(&1));
        let child = thread.span().in_scope(|| AgentThread::start(ThreadMeta::new().id("child")));
        drop(child);
        std::fs::rename(payloads.with_extension("away"), &payloads).unwrap();
    });
    drop((turn, thread));
    drop(guard);

    let bundles = bundles(root.path());
    assert_eq!(
        bundles.len(),
        1,
        "threads below the turn are in its bundle, and those of the callback are not recorded"
    );
    let bundle = &bundles[0];
    let texts: Vec<_> = bundle.lines.iter().map(ToString::to_string).collect();
    assert!(!texts.iter().any(|text| text.contains("from on_loss")));
    let threads: Vec<_> = bundle.events("thread_started").iter().map(|started| started["thread_id"].clone()).collect();
    assert_eq!(threads, ["root", "nested", "child"]);
    let request = bundle.events("other").into_iter().find(|other| !other["payloads"][0].is_null()).unwrap();
    assert_eq!(
        bundle.payload_json(&request["payloads"][0]),
        "outer",
        "the call started while its request was being encoded"
    );
    // Nested tool calls: two from the body, three from fields, and one from the event.
    let nested = |started: &&serde_json::Value| started["summary"]["label"] == "nested";
    assert_eq!(bundle.events("tool_call_started").into_iter().filter(nested).count(), 6);
    let stats = recorder.stats();
    assert_eq!(stats.lost_bodies, [("tool_result", 1)].into());
    assert_eq!(stats.lost_payloads, [("inference_request", 1), ("session_metadata", 1)].into());
    for name in ["thread", "tool_call", "codex_turn"] {
        let [started, ended] = ["started", "ended"].map(|phase| bundle.events(&format!("{name}_{phase}")).len());
        assert_eq!(started, ended, "{name}");
    }
}
