use serde_json::{Value, json};

use crate::otlp::ContentPolicy::{Capture, Omit};
use crate::otlp::span::digest::RequestDigest;

fn request(body: &Value) -> RequestDigest {
    RequestDigest::parse(body.to_string().as_bytes(), Capture)
}

/// Checks the messages, instructions and tools of a request's digest, as JSON.
fn check(body: &Value, messages: &Value, instructions: &Value, tools: &Value) {
    let digest = request(body);
    let parsed =
        |text: &Option<String>| text.as_deref().map_or(Value::Null, |text| serde_json::from_str(text).expect("JSON"));
    assert_eq!(parsed(&digest.input_messages), *messages);
    assert_eq!(parsed(&digest.system_instructions), *instructions);
    assert_eq!(parsed(&digest.tool_definitions), *tools);
    let without = RequestDigest { input_messages: None, system_instructions: None, tool_definitions: None, ..digest };
    assert_eq!(RequestDigest::parse(body.to_string().as_bytes(), Omit), without);
}

#[test]
fn responses_api_request_is_converted() {
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
        { "role": "tool", "parts": [{ "type": "tool_call_response", "id": "c1", "response": "found" }] },
        { "role": "tool", "parts": [
            { "type": "tool_call_response", "id": "c2", "response": [{ "type": "input_text", "text": "1" }] }] },
        { "role": "tool", "parts": [{ "type": "tool_search_output", "call_id": "c3", "tools": [1] }] },
        { "role": "assistant", "parts": [{ "type": "new_thing", "extra": { "b": 1 } }] },
    ]);
    check(&body, &messages, &json!([{ "type": "text", "content": "Be brief." }]), &body["tools"]);
    let text = json!({ "input": "Hello." });
    let expected_messages = json!([{ "role": "user", "parts": [{ "type": "text", "content": "Hello." }] }]);
    check(&text, &expected_messages, &Value::Null, &Value::Null);
}

#[test]
fn references_to_stored_items_are_no_messages() {
    let image = json!({ "type": "image_generation_call", "id": "ig_1" });
    let body = json!({ "input": [
        { "type": "item_reference", "id": "msg_1" },
        { "id": "msg_2" },
        { "role": "user", "content": "Warmer." },
        image,
    ] });
    let messages = json!([
        { "role": "user", "parts": [{ "type": "text", "content": "Warmer." }] },
        { "role": "assistant", "parts": [image] },
    ]);
    check(&body, &messages, &Value::Null, &Value::Null);
}

#[test]
fn conversation_of_the_provider_is_read_without_content() {
    for conversation in [json!("conv_1"), json!({ "id": "conv_1" })] {
        let body = json!({ "conversation": conversation, "input": "Hello." });
        let id = RequestDigest::parse(body.to_string().as_bytes(), Omit).conversation_id;
        assert_eq!(id.as_deref(), Some("conv_1"), "{body}");
    }
    let body = json!({ "conversation": "conv_1", "messages": [] });
    assert_eq!(request(&body).conversation_id, None, "no conversation of the Responses API");
}

#[test]
fn chat_completions_request_is_converted() {
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
    check(&body, &messages, &Value::Null, &body["functions"]);
}

#[test]
fn reasoning_beside_content_is_converted() {
    let details = json!([
        { "type": "reasoning.text", "text": "Whe\u{e9}\"", "index": 0, "format": "f" },
        { "type": "reasoning.text", "text": "re?", "signature": "s1", "index": 0 },
        { "type": "reasoning.summary", "summary": "Look.", "data": "d1", "index": 1 },
        { "type": "reasoning.encrypted", "data": "d2" },
    ]);
    let call = json!({ "id": "c1", "type": "function", "function": { "name": "find", "arguments": "{}" },
        "extra_content": { "google": { "thought_signature": "s2" } } });
    let thinking = json!([{ "type": "thinking", "thinking": [{ "type": "text", "text": "a" }, { "type": "reference", "ids": [1] }] }]);
    let body = json!({ "messages": [
        { "role": "assistant", "content": null, "reasoning": null, "reasoning_details": details, "tool_calls": [call] },
        { "role": "assistant", "content": thinking },
    ] });
    let messages = json!([
        { "role": "assistant", "parts": [
            { "type": "reasoning", "content": "Whe\u{e9}\"re?", "signature": "s1", "index": 0, "format": "f" },
            { "type": "reasoning", "content": "Look.", "data": "d1", "index": 1 },
            { "type": "reasoning", "content": "", "data": "d2" },
            { "type": "tool_call", "id": "c1", "name": "find", "arguments": {}, "thought_signature": "s2" }] },
        { "role": "assistant", "parts": [{ "type": "reasoning", "content": "a" }, { "type": "reference", "ids": [1] }] },
    ]);
    check(&body, &messages, &Value::Null, &Value::Null);
}

