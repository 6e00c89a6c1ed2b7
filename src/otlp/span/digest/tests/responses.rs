use serde_json::{Value, json};

use crate::event::Usage;
use crate::otlp::ContentPolicy::{Capture, Omit};
use crate::otlp::span::digest::ResponseDigest;
use crate::provider::CallWithId;

fn response(body: &Value) -> ResponseDigest {
    ResponseDigest::parse(body.to_string().as_bytes(), Capture)
}

/// Checks a response's digest, and its messages as JSON.
fn check(body: &Value, expected: ResponseDigest, messages: &Value) {
    let digest = response(body);
    let actual =
        digest.output_messages.as_deref().map_or(Value::Null, |text| serde_json::from_str(text).expect("JSON"));
    assert_eq!(actual, *messages);
    assert_eq!(ResponseDigest { output_messages: None, ..digest }, expected);
    assert_eq!(ResponseDigest::parse(body.to_string().as_bytes(), Omit), expected);
}

fn call(id: &str, name: Option<&str>) -> CallWithId {
    CallWithId { id: id.to_owned(), name: name.map(str::to_owned), namespace: None }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

fn usage(
    input_tokens: u64,
    cached_input_tokens: u64,
    output_tokens: u64,
    reasoning_output_tokens: u64,
) -> Option<Usage> {
    Some(Usage { input_tokens, cached_input_tokens, output_tokens, reasoning_output_tokens, ..Usage::default() })
}

#[test]
fn responses_api_response_is_converted() {
    let expected_messages = json!([{ "role": "assistant", "parts": [
        { "type": "text", "content": "Searching." },
        { "type": "tool_call", "id": "c1", "name": "find", "arguments": {} },
        { "type": "local_shell_call", "call_id": "c2", "action": {} },
        { "type": "tool_call", "id": "", "name": "find" },
    ], "finish_reason": "tool_call" }, { "role": "tool", "finish_reason": "", "parts": [
        { "type": "tool_call_response", "id": "c3", "response": "found" }] }]);
    let items = json!([
        { "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": "Searching." }] },
        { "type": "function_call", "call_id": "c1", "name": "find", "arguments": "{}" },
        { "type": "local_shell_call", "call_id": "c2", "action": {} },
        { "type": "function_call", "call_id": "", "name": "find" },
        { "type": "function_call_output", "call_id": "c3", "output": "found" },
    ]);
    let expected = ResponseDigest {
        response_id: Some("r1".to_owned()),
        usage: usage(10, 4, 5, 2),
        // The name of the tool stands in for an empty id.
        calls: vec![call("c1", Some("find")), call("c2", None), call("find", Some("find"))],
        has_known_items: true,
        is_response: true,
        ..Default::default()
    };
    let counted =
        json!({ "input_tokens": 10, "cached_input_tokens": 4, "output_tokens": 5, "reasoning_output_tokens": 2 });
    let recorded = json!({ "response_id": "r1", "output_items": items, "token_usage": counted });
    check(&recorded, expected.clone(), &expected_messages);
    let wire_response = json!({
        "id": "r1", "model": "gpt-5-2026", "status": "incomplete", "incomplete_details": { "reason": "max_output_tokens" },
        "output": items, "usage": { "input_tokens": 10, "input_tokens_details": { "cached_tokens": 4 },
            "output_tokens": 5, "output_tokens_details": { "reasoning_tokens": 2 } },
    });
    let model = Some("gpt-5-2026".to_owned());
    let stopped = ResponseDigest { model, finish_reasons: texts(&["max_output_tokens"]), ..expected };
    check(&wire_response, stopped, &expected_messages);
    let complete = json!({ "status": "completed", "incomplete_details": null, "output": [] });
    let expected = ResponseDigest {
        finish_reasons: texts(&["completed"]),
        has_known_items: true,
        is_response: true,
        ..Default::default()
    };
    check(&complete, expected, &json!([]));
}

