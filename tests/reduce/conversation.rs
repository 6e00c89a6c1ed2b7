//! The model-visible conversation: history that is repeated, continued or branched.

use otel_trace::event::Usage;
use otel_trace::graph::{Code, Part, Producer, Snapshots};
use otel_trace::reduce::Options;
use serde_json::{Value, json};

use crate::case::{
    Case, assistant, call, function_call, function_output, item, parts, request_items, response_items, user,
};

#[test]
fn repeated_history_keeps_its_items() {
    let mut case = Case::new();
    case.request("a", [user("1")]);
    case.response("a", [assistant("2")]);
    case.request("b", [user("1"), assistant("2"), user("3")]);
    let graph = case.check(&[]);
    assert_eq!(
        (request_items(&graph, "a"), response_items(&graph, "a"), request_items(&graph, "b")),
        (vec![1], vec![2], vec![1, 2, 3])
    );
    assert_eq!(item(&graph, 1).produced_by, []);
    assert_eq!(item(&graph, 2).produced_by, [Producer::Inference { inference_call_id: "a".into() }]);
    assert_eq!(graph.threads.get("t").unwrap().item_ids.len(), 3);
}

#[test]
fn history_may_be_reordered_and_shortened() {
    let mut case = Case::new();
    case.request("a", [user("1"), user("2"), user("3")]);
    case.request("b", [user("3"), user("1")]);
    case.request("c", [user("2"), user("3"), user("1")]);
    let graph = case.check(&[]);
    assert_eq!(request_items(&graph, "b"), [3, 1]);
    assert_eq!(request_items(&graph, "c"), [4, 3, 1], "an item that left the conversation is new when it returns");
}

#[test]
fn repeated_message_at_a_new_position_is_a_new_item() {
    let mut case = Case::new();
    case.request("a", [user("ok")]);
    case.request("b", [user("ok"), user("ok")]);
    case.request("c", [user("ok"), user("ok"), user("ok")]);
    case.request("d", [user("new"), user("ok"), user("ok")]);
    let graph = case.check(&[]);
    assert_eq!((request_items(&graph, "b"), request_items(&graph, "c")), (vec![1, 2], vec![1, 2, 3]));
    assert_eq!(
        request_items(&graph, "d"),
        [4, 2, 3],
        "an item at the expected position wins over the first equal item"
    );
}

