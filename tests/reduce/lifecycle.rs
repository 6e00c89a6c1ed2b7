//! Starts and ends: missing, repeated, late.

use otel_trace::event::{ExecutionStatus, RolloutStatus};
use otel_trace::graph::Code;
use serde_json::{Value, json};

use crate::case::{Case, assistant, call, function_call, said, state, tool, user};

#[test]
fn a_turns_end_ends_the_calls_that_still_run_in_it() {
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
        let window = call(&graph, "a").execution;
        assert_eq!(window.status, expected, "{turn}");
        assert_eq!(window.ended.map(|ended| ended.seq.0), (turn != "running").then_some(ended), "{turn}");
        assert_eq!(call(&graph, "after").execution.ended, None, "it started later");
    }
}

#[test]
fn an_end_after_the_turns_end_is_late_but_brings_its_response() {
    let mut case = Case::new();
    case.request("a", [user("1")]);
    let ended = case.end_turn("u", "aborted");
    case.response("a", [assistant("2")]);
    let graph = case.check(&[Code::LateEnd]);
    let call = call(&graph, "a");
    assert_eq!((call.execution.status, call.execution.ended.unwrap().seq.0), (ExecutionStatus::Aborted, ended));
    assert_eq!(said(&graph, "a"), [2]);
    assert_eq!(call.response_id, Some("resp-a".into()));
}

#[test]
fn only_the_first_end_with_a_body_gives_the_response() {
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
    assert_eq!(said(&graph, "a"), [2]);
}

#[test]
fn a_cancelled_call_keeps_its_reason_and_what_had_come() {
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
    assert_eq!(said(&graph, "a"), [2]);
}

#[test]
fn a_second_start_is_left_out() {
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
    assert_eq!(graph.raw_payloads.len(), 2, "its bodies are listed all the same");
}

#[test]
fn a_second_end_changes_nothing() {
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
    let window = tool(&graph, "x").execution;
    assert_eq!((window.status, window.ended.unwrap().seq.0), (ExecutionStatus::Completed, ended));
    assert_eq!(graph.turns.get("u").unwrap().execution.status, ExecutionStatus::Completed);
    assert_eq!(graph.threads.get("t").unwrap().execution.status, ExecutionStatus::Completed);
    assert_eq!(graph.status, RolloutStatus::Aborted);
}

#[test]
fn a_thread_or_turn_whose_start_was_not_seen_starts_where_it_is_named() {
    let mut case = Case::bare();
    case.event(json!({ "type": "rollout_started", "trace_id": "other", "root_thread_id": "t" }));
    let first = case.request("a", [user("1")]);
    case.response("a", [function_call("c")]);
    let graph = case.check(&[Code::ImpliedStart, Code::ImpliedStart]);
    let (thread, turn) = (graph.threads.get("t").unwrap(), graph.turns.get("u").unwrap());
    assert_eq!((thread.agent_path.as_str(), thread.execution.started.seq.0), ("t", first));
    assert_eq!((turn.thread_id.as_str(), turn.execution.started.seq.0), ("t", first));
    assert_eq!(graph.trace_id, "other".into());
    assert_eq!(case.broken(), (Code::ImpliedStart, Some(2), Some(2)));
}

#[test]
fn what_starts_later_is_known_unless_strictly_read() {
    let mut case = Case::new();
    case.response("a", [assistant("1")]);
    case.request("a", [assistant("1")]);
    let graph = case.check(&[]);
    assert_eq!(said(&graph, "a"), [1]);
    assert_eq!(case.broken(), (Code::UnknownObject, Some(4), Some(4)));

    let mut case = Case::bare();
    case.request("a", [user("1")]);
    case.thread("t", "/root");
    case.turn("u", "t");
    let graph = case.check(&[]);
    assert_eq!(graph.threads.get("t").unwrap().agent_path.as_str(), "/root");
    assert_eq!(case.broken(), (Code::ImpliedStart, Some(1), Some(1)));
}

#[test]
fn events_that_name_another_thread_than_their_turns_are_left_out() {
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
fn a_childs_end_does_not_end_the_rollout() {
    let mut case = Case::new();
    case.event(json!({ "type": "thread_ended", "thread_id": "t", "status": "failed", "error": "why" }));
    let graph = case.check(&[]);
    assert_eq!((graph.status, graph.ended_at), (RolloutStatus::Running, None));
    assert_eq!(graph.threads.get("t").unwrap().error.as_deref(), Some("why"));
}

#[test]
fn live_spans_are_named() {
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