#[test]
fn parts_beside_content_are_converted() {
    let image = json!({ "type": "image_url", "image_url": { "url": "u" } });
    let citation = json!({ "type": "url_citation", "url_citation": { "url": "https://example.org" } });
    let body = json!({ "messages": [
        { "role": "assistant", "content": "Here.", "images": [image, "aGk="], "annotations": [citation], "refusal": "No." },
        { "role": "tool", "content": "done", "images": ["aGk="] },
        { "role": "assistant", "content": [{ "type": "compaction", "content": "So far." }] },
    ] });
    let blob = json!({ "type": "blob", "modality": "image", "content": "aGk=" });
    let messages = json!([
        { "role": "assistant", "parts": [{ "type": "text", "content": "Here." }, citation, image, blob,
            { "type": "refusal", "refusal": "No." }] },
        { "role": "tool", "parts": [{ "type": "tool_call_response", "response": "done" }, blob] },
        { "role": "assistant", "parts": [{ "type": "compaction", "content": "So far." }] },
    ]);
    check(&body, &messages, &Value::Null, &Value::Null);
}

#[test]
fn single_objects_of_gemini_are_converted() {
    let body = json!({
        "systemInstruction": { "parts": { "text": "Be brief." } },
        "contents": { "role": "user", "parts": { "text": "Find it." } },
    });
    let messages = json!([{ "role": "user", "parts": [{ "type": "text", "content": "Find it." }] }]);
    check(&body, &messages, &json!([{ "type": "text", "content": "Be brief." }]), &Value::Null);
}

#[test]
fn anthropic_request_is_converted() {
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
    check(&body, &messages, &json!([{ "type": "text", "content": "Be brief." }]), &body["tools"]);
}

#[test]
fn gemini_request_is_converted() {
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
    check(&body, &messages, &json!([{ "type": "text", "content": "Be brief." }]), &body["tools"]);
}

#[test]
fn converse_request_is_converted() {
    let tools = json!([{ "toolSpec": { "name": "find", "inputSchema": { "json": {} } } }]);
    let body = json!({
        "system": [{ "text": "Be brief." }, { "cachePoint": { "type": "default" } }],
        "toolConfig": { "tools": tools },
        "messages": [
            { "role": "user", "content": [{ "text": "Find it." }, { "cachePoint": { "type": "default" } },
                { "image": { "format": "png", "source": { "bytes": "aGk=" } } }] },
            { "role": "assistant", "content": [
                { "reasoningContent": { "reasoningText": { "text": "Where?", "signature": "s1" } } },
                { "reasoningContent": { "redactedContent": "ZDE=" } },
                { "citationsContent": { "content": [{ "text": "Look: " }, { "text": "here." }], "citations": [{ "title": "t" }] } },
                { "guardContent": { "text": { "text": "Guarded." } } },
                { "toolUse": { "toolUseId": "t1", "name": "find", "input": { "a": 1 } } }] },
            { "role": "user", "content": [
                { "toolResult": { "toolUseId": "t1", "status": "error", "content": [{ "text": "no" }] } }] },
        ],
    });
    let messages = json!([
        { "role": "user", "parts": [{ "type": "text", "content": "Find it." },
            { "type": "image", "image": { "format": "png", "source": { "bytes": "aGk=" } } }] },
        { "role": "assistant", "parts": [
            { "type": "reasoning", "content": "Where?", "signature": "s1" },
            { "type": "reasoning", "content": "", "data": "ZDE=" },
            { "type": "text", "content": "Look: here." },
            { "type": "citation", "title": "t" },
            { "type": "text", "content": "Guarded." },
            { "type": "tool_call", "id": "t1", "name": "find", "arguments": { "a": 1 } }] },
        { "role": "user", "parts": [
            { "type": "tool_call_response", "id": "t1", "response": [{ "text": "no" }], "status": "error" }] },
    ]);
    check(&body, &messages, &json!([{ "type": "text", "content": "Be brief." }]), &tools);
}

#[test]
fn ollama_request_is_converted() {
    let body = json!({
        "tools": [{ "type": "function", "function": { "name": "find" } }],
        "messages": [
            { "role": "system", "content": "Be brief." },
            { "role": "user", "content": "Find it.", "images": ["aGk="] },
            { "role": "assistant", "content": "", "thinking": "Where?", "tool_calls": [
                { "id": "c1", "function": { "index": 0, "name": "find", "arguments": { "a": 1 } } }] },
            { "role": "tool", "tool_name": "find", "tool_call_id": "c1", "content": "found" },
        ],
    });
    let messages = json!([
        { "role": "system", "parts": [{ "type": "text", "content": "Be brief." }] },
        { "role": "user", "parts": [{ "type": "text", "content": "Find it." },
            { "type": "blob", "modality": "image", "content": "aGk=" }] },
        { "role": "assistant", "parts": [{ "type": "reasoning", "content": "Where?" },
            { "type": "tool_call", "id": "c1", "name": "find", "arguments": { "a": 1 }, "index": 0 }] },
        { "role": "tool", "name": "find", "parts": [{ "type": "tool_call_response", "id": "c1", "response": "found" }] },
    ]);
    check(&body, &messages, &Value::Null, &body["tools"]);
}