#[test]
fn chat_completions_response_is_converted() {
    let body = json!({
        "id": "r1", "model": "gpt-4o",
        "choices": [
            { "finish_reason": "tool_calls", "message": { "role": "assistant", "content": null, "tool_calls": [
                { "id": "c1", "type": "function", "function": { "name": "find", "arguments": "{}" } }] } },
            { "finish_reason": "stop", "message": { "role": "assistant", "content": "Hello.", "tool_calls": [{ "id": "c2" }] } },
        ],
        "usage": { "prompt_tokens": 10, "completion_tokens": 5 },
    });
    let expected_messages = json!([
        { "role": "assistant", "finish_reason": "tool_calls", "parts": [
            { "type": "tool_call", "id": "c1", "name": "find", "arguments": {} }] },
        { "role": "assistant", "finish_reason": "stop", "parts": [
            { "type": "text", "content": "Hello." }, { "type": "tool_call", "id": "c2" }] },
    ]);
    let expected = ResponseDigest {
        response_id: Some("r1".to_owned()),
        model: Some("gpt-4o".to_owned()),
        finish_reasons: texts(&["tool_calls", "stop"]),
        usage: usage(10, 0, 5, 0),
        calls: vec![call("c1", Some("find"))],
        has_known_items: true,
        is_response: true,
        ..Default::default()
    };
    check(&body, expected, &expected_messages);
}

#[test]
fn anthropic_response_is_converted() {
    let body = json!({
        "id": "r1", "model": "claude", "role": "assistant", "stop_reason": "tool_use",
        "content": [{ "type": "text", "text": "Searching." }, { "type": "tool_use", "id": "t1", "name": "find", "input": {} },
            { "type": "server_tool_use", "id": "t2", "name": "web", "input": {} }],
        "usage": { "input_tokens": 10, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 3, "output_tokens": 5 },
    });
    let expected_messages = json!([{ "role": "assistant", "finish_reason": "tool_use", "parts": [
        { "type": "text", "content": "Searching." }, { "type": "tool_call", "id": "t1", "name": "find", "arguments": {} },
        { "type": "server_tool_use", "id": "t2", "name": "web", "input": {} }] }]);
    let expected = ResponseDigest {
        response_id: Some("r1".to_owned()),
        model: Some("claude".to_owned()),
        finish_reasons: texts(&["tool_use"]),
        usage: usage(17, 4, 5, 0).map(|usage| Usage { cache_write_input_tokens: 3, ..usage }),
        calls: vec![call("t1", Some("find"))],
        has_known_items: true,
        is_response: true,
        ..Default::default()
    };
    check(&body, expected, &expected_messages);
}

#[test]
fn gemini_response_is_converted() {
    let body = json!({
        "responseId": "r1", "modelVersion": "gemini-3",
        "candidates": [
            { "finishReason": "STOP", "content": { "role": "model", "parts": [
                { "functionCall": { "id": "g1", "name": "find", "args": {} } }, { "functionCall": { "name": "look" } }] } },
            { "finishReason": "SAFETY" },
        ],
        "usageMetadata": { "promptTokenCount": 10, "candidatesTokenCount": 5, "thoughtsTokenCount": 2 },
    });
    let expected_messages = json!([
        { "role": "assistant", "finish_reason": "STOP", "parts": [
            { "type": "tool_call", "id": "g1", "name": "find", "arguments": {} }, { "type": "tool_call", "name": "look" }] },
        { "role": "assistant", "finish_reason": "SAFETY", "parts": [] },
    ]);
    let expected = ResponseDigest {
        response_id: Some("r1".to_owned()),
        model: Some("gemini-3".to_owned()),
        finish_reasons: texts(&["STOP", "SAFETY"]),
        usage: usage(10, 0, 7, 2),
        // A call without an id has the name of its tool in its place.
        calls: vec![call("g1", Some("find")), call("look", Some("look"))],
        has_known_items: true,
        is_response: true,
        ..Default::default()
    };
    check(&body, expected, &expected_messages);
}

