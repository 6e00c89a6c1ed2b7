//! The turns of the agent that the coding agent spawns.

use otel_trace::event::ExecutionStatus;
use otel_trace::graph::EdgeKind;
use otel_trace::{Json, ToolCallMeta};
use serde_json::json;

use super::agent::{Agent, Answer, RunningTurn, Sending};
use super::bodies::{self, Command};
use super::deeds::EdgeDeed;

/// Writes down that information was passed to an agent.
pub(super) fn add_edge(agent: &Agent<'_>, kind: EdgeKind, tool: Option<&str>, receiver: &str) {
    let edge = EdgeDeed { kind, tool: tool.map(str::to_owned), receiver: receiver.to_owned() };
    agent.deeds().borrow_mut().edges.push(edge);
}

/// The first turn of the worker: a tool of its own, and a result.
pub(super) fn work(worker: &mut Agent<'_>) {
    let turn = worker.start_turn("worker-1");
    let items = vec![bodies::function_call("call_cat", "exec_command", &json!({ "cmd": "cat tests.rs" }))];
    worker.ask(&turn, Sending::Whole, Answer::Items("worker-resp-1", items));
    let tool = worker.tool(&turn, "call_cat", ToolCallMeta::new("exec_command").arguments(r#"{"cmd":"cat tests.rs"}"#));
    let command = Command { call: "call_cat", turn: turn.id, words: &["cat", "tests.rs"], process: None };
    tool.runtime_started(Json(&command.begin()));
    tool.runtime_ended(ExecutionStatus::Completed, Json(&command.end(0, "assert!")));
    worker.finish_tool("call_cat", &tool, bodies::function_output("call_cat", "assert!"));
    let text = "The tests expect 3.";
    worker.ask(&turn, Sending::Delta, Answer::Items("worker-resp-2", vec![bodies::answer(text)]));
    report(worker, &turn, text);
}

/// Ends a turn of the worker with a result for the root agent.
fn report(worker: &Agent<'_>, turn: &RunningTurn, text: &str) {
    let body = json!({ "child_agent_path": worker.path(), "message": text, "status": { "completed": text } });
    turn.turn.agent_result(text, Json(&body));
    worker.complete_turn(turn);
    add_edge(worker, EdgeKind::AgentResult, None, "/root");
}

/// The second turn of the worker, which the task starts.
pub(super) fn check_patch(worker: &mut Agent<'_>) {
    let turn = worker.start_turn("worker-2");
    let text = "The patch is right.";
    worker.ask(&turn, Sending::Whole, Answer::Items("worker-resp-3", vec![bodies::answer(text)]));
    report(worker, &turn, text);
}
