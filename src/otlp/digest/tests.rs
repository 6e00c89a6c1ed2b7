use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::otlp::ContentPolicy::{Capture, Omit};

fn request(body: &Value) -> RequestDigest {
    RequestDigest::of(body.to_string().as_bytes(), Capture)
}

fn response(body: &Value) -> ResponseDigest {
    ResponseDigest::of(body.to_string().as_bytes(), Capture)
}

/// That a request says this, as JSON: messages, instructions, tools.
fn check_request(body: &Value, messages: &Value, instructions: &Value, tools: &Value) {
    let digest = request(body);
    let parsed =
        |text: &Option<String>| text.as_deref().map_or(Value::Null, |text| serde_json::from_str(text).expect("JSON"));
    assert_eq!(parsed(&digest.input_messages), *messages);
    assert_eq!(parsed(&digest.system_instructions), *instructions);
    assert_eq!(parsed(&digest.tool_definitions), *tools);
    let without = RequestDigest { input_messages: None, system_instructions: None, tool_definitions: None, ..digest };
    assert_eq!(RequestDigest::of(body.to_string().as_bytes(), Omit), without);
}

/// That a response says this; its messages as JSON.
fn check_response(body: &Value, expected: ResponseDigest, messages: &Value) {
    let digest = response(body);
    let said = digest.output_messages.as_deref().map_or(Value::Null, |text| serde_json::from_str(text).expect("JSON"));
    assert_eq!(said, *messages);
    assert_eq!(ResponseDigest { output_messages: None, ..digest }, expected);
    assert_eq!(ResponseDigest::of(body.to_string().as_bytes(), Omit), expected);
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

#[test]
fn a_request_of_the_responses_api() {
    let body = json!({
        "model": "gpt-5", "instructions": "Be brief.", "tools": [{ "type": "function", "name": "find" }],
        "input": [
            { "type": "message", "role": "developer", "content": [{ "type": "input_text", "text": "Rules." }] },
            { "role": "user", "content": "Find it." },
            { "type": "message", "role": "user", "content": [{ "type": "input_image", "image_url": "http://a/b.png" }] },
            { "type": "reasoning", "id": "rs_1", "summary": [{ "type": "summary_text", "text": "Look." }],
              "content": [{ "type": "reasoning_text", "text": "Where?" }], "encrypted_content": "x1" },
            { "type": "reasoning", "summary": [], "content": null, "encrypted_content": "x2" },
            { "type": "message", "role": "assistant", "content": [
                { "type": "output_text", "text": "Searching.", "annotations": [] }, { "type": "refusal", "refusal": "No." }] },
            { "type": "function_call", "id": "fc_1", "call_id": "c1", "name": "find", "arguments": "{\"a\":[1.50]}", "status": "completed" },
            { "type": "custom_tool_call", "call_id": "c2", "name": "exec", "input": "let a = 1;" },
            { "type": "web_search_call", "id": "ws_1", "status": "completed", "action": { "type": "search" } },
            { "type": "function_call_output", "call_id": "c1", "output": "found" },
            { "type": "custom_tool_call_output", "call_id": "c2", "output": [{ "type": "input_text", "text": "1" }] },
            { "type": "tool_search_output", "call_id": "c3", "tools": [1] },
            { "type": "new_thing", "extra": { "b": 1 } },
        ],
    });
    let messages = json!([
        { "role": "developer", "parts": [{ "type": "text", "content": "Rules." }] },
        { "role": "user", "parts": [{ "type": "text", "content": "Find it." }] },
        { "role": "user", "parts": [{ "type": "input_image", "image_url": "http://a/b.png" }] },
        { "role": "assistant", "parts": [
            { "type": "reasoning", "content": "Where?" },
            { "type": "reasoning", "content": "Look.", "encrypted_content": "x1" },
            { "type": "reasoning", "content": "", "encrypted_content": "x2" },
            { "type": "text", "content": "Searching." },
            { "type": "refusal", "refusal": "No." },
            { "type": "tool_call", "id": "c1", "name": "find", "arguments": { "a": [1.50] } },
            { "type": "tool_call", "id": "c2", "name": "exec", "arguments": "let a = 1;" },
            { "type": "web_search_call", "id": "ws_1", "status": "completed", "action": { "type": "search" } },
        ] },
        { "role": "tool", "parts": [
            { "type": "tool_call_response", "id": "c1", "response": "found" },
            { "type": "tool_call_response", "id": "c2", "response": [{ "type": "input_text", "text": "1" }] },
            { "type": "tool_search_output", "call_id": "c3", "tools": [1] },
        ] },
        { "role": "assistant", "parts": [{ "type": "new_thing", "extra": { "b": 1 } }] },
    ]);
    check_request(&body, &messages, &json!([{ "type": "text", "content": "Be brief." }]), &body["tools"]);
    let text = json!({ "input": "Hello." });
    let said = json!([{ "role": "user", "parts": [{ "type": "text", "content": "Hello." }] }]);
    check_request(&text, &said, &Value::Null, &Value::Null);
}

#[test]
fn a_request_of_chat_completions() {
    let body = json!({
        "functions": [{ "name": "find" }],
        "messages": [
            { "role": "system", "content": "Be brief." },
            { "role": "user", "name": "ann", "content": [
                { "type": "text", "text": "Find it." }, { "type": "image_url", "image_url": { "url": "http://a/b.png" } }] },
            { "role": "assistant", "content": null, "reasoning_content": "Where?", "refusal": null, "tool_calls": [
                { "id": "c1", "type": "function", "function": { "name": "find", "arguments": "{}" } },
                { "id": "c2", "type": "custom", "custom": { "name": "exec", "input": "not {json" } }] },
            { "role": "tool", "tool_call_id": "c1", "content": "found" },
            { "role": "function", "name": "find", "content": null },
            { "role": "assistant", "content": "", "audio": { "id": "a1" }, "function_call": { "name": "f", "arguments": "{broken" } },
            { "role": "assistant", "content": "Done.", "refusal": "No more." },
        ],
    });
    let messages = json!([
        { "role": "system", "parts": [{ "type": "text", "content": "Be brief." }] },
        { "role": "user", "name": "ann", "parts": [
            { "type": "text", "content": "Find it." }, { "type": "image_url", "image_url": { "url": "http://a/b.png" } }] },
        { "role": "assistant", "parts": [
            { "type": "reasoning", "content": "Where?" },
            { "type": "tool_call", "id": "c1", "name": "find", "arguments": {} },
            { "type": "tool_call", "id": "c2", "name": "exec", "arguments": "not {json" }] },
        { "role": "tool", "parts": [{ "type": "tool_call_response", "id": "c1", "response": "found" }] },
        { "role": "tool", "name": "find", "parts": [{ "type": "tool_call_response", "response": "" }] },
        { "role": "assistant", "parts": [
            { "type": "audio", "audio": { "id": "a1" } }, { "type": "tool_call", "name": "f", "arguments": "{broken" }] },
        { "role": "assistant", "parts": [
            { "type": "text", "content": "Done." }, { "type": "refusal", "refusal": "No more." }] },
    ]);
    check_request(&body, &messages, &Value::Null, &body["functions"]);
}

#[test]
fn a_request_of_anthropic_messages() {
    let body = json!({
        "system": [{ "type": "text", "text": "Be brief.", "cache_control": { "type": "ephemeral" } }],
        "tools": [{ "name": "find", "input_schema": {} }],
        "messages": [
            { "role": "user", "content": "Find it." },
            { "role": "assistant", "content": [
                { "type": "thinking", "thinking": "Where?", "signature": "s1" },
                { "type": "redacted_thinking", "data": "d1" },
                { "type": "text", "text": "Searching." },
                { "type": "tool_use", "id": "t1", "name": "find", "input": { "a": 1 } },
                { "type": "server_tool_use", "id": "t2", "name": "web_search", "input": {} }] },
            { "role": "user", "content": [
                { "type": "tool_result", "tool_use_id": "t1", "is_error": true, "content": [{ "type": "text", "text": "no" }] },
                { "type": "image", "source": { "type": "base64", "data": "aGk=" } }] },
        ],
    });
    let messages = json!([
        { "role": "user", "parts": [{ "type": "text", "content": "Find it." }] },
        { "role": "assistant", "parts": [
            { "type": "reasoning", "content": "Where?", "signature": "s1" },
            { "type": "reasoning", "content": "", "data": "d1" },
            { "type": "text", "content": "Searching." },
            { "type": "tool_call", "id": "t1", "name": "find", "arguments": { "a": 1 } },
            { "type": "server_tool_use", "id": "t2", "name": "web_search", "input": {} }] },
        { "role": "user", "parts": [
            { "type": "tool_call_response", "id": "t1", "response": [{ "type": "text", "text": "no" }], "is_error": true },
            { "type": "image", "source": { "type": "base64", "data": "aGk=" } }] },
    ]);
    check_request(&body, &messages, &json!([{ "type": "text", "content": "Be brief." }]), &body["tools"]);
}

#[test]
fn a_request_of_gemini() {
    let body = json!({
        "systemInstruction": { "parts": [{ "text": "Be brief." }] },
        "tools": [{ "functionDeclarations": [{ "name": "find" }] }],
        "contents": [
            { "parts": [{ "text": "Find it." }, { "inlineData": { "mimeType": "image/png", "data": "aGk=" } }] },
            { "role": "model", "parts": [
                { "text": "Where?", "thought": true, "thoughtSignature": "s1" },
                { "text": "Searching." },
                { "functionCall": { "id": "g1", "name": "find", "args": { "a": 1 } }, "thoughtSignature": "s2" },
                { "function_call": { "name": "look" } }] },
            { "role": "user", "parts": [
                { "functionResponse": { "id": "g1", "name": "find", "response": { "result": "found" } } }] },
        ],
    });
    let messages = json!([
        { "role": "user", "parts": [
            { "type": "text", "content": "Find it." },
            { "type": "inlineData", "inlineData": { "mimeType": "image/png", "data": "aGk=" } }] },
        { "role": "assistant", "parts": [
            { "type": "reasoning", "content": "Where?", "thoughtSignature": "s1" },
            { "type": "text", "content": "Searching." },
            { "type": "tool_call", "id": "g1", "name": "find", "arguments": { "a": 1 }, "thoughtSignature": "s2" },
            { "type": "tool_call", "name": "look" }] },
        { "role": "user", "parts": [
            { "type": "tool_call_response", "id": "g1", "response": { "result": "found" }, "name": "find" }] },
    ]);
    check_request(&body, &messages, &json!([{ "type": "text", "content": "Be brief." }]), &body["tools"]);
}

#[test]
fn a_request_of_fields_is_in_the_schema_already() {
    let messages = json!([{ "role": "user", "parts": [{ "type": "text", "content": "Hello." }], "extra": 1 }]);
    let instructions = json!([{ "type": "text", "content": "Be brief." }]);
    let tools = json!([{ "type": "function", "name": "find" }]);
    let check = |body: Value| check_request(&body, &messages, &instructions, &tools);
    check(json!({
        "gen_ai.input.messages": messages, "gen_ai.system_instructions": instructions, "gen_ai.tool.definitions": tools,
    }));
    check(json!({
        "gen_ai.input.messages": messages.to_string(), "gen_ai.system_instructions": instructions.to_string(),
        "gen_ai.tool.definitions": tools.to_string(),
    }));
}

#[test]
fn values_are_passed_on_as_they_were_written() {
    let body = br#"{"messages":[{"role":"user","content":[{"type":"data","b":1.0e2,"a":12345678901234567890,"b":"\u0041\ud800"}]}]}"#;
    let said = RequestDigest::of(body, Capture).input_messages;
    let expected = r#"[{"role":"user","parts":[{"type":"data","b":1.0e2,"a":12345678901234567890}]}]"#;
    let whole = r#"[{"role":"user","parts":[{"type":"text","content":"\u0041\ud800"}]}]"#;
    assert_eq!(said.as_deref(), Some(expected));
    let said = RequestDigest::of(
        br#"{"messages":[{"role":"user","content":[{"type":"text","text":"\u0041\ud800"}]}]}"#,
        Capture,
    );
    assert_eq!(said.input_messages.as_deref(), Some(whole));
}

#[test]
fn parameters_of_every_provider() {
    let check = |body: Value, expected: RequestDigest| assert_eq!(request(&body), expected, "{body}");
    let (temperature, top_p) = (Some(0.5), Some(1.0));
    let asked = RequestDigest { temperature, top_p, max_tokens: Some(64), ..Default::default() };
    let level = |level: &str| RequestDigest { reasoning_level: Some(level.to_owned()), ..asked.clone() };
    check(
        json!({ "temperature": 0.5, "top_p": 1, "max_output_tokens": 64, "stream": true,
                "previous_response_id": "r0", "reasoning": { "effort": "high" } }),
        RequestDigest { stream: Some(true), previous_response_id: Some("r0".to_owned()), ..level("high") },
    );
    check(
        json!({ "temperature": 0.5, "top_p": 1.0, "max_completion_tokens": 64, "reasoning_effort": "low", "stream": false }),
        RequestDigest { stream: Some(false), ..level("low") },
    );
    check(
        json!({ "temperature": 0.5, "top_p": 1.0, "max_tokens": 64, "output_config": { "effort": "medium" } }),
        level("medium"),
    );
    check(
        json!({ "generationConfig": { "temperature": 0.5, "topP": 1.0, "maxOutputTokens": 64,
                                      "thinkingConfig": { "thinkingLevel": "HIGH" } } }),
        level("HIGH"),
    );
    check(json!({ "temperature": "hot", "top_p": null, "max_tokens": [], "stream": 1 }), RequestDigest::default());
    check(json!({}), RequestDigest::default());
    check(json!([]), RequestDigest::default());
}

fn usage(
    input_tokens: u64,
    cached_input_tokens: u64,
    output_tokens: u64,
    reasoning_output_tokens: u64,
) -> Option<Usage> {
    Some(Usage { input_tokens, cached_input_tokens, output_tokens, reasoning_output_tokens })
}

#[test]
fn a_response_of_the_responses_api() {
    let said = json!([{ "role": "assistant", "parts": [
        { "type": "text", "content": "Searching." },
        { "type": "tool_call", "id": "c1", "name": "find", "arguments": {} },
        { "type": "local_shell_call", "call_id": "c2", "action": {} },
        { "type": "tool_call", "id": "", "name": "find" },
    ] }]);
    let items = json!([
        { "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": "Searching." }] },
        { "type": "function_call", "call_id": "c1", "name": "find", "arguments": "{}" },
        { "type": "local_shell_call", "call_id": "c2", "action": {} },
        { "type": "function_call", "call_id": "", "name": "find" },
    ]);
    let expected = ResponseDigest {
        response_id: Some("r1".to_owned()),
        usage: usage(10, 4, 5, 2),
        call_ids: vec!["c1".into(), "c2".into()],
        is_known: true,
        ..Default::default()
    };
    let counted =
        json!({ "input_tokens": 10, "cached_input_tokens": 4, "output_tokens": 5, "reasoning_output_tokens": 2 });
    let recorded = json!({ "response_id": "r1", "output_items": items, "token_usage": counted });
    check_response(&recorded, expected.clone(), &said);
    let from_the_wire = json!({
        "id": "r1", "model": "gpt-5-2026", "status": "incomplete", "incomplete_details": { "reason": "max_output_tokens" },
        "output": items, "usage": { "input_tokens": 10, "input_tokens_details": { "cached_tokens": 4 },
            "output_tokens": 5, "output_tokens_details": { "reasoning_tokens": 2 } },
    });
    let model = Some("gpt-5-2026".to_owned());
    let stopped = ResponseDigest { model, finish_reasons: texts(&["max_output_tokens"]), ..expected };
    check_response(&from_the_wire, stopped, &said);
    let complete = json!({ "status": "completed", "incomplete_details": null, "output": [] });
    let expected = ResponseDigest { finish_reasons: texts(&["completed"]), is_known: true, ..Default::default() };
    check_response(&complete, expected, &json!([]));
}

