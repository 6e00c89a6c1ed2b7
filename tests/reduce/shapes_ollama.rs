//! Bodies of the chat of Ollama, as its clients send and receive them.

use otel_trace::graph::Code;
use serde_json::{Value, json};

use crate::case::{Case, call, request_items, response_items};
use crate::shapes::{check_request, check_response, render_item, usage};

fn chat(message: Value) -> Value {
    json!({ "model": "llama3.2", "created_at": "2025-01-01T00:00:00Z", "message": message, "done_reason": "stop", "done": true,
        "total_duration": 5191566416u64, "load_duration": 2154458, "prompt_eval_count": 26, "prompt_eval_duration": 383809000,
        "eval_count": 298, "eval_duration": 4799921000u64, "logprobs": null })
}

fn request(messages: &[Value]) -> Value {
    json!({ "model": "llama3.2", "messages": messages, "stream": false, "think": true, "keep_alive": "5m", "format": "json",
        "options": { "temperature": 0.5, "top_p": 0.9, "num_predict": 64, "seed": 1, "num_ctx": 4096 },
        "tools": [{ "type": "function", "function": { "name": "weather", "parameters": {} } }] })
}

fn user(text: &str) -> Value {
    json!({ "role": "user", "content": text })
}

fn weather(city: &str) -> Value {
    json!({ "function": { "name": "weather", "arguments": { "city": city } } })
}

#[test]
fn conversation_with_tools_has_each_item_once() {
    let asked = json!({ "role": "assistant", "content": "", "thinking": "I should look.", "images": null,
        "tool_calls": [weather("Oslo"), weather("Rome")] });
    let output = |text: &str| json!({ "role": "tool", "tool_name": "weather", "content": text });
    let mut case = Case::new();
    case.request_body("a", request(&[json!({ "role": "system", "content": "Be brief." }), user("Oslo or Rome?")]));
    case.response_body("a", chat(asked.clone()));
    case.request_body(
        "b",
        request(&[
            json!({ "role": "system", "content": "Be brief." }),
            user("Oslo or Rome?"),
            asked,
            output("-3"),
            output("18"),
        ]),
    );
    case.response_body("b", chat(json!({ "role": "assistant", "content": "Rome." })));
    let graph = case.check(&[Code::CallWithoutId]);
    let expected = [
        "system message: Be brief.",
        "user message: Oslo or Rome?",
        "assistant reasoning: I should look.",
        r#"assistant function_call weather: json {"city":"Oslo"}"#,
        r#"assistant function_call weather: json {"city":"Rome"}"#,
        "tool function_call_output weather: -3",
        "tool function_call_output weather: 18",
        "assistant message: Rome.",
    ];
    assert_eq!(graph.items().map(render_item).collect::<Vec<_>>(), expected);
    assert_eq!(request_items(&graph, "b"), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(usage(&graph, "a"), [26, 0, 298, 0]);
    assert_eq!(call(&graph, "a").tools.as_ref().map(|tools| &*tools.pointer), Some("/tools"));
}

/// Reduces a response and a request that repeats it, and checks that the request has the items of the response.
#[track_caller]
fn check_repeated(returned: Value, repeated: Value, expected: &[&str]) {
    let mut case = Case::new();
    case.request_body("a", request(&[]));
    case.response_body("a", chat(returned));
    case.request_body("b", request(&[repeated]));
    let graph = case.check(&[]);
    assert_eq!(graph.items().map(render_item).collect::<Vec<_>>(), expected);
    assert_eq!(request_items(&graph, "b"), response_items(&graph, "a"));
}

#[test]
fn calls_with_ids_are_linked() {
    let mut called = weather("Oslo");
    called["id"] = json!("call_1");
    called["function"]["index"] = json!(0);
    let asked = json!({ "role": "assistant", "content": "", "tool_calls": [called] });
    let output = json!({ "role": "tool", "tool_call_id": "call_1", "tool_name": "weather", "content": "-3" });
    let mut case = Case::new();
    case.request_body("a", request(&[user("Oslo?")]));
    case.response_body("a", chat(asked.clone()));
    case.tool("t", Some("call_1"), json!({ "type": "web" }), None);
    case.end_tool("t", "completed", None);
    case.request_body("b", request(&[user("Oslo?"), asked, output]));
    let graph = case.check(&[]);
    let tool = crate::case::tool(&graph, "t");
    assert_eq!((tool.call_item_ids.len(), tool.output_item_ids.len()), (1, 1));
    assert_eq!(request_items(&graph, "b"), [1, 2, 3]);
}

#[test]
fn call_is_found_again_without_its_id() {
    // The server returns ids, which most clients drop when they repeat the response.
    let with_id = |id: &str, city: &str| {
        let mut call = weather(city);
        call["id"] = json!(id);
        call
    };
    let asked = |calls: Value| json!({ "role": "assistant", "content": "", "tool_calls": calls });
    let returned = asked(json!([with_id("call_1", "Oslo"), with_id("call_2", "Oslo"), with_id("call_3", "Rome")]));
    let repeated = asked(json!([weather("Oslo"), weather("Oslo"), weather("Rome")]));
    check_repeated(
        returned.clone(),
        repeated,
        &[
            r#"assistant function_call call_1 weather: json {"city":"Oslo"}"#,
            r#"assistant function_call call_2 weather: json {"city":"Oslo"}"#,
            r#"assistant function_call call_3 weather: json {"city":"Rome"}"#,
        ],
    );
    let mut case = Case::new();
    case.request_body("a", request(&[user("Oslo?")]));
    case.response_body("a", chat(returned));
    case.request_body("shortened", request(&[asked(json!([weather("Rome"), weather("Oslo"), weather("Bergen")]))]));
    case.request_body("renamed", request(&[asked(json!([with_id("call_9", "Oslo")]))]));
    let graph = case.check(&[Code::CallWithoutId]);
    assert_eq!(request_items(&graph, "shortened"), [4, 2, 5], "a call that was not returned is new");
    assert_eq!(request_items(&graph, "renamed"), [6], "another id is another call");
}

#[test]
fn images_beside_content_are_parts() {
    let message = json!({ "role": "user", "content": "What is this?", "images": ["iVBORw0KGgo=", "R0lGODlh"] });
    check_request(request(&[message]), &[], &["user message: What is this? | [image] | [image]"]);
    let returned = json!({ "role": "assistant", "content": "Here.", "images": ["iVBORw0KGgo="] });
    check_repeated(returned.clone(), returned, &["assistant message: Here. | [image]"]);
}

#[test]
fn message_without_content_is_read() {
    check_response(chat(json!({ "role": "assistant", "content": "" })), &[], &["assistant message: [empty_content]"]);
    let thought = json!({ "role": "assistant", "content": "", "thinking": "Hm." });
    check_repeated(thought.clone(), thought, &["assistant reasoning: Hm."]);
    check_response(json!({ "message": "Forbidden" }), &[Code::BadPayload], &[]);
}