#[test]
fn converse_response_is_converted() {
    let body = json!({
        "output": { "message": { "role": "assistant", "content": [{ "text": "Searching." },
            { "toolUse": { "toolUseId": "t1", "name": "find", "input": {} } }] } },
        "stopReason": "tool_use",
        "usage": { "inputTokens": 10, "cacheReadInputTokens": 4, "cacheWriteInputTokens": 3, "outputTokens": 5, "totalTokens": 22 },
        "metrics": { "latencyMs": 1 },
    });
    let expected_messages = json!([{ "role": "assistant", "finish_reason": "tool_use", "parts": [
        { "type": "text", "content": "Searching." }, { "type": "tool_call", "id": "t1", "name": "find", "arguments": {} }] }]);
    let expected = ResponseDigest {
        finish_reasons: texts(&["tool_use"]),
        usage: usage(17, 4, 5, 0).map(|usage| Usage { cache_write_input_tokens: 3, ..usage }),
        calls: vec![call("t1", Some("find"))],
        has_known_items: true,
        is_response: true,
        ..Default::default()
    };
    check(&body, expected, &expected_messages);
}

#[test]
fn ollama_response_is_converted() {
    let body = json!({
        "model": "llama3.2", "created_at": "2025-01-01T00:00:00Z", "done": true, "done_reason": "stop",
        "message": { "role": "assistant", "content": "", "thinking": "Where?", "tool_calls": [
            { "id": "c1", "function": { "name": "find", "arguments": {} } }, { "function": { "name": "look", "arguments": {} } }] },
        "prompt_eval_count": 10, "eval_count": 5,
    });
    let expected_messages = json!([{ "role": "assistant", "finish_reason": "stop", "parts": [
        { "type": "reasoning", "content": "Where?" }, { "type": "tool_call", "id": "c1", "name": "find", "arguments": {} },
        { "type": "tool_call", "name": "look", "arguments": {} }] }]);
    let expected = ResponseDigest {
        model: Some("llama3.2".to_owned()),
        finish_reasons: texts(&["stop"]),
        usage: usage(10, 0, 5, 0),
        calls: vec![call("c1", Some("find")), call("look", Some("look"))],
        has_known_items: true,
        is_response: true,
        ..Default::default()
    };
    check(&body, expected, &expected_messages);
}

#[test]
fn cohere_response_is_converted() {
    let body = json!({
        "id": "r1", "finish_reason": "TOOL_CALL",
        "message": { "role": "assistant", "tool_plan": "Look.", "tool_calls": [
            { "id": "c1", "type": "function", "function": { "name": "find", "arguments": "{}" } }] },
        "usage": { "billed_units": { "input_tokens": 1, "output_tokens": 2 }, "tokens": { "input_tokens": 10, "output_tokens": 5 },
            "cached_tokens": 4 },
    });
    let expected_messages = json!([{ "role": "assistant", "finish_reason": "TOOL_CALL", "parts": [
        { "type": "reasoning", "content": "Look." }, { "type": "tool_call", "id": "c1", "name": "find", "arguments": {} }] }]);
    let expected = ResponseDigest {
        response_id: Some("r1".to_owned()),
        finish_reasons: texts(&["TOOL_CALL"]),
        usage: usage(10, 4, 5, 0),
        calls: vec![call("c1", Some("find"))],
        has_known_items: true,
        is_response: true,
        ..Default::default()
    };
    check(&body, expected, &expected_messages);
}

#[test]
fn convention_fields_are_read() {
    let messages = json!([{ "role": "assistant", "finish_reason": "tool_call", "parts": [
        { "type": "tool_call", "id": "c1", "name": "find", "arguments": {} }, { "type": "text", "content": "Hello." }] }]);
    let expected = ResponseDigest {
        response_id: Some("r1".to_owned()),
        model: Some("gpt-5-2026".to_owned()),
        finish_reasons: texts(&["tool_call"]),
        usage: usage(10, 4, 5, 0).map(|usage| Usage { cache_write_input_tokens: 3, ..usage }),
        calls: vec![call("c1", Some("find"))],
        has_known_items: true,
        is_response: true,
        ..Default::default()
    };
    let mut body = json!({
        "gen_ai.response.id": "r1", "gen_ai.response.model": "gpt-5-2026",
        "gen_ai.response.finish_reasons": ["tool_call"], "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.cache_read.input_tokens": 4, "gen_ai.usage.cache_creation.input_tokens": 3,
        "gen_ai.usage.output_tokens": 5, "gen_ai.output.messages": messages,
    });
    check(&body, expected.clone(), &messages);
    body["gen_ai.output.messages"] = messages.to_string().into();
    body["gen_ai.response.finish_reasons"] = r#"["tool_call"]"#.into();
    check(&body, expected.clone(), &messages);
    body.as_object_mut().expect("an object").remove("gen_ai.output.messages");
    check(
        &body,
        ResponseDigest { calls: Vec::new(), has_known_items: false, is_response: false, ..expected },
        &Value::Null,
    );
}

