//! Values that no producer should write, and ids that are used for two objects.

use otel_trace::event::{ExecutionStatus, RolloutStatus};
use otel_trace::graph::Code;
use serde_json::json;

use crate::case::{
    Case, assistant, call, exec, function_call, function_invocation, function_output, item, request_items,
    response_items, tool, user,
};

#[test]
fn unknown_role_is_left_out_and_unknown_phase_has_no_channel() {
    let mut case = Case::new();
    case.request(
        "a",
        json!([{ "role": "oracle", "content": "1" }, { "role": "assistant", "phase": "of a later version", "content": "2" }]),
    );
    let graph = case.check(&[Code::BadItem]);
    assert_eq!((request_items(&graph, "a"), item(&graph, 1).content.channel), (vec![1], None));
}

#[test]
fn ids_are_scoped_to_their_thread() {
    let mut case = Case::new();
    case.thread("t2", "/root/two");
    case.turn("u2", "t2");
    for (thread, turn) in [("t", "u"), ("t2", "u2")] {
        let id = format!("{thread}-call");
        case.request_in(
            &id,
            thread,
            turn,
            json!({ "input": [user("same"), function_call("c"), function_output("c", thread)] }),
        );
        case.tool_in((thread, turn), &format!("{thread}-tool"), Some("c"), exec(), None);
    }
    let graph = case.check(&[]);
    for (thread, items) in [("t", [1, 2, 3]), ("t2", [4, 5, 6])] {
        assert_eq!(request_items(&graph, &format!("{thread}-call")), items);
        let tool = tool(&graph, &format!("{thread}-tool"));
        let linked: Vec<_> = tool.call_item_ids.iter().chain(&tool.output_item_ids).map(|item| item.number()).collect();
        assert_eq!(linked, items[1..]);
    }
}

#[test]
fn response_of_another_thread_is_not_continued() {
    let mut case = Case::new();
    case.thread("t2", "/root/two");
    case.turn("u2", "t2");
    case.request("a", [user("1")]);
    case.response("a", [assistant("2")]);
    let body = json!({ "input": [user("3")], "previous_response_id": "resp-a" });
    case.request_in("b", "t2", "u2", body);
    let graph = case.check(&[Code::UnknownPreviousResponse]);
    assert_eq!(request_items(&graph, "b"), [3]);
}

#[test]
fn first_of_contradictory_ends_wins() {
    let mut case = Case::new();
    case.request("a", [user("1")]);
    case.event(json!({ "type": "inference_failed", "inference_call_id": "a", "error": "first" }));
    case.response("a", [assistant("late")]);
    case.event(json!({ "type": "inference_cancelled", "inference_call_id": "a", "reason": "third" }));
    case.tool("x", None, exec(), None);
    case.end_tool("x", "cancelled", None);
    case.end_tool("x", "completed", Some(json!({ "type": "error", "error": "late" })));
    for status in ["failed", "completed"] {
        case.end_turn("u", status);
    }
    for status in ["aborted", "completed"] {
        case.event(json!({ "type": "thread_ended", "thread_id": "t", "status": status }));
        case.event(json!({ "type": "rollout_ended", "status": status }));
    }
    let graph = case.check(&[Code::LateEnd; 6]);
    let call = call(&graph, "a");
    assert_eq!((call.execution.status, call.error.as_deref()), (ExecutionStatus::Failed, Some("first")));
    // A late response is still evidence.
    assert_eq!(response_items(&graph, "a"), [2]);
    let tool = tool(&graph, "x");
    assert_eq!((tool.execution.status, tool.error.as_deref()), (ExecutionStatus::Cancelled, None));
    assert_eq!(graph.turns.iter().map(|turn| turn.execution.status).collect::<Vec<_>>(), [ExecutionStatus::Failed]);
    assert_eq!(graph.status, RolloutStatus::Aborted);
}

#[test]
fn invalid_model_arguments_keep_the_item_and_its_link() {
    for arguments in ["", "{", "null", "[]", "7", "not JSON at all", "{\"cell_id\":null}", "{\"cell_id\":{}}", "\u{0}"]
    {
        let mut case = Case::new();
        let wait = json!({ "type": "other", "name": "wait" });
        case.request("a", [user("1")]);
        case.response(
            "a",
            json!([{ "type": "function_call", "call_id": "c", "name": "wait", "arguments": arguments }]),
        );
        case.tool("x", Some("c"), wait, function_invocation("wait", arguments));
        let graph = case.check(&[Code::BadArguments]);
        // The item and its link are kept.
        assert_eq!(tool(&graph, "x").call_item_ids.len(), 1, "{arguments}");
    }
}

#[test]
fn ids_and_texts_of_any_characters_are_kept() {
    let odd = "a\u{0}/../\n\"'é測\u{202e}";
    let long = "x".repeat(16 * 1024);
    for id in ["", odd, &long] {
        let mut case = Case::new();
        case.thread(id, id);
        case.turn(id, id);
        case.request_in(id, id, id, json!({ "input": [function_call(id), function_output(id, id)] }));
        case.tool_in((id, id), id, Some(id), exec(), None);
        // An empty call id is none.
        let (codes, linked) = if id.is_empty() { (&[Code::CallWithoutId; 2][..], 0) } else { (&[][..], 1) };
        let graph = case.check(codes);
        assert_eq!((request_items(&graph, id), tool(&graph, id).output_item_ids.len()), (vec![1, 2], linked));
        graph.write_state(std::io::sink(), otel_trace::graph::Snapshots::Expanded).unwrap();
    }
}

#[test]
fn line_with_an_oversized_id_is_left_out() {
    let mut case = Case::new();
    case.thread(&"x".repeat(16 * 1024 + 1), "/root");
    let graph = case.check(&[Code::BadLine]);
    assert!(graph.diagnostics[0].message.contains("an id of 16385 bytes"), "{}", graph.diagnostics[0]);
}

#[test]
fn payloads_of_unknown_events_are_listed() {
    let mut case = Case::new();
    let bodies = [0; 3].map(|_| case.body("tool_invocation", "{}"));
    case.event(json!({ "type": "of_a_later_version", "list": [{ "deep": bodies[0] }] }));
    case.event(
        json!({ "type": "tool_call_ended", "tool_call_id": 7, "status": "completed", "result_payload": bodies[1] }),
    );
    case.line(json!({ "schema_version": 2, "seq": 6, "body": bodies[2] }));
    let graph = case.check(&[Code::UnknownVariant, Code::BadLine, Code::UnknownSchema]);
    // The payload of the line with another schema version is not listed: its meaning is unknown.
    assert_eq!(
        graph.raw_payloads.iter().map(|body| body.path.as_str()).collect::<Vec<_>>(),
        ["payloads/1.json", "payloads/2.json"]
    );
}

#[test]
fn numbers_at_their_limits_are_kept() {
    let mut case = Case::new();
    for (seq, time) in [(u64::MAX, i64::MAX), (u64::MAX - 1, i64::MIN)] {
        case.line(format!(
            r#"{{"schema_version":1,"seq":{seq},"wall_time_unix_ms":{time},"rollout_id":"r","thread_id":"t","codex_turn_id":"u","payload":{{"type":"codex_turn_ended","codex_turn_id":"u","status":"completed"}}}}"#
        ));
    }
    let graph = case.check(&[Code::SeqDisorder, Code::SeqGap, Code::LateEnd]);
    let turn = graph.turns.iter().next().unwrap();
    assert_eq!(turn.execution.ended.unwrap().at.unix_ms().0, i64::MIN);
    graph.write_state(std::io::sink(), otel_trace::graph::Snapshots::Shared).unwrap();
}
