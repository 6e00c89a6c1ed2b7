//! A program that calls a model through every API, and the schema of the messages that are exported of it.

use opentelemetry_sdk::trace::{Sampler, SpanData};
use otel_trace::otlp::ContentPolicy;
use otel_trace::{AgentThread, Json, Model, Operation, ThreadMeta};
use serde_json::{Value, json};

use crate::live::exported::{Harness, Order, attributes};

/// Returns a provider, and a request and a response of its API. Each conversation has a call and its output, and each
/// response has reasoning and a text.
fn exchanges() -> Vec<(&'static str, Value, Value)> {
    vec![
        (
            "openrouter",
            json!({ "messages": chat_history(json!("{}")) }),
            json!({ "choices": [{ "finish_reason": "stop", "message": {
            "role": "assistant", "content": "Cold.", "reasoning": "Hm.", "annotations": [{ "type": "url_citation" }],
            "reasoning_details": [{ "type": "reasoning.text", "text": "Hm.", "signature": "s", "index": 0 }] } }] }),
        ),
        (
            "mistral",
            json!({ "messages": chat_history(json!("{}")) }),
            json!({ "choices": [{ "finish_reason": "stop", "message": {
            "role": "assistant", "content": [{ "type": "thinking", "thinking": [{ "type": "text", "text": "Hm." }] },
            { "type": "text", "text": "Cold." }] } }] }),
        ),
        (
            "anthropic",
            json!({ "messages": [
            { "role": "assistant", "content": [{ "type": "tool_use", "id": "c", "name": "weather", "input": {} }] },
            { "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "c", "content": "-3" }] }] }),
            json!({ "role": "assistant", "stop_reason": "end_turn", "content": [{ "type": "thinking", "thinking": "Hm.", "signature": "s" },
                { "type": "text", "text": "Cold." }] }),
        ),
        (
            "gemini",
            json!({ "contents": [
            { "role": "model", "parts": { "functionCall": { "id": "c", "name": "weather" } } },
            { "role": "user", "parts": { "functionResponse": { "id": "c", "name": "weather", "response": { "d": -3 } } } }] }),
            json!({ "candidates": [{ "finishReason": "STOP", "content": { "role": "model", "parts": [{ "text": "Hm.", "thought": true },
                { "text": "Cold." }] } }] }),
        ),
        (
            "aws.bedrock",
            json!({ "messages": [
            { "role": "assistant", "content": [{ "toolUse": { "toolUseId": "c", "name": "weather", "input": {} } }] },
            { "role": "user", "content": [{ "toolResult": { "toolUseId": "c", "content": [{ "json": -3 }] } }, { "cachePoint": {} }] }] }),
            json!({ "stopReason": "end_turn", "usage": { "inputTokens": 1, "outputTokens": 2, "totalTokens": 3 },
                "output": { "message": { "role": "assistant", "content": [
                    { "reasoningContent": { "reasoningText": { "text": "Hm.", "signature": "s" } } }, { "text": "Cold." }] } } }),
        ),
        (
            "ollama",
            json!({ "messages": chat_history(json!({})) }),
            json!({ "done": true, "done_reason": "stop", "prompt_eval_count": 1,
            "eval_count": 2, "message": { "role": "assistant", "content": "Cold.", "thinking": "Hm." } }),
        ),
        (
            "cohere",
            json!({ "messages": chat_history(json!("{}")) }),
            json!({ "id": "r", "finish_reason": "COMPLETE",
            "usage": { "tokens": { "input_tokens": 1, "output_tokens": 2 } },
            "message": { "role": "assistant", "content": [{ "type": "thinking", "thinking": "Hm." }, { "type": "text", "text": "Cold." }] } }),
        ),
    ]
}

fn chat_history(arguments: Value) -> Value {
    let call = json!({ "id": "c", "type": "function", "function": { "name": "weather", "arguments": arguments } });
    json!([{ "role": "assistant", "content": null, "tool_calls": [call] }, { "role": "tool", "tool_call_id": "c", "content": "-3" }])
}

/// Records one call of a model through each API, each in a turn of its own.
pub(crate) fn record() {
    let thread = AgentThread::start(ThreadMeta::new().agent_name("coder"));
    for (provider, request, response) in exchanges() {
        let turn = thread.turn(None);
        let inference = turn.inference(Model { name: "m", provider });
        inference.request(Json(&request));
        inference.response(Json(&response));
        inference.complete();
        turn.complete();
    }
    thread.complete();
}

/// Returns the types of the parts of all messages in an attribute, after checking that each message has a role.
fn part_types(span: &SpanData, attribute: &str) -> Vec<String> {
    let text = attributes(span).remove(attribute).expect(attribute);
    let messages: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    let parts = messages.iter().flat_map(|message| {
        assert!(message["role"].is_string(), "{message}");
        message["parts"].as_array().expect("parts")
    });
    parts.map(|part| part["type"].as_str().expect("a type").to_owned()).collect()
}

#[test]
fn messages_of_every_api_have_the_schema_of_the_conventions() {
    let mut harness = Harness::with(ContentPolicy::Capture, Sampler::AlwaysOn);
    harness.run(Order::BridgeFirst, record);
    harness.finish();
    let spans = harness.spans();
    let calls: Vec<_> = spans.iter().filter(|span| attributes(span).contains_key("gen_ai.output.messages")).collect();
    assert_eq!(calls.len(), exchanges().len());
    for span in calls {
        assert_eq!(part_types(span, "gen_ai.input.messages"), ["tool_call", "tool_call_response"], "{span:?}");
        assert_eq!(part_types(span, "gen_ai.output.messages")[..2], ["reasoning", "text"], "{span:?}");
    }
}
