//! The ids of calls and of their outputs, in every shape.

use serde_json::{Value, json};

use crate::provider::Request;

#[track_caller]
fn check(body: &Value, expected: &[&str]) {
    let text = body.to_string();
    assert_eq!(Request::parse(&text).expect("an object").last_outputs().ids, expected, "{body}");
}

#[test]
fn outputs_behind_the_models_items_are_found() {
    let call = json!({ "type": "function_call", "call_id": "a", "name": "find", "arguments": "{}" });
    let output = |id: &str| json!({ "type": "function_call_output", "call_id": id, "output": "found" });
    let user = json!({ "type": "message", "role": "user", "content": "and?" });
    let assistant = json!({ "type": "message", "role": "assistant", "content": "Found." });
    check(&json!({ "input": [output("b"), output("a")] }), &["a", "b"]);
    check(&json!({ "input": [output("old"), call, output("a"), user, output("a")] }), &["a", "a"]);
    check(&json!({ "input": [output("old"), assistant] }), &[]);
    check(&json!({ "input": [output("old"), { "type": "reasoning", "summary": [] }, output("")] }), &[]);
    check(&json!({ "input": "text" }), &[]);
    check(&json!({ "model": "m" }), &[]);
}

#[test]
fn outputs_behind_the_models_message_are_found() {
    let user = json!({ "role": "user", "content": "and?" });
    // Chat Completions.
    let tool = |id: &str| json!({ "role": "tool", "tool_call_id": id, "content": "found" });
    let assistant = json!({ "role": "assistant", "content": null, "tool_calls": [
        { "id": "a", "type": "function", "function": { "name": "find", "arguments": "{}" } }] });
    check(&json!({ "messages": [tool("old"), assistant, tool("a"), tool("b"), user] }), &["b", "a"]);
    // Anthropic.
    let result = |id: &str| json!({ "type": "tool_result", "tool_use_id": id, "content": "found" });
    let results = json!({ "role": "user", "content": [result("a"), result("b"), { "type": "text", "text": "and?" }] });
    check(&json!({ "messages": [{ "role": "assistant", "content": "" }, results] }), &["a", "b"]);
    // Gemini.
    let response = json!({ "functionResponse": { "id": "a", "name": "find", "response": {} } });
    let contents = json!([{ "role": "model", "parts": [{ "text": "" }] }, { "role": "user", "parts": [response] }]);
    check(&json!({ "contents": contents }), &["a"]);
    // The GenAI conventions, as JSON in a text.
    let part = json!({ "type": "tool_call_response", "id": "a", "result": "found" });
    let messages = json!([{ "role": "assistant", "parts": [] }, { "role": "tool", "parts": [part] }]).to_string();
    check(&json!({ "gen_ai.input.messages": messages }), &["a"]);
}

#[test]
fn name_of_the_tool_stands_in_for_a_missing_id() {
    let assistant = json!({ "role": "assistant", "content": "" });
    let tool = json!({ "role": "tool", "tool_name": "find", "content": "found" });
    let function = json!({ "role": "function", "name": "look", "content": "found" });
    let user = json!({ "role": "user", "name": "ann", "content": "and?" });
    check(&json!({ "messages": [assistant, tool, function, user] }), &["look", "find"]);
    let response = json!({ "functionResponse": { "name": "find", "response": {} } });
    check(&json!({ "contents": [{ "role": "user", "parts": [response] }] }), &["find"]);
    let part = json!({ "type": "tool_call_response", "name": "find", "response": "found" });
    check(&json!({ "gen_ai.input.messages": [{ "role": "tool", "name": "x", "parts": [part] }] }), &["find"]);
}