#[test]
fn cohere_request_is_converted() {
    let documents = json!([{ "type": "document", "document": { "data": "found", "id": "0" } }]);
    let body = json!({
        "messages": [
            { "role": "user", "content": "Find it." },
            { "role": "assistant", "tool_plan": "Look.", "tool_calls": [
                { "id": "c1", "type": "function", "function": { "name": "find", "arguments": "{}" } }] },
            { "role": "tool", "tool_call_id": "c1", "content": documents },
            { "role": "assistant", "content": [{ "type": "thinking", "thinking": "So." }, { "type": "text", "text": "Found." }],
              "citations": [{ "start": 0, "end": 5, "text": "Found", "sources": [{ "id": "0" }] }] },
        ],
    });
    let messages = json!([
        { "role": "user", "parts": [{ "type": "text", "content": "Find it." }] },
        { "role": "assistant", "parts": [{ "type": "reasoning", "content": "Look." },
            { "type": "tool_call", "id": "c1", "name": "find", "arguments": {} }] },
        { "role": "tool", "parts": [{ "type": "tool_call_response", "id": "c1", "response": documents }] },
        { "role": "assistant", "parts": [{ "type": "reasoning", "content": "So." }, { "type": "text", "content": "Found." },
            { "type": "citation", "start": 0, "end": 5, "text": "Found", "sources": [{ "id": "0" }] }] },
    ]);
    check(&body, &messages, &Value::Null, &Value::Null);
}

#[test]
fn convention_fields_are_passed_through() {
    let messages = json!([{ "role": "user", "parts": [{ "type": "text", "content": "Hello." }], "extra": 1 }]);
    let instructions = json!([{ "type": "text", "content": "Be brief." }]);
    let tools = json!([{ "type": "function", "name": "find" }]);
    let check = |body: Value| check(&body, &messages, &instructions, &tools);
    check(json!({
        "gen_ai.input.messages": messages, "gen_ai.system_instructions": instructions, "gen_ai.tool.definitions": tools,
    }));
    check(json!({
        "gen_ai.input.messages": messages.to_string(), "gen_ai.system_instructions": instructions.to_string(),
        "gen_ai.tool.definitions": tools.to_string(),
    }));
}

#[test]
fn text_field_becomes_a_user_message() {
    let expected_messages = json!([{ "role": "user", "parts": [{ "type": "text", "content": "[sic] 7" }] }]);
    let body = json!({ "gen_ai.input.messages": "[sic] 7", "gen_ai.system_instructions": "7" });
    check(&body, &expected_messages, &json!([{ "type": "text", "content": "7" }]), &Value::Null);
}

#[test]
fn values_keep_their_spelling() {
    let body = br#"{"messages":[{"role":"user","content":[{"type":"data","b":1.0e2,"a":12345678901234567890,"b":"\u0041\ud800"}]}]}"#;
    let digest = RequestDigest::parse(body, Capture);
    let expected = r#"[{"role":"user","parts":[{"type":"data","b":1.0e2,"a":12345678901234567890}]}]"#;
    let expected_text = r#"[{"role":"user","parts":[{"type":"text","content":"\u0041\ud800"}]}]"#;
    assert_eq!(digest.input_messages.as_deref(), Some(expected));
    let digest = RequestDigest::parse(
        br#"{"messages":[{"role":"user","content":[{"type":"text","text":"\u0041\ud800"}]}]}"#,
        Capture,
    );
    assert_eq!(digest.input_messages.as_deref(), Some(expected_text));
}

#[test]
fn parameters_of_every_provider_are_read() {
    let check = |body: Value, expected: RequestDigest| assert_eq!(request(&body), expected, "{body}");
    let (temperature, top_p) = (Some(0.5), Some(1.0));
    let common = RequestDigest { temperature, top_p, max_tokens: Some(64), ..Default::default() };
    let level = |level: &str| RequestDigest { reasoning_level: Some(level.to_owned()), ..common.clone() };
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
    check(
        json!({ "generation_config": { "temperature": 0.5, "top_p": 1.0, "max_output_tokens": 64,
                                       "thinking_config": { "thinking_level": "HIGH" } } }),
        level("HIGH"),
    );
    check(json!({ "inferenceConfig": { "temperature": 0.5, "topP": 1.0, "maxTokens": 64 } }), common.clone());
    check(
        json!({ "options": { "temperature": 0.5, "top_p": 1.0, "num_predict": 64 }, "think": "high" }),
        level("high"),
    );
    check(json!({ "think": true }), RequestDigest::default());
    check(json!({ "temperature": 0.5, "p": 1.0, "max_tokens": 64 }), common.clone());
    check(json!({ "temperature": "hot", "top_p": null, "max_tokens": [], "stream": 1 }), RequestDigest::default());
    check(json!({}), RequestDigest::default());
    check(json!([]), RequestDigest::default());
}

