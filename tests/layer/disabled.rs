//! Tests that handles without a recorder are inert, in a child process, because the scoped subscribers of other tests
//! would influence the interest of their callsites.

use std::fmt;

use otel_trace::{
    AgentThread, Body, BodyBuf, BodyError, ExecutionStatus, Model, Operation, OperationIds, PayloadKind, SpanExt,
    ThreadMeta, ToolCallMeta, Usage,
};
use tracing::info_span;

use crate::common::run_in_child;

/// A body and text that panics when it is encoded or formatted.
struct Untouchable;

impl Body for Untouchable {
    fn encode(&self, _: &mut BodyBuf) -> Result<(), BodyError> {
        panic!("encoded without a recorder")
    }
}

impl fmt::Display for Untouchable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("formatted without a recorder")
    }
}

impl fmt::Debug for Untouchable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("formatted without a recorder")
    }
}

#[test]
fn handles_without_a_recorder_encode_no_body() {
    run_in_child("disabled::handles_without_a_recorder_encode_no_body", || {
        // No subscriber, and then a subscriber without a recorder, which may format fields but must not encode bodies.
        let no_subscriber = tracing::subscriber::NoSubscriber::new();
        tracing::subscriber::with_default(no_subscriber, || exercise(true));
        tracing::subscriber::with_default(tracing_subscriber::registry(), || exercise(false));
    });
}

/// Calls the methods of all handles.
fn exercise(is_disabled: bool) {
    let thread = AgentThread::start(ThreadMeta::new().id("t"));
    let turn = thread.turn(None);
    let inference = turn.inference(Model { name: "m", provider: "p" });
    let tool = turn.tool_call(ToolCallMeta::new("n").invocation_body(&Untouchable));
    let spawned = tool.spawn_thread(ThreadMeta::new());
    let plain = info_span!("chat", gen_ai.operation.name = "chat", gen_ai.input.messages = "[]").otel_trace();
    let recording = [
        thread.is_recording(),
        turn.is_recording(),
        inference.is_recording(),
        tool.is_recording(),
        spawned.is_recording(),
        plain.is_recording(),
    ];
    assert_eq!(recording, [false; 6]);
    assert_eq!(thread.span().is_disabled(), is_disabled);
    inference.request(Untouchable);
    inference.first_token();
    inference.usage(Usage::default());
    inference.response(Untouchable);
    tool.runtime_started(Untouchable);
    tool.runtime_ended(ExecutionStatus::Completed, Untouchable);
    tool.result(Untouchable);
    for kind in PayloadKind::ALL {
        thread.record_payload(kind, Untouchable);
        turn.record_payload(kind, Untouchable);
        inference.record_payload(kind, Untouchable);
        tool.record_payload(kind, Untouchable);
        plain.record_payload(kind, Untouchable);
    }
    assert_eq!(thread.bundle(), None);
    let ids = [thread.ids(), turn.ids(), inference.ids(), tool.ids(), plain.ids()];
    assert!(ids.iter().all(|ids| *ids == OperationIds::default()));
    if is_disabled {
        inference.fail(Untouchable);
        tool.cancel(Untouchable);
    }
}