#[test]
fn a_response_of_chat_completions() {
    let body = json!({
        "id": "r1", "model": "gpt-4o",
        "choices": [
            { "finish_reason": "tool_calls", "message": { "role": "assistant", "content": null, "tool_calls": [
                { "id": "c1", "type": "function", "function": { "name": "find", "arguments": "{}" } }] } },
            { "finish_reason": "stop", "message": { "role": "assistant", "content": "Hello.", "tool_calls": [{ "id": "c2" }] } },
        ],
        "usage": { "prompt_tokens": 10, "completion_tokens": 5 },
    });
    let said = json!([
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
        call_ids: vec!["c1".into()],
        is_known: true,
        ..Default::default()
    };
    check_response(&body, expected, &said);
}

#[test]
fn a_response_of_anthropic_messages() {
    let body = json!({
        "id": "r1", "model": "claude", "role": "assistant", "stop_reason": "tool_use",
        "content": [{ "type": "text", "text": "Searching." }, { "type": "tool_use", "id": "t1", "name": "find", "input": {} },
            { "type": "server_tool_use", "id": "t2", "name": "web", "input": {} }],
        "usage": { "input_tokens": 10, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 3, "output_tokens": 5 },
    });
    let said = json!([{ "role": "assistant", "finish_reason": "tool_use", "parts": [
        { "type": "text", "content": "Searching." }, { "type": "tool_call", "id": "t1", "name": "find", "arguments": {} },
        { "type": "server_tool_use", "id": "t2", "name": "web", "input": {} }] }]);
    let expected = ResponseDigest {
        response_id: Some("r1".to_owned()),
        model: Some("claude".to_owned()),
        finish_reasons: texts(&["tool_use"]),
        usage: usage(17, 4, 5, 0),
        cache_write_tokens: Some(3),
        call_ids: vec!["t1".into()],
        is_known: true,
        ..Default::default()
    };
    check_response(&body, expected, &said);
}

#[test]
fn a_response_of_gemini() {
    let body = json!({
        "responseId": "r1", "modelVersion": "gemini-3",
        "candidates": [
            { "finishReason": "STOP", "content": { "role": "model", "parts": [
                { "functionCall": { "id": "g1", "name": "find", "args": {} } }, { "functionCall": { "name": "look" } }] } },
            { "finishReason": "SAFETY" },
        ],
        "usageMetadata": { "promptTokenCount": 10, "candidatesTokenCount": 5, "thoughtsTokenCount": 2 },
    });
    let said = json!([
        { "role": "assistant", "finish_reason": "STOP", "parts": [
            { "type": "tool_call", "id": "g1", "name": "find", "arguments": {} }, { "type": "tool_call", "name": "look" }] },
        { "role": "assistant", "finish_reason": "SAFETY", "parts": [] },
    ]);
    let expected = ResponseDigest {
        response_id: Some("r1".to_owned()),
        model: Some("gemini-3".to_owned()),
        finish_reasons: texts(&["STOP", "SAFETY"]),
        usage: usage(10, 0, 7, 2),
        call_ids: vec!["g1".into()],
        is_known: true,
        ..Default::default()
    };
    check_response(&body, expected, &said);
}

#[test]
fn a_response_of_fields() {
    let messages = json!([{ "role": "assistant", "finish_reason": "tool_call", "parts": [
        { "type": "tool_call", "id": "c1", "name": "find", "arguments": {} }, { "type": "text", "content": "Hello." }] }]);
    let expected = ResponseDigest {
        response_id: Some("r1".to_owned()),
        model: Some("gpt-5-2026".to_owned()),
        finish_reasons: texts(&["tool_call"]),
        usage: usage(10, 4, 5, 0),
        cache_write_tokens: Some(3),
        call_ids: vec!["c1".into()],
        is_known: true,
        ..Default::default()
    };
    let mut body = json!({
        "gen_ai.response.id": "r1", "gen_ai.response.model": "gpt-5-2026",
        "gen_ai.response.finish_reasons": ["tool_call"], "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.cache_read.input_tokens": 4, "gen_ai.usage.cache_creation.input_tokens": 3,
        "gen_ai.usage.output_tokens": 5, "gen_ai.output.messages": messages,
    });
    check_response(&body, expected.clone(), &messages);
    body["gen_ai.output.messages"] = messages.to_string().into();
    body["gen_ai.response.finish_reasons"] = r#"["tool_call"]"#.into();
    check_response(&body, expected.clone(), &messages);
    body.as_object_mut().expect("an object").remove("gen_ai.output.messages");
    check_response(&body, ResponseDigest { call_ids: Vec::new(), is_known: false, ..expected }, &Value::Null);
}

#[test]
fn what_a_model_said_is_known_where_its_shape_is() {
    let check = |body: Value, expected: bool| assert_eq!(response(&body).is_known, expected, "{body}");
    check(json!({}), false);
    check(json!([]), false);
    check(json!({ "output": "text" }), false);
    check(json!({ "output": null }), true);
    check(json!({ "output_items": null, "choices": [] }), true);
    check(json!({ "choices": [{ "text": "of an older API" }] }), false);
    check(json!({ "content": "Hello." }), true);
    check(json!({ "candidates": [] }), true);
    check(json!({ "promptFeedback": { "blockReason": "SAFETY" } }), true);
    check(json!({ "error": "slow down" }), false);
}

#[test]
fn an_invocation_says_what_the_tool_was_given() {
    let check = |body: Value, expected: Option<&str>| {
        let digest = InvocationDigest::of(body.to_string().as_bytes(), Capture);
        assert_eq!(digest.arguments.as_deref(), expected, "{body}");
        assert_eq!(InvocationDigest::of(body.to_string().as_bytes(), Omit), InvocationDigest::default());
    };
    let of = |payload: Value| json!({ "tool_name": "find", "payload": payload });
    check(of(json!({ "type": "function", "arguments": "{\"a\": 1}" })), Some(r#"{"a": 1}"#));
    check(of(json!({ "type": "tool_search", "arguments": { "query": "a" } })), Some(r#"{"query":"a"}"#));
    check(of(json!({ "type": "custom", "input": "*** Begin" })), Some("*** Begin"));
    check(of(json!({ "type": "mcp", "server": "docs", "tool": "find", "raw_arguments": "{}" })), Some("{}"));
    let shell = json!({ "command": ["ls"], "type": "local_shell" });
    check(of(shell.clone()), Some(&shell.to_string()));
    check(of(json!({ "type": "function" })), Some(r#"{"type":"function"}"#));
    check(json!({ "tool_name": "find" }), None);
    check(json!("find"), None);
}

#[test]
fn a_result_says_what_the_tool_gave_back() {
    let check = |body: Value, expected: &str| {
        let digest = ResultDigest::of(body.to_string().as_bytes(), Capture);
        assert_eq!(digest.result.as_deref(), Some(expected), "{body}");
        assert_eq!(ResultDigest::of(body.to_string().as_bytes(), Omit), ResultDigest::default());
    };
    let answer = json!({ "type": "function_call_output", "call_id": "c1", "output": "found" });
    check(json!({ "type": "direct_response", "response_item": answer }), "found");
    let item = json!({ "call_id": "c1", "output": [{ "type": "input_text", "text": "a" }] });
    check(json!({ "type": "direct_response", "response_item": item }), r#"[{"text":"a","type":"input_text"}]"#);
    check(json!({ "type": "direct_response", "response_item": { "a": 1 } }), r#"{"a":1}"#);
    check(json!({ "type": "code_mode_response", "value": { "a": 1 } }), r#"{"a":1}"#);
    check(json!({ "type": "code_mode_response", "value": "text" }), "text");
    check(json!({ "type": "error", "error": "no such file" }), "no such file");
    check(json!({ "a": 1 }), r#"{"a":1}"#);
    check(json!("text"), "text");
    assert_eq!(ResultDigest::of(b"not JSON", Capture), ResultDigest::default());
}

#[test]
fn a_runtime_event_says_what_ran_and_how_it_exited() {
    let check = |body: Value, executable: Option<&str>, exit_code| {
        let expected = RuntimeDigest { executable: executable.map(str::to_owned), exit_code };
        assert_eq!(RuntimeDigest::of(body.to_string().as_bytes()), expected, "{body}");
    };
    check(json!({ "command": ["bash", "-lc", "ls"], "cwd": "/" }), Some("bash"), None);
    check(json!({ "command": ["/usr/bin/env"], "exit_code": 0 }), Some("env"), Some(0));
    check(json!({ "command": ["C:\\Windows\\cmd.exe"], "exit_code": -1 }), Some("cmd.exe"), Some(-1));
    check(json!({ "command": [], "exit_code": "0" }), None, None);
    check(json!({ "command": ["/"] }), None, None);
    check(json!({ "prompt": "Go." }), None, None);
    check(json!([]), None, None);
}

/// Values like those of bodies, and unlike them.
fn any_json() -> impl Strategy<Value = Value> {
    let words = [
        "type",
        "role",
        "content",
        "parts",
        "text",
        "input",
        "messages",
        "contents",
        "output",
        "choices",
        "message",
        "candidates",
        "tool_calls",
        "function",
        "arguments",
        "reasoning",
        "summary",
        "functionCall",
        "payload",
        "command",
        "function_call",
        "tool_use",
        "tool_result",
        "assistant",
        "tool",
        "direct_response",
        "response_item",
        "usage",
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "gen_ai.system_instructions",
        "system",
        "tools",
        "{}",
        "[",
        "",
    ];
    let word = prop::sample::select(words.to_vec());
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from)
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..6)
                .prop_map(|fields| fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

/// That all digests can be made, and that content in the conventions' schema is JSON.
fn digest_all(bytes: &[u8]) {
    let request = RequestDigest::of(bytes, Capture);
    let response = ResponseDigest::of(bytes, Capture);
    for json in [&request.input_messages, &request.system_instructions, &response.output_messages].into_iter().flatten()
    {
        assert!(serde_json::from_str::<serde::de::IgnoredAny>(json).is_ok(), "{json}");
    }
    InvocationDigest::of(bytes, Capture);
    ResultDigest::of(bytes, Capture);
    RuntimeDigest::of(bytes);
}

proptest! {
    #[test]
    fn any_bytes_have_a_digest(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        digest_all(&bytes);
    }

    #[test]
    fn any_json_has_a_digest(body in any_json()) {
        digest_all(body.to_string().as_bytes());
    }
}

#[test]
fn any_depth_has_a_digest() {
    for (open, close) in [("[", "]"), (r#"{"content":["#, "]}"), (r#"{"parts":"#, "}")] {
        let deep = [open.repeat(100_000), "0".to_owned(), close.repeat(100_000)].concat();
        for body in [r#"{"messages":"#, r#"{"input":"#, r#"{"output":"#, r#"{"system":"#]
            .map(|field| [field, &deep, "}"].concat())
        {
            digest_all(body.as_bytes());
        }
    }
}