#[test]
fn sampling_settings_of_every_provider_are_read() {
    let check = |body: Value, expected: RequestDigest| assert_eq!(request(&body), expected, "{body}");
    let stopping = RequestDigest { stop_sequences: vec!["a".to_owned(), "b".to_owned()], ..Default::default() };
    let choosing = RequestDigest { top_k: Some(40.0), ..stopping.clone() };
    let seeded =
        RequestDigest { frequency_penalty: Some(0.5), presence_penalty: Some(-0.5), seed: Some(7), ..choosing.clone() };
    let all = RequestDigest { choice_count: Some(2), ..seeded.clone() };
    let json_of = |digest: RequestDigest| RequestDigest { output_type: Some("json".to_owned()), ..digest };
    check(
        json!({ "top_k": 40, "frequency_penalty": 0.5, "presence_penalty": -0.5, "n": 2, "seed": 7,
                "stop": ["a", "b"], "response_format": { "type": "json_schema" } }),
        json_of(all.clone()),
    );
    check(json!({ "stop": "a" }), RequestDigest { stop_sequences: vec!["a".to_owned()], ..Default::default() });
    check(json!({ "top_k": 40, "stop_sequences": ["a", "b"] }), choosing.clone());
    check(
        json!({ "generationConfig": { "topK": 40, "frequencyPenalty": 0.5, "presencePenalty": -0.5, "candidateCount": 2,
                                      "seed": 7, "stopSequences": ["a", "b"] } }),
        all.clone(),
    );
    check(json!({ "inferenceConfig": { "stopSequences": ["a", "b"] } }), stopping);
    check(
        json!({ "options": { "top_k": 40, "frequency_penalty": 0.5, "presence_penalty": -0.5, "seed": 7, "stop": ["a", "b"] } }),
        seeded,
    );
    check(json!({ "k": 40, "stop_sequences": ["a", "b"] }), choosing);
    check(
        json!({ "gen_ai.request.top_k": 40, "gen_ai.request.frequency_penalty": 0.5, "gen_ai.request.presence_penalty": -0.5,
                "gen_ai.request.choice.count": 2, "gen_ai.request.seed": 7, "gen_ai.request.stop_sequences": ["a", "b"],
                "gen_ai.output.type": "json" }),
        json_of(all),
    );
}

#[test]
fn tools_among_the_items_are_definitions_and_no_message() {
    let defined = json!([{ "type": "function", "name": "find" }]);
    let input = json!([
        { "type": "additional_tools", "role": "developer", "tools": defined },
        { "type": "message", "role": "developer", "content": "Rules." },
        { "type": "message", "role": "user", "content": "Find it." },
        { "type": "compaction_trigger" },
    ]);
    let messages = json!([
        { "role": "developer", "parts": [{ "type": "text", "content": "Rules." }] },
        { "role": "user", "parts": [{ "type": "text", "content": "Find it." }] },
    ]);
    check(&json!({ "input": input }), &messages, &Value::Null, &defined);
    check(&json!({ "input": input, "tools": [] }), &messages, &Value::Null, &defined);
    let tools = json!([{ "type": "function", "name": "other" }]);
    check(&json!({ "input": input, "tools": tools }), &messages, &Value::Null, &tools);
}

#[test]
fn message_of_another_agent_is_not_one_of_the_model() {
    let text = |text: &str| json!({ "type": "input_text", "text": text });
    let body = json!({ "input": [
        { "type": "message", "role": "assistant", "content": "Before." },
        { "type": "agent_message", "author": "/root", "recipient": "/root/w",
          "content": [text("From /root"), { "type": "encrypted_content", "encrypted_content": "x1" }] },
        { "type": "agent_message", "author": "/root/v", "recipient": "/root/w", "content": [text("Go.")] },
        { "type": "message", "role": "assistant", "content": "After." },
    ] });
    let messages = json!([
        { "role": "assistant", "parts": [{ "type": "text", "content": "Before." }] },
        { "role": "assistant", "name": "/root", "parts": [
            { "type": "text", "content": "From /root" }, { "type": "encrypted_content", "encrypted_content": "x1" }] },
        { "role": "assistant", "name": "/root/v", "parts": [{ "type": "text", "content": "Go." }] },
        { "role": "assistant", "parts": [{ "type": "text", "content": "After." }] },
    ]);
    check(&body, &messages, &Value::Null, &Value::Null);
}