#[test]
fn text_field_becomes_an_assistant_message() {
    let parts = json!([{ "type": "text", "content": "7" }]);
    let expected_messages = json!([{ "role": "assistant", "parts": parts, "finish_reason": "" }]);
    let expected = ResponseDigest { has_known_items: true, is_response: true, ..Default::default() };
    check(&json!({ "gen_ai.output.messages": "7" }), expected, &expected_messages);
}

#[test]
fn finish_reason_is_derived_from_the_status() {
    let item = json!({ "type": "message", "role": "assistant", "content": "7" });
    let reason = |more: Value| {
        let mut body = json!({ "output": [item] });
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let messages: Value = serde_json::from_str(&response(&body).output_messages.expect("messages")).expect("JSON");
        messages[0]["finish_reason"].clone()
    };
    assert_eq!(reason(json!({})), "");
    assert_eq!(reason(json!({ "status": "completed" })), "stop");
    assert_eq!(reason(json!({ "status": "failed" })), "failed");
    let cut = json!({ "status": "incomplete", "incomplete_details": { "reason": "max_output_tokens" } });
    assert_eq!(reason(cut), "max_output_tokens");
}

#[test]
fn items_of_an_unrecorded_response_are_unknown() {
    let check = |body: Value, expected: bool| assert_eq!(response(&body).has_known_items, expected, "{body}");
    check(json!({}), false);
    check(json!([]), false);
    check(json!({ "gen_ai.response.id": "r1", "gen_ai.usage.input_tokens": 1 }), false);
    check(json!({ "output": "text" }), true);
    check(json!({ "output": null }), true);
    check(json!({ "output_items": null, "choices": [] }), true);
    check(json!({ "choices": [{ "text": "of an older API" }] }), true);
    check(json!({ "content": "Hello." }), true);
    check(json!({ "candidates": [] }), true);
    check(json!({ "promptFeedback": { "blockReason": "SAFETY" } }), true);
    check(json!({ "error": "slow down" }), true);
}

#[test]
fn error_of_a_provider_is_its_first_line_and_not_all_of_it() {
    let error = |bytes: &str| {
        let digests = [Capture, Omit].map(|content| ResponseDigest::parse(bytes.as_bytes(), content).error);
        let live = ResponseDigest::parse_live(bytes.as_bytes(), Omit).error;
        assert_eq!([&digests[0], &digests[1]], [&live, &live], "{bytes}");
        live
    };
    let long = "é".repeat(300);
    for (bytes, expected) in [
        (json!({ "error": { "message": "boom" } }).to_string(), "boom"),
        (json!({ "error": { "message": "boom\nyou said: hi" } }).to_string(), "boom"),
        (json!({ "type": "error", "error": { "message": "\nboom\r\nhi" } }).to_string(), "boom"),
        (json!({ "detail": [{ "msg": long }] }).to_string(), &long[..400]),
        ("event: error\ndata: {\"error\":{\"message\":\"boom\"}}\n\n".to_owned(), "boom"),
        ("\"boom\"".to_owned(), "boom"),
    ] {
        assert_eq!(error(&bytes).as_deref(), Some(expected), "{bytes}");
    }
    for bytes in ["<html>boom</html>", "{}", r#"{"choices":[{"message":{"role":"assistant","content":"hi"}}]}"#] {
        assert_eq!(error(bytes), None, "{bytes}");
    }
}
