//! Bodies of the Anthropic Messages API.

use otel_trace::graph::{Channel, Code};
use serde_json::{Value, json};

use crate::case::{Case, item, request_items, response_items, state};
use crate::shapes::{check, check_request, check_response, render_item, usage};

fn message(content: Value) -> Value {
    json!({ "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": content,
        "stop_reason": "end_turn", "stop_sequence": null,
        "usage": { "input_tokens": 11, "cache_read_input_tokens": 300, "cache_creation_input_tokens": 40,
            "output_tokens": 25, "service_tier": "standard" } })
}

fn breakpoint(part: Value) -> Value {
    let mut part = part;
    part["cache_control"] = json!({ "type": "ephemeral" });
    part
}

#[test]
fn conversation_with_tools_has_each_item_once() {
    let system = json!({ "type": "text", "text": "Be brief." });
    let question = json!({ "type": "text", "text": "Oslo or Rome?" });
    let thought = json!({ "type": "thinking", "thinking": "I should look.", "signature": "s1" });
    let redacted = json!({ "type": "redacted_thinking", "data": "d1" });
    let words = json!({ "type": "text", "text": "One moment.", "citations": null });
    let call =
        |id: &str, city: &str| json!({ "type": "tool_use", "id": id, "name": "weather", "input": { "city": city } });
    let answer = json!({ "type": "tool_result", "tool_use_id": "c1", "content": "-3", "is_error": false });
    let mut picture = json!({ "type": "tool_result", "tool_use_id": "c2", "content": [{ "type": "text", "text": "18" },
        { "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "AA==" } }] });
    picture["content"][1] = breakpoint(picture["content"][1].take());
    let more = json!({ "type": "text", "text": "In one word." });
    // The cache breakpoints of the second request are at other parts than those of the first.
    let first = json!({ "system": [breakpoint(system.clone())], "max_tokens": 100,
        "messages": [{ "role": "user", "content": [breakpoint(question.clone())] }] });
    let second = json!({ "system": [system], "max_tokens": 100, "messages": [
        { "role": "user", "content": [question] },
        { "role": "assistant", "content": [thought, redacted, { "type": "text", "text": "One moment." },
            call("c1", "Oslo"), breakpoint(call("c2", "Rome"))] },
        { "role": "user", "content": [answer, breakpoint(picture), breakpoint(more)] }] });
    let returned = message(json!([thought, redacted, words, call("c1", "Oslo"), call("c2", "Rome")]));
    let graph = check(
        [(first, returned), (second, message(json!([{ "type": "text", "text": "Rome." }])))],
        &["c1", "c2"],
        &[],
        &[
            "system message: Be brief.",
            "user message: Oslo or Rome?",
            "assistant reasoning: I should look. | <signature s1>",
            "assistant reasoning: <data d1>",
            "assistant message: One moment.",
            r#"assistant function_call c1 weather: json {"city":"Oslo"}"#,
            r#"assistant function_call c2 weather: json {"city":"Rome"}"#,
            "tool function_call_output c1: -3",
            "tool function_call_output c2: 18 | [image]",
            "user message: In one word.",
            "assistant message: Rome.",
        ],
    );
    assert_eq!(usage(&graph, "a"), [351, 300, 25, 0]);
}

#[test]
fn content_is_text_or_a_list() {
    let body = json!({ "system": "Be brief.", "messages": [
        { "role": "user", "content": "hi" }, { "role": "assistant", "content": "hello" }] });
    check_request(body, &[], &["system message: Be brief.", "user message: hi", "assistant message: hello"]);
    check_response(message(json!("hello")), &[], &["assistant message: hello"]);
}

#[test]
fn moved_cache_breakpoint_creates_no_item() {
    let image = json!({ "type": "image", "source": { "type": "url", "url": "https://example.org/1.png" } });
    let document = json!({ "type": "document", "source": { "type": "text", "data": "…" }, "title": null });
    let body = |parts: &[Value]| json!({ "messages": [{ "role": "user", "content": parts }] });
    let mut case = Case::new();
    case.request_body("a", body(&[image.clone(), breakpoint(document.clone())]));
    case.request_body("b", body(&[breakpoint(image), document]));
    let graph = case.check(&[]);
    assert_eq!(request_items(&graph, "b"), [1]);
    assert_eq!(graph.items().map(render_item).collect::<Vec<_>>(), ["user message: [image] | [document]"]);
}

#[test]
fn reasoning_is_matched_by_its_signature() {
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [] }));
    case.response_body("a", message(json!([{ "type": "thinking", "thinking": "", "signature": "s" }])));
    case.request_body(
        "b",
        json!({ "messages": [{ "role": "assistant",
        "content": [{ "type": "thinking", "thinking": "I should look.", "signature": "s" }] }] }),
    );
    let graph = case.check(&[]);
    assert_eq!((response_items(&graph, "a"), request_items(&graph, "b")), (vec![1], vec![1]));
    assert_eq!(
        graph.items().map(render_item).collect::<Vec<_>>(),
        ["assistant reasoning: I should look. | <signature s>"]
    );
}

#[test]
fn text_between_calls_keeps_its_position() {
    let call = |id: &str| json!({ "type": "tool_use", "id": id, "name": "f", "input": {} });
    let text = |text: &str| json!({ "type": "text", "text": text });
    let content = json!([text("a"), text("b"), call("1"), text(""), call("2"), text("c")]);
    let expected = [
        "assistant message: a | b",
        "assistant function_call 1 f: json {}",
        "assistant function_call 2 f: json {}",
        "assistant message: c",
    ];
    check_response(message(content.clone()), &[], &expected);
    check_request(json!({ "messages": [{ "role": "assistant", "content": content }] }), &[], &expected);
}

#[test]
fn server_tools_are_parts_of_the_message() {
    let content = json!([
        { "type": "text", "text": "I look." },
        { "type": "server_tool_use", "id": "s1", "name": "web_search", "input": { "query": "x" } },
        { "type": "web_search_tool_result", "tool_use_id": "s1", "content": [] },
        { "type": "text", "text": "Found." },
    ]);
    check_response(
        message(content),
        &[],
        &["assistant message: I look. | [server_tool_use] | [web_search_tool_result] | Found."],
    );
}

fn compaction(summary: Value) -> Value {
    json!({ "type": "compaction", "content": summary })
}

#[test]
fn compaction_block_replaces_what_stands_before_it() {
    let user = |text: &str| json!({ "role": "user", "content": text });
    let returned = json!([compaction(json!("They asked for Oslo.")), { "type": "text", "text": "It is cold." }]);
    let history = [user("Oslo?"), json!({ "role": "assistant", "content": returned }), user("And Rome?")];
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [user("Oslo?")] }));
    case.response_body("a", message(returned));
    case.request_body("b", json!({ "messages": history }));
    case.request_body("c", json!({ "messages": history[1..] }));
    let graph = case.check(&[Code::HistoryEdited]);
    assert_eq!(
        graph.items().map(render_item).collect::<Vec<_>>(),
        [
            "user message: Oslo?",
            "assistant message: They asked for Oslo.",
            "assistant message: It is cold.",
            "user message: And Rome?"
        ]
    );
    assert_eq!(item(&graph, 2).content.channel, Some(Channel::Summary));
    assert_eq!((request_items(&graph, "b"), request_items(&graph, "c")), (vec![1, 2, 3, 4], vec![2, 3, 4]));
    let state = &state(&graph)["inference_calls"];
    assert_eq!(state["a"].get("compacted_before"), None, "a response compacts later requests");
    assert_eq!(state["b"]["compacted_before"], "conversation_item:2");
    assert_eq!(state["c"]["compacted_before"], "conversation_item:2");
}