#[test]
fn arguments_are_compared_by_value_and_tool_name() {
    let call = |name: &str, arguments: &str| json!({ "type": "function_call", "call_id": format!("c-{name}"), "name": name, "arguments": arguments });
    let mut case = Case::new();
    case.request("a", [call("f", r#"{"a":1,"b":2}"#)]);
    case.request("b", [call("f", r#"{ "b": 2, "a": 1 }"#)]);
    case.request("c", [call("g", r#"{"a":1,"b":2}"#)]);
    let graph = case.check(&[]);
    assert_eq!((request_items(&graph, "b"), request_items(&graph, "c")), (vec![1], vec![2]));
}

#[test]
fn json_is_compared_beyond_its_summary() {
    let call = |end: &str| {
        let text = format!("{}{end}", "x".repeat(300));
        json!({ "type": "web_search_call", "query": text })
    };
    let mut case = Case::new();
    case.request("a", [call("1")]);
    case.request("b", [call("2")]);
    assert_eq!(request_items(&case.check(&[]), "b"), [2]);
}

#[test]
fn response_items_are_always_new() {
    let mut case = Case::new();
    case.request("a", [user("1")]);
    case.response("a", [assistant("same")]);
    case.request("b", [user("1"), assistant("same")]);
    case.response("b", [assistant("same")]);
    let graph = case.check(&[]);
    assert_eq!((request_items(&graph, "b"), response_items(&graph, "b")), (vec![1, 2], vec![3]));
}

fn reasoning(texts: &[&str], summaries: &[&str]) -> Value {
    let texts: Vec<_> = texts.iter().map(|text| json!({ "type": "reasoning_text", "text": text })).collect();
    let summaries: Vec<_> = summaries.iter().map(|text| json!({ "type": "summary_text", "text": text })).collect();
    json!({ "type": "reasoning", "content": texts, "summary": summaries, "encrypted_content": "e" })
}

#[test]
fn reasoning_with_equal_encrypted_content_is_merged() {
    let mut case = Case::new();
    case.request("a", [reasoning(&[], &["s"])]);
    case.request("b", [reasoning(&["t"], &[])]);
    case.request("c", [reasoning(&[], &[])]);
    case.request("d", [reasoning(&["t"], &["s"])]);
    let graph = case.check(&[]);
    assert_eq!(
        (request_items(&graph, "b"), request_items(&graph, "c"), request_items(&graph, "d")),
        (vec![1], vec![1], vec![1])
    );
    let encoded = Part::Encoded { label: "encrypted_content", value: "e".into() };
    assert_eq!(parts(&graph, 1), [Part::Text("t".into()), Part::Summary("s".into()), encoded]);
}

#[test]
fn contradictory_reasoning_keeps_its_first_text() {
    let mut case = Case::new();
    case.request("a", [reasoning(&["first"], &[])]);
    case.request("b", [reasoning(&["second"], &[])]);
    case.request("c", [reasoning(&["second"], &[])]);
    let graph = case.check(&[Code::ReasoningConflict]);
    assert_eq!((request_items(&graph, "b"), request_items(&graph, "c")), (vec![1], vec![1]));
    assert_eq!(parts(&graph, 1).first(), Some(&Part::Text("first".into())));
}

#[test]
fn request_may_continue_a_response() {
    let mut case = Case::new();
    case.request("a", [user("1")]);
    case.response("a", [function_call("c")]);
    case.request_after("b", "resp-a", [function_output("c", "3")]);
    case.response("b", [assistant("4")]);
    case.request_after("c", "resp-b", [user("5")]);
    let graph = case.check(&[]);
    assert_eq!((request_items(&graph, "b"), request_items(&graph, "c")), (vec![1, 2, 3], vec![1, 2, 3, 4, 5]));
}

#[test]
fn unknown_previous_response_continues_the_last_snapshot() {
    let mut case = Case::new();
    case.request("a", [user("1")]);
    case.response("a", [assistant("2")]);
    case.request_after("b", "resp-lost", [user("3")]);
    let graph = case.check(&[Code::UnknownPreviousResponse]);
    assert_eq!(request_items(&graph, "b"), [1, 2, 3]);
    assert_eq!(case.strict_error().0, Code::UnknownPreviousResponse);
}

#[test]
fn incomplete_response_is_not_continued() {
    let mut case = Case::new();
    case.request("a", [user("1")]);
    case.request_after("b", "resp-a", [user("2")]);
    case.response("a", [assistant("3")]);
    assert_eq!(request_items(&case.check(&[Code::UnknownPreviousResponse]), "b"), [1, 2]);
}

#[test]
fn retry_keeps_its_items_and_branch_creates_new_items() {
    let mut case = Case::new();
    case.request("a", [user("1")]);
    case.response("a", [assistant("2")]);
    case.request_after("b", "resp-a", [user("3")]);
    case.request_after("retry", "resp-a", [user("3")]);
    case.request_after("branch", "resp-a", [user("other")]);
    let graph = case.check(&[Code::HistoryBranched]);
    assert_eq!((request_items(&graph, "retry"), request_items(&graph, "branch")), (vec![1, 2, 3], vec![1, 2, 4]));
    assert_eq!(case.strict_error().0, Code::HistoryBranched);
}

#[test]
fn late_response_stays_with_its_request() {
    let mut case = Case::new();
    case.request("a", [user("1")]);
    case.request("b", [user("1"), user("2")]);
    case.response("a", [assistant("3")]);
    case.response("b", [assistant("4")]);
    case.request_after("c", "resp-b", [user("5")]);
    case.request("d", [user("1"), user("2"), assistant("3"), assistant("4"), user("5")]);
    let graph = case.check(&[Code::HistoryBranched]);
    assert_eq!(request_items(&graph, "c"), [1, 2, 4, 5]);
    assert_eq!(request_items(&graph, "d"), [1, 2, 6, 4, 5]);
}

#[test]
fn input_mode_of_the_event_overrides_the_body() {
    let mut case = Case::new();
    case.request("a", [user("1")]);
    case.response("a", [assistant("2")]);
    let full = case.body("inference_request", json!({ "input": [user("1")], "previous_response_id": "resp-a" }));
    let start = |id: &str, body: &Value, mode: Value| {
        json!({ "type": "inference_started", "inference_call_id": id, "thread_id": "t", "codex_turn_id": "u", "model": "m",
            "provider_name": "p", "request_payload": body, "request_input_mode": mode })
    };
    case.event(start("full", &full, json!({ "type": "full_snapshot" })));
    let tail = case.body("inference_request", json!({ "input": [user("3")] }));
    case.event(start("incremental", &tail, json!({ "type": "incremental", "previous_response_id": "resp-a" })));
    let prefix = case.body("inference_request", json!({ "input": [user("1"), user("untold")] }));
    let mode =
        json!({ "type": "incremental_with_untraced_prefix", "previous_response_id": "x", "prefix_payload": prefix });
    case.event(start("untraced", &tail, mode));
    let graph = case.check(&[Code::InputModeConflict]);
    assert_eq!(request_items(&graph, "full"), [1]);
    assert_eq!(request_items(&graph, "incremental"), [1, 2, 3]);
    assert_eq!(request_items(&graph, "untraced"), [1, 4, 5], "items after an untraced prefix are new");
}

#[test]
fn request_without_a_body_leaves_the_conversation_unchanged() {
    let mut case = Case::new();
    case.request("a", [user("1")]);
    case.request_body("unknown", json!({}));
    case.response("unknown", [assistant("2")]);
    case.request("b", [user("1"), assistant("2")]);
    let graph = case.check(&[Code::RequestUnknown]);
    assert_eq!((request_items(&graph, "unknown"), request_items(&graph, "b")), (vec![], vec![1, 2]));
}

#[test]
fn body_of_unknown_shape_affects_only_its_call() {
    for body in [r#"{"questions":[]}"#, r#"{"input":7}"#, "[]", "not json", r#"{"otel_trace.lost":"why"}"#] {
        let mut case = Case::new();
        case.request("a", [user("1")]);
        case.request_body("bad", body);
        case.request("b", [user("1"), user("2")]);
        let graph = case.check(&[Code::BadPayload]);
        assert_eq!((request_items(&graph, "bad"), request_items(&graph, "b")), (vec![], vec![1, 2]), "{body}");
        assert_eq!(case.strict_error().0, Code::BadPayload);
    }
}

#[test]
fn output_of_a_call_with_other_content_is_a_new_item() {
    let mut case = Case::new();
    case.request("a", [function_output("c", "one")]);
    case.request("b", [function_output("c", "two")]);
    assert_eq!(request_items(&case.check(&[]), "b"), [2]);
}

#[test]
fn usage_fields_are_optional() {
    let usage = |body: Value| {
        let mut case = Case::new();
        case.request("a", [user("1")]);
        case.response_body("a", body);
        call(&case.try_reduce(&Options::default()).unwrap().graph, "a").usage
    };
    let counted = |input, cached, output, reasoning| {
        Some(Usage {
            input_tokens: input,
            cached_input_tokens: cached,
            output_tokens: output,
            reasoning_output_tokens: reasoning,
            ..Usage::default()
        })
    };
    let token_usage =
        json!({ "input_tokens": 4, "cached_input_tokens": 3, "output_tokens": 2, "reasoning_output_tokens": 1 });
    assert_eq!(usage(json!({ "output_items": [], "token_usage": token_usage })), counted(4, 3, 2, 1));
    assert_eq!(usage(json!({ "output_items": [], "token_usage": { "output_tokens": 2 } })), counted(0, 0, 2, 0));
    assert_eq!(usage(json!({ "output_items": [], "token_usage": { "input_tokens": -2 } })), counted(0, 0, 0, 0));
    assert_eq!(usage(json!({ "output_items": [], "token_usage": { "cached_input_tokens": 2 } })), None);
    let api = json!({ "input_tokens": 4, "input_tokens_details": { "cached_tokens": 3 }, "output_tokens": 2,
        "output_tokens_details": { "reasoning_tokens": 1 } });
    assert_eq!(usage(json!({ "id": "resp", "output": [], "usage": api })), counted(4, 3, 2, 1));
}

#[test]
fn responses_api_body_is_accepted() {
    let mut case = Case::new();
    case.request("a", [user("1")]);
    let body = case.body("inference_response", json!({ "id": "resp_1", "output": [assistant("2")] }));
    case.event(json!({ "type": "inference_completed", "inference_call_id": "a", "response_id": null, "response_payload": body }));
    case.request_after("b", "resp_1", [user("3")]);
    let graph = case.check(&[]);
    assert_eq!((response_items(&graph, "a"), request_items(&graph, "b")), (vec![2], vec![1, 2, 3]));
    assert_eq!(call(&graph, "a").response_id, Some("resp_1".into()));
}

#[test]
fn turn_input_is_new_messages_of_its_first_request() {
    let delivered = |recipient: &str| {
        let message = json!({ "author": "/root/w", "recipient": recipient, "content": "hi", "trigger_turn": false });
        assistant(&message.to_string())
    };
    let mut case = Case::new();
    case.request(
        "a",
        [json!({ "role": "developer", "content": "rules" }), user("1"), delivered("/root"), delivered("/other")],
    );
    case.request("b", [user("2")]);
    let graph = case.check(&[]);
    let input: Vec<u64> = graph.turns.get("u").unwrap().input_item_ids.iter().map(|item| item.number()).collect();
    assert_eq!(input, [2, 3]);
}

#[test]
fn threads_have_separate_conversations() {
    let mut case = Case::new();
    case.thread("t2", "/root/w");
    case.turn("u2", "t2");
    case.request("a", [user("1")]);
    case.request_in("b", "t2", "u2", json!({ "input": [user("1")] }));
    let graph = case.check(&[]);
    assert_eq!((request_items(&graph, "a"), request_items(&graph, "b")), (vec![1], vec![2]));
}

#[test]
fn shared_snapshots_name_the_earlier_call() {
    let mut case = Case::new();
    case.request("a", [user("1")]);
    case.response("a", [assistant("2")]);
    case.request("b", [user("1"), assistant("2"), user("3")]);
    case.request("c", [user("1"), assistant("2"), user("4")]);
    let graph = case.check(&[]);
    let mut bytes = Vec::new();
    graph.write_state(&mut bytes, Snapshots::Shared).unwrap();
    let state: Value = serde_json::from_slice(&bytes).unwrap();
    let calls = &state["inference_calls"];
    assert_eq!(calls["b"]["request_prefix"], json!({ "inference_call_id": "a", "items": 1, "with_response": true }));
    assert_eq!(calls["b"]["request_item_ids"], json!(["conversation_item:3"]));
    assert_eq!(calls["c"]["request_prefix"], calls["b"]["request_prefix"]);
    assert_eq!(request_items(&graph, "c"), [1, 2, 4]);
}

#[test]
fn instructions_and_tools_have_pointers() {
    let mut case = Case::new();
    case.request_body("a", json!({ "input": [], "instructions": "be kind", "tools": [] }));
    let graph = case.check(&[]);
    let pointer = |pointer: &Option<otel_trace::graph::Pointer>| pointer.as_ref().map(|it| it.pointer.to_string());
    assert_eq!(pointer(&call(&graph, "a").instructions).as_deref(), Some("/instructions"));
    assert_eq!(pointer(&call(&graph, "a").tools).as_deref(), Some("/tools"));
}

#[test]
fn prefix_of_another_thread_is_treated_as_absent() {
    let mut case = Case::new();
    case.thread("t2", "/root/w");
    case.turn("u2", "t2");
    let prefix = case.body("inference_request", json!({ "input": [user("old")] }));
    for (call, thread, turn) in [("a", "t", "u"), ("b", "t2", "u2"), ("c", "t", "u")] {
        let body = case.body("inference_request", json!({ "input": [user(call)] }));
        let event = json!({
            "type": "inference_started", "inference_call_id": call, "thread_id": thread, "codex_turn_id": turn,
            "model": "m", "provider_name": "p", "request_payload": body,
            "request_input_mode": {
                "type": "incremental_with_untraced_prefix", "previous_response_id": "r", "prefix_payload": prefix,
            },
        });
        case.event_in(json!(thread), json!(turn), event);
    }
    let graph = case.check(&[Code::BadPayload]);
    let message = &graph.diagnostics[0].message;
    assert!(message.contains("it already belongs to a request of thread t"), "{message}");
    let requests = ["a", "b", "c"].map(|call| request_items(&graph, call));
    assert_eq!(requests, [vec![1, 2], vec![3], vec![1, 4]]);
}
