//! Messages of the GenAI semantic conventions, as spans carry them in fields.

use otel_trace::graph::Code;
use serde_json::{Value, json};

use crate::case::{Case, item};
use crate::shapes::{check, check_request, check_response, usage};

fn output(parts: Value) -> Value {
    json!({ "gen_ai.output.messages": [{ "role": "assistant", "parts": parts, "finish_reason": "stop" }],
        "gen_ai.response.id": "r1", "gen_ai.usage.input_tokens": 40, "gen_ai.usage.cache_read.input_tokens": 8,
        "gen_ai.usage.output_tokens": 20, "gen_ai.usage.reasoning.output_tokens": 5 })
}

#[test]
fn conversation_with_tools_has_each_item_once() {
    let system = json!([{ "type": "text", "content": "Be brief." }]);
    let question = json!({ "role": "user", "parts": [{ "type": "text", "content": "Oslo or Rome?" }] });
    let parts = json!([
        { "type": "reasoning", "content": "I should look." },
        { "type": "text", "content": "One moment." },
        { "type": "tool_call", "id": "c1", "name": "weather", "arguments": { "city": "Oslo" } },
        { "type": "tool_call", "id": "c2", "name": "weather", "arguments": "{\"city\":\"Rome\"}" },
    ]);
    let answers = json!({ "role": "tool", "parts": [
        { "type": "tool_call_response", "id": "c1", "response": "-3" },
        { "type": "tool_call_response", "id": "c2", "result": { "degrees": 18 } }] });
    let graph = check(
        [
            (
                json!({ "gen_ai.input.messages": [question], "gen_ai.system_instructions": system }),
                output(parts.clone()),
            ),
            (
                json!({ "gen_ai.input.messages": [question, { "role": "assistant", "parts": parts }, answers],
                    "gen_ai.system_instructions": system }),
                output(json!([{ "type": "text", "content": "Rome." }])),
            ),
        ],
        &["c1", "c2"],
        &[],
        &[
            "system message: Be brief.",
            "user message: Oslo or Rome?",
            "assistant reasoning: I should look.",
            "assistant message: One moment.",
            r#"assistant function_call c1 weather: json {"city":"Oslo"}"#,
            r#"assistant function_call c2 weather: json {"city":"Rome"}"#,
            "tool function_call_output c1: -3",
            r#"tool function_call_output c2: json {"degrees":18}"#,
            "assistant message: Rome.",
        ],
    );
    assert_eq!(usage(&graph, "a"), [40, 8, 20, 5]);
}

#[test]
fn instructions_repeated_as_first_message_are_one_item() {
    let system = json!([{ "type": "text", "content": "Be brief." }]);
    let first = |text: &str| json!({ "role": "system", "parts": [{ "type": "text", "content": text }] });
    let body = |text: &str| json!({ "gen_ai.input.messages": [first(text)], "gen_ai.system_instructions": system });
    check_request(body("Be brief."), &[], &["system message: Be brief."]);
    check_request(body("Be kind."), &[], &["system message: Be brief.", "system message: Be kind."]);
}

#[test]
fn signature_beside_the_reasoning_signs_it() {
    let parts = json!([{ "type": "reasoning", "content": "Hm.", "thoughtSignature": "s1" }, { "type": "reasoning", "content": "",
        "thought_signature": "s2" }, { "type": "reasoning", "content": "So.", "signature": "s3", "thoughtSignature": "s4" }]);
    check_response(
        output(parts),
        &[Code::UnreadField; 0],
        &[
            "assistant reasoning: Hm. | <signature s1>",
            "assistant reasoning: <signature s2>",
            "assistant reasoning: So. | <signature s3>",
        ],
    );
}

#[test]
fn text_that_is_not_json_is_a_message() {
    let body = json!({ "gen_ai.input.messages": "hi", "gen_ai.system_instructions": "Be brief." });
    check_request(body, &[], &["system message: Be brief.", "user message: hi"]);
    check_response(json!({ "gen_ai.output.messages": "hello" }), &[], &["assistant message: hello"]);
}

#[test]
fn every_output_message_is_an_item() {
    let message = |text: &str| json!({ "parts": [{ "type": "text", "content": text }] });
    let body = json!({ "gen_ai.output.messages": [message("1"), message("2")] });
    check_response(body, &[], &["assistant message: 1", "assistant message: 2"]);
}

#[test]
fn non_text_parts_are_payload_references() {
    let parts = json!([
        { "type": "blob", "modality": "image", "mime_type": "image/png", "content": "AA==" },
        { "type": "file", "modality": "image", "file_id": "f1" },
        { "type": "uri", "modality": "image", "uri": "https://example.org/1.png" },
        { "type": "server_tool_call", "name": "search", "server_tool_call": { "type": "search" } },
        { "type": "what comes next" },
    ]);
    check_request(
        json!({ "gen_ai.input.messages": [{ "role": "user", "parts": parts }] }),
        &[],
        &["user message: [blob] | [file] | [uri] | [server_tool_call] | [what comes next]"],
    );
}

#[test]
fn text_parts_of_a_tool_message_are_an_output() {
    let message = json!({ "role": "tool", "parts": [{ "type": "text", "content": "-3" }] });
    let body = json!({ "gen_ai.input.messages": [message] });
    check_request(body, &[Code::CallWithoutId], &["tool function_call_output: -3"]);
}

#[test]
fn attributes_with_json_text_are_parsed() {
    let messages = json!([{ "role": "user", "parts": [{ "type": "text", "content": "hi" }] }]).to_string();
    let mut case = Case::new();
    case.request_body("a", json!({ "gen_ai.input.messages": messages }));
    let answer = json!([{ "role": "assistant", "parts": [{ "type": "text", "content": "ho" }] }]).to_string();
    case.response_body("a", json!({ "gen_ai.output.messages": answer }));
    let graph = case.check(&[]);
    assert_eq!([1, 2].map(|number| item(&graph, number).content.text()), ["hi", "ho"]);
}

#[test]
fn messages_may_have_content_instead_of_parts() {
    let body = json!({ "gen_ai.input.messages": [
        { "role": "user", "content": "hi" },
        { "role": "assistant", "tool_calls": [{ "id": "c", "name": "f", "arguments": "{}" }] },
        { "role": "tool", "tool_call_id": "c", "content": "done" }] });
    let expected = ["user message: hi", "assistant function_call c f: json {}", "tool function_call_output c: done"];
    check_request(body, &[], &expected);
}