#[test]
fn last_compaction_block_of_a_request_counts() {
    let block = |summary: &str| json!({ "role": "assistant", "content": [compaction(json!(summary))] });
    let body = json!({ "messages": [block("1"), block("2"), { "role": "king" }, { "role": "user", "content": "hi" }] });
    let mut case = Case::new();
    let payload = case.body("inference_request", body);
    for call in ["a", "retry"] {
        case.event(
            json!({ "type": "inference_started", "inference_call_id": call, "thread_id": "t", "codex_turn_id": "u",
            "model": "m", "provider_name": "p", "request_payload": payload }),
        );
    }
    let graph = case.check(&[Code::BadItem]);
    for call in ["a", "retry"] {
        assert_eq!(crate::case::call(&graph, call).compacted_before.map(|item| item.number()), Some(2), "{call}");
    }
}

#[test]
fn failed_compaction_has_no_effect() {
    for summary in [Value::Null, json!("")] {
        let message = json!({ "role": "assistant", "content": [compaction(summary)] });
        let mut case = Case::new();
        case.request_body("a", json!({ "messages": [{ "role": "user", "content": "hi" }, message] }));
        let graph = case.check(&[]);
        assert_eq!(crate::case::call(&graph, "a").compacted_before, None);
        let expected = ["user message: hi", "assistant message: [empty_content]"];
        assert_eq!(graph.items().map(render_item).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn compaction_block_keeps_its_signature() {
    let mut block = compaction(json!("So far."));
    block["signature"] = json!("s1");
    block["encrypted_content"] = json!("e1");
    let expected = "assistant message: So far. | <signature s1> | <encrypted_content e1>";
    check_response(message(json!([block])), &[Code::HistoryEdited], &[expected]);
    check_request(json!({ "messages": [{ "role": "assistant", "content": [breakpoint(block)] }] }), &[], &[expected]);
}

#[test]
fn tool_result_is_text_parts_or_empty() {
    let result = |content: Value, expected: &str| {
        let part = json!({ "type": "tool_result", "tool_use_id": "c", "content": content });
        let body = json!({ "messages": [{ "role": "user", "content": [part] }] });
        check_request(body, &[], &[&format!("tool function_call_output c: {expected}")]);
    };
    result(json!(""), "");
    result(json!([]), "[empty_content]");
    result(Value::Null, "[tool_output]");
    result(json!({ "odd": true }), r#"json {"odd":true}"#);
    result(json!(["text", { "type": "search_result" }, 7]), "text | [search_result] | [content]");
}

#[test]
fn tool_result_without_a_call_id_is_reported() {
    let part = json!({ "type": "tool_result", "content": "x" });
    let body = json!({ "messages": [{ "role": "user", "content": [part] }] });
    check_request(body, &[Code::CallWithoutId], &["tool function_call_output: x"]);
}

#[test]
fn second_result_of_a_call_is_a_new_item() {
    let body = |content: &str| {
        json!({ "messages": [{ "role": "user", "content": [
            { "type": "tool_result", "tool_use_id": "c", "content": content }] }] })
    };
    let mut case = Case::new();
    case.request_body("a", body("long"));
    case.request_body("b", body("cleared"));
    assert_eq!(request_items(&case.check(&[]), "b"), [2]);
}

#[test]
fn message_without_content_has_an_empty_content_part() {
    for content in [json!(""), json!([]), Value::Null, json!([{ "type": "text" }])] {
        let body = json!({ "messages": [{ "role": "user", "content": content }] });
        check_request(body, &[], &["user message: [empty_content]"]);
    }
    check_request(json!({ "messages": [{ "role": "user" }] }), &[], &["user message: [empty_content]"]);
    check_request(json!({ "messages": [], "system": "" }), &[], &[]);
}
