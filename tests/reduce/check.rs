//! `Options::every_body`: also checks payloads that no rule reads, and the order of events.

use std::fs;

use otel_trace::graph::Code;
use otel_trace::reduce::Options;
use serde_json::json;

use crate::case::{
    Case, assistant, codes, command_begin, command_end, exec, function_invocation, session, state, user, write_stdin,
};

#[track_caller]
fn check(case: &Case, expected: &[Code]) {
    let reduction = case.try_reduce(&Options::default().every_body(true)).unwrap();
    assert_eq!(codes(&reduction.graph), expected, "{:#?}", reduction.graph.diagnostics);
}

#[test]
fn sound_bundle_has_no_diagnostics_and_an_equal_graph() {
    let case = session();
    check(&case, &[]);
    let graph = case.try_reduce(&Options::default().every_body(true)).unwrap().graph;
    assert_eq!(state(&graph), state(&case.check(&[])));
}

#[test]
fn unused_body_is_checked() {
    for (body, expected) in [("{", Code::BadPayload), ("\u{0}", Code::BadPayload)] {
        let mut case = Case::new();
        let body = case.body("protocol_event", body);
        case.event(json!({ "type": "protocol_event_observed", "event_type": "e", "event_payload": body }));
        case.check(&[]);
        check(&case, &[expected]);
    }
    let mut case = Case::new();
    let mut body = case.body("protocol_event", "{}");
    body["path"] = json!("../manifest.json");
    case.event(json!({ "type": "protocol_event_observed", "event_type": "e", "event_payload": body }));
    check(&case, &[Code::RefusedPath]);
}

