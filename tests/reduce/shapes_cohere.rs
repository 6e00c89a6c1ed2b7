//! Bodies of the chat of Cohere, version 2, as its clients send and receive them.

use otel_trace::graph::Code;
use serde_json::{Value, json};

use crate::case::{Case, call, request_items, response_items};
use crate::shapes::{check, check_request, check_response, render_item, usage};

fn chat(message: Value, finish_reason: &str) -> Value {
    json!({ "id": "c14c80c3", "finish_reason": finish_reason, "message": message, "logprobs": null,
        "usage": { "billed_units": { "input_tokens": 9, "output_tokens": 20, "search_units": null, "classifications": null },
            "tokens": { "input_tokens": 71, "output_tokens": 24 }, "cached_tokens": 32 } })
}

fn request(messages: &[Value]) -> Value {
    json!({ "model": "command-a", "messages": messages, "stream": false, "strict_tools": true,
        "tools": [{ "type": "function", "function": { "name": "weather", "parameters": {} } }], "tool_choice": "REQUIRED",
        "citation_options": { "mode": "FAST" }, "response_format": { "type": "text" }, "safety_mode": "CONTEXTUAL",
        "max_tokens": 64, "stop_sequences": ["."], "temperature": 0.5, "seed": 1, "frequency_penalty": 0, "presence_penalty": 0,
        "k": 10, "p": 0.9, "logprobs": false, "thinking": { "type": "enabled", "token_budget": 100 }, "priority": 0 })
}

fn weather(id: &str, city: &str) -> Value {
    let arguments = json!({ "city": city }).to_string();
    json!({ "id": id, "type": "function", "function": { "name": "weather", "arguments": arguments } })
}

fn citation(text: &str) -> Value {
    json!({ "start": 0, "end": text.len(), "text": text, "content_index": 0, "type": "TEXT_CONTENT",
        "sources": [{ "type": "tool", "id": "c1:0", "tool_output": { "degrees": "-3" } }] })
}

#[test]
fn conversation_with_tools_has_each_item_once() {
    let begin =
        [json!({ "role": "system", "content": "Be brief." }), json!({ "role": "user", "content": "Oslo or Rome?" })];
    let asked = json!({ "role": "assistant", "tool_plan": "I will look.", "tool_calls": [weather("c1", "Oslo"), weather("c2", "Rome")] });
    let document = |data: Value| json!({ "type": "document", "document": { "data": data, "id": "0" } });
    let then = [
        asked.clone(),
        json!({ "role": "tool", "tool_call_id": "c1", "content": [document(json!("{\"degrees\":-3}"))] }),
        json!({ "role": "tool", "tool_call_id": "c2", "content": [document(json!({ "degrees": 18 })), { "type": "text", "text": "warm" }] }),
    ];
    let graph = check(
        [
            (request(&begin), chat(asked, "TOOL_CALL")),
            (
                request(&[&begin[..], &then[..]].concat()),
                chat(
                    json!({ "role": "assistant", "content": [{ "type": "text", "text": "Rome." }], "citations": [citation("Rome")] }),
                    "COMPLETE",
                ),
            ),
        ],
        &["c1", "c2"],
        &[],
        &[
            "system message: Be brief.",
            "user message: Oslo or Rome?",
            "assistant reasoning: I will look.",
            r#"assistant function_call c1 weather: json {"city":"Oslo"}"#,
            r#"assistant function_call c2 weather: json {"city":"Rome"}"#,
            r#"tool function_call_output c1: {"degrees":-3}"#,
            r#"tool function_call_output c2: json {"degrees":18} | warm"#,
            "assistant message: Rome. | [citation]",
        ],
    );
    assert_eq!(usage(&graph, "a"), [71, 32, 24, 0]);
    assert_eq!(call(&graph, "a").tools.as_ref().map(|tools| &*tools.pointer), Some("/tools"));
}

