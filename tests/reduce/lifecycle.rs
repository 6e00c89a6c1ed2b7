//! Start and end events that are missing, repeated or late.

use otel_trace::event::{ExecutionStatus, RolloutStatus};
use otel_trace::graph::Code;
use serde_json::{Value, json};

use crate::case::{Case, assistant, call, function_call, response_items, state, tool, user};

#[test]
fn end_of_a_turn_ends_its_running_calls() {
    for (turn, expected) in [
        ("completed", ExecutionStatus::Cancelled),
        ("cancelled", ExecutionStatus::Cancelled),
        ("failed", ExecutionStatus::Failed),
        ("aborted", ExecutionStatus::Aborted),
        ("running", ExecutionStatus::Running),
    ] {
        let mut case = Case::new();
        case.request("a", [user("1")]);
        let ended = case.end_turn("u", turn);
        case.request("after", [user("1")]);
        let graph = case.check(&[]);
        let execution = call(&graph, "a").execution;
        assert_eq!(execution.status, expected, "{turn}");
        assert_eq!(execution.ended.map(|ended| ended.seq.0), (turn != "running").then_some(ended), "{turn}");
        assert_eq!(call(&graph, "after").execution.ended, None, "the call started after the end of the turn");
    }
}

#[test]
fn response_after_the_end_of_the_turn_is_late_but_kept() {
    let mut case = Case::new();
    case.request("a", [user("1")]);
    let ended = case.end_turn("u", "aborted");
    case.response("a", [assistant("2")]);
    let graph = case.check(&[Code::LateEnd]);
    let call = call(&graph, "a");
    assert_eq!((call.execution.status, call.execution.ended.unwrap().seq.0), (ExecutionStatus::Aborted, ended));
    assert_eq!(response_items(&graph, "a"), [2]);
    assert_eq!(call.response_id, Some("resp-a".into()));
}

#[test]
fn first_end_with_a_body_provides_the_response() {
    let mut case = Case::new();
    case.request("a", [user("1")]);
    case.event(
        json!({ "type": "inference_failed", "inference_call_id": "a", "error": "reset", "upstream_request_id": "req" }),
    );
    case.response("a", [assistant("2")]);
    case.response("a", [assistant("3")]);
    let graph = case.check(&[Code::LateEnd, Code::LateEnd]);
    let call = call(&graph, "a");
    assert_eq!((call.execution.status, call.error.as_deref()), (ExecutionStatus::Failed, Some("reset")));
    assert_eq!(response_items(&graph, "a"), [2]);
}

#[test]
fn cancelled_call_keeps_its_reason_and_partial_response() {
    let mut case = Case::new();
    case.request("a", [user("1")]);
    let body = case.body("inference_response", json!({ "response_id": "r1", "output_items": [assistant("half")] }));
    case.event(json!({ "type": "inference_cancelled", "inference_call_id": "a", "reason": "user", "partial_response_payload": body,
        "upstream_request_id": "req", "first_token_at_unix_ms": 1234 }));
    let graph = case.check(&[]);
    let call = call(&graph, "a");
    assert_eq!((call.execution.status, call.error.as_deref()), (ExecutionStatus::Cancelled, Some("user")));
    assert_eq!(call.upstream_request_id, Some("req".into()));
    assert_eq!(call.first_token_at.map(|at| at.0), Some(1234));
    assert_eq!(response_items(&graph, "a"), [2]);
}

#[test]
fn second_start_is_left_out() {
    let mut case = Case::new();
    case.thread("t", "/second");
    case.turn("u", "t");
    case.request("a", [user("1")]);
    case.request("a", [user("2")]);
    case.tool("x", None, json!({ "type": "web" }), None);
    case.tool("x", None, json!({ "type": "web" }), None);
    let graph = case.check(&[Code::DuplicateStart; 4]);
    assert_eq!(graph.threads.get("t").unwrap().agent_path.as_str(), "/root");
    assert_eq!(graph.items().len(), 1);
    assert_eq!(graph.raw_payloads.len(), 2, "payloads of skipped events are listed");
}

#[test]
fn second_end_changes_nothing() {
    let mut case = Case::new();
    case.tool("x", None, json!({ "type": "web" }), None);
    let ended = case.end_tool("x", "completed", None);
    case.end_tool("x", "failed", None);
    case.end_turn("u", "completed");
    case.end_turn("u", "failed");
    case.event(json!({ "type": "thread_ended", "thread_id": "t", "status": "completed" }));
    case.event(json!({ "type": "thread_ended", "thread_id": "t", "status": "failed" }));
    case.event(json!({ "type": "rollout_ended", "status": "aborted" }));
    case.event(json!({ "type": "rollout_ended", "status": "failed" }));
    let graph = case.check(&[Code::LateEnd; 4]);
    let execution = tool(&graph, "x").execution;
    assert_eq!((execution.status, execution.ended.unwrap().seq.0), (ExecutionStatus::Completed, ended));
    assert_eq!(graph.turns.get("u").unwrap().execution.status, ExecutionStatus::Completed);
    assert_eq!(graph.threads.get("t").unwrap().execution.status, ExecutionStatus::Completed);
    assert_eq!(graph.status, RolloutStatus::Aborted);
}

