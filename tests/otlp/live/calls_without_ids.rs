//! Links of tools that run calls without ids, which some APIs make.

use otel_trace::{AgentThread, Json, Model, Operation, ThreadMeta, ToolCallMeta, Turn, TurnId};
use serde_json::{Value, json};

use crate::live::reused_ids::check_requesters;

fn calls(names: &[&str]) -> Value {
    let call = |name: &&str| json!({ "function": { "name": name, "arguments": {} } });
    json!({ "role": "assistant", "content": "", "tool_calls": names.iter().map(call).collect::<Vec<_>>() })
}

fn output(name: &str) -> Value {
    json!({ "role": "tool", "tool_name": name, "content": "done" })
}

/// Records an inference call of the model `name`.
fn ask(turn: &Turn, name: &str, messages: &[Value], answer: &Value) {
    let inference = turn.inference(Model { name, provider: "p" });
    inference.request(Json(&json!({ "model": name, "messages": messages })));
    inference.response(Json(&json!({ "model": name, "message": answer, "done": true })));
    inference.complete();
}

/// The models that request the tools, in the order in which the tools start.
const REQUESTERS: [&str; 6] = ["first", "first", "first", "second", "second", ""];

/// Records tools with ids that their client made up.
fn record_made_up_ids() {
    let thread = AgentThread::start(ThreadMeta::new().id("thread-1"));
    let turn = thread.turn(Some(TurnId::from("turn-1")));
    ask(&turn, "first", &[], &calls(&["find", "read"]));
    for (id, name) in [("gen1", "find"), ("gen2", "read")] {
        turn.tool_call(ToolCallMeta::new(name).id(id)).complete();
    }
    ask(&turn, "second", &[calls(&["find", "read"]), output("find"), output("read")], &calls(&["find"]));
    for (id, name) in [("call#find#0", "find"), ("gen4", "write"), ("gen5", "find")] {
        turn.tool_call(ToolCallMeta::new(name).id(id)).complete();
    }
    turn.complete();
    thread.complete();
}

fn record() {
    let thread = AgentThread::start(ThreadMeta::new().id("thread-1"));
    let turn = thread.turn(Some(TurnId::from("turn-1")));
    ask(&turn, "first", &[], &calls(&["find", "read", "find"]));
    // Programs record no id, or the name in place of it.
    for meta in [ToolCallMeta::new("find"), ToolCallMeta::new("read"), ToolCallMeta::new("find").id("find")] {
        turn.tool_call(meta).complete();
    }
    let history = [calls(&["find", "read", "find"]), output("find"), output("read"), output("find")];
    ask(&turn, "second", &history, &calls(&["find", "find"]));
    for _ in 0..2 {
        turn.tool_call(ToolCallMeta::new("find")).complete();
    }
    turn.tool_call(ToolCallMeta::new("write")).complete();
    turn.complete();
    thread.complete();
}

#[test]
fn tools_link_to_the_calls_of_their_names() {
    check_requesters(record, &REQUESTERS);
}

#[test]
fn tools_with_ids_of_the_client_link_to_the_calls_of_their_names() {
    check_requesters(record_made_up_ids, &["first", "first", "second", "", ""]);
}