#[test]
fn missing_body_of_a_skipped_event_is_reported() {
    // A write that started with its invocation does not read the payload of its runtime start.
    let mut case = Case::new();
    case.tool("x", None, write_stdin(), function_invocation("write_stdin", r#"{"session_id":7}"#));
    case.runtime_start("x", command_begin("7"));
    fs::remove_file(case.path().join("payloads/2.json")).unwrap();
    case.check(&[]);
    check(&case, &[Code::BadPayload]);
    // The payload of a late end.
    let mut case = Case::new();
    case.request("a", [user("1")]);
    case.response("a", [assistant("2")]);
    case.response("a", [assistant("3")]);
    fs::remove_file(case.path().join("payloads/3.json")).unwrap();
    case.check(&[Code::LateEnd]);
    check(&case, &[Code::BadPayload, Code::LateEnd]);
}

#[test]
fn payload_id_of_two_bodies_is_reported() {
    let mut case = Case::new();
    let first = case.body("protocol_event", "{}");
    let mut second = case.body("protocol_event", "{}");
    second["raw_payload_id"] = first["raw_payload_id"].clone();
    for body in [&first, &second] {
        case.event(json!({ "type": "protocol_event_observed", "event_type": "e", "event_payload": body }));
    }
    case.check(&[Code::BadPayload]);
}

#[test]
fn use_before_start_is_reported() {
    let mut case = Case::new();
    case.end_tool("x", "completed", None);
    case.tool("x", None, exec(), None);
    case.check(&[]);
    check(&case, &[Code::ImpliedStart]);
    assert_eq!(case.strict_error().0, Code::UnknownObject);
}

#[test]
fn body_counts_for_the_first_event_that_names_it() {
    let mut case = Case::new();
    case.request("a", [user("1")]);
    case.request("b", [user("1")]);
    let body = case.body("inference_response", json!({ "output_items": [assistant("2")] }));
    for call in ["a", "b"] {
        case.event(json!({ "type": "inference_completed", "inference_call_id": call, "response_payload": body }));
    }
    let graph = case.check(&[Code::BadPayload]);
    assert_eq!(graph.items().count(), 2);
    // An event that is left out does not claim its body.
    let mut case = Case::new();
    case.request("a", [user("1")]);
    let body = case.body("inference_response", json!({ "output_items": [assistant("2")] }));
    for call in ["nobody", "a"] {
        case.event(json!({ "type": "inference_completed", "inference_call_id": call, "response_payload": body }));
    }
    assert_eq!(case.check(&[Code::UnknownObject]).items().count(), 2);
    // One payload may serve the start and the end of a runtime.
    let mut case = Case::new();
    case.tool("x", None, exec(), None);
    let body = case.body("tool_runtime_event", command_end("7", "out", 0));
    case.event(json!({ "type": "tool_call_runtime_started", "tool_call_id": "x", "runtime_payload": body }));
    case.event(json!({ "type": "tool_call_runtime_ended", "tool_call_id": "x", "status": "completed", "runtime_payload": body }));
    assert!(case.check(&[]).terminal_operations().next().unwrap().result.is_some());
}

#[test]
fn request_named_again_in_its_thread_keeps_its_items() {
    let mut case = Case::new();
    case.thread("t2", "/root/two");
    case.turn("u2", "t2");
    let body = case.body("inference_request", json!({ "input": [user("1"), user("2")] }));
    let start = |call: &str, thread: &str, turn: &str| {
        json!({ "type": "inference_started", "inference_call_id": call, "thread_id": thread, "codex_turn_id": turn,
            "model": "m", "provider_name": "p", "request_payload": body })
    };
    case.event(start("a", "t", "u"));
    case.event(start("retry", "t", "u"));
    case.request("aside", [user("a title")]);
    case.event(start("later", "t", "u"));
    case.request("next", [user("1"), user("2"), user("3")]);
    case.event_in(json!("t2"), json!("u2"), start("elsewhere", "t2", "u2"));
    let graph = case.check(&[Code::BadPayload]);
    for call in ["a", "retry", "later"] {
        assert_eq!(crate::case::request_items(&graph, call), [1, 2]);
    }
    assert_eq!(crate::case::request_items(&graph, "next"), [1, 2, 4]);
    assert!(crate::case::request_items(&graph, "elsewhere").is_empty());
}

#[test]
fn partial_range_of_a_body_is_refused() {
    let mut case = Case::new();
    let whole = case.body("inference_request", json!({ "input": "hi" }));
    for (call, offset, length) in
        [("a", None, None), ("b", Some(3), None), ("c", None, Some(5)), ("d", Some(0), Some(14))]
    {
        let mut body = whole.clone();
        offset.into_iter().for_each(|offset: u64| body["offset"] = json!(offset));
        length.into_iter().for_each(|length: u64| body["length"] = json!(length));
        case.event(
            json!({ "type": "inference_started", "inference_call_id": call, "thread_id": "t", "codex_turn_id": "u",
            "model": "m", "provider_name": "p", "request_payload": body }),
        );
    }
    let graph = case.check(&[Code::BadPayload, Code::BadPayload]);
    let seen: Vec<_> = ["a", "b", "c", "d"].iter().map(|call| crate::case::request_items(&graph, call).len()).collect();
    assert_eq!(seen, [1, 0, 0, 1]);
}

#[test]
fn write_with_bad_arguments_never_creates_an_operation() {
    let mut case = Case::new();
    case.tool("x", None, write_stdin(), function_invocation("write_stdin", "{nope"));
    case.runtime_start("x", command_begin("7"));
    let graph = case.check(&[Code::BadArguments]);
    assert_eq!(graph.terminal_operations().count(), 0);
}

#[test]
fn messages_are_short_and_on_one_line() {
    let mut case = Case::new();
    case.end_tool(&format!("a\nb\u{1b}[31m{}", "x".repeat(10_000)), "completed", None);
    let graph = case.check(&[Code::UnknownObject]);
    let message = graph.diagnostics[0].to_string();
    assert!(message.len() < 3000 && !message.contains(['\n', '\u{1b}']), "{message}");
    assert!(message.contains("a\\nb\\u{1b}[31m") && message.ends_with("is left out"), "{message}");
}