#[test]
fn thread_and_turn_without_a_start_are_implied() {
    let mut case = Case::empty();
    case.event(json!({ "type": "rollout_started", "trace_id": "other", "root_thread_id": "t" }));
    let first = case.request("a", [user("1")]);
    case.response("a", [function_call("c")]);
    let graph = case.check(&[Code::ImpliedStart, Code::ImpliedStart]);
    let (thread, turn) = (graph.threads.get("t").unwrap(), graph.turns.get("u").unwrap());
    assert_eq!((thread.agent_path.as_str(), thread.execution.started.seq.0), ("t", first));
    assert_eq!((turn.thread_id.as_str(), turn.execution.started.seq.0), ("t", first));
    assert_eq!(graph.trace_id, "other".into());
    assert_eq!(case.strict_error(), (Code::ImpliedStart, Some(2), Some(2)));
}

#[test]
fn late_start_is_accepted_unless_strict() {
    let mut case = Case::new();
    case.response("a", [assistant("1")]);
    case.request("a", [assistant("1")]);
    let graph = case.check(&[]);
    assert_eq!(response_items(&graph, "a"), [1]);
    assert_eq!(case.strict_error(), (Code::UnknownObject, Some(4), Some(4)));

    let mut case = Case::empty();
    case.request("a", [user("1")]);
    case.thread("t", "/root");
    case.turn("u", "t");
    let graph = case.check(&[]);
    assert_eq!(graph.threads.get("t").unwrap().agent_path.as_str(), "/root");
    assert_eq!(case.strict_error(), (Code::ImpliedStart, Some(1), Some(1)));
}

#[test]
fn events_with_a_thread_other_than_their_turns_are_left_out() {
    let mut case = Case::new();
    case.thread("t2", "/root/w");
    case.request_in("a", "t2", "u", json!({ "input": [] }));
    let end = json!({ "type": "codex_turn_ended", "codex_turn_id": "u", "status": "failed" });
    case.event_in(json!("t2"), json!("u"), end);
    let graph = case.check(&[Code::WrongThread, Code::WrongThread]);
    assert!(graph.inference_calls.is_empty());
    assert_eq!(graph.turns.get("u").unwrap().execution.status, ExecutionStatus::Running);
}

#[test]
fn end_of_a_thread_does_not_end_the_run() {
    let mut case = Case::new();
    case.event(json!({ "type": "thread_ended", "thread_id": "t", "status": "failed", "error": "why" }));
    let graph = case.check(&[]);
    assert_eq!((graph.status, graph.ended_at), (RolloutStatus::Running, None));
    assert_eq!(graph.threads.get("t").unwrap().error.as_deref(), Some("why"));
}

#[test]
fn live_span_ids_are_kept() {
    let mut case = Case::new();
    case.line(json!({ "schema_version": 1, "seq": 4, "wall_time_unix_ms": 5, "rollout_id": "r", "thread_id": "t",
        "codex_turn_id": null, "otel_trace_id": "0af7", "otel_span_id": "b7ad",
        "payload": { "type": "codex_turn_started", "codex_turn_id": "v", "thread_id": "t" } }));
    let state = state(&case.check(&[]));
    let turn = &state["codex_turns"]["v"];
    assert_eq!((&turn["otel_trace_id"], &turn["otel_span_id"]), (&json!("0af7"), &json!("b7ad")));
    assert_eq!(state["codex_turns"]["u"].get("otel_trace_id"), None::<&Value>);
}

#[test]
fn every_object_keeps_its_evidence() {
    let mut case = Case::new();
    let started = case.request("a", [user("1")]);
    let ended = case.response("a", [assistant("2")]);
    let graph = case.check(&[]);
    let evidence: Vec<_> = call(&graph, "a").evidence.as_slice().iter().map(|(seq, _)| seq.0).collect();
    assert_eq!(evidence, [started, ended]);
}

#[test]
fn errors_of_turns_and_threads_are_in_the_state() {
    let mut case = Case::new();
    case.turn("v", "t");
    let ended = |turn: &str, error: Value| json!({ "type": "codex_turn_ended", "codex_turn_id": turn, "status": "failed", "error": error });
    case.event(ended("u", json!("no such model")));
    case.event(ended("v", Value::Null));
    case.event(json!({ "type": "thread_ended", "thread_id": "t", "status": "failed", "error": "gave up" }));
    let state = state(&case.check(&[]));
    assert_eq!(state["codex_turns"]["u"]["error"], "no such model");
    assert_eq!(state["codex_turns"]["v"].get("error"), None);
    assert_eq!(state["threads"]["t"]["error"], "gave up");
}