/// Reduces a response and a request that repeats it, and returns the items, those of the response and of the request.
fn repeated(returned: Value, repeated: Value) -> (Vec<String>, Vec<u64>, Vec<u64>) {
    let mut case = Case::new();
    case.request_body("a", request(&[]));
    case.response_body("a", chat(returned, "COMPLETE"));
    case.request_body("b", request(&[repeated]));
    let graph = case.check(&[]);
    (graph.items().map(render_item).collect(), response_items(&graph, "a"), request_items(&graph, "b"))
}

#[test]
fn answer_is_found_again_in_every_spelling() {
    let thought = json!({ "type": "thinking", "thinking": "Hm." });
    let text = json!({ "type": "text", "text": "Cold." });
    let returned = json!({ "role": "assistant", "content": [thought, text], "citations": [citation("Cold.")], "tool_plan": null, "tool_calls": null });
    let items = ["assistant reasoning: Hm.", "assistant message: Cold. | [citation]"].map(str::to_owned).to_vec();
    let whole = json!({ "role": "assistant", "content": [thought, text] });
    for history in [returned.clone(), whole] {
        assert_eq!(repeated(returned.clone(), history), (items.clone(), vec![1, 2], vec![1, 2]));
    }
    let (_, response, request) = repeated(json!({ "role": "assistant", "content": [thought, text] }), returned.clone());
    assert_eq!((response, request), (vec![1, 2], vec![1, 2]), "clients may add what the response did not have");
    let text_alone = json!({ "role": "assistant", "content": "Cold." });
    assert_eq!(repeated(returned, text_alone), (items, vec![1, 2], vec![2]), "clients may drop the reasoning");
}

#[test]
fn plan_is_optional_in_history() {
    let asked = json!({ "role": "assistant", "tool_plan": "I will look.", "tool_calls": [weather("c1", "Oslo")], "citations": [citation("look")] });
    let items = [
        "assistant reasoning: I will look. | [citation]",
        r#"assistant function_call c1 weather: json {"city":"Oslo"}"#,
    ];
    let items = items.map(str::to_owned).to_vec();
    assert_eq!(repeated(asked.clone(), asked.clone()), (items.clone(), vec![1, 2], vec![1, 2]));
    let without = json!({ "role": "assistant", "tool_plan": "I will look.", "tool_calls": [weather("c1", "Oslo")] });
    assert_eq!(repeated(asked.clone(), without), (items.clone(), vec![1, 2], vec![1, 2]));
    let planless = json!({ "role": "assistant", "tool_calls": [weather("c1", "Oslo")] });
    assert_eq!(repeated(asked, planless), (items, vec![1, 2], vec![2]));
}

#[test]
fn user_content_has_images() {
    let content = json!([{ "type": "text", "text": "What is this?" }, { "type": "image_url", "image_url": { "url": "data:", "detail": "auto" } }]);
    check_request(
        request(&[json!({ "role": "user", "content": content })]),
        &[],
        &["user message: What is this? | [image_url]"],
    );
    let document = json!({ "type": "document", "source": { "type": "text", "data": "…" } });
    let body = json!({ "messages": [{ "role": "user", "content": [document] }] });
    check_request(body, &[], &["user message: [document]"]);
}

#[test]
fn billed_tokens_stand_in_for_counted_ones() {
    let mut body = chat(json!({ "role": "assistant", "content": [] }), "COMPLETE");
    body["usage"] = json!({ "billed_units": { "input_tokens": 9, "output_tokens": 20 } });
    assert_eq!(usage(&check_response(body, &[], &["assistant message: [empty_content]"]), "a"), [9, 0, 20, 0]);
}

#[test]
fn response_without_a_message_is_reported() {
    check_response(json!({ "id": "1", "finish_reason": "ERROR" }), &[Code::BadPayload], &[]);
    check_response(json!({ "message": "invalid api token" }), &[Code::BadPayload], &[]);
}
