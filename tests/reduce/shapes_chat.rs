//! Bodies of the Chat Completions API.

use otel_trace::graph::Code;
use serde_json::{Value, json};

use crate::case::{Case, request_items, response_items, state};
use crate::shapes::{check, check_request, check_response, render_item, usage};

fn weather(id: &str, arguments: &str) -> Value {
    json!({ "id": id, "type": "function", "function": { "name": "weather", "arguments": arguments } })
}

fn completion(message: Value) -> Value {
    json!({ "id": "chatcmpl-1", "object": "chat.completion", "model": "m",
        "choices": [{ "index": 0, "message": message, "finish_reason": "stop", "logprobs": null }],
        "usage": { "prompt_tokens": 50, "completion_tokens": 20, "total_tokens": 70,
            "prompt_tokens_details": { "cached_tokens": 32 }, "completion_tokens_details": { "reasoning_tokens": 8 } } })
}

fn response(message: Value) -> Value {
    let mut message = message;
    message["role"] = json!("assistant");
    message["refusal"] = Value::Null;
    message["annotations"] = json!([]);
    completion(message)
}

#[test]
fn conversation_with_tools_has_each_item_once() {
    let calls = json!([weather("c1", r#"{"city":"Oslo"}"#), weather("c2", r#"{"city":"Rome","unit":"C"}"#)]);
    let begin =
        [json!({ "role": "system", "content": "Be brief." }), json!({ "role": "user", "content": "Oslo or Rome?" })];
    let then = [
        json!({ "role": "assistant", "content": null, "tool_calls": [weather("c1", r#"{ "city": "Oslo" }"#),
            weather("c2", r#"{"unit":"C","city":"Rome"}"#)] }),
        json!({ "role": "tool", "tool_call_id": "c1", "content": "-3" }),
        json!({ "role": "tool", "tool_call_id": "c2", "content": [{ "type": "text", "text": "18" }] }),
    ];
    let all = [&begin[..], &then[..]].concat();
    let graph = check(
        [
            (json!({ "model": "m", "messages": begin }), response(json!({ "content": null, "tool_calls": calls }))),
            (json!({ "model": "m", "messages": all }), response(json!({ "content": "Rome." }))),
        ],
        &["c1", "c2"],
        &[],
        &[
            "system message: Be brief.",
            "user message: Oslo or Rome?",
            r#"assistant function_call c1 weather: json {"city":"Oslo"}"#,
            r#"assistant function_call c2 weather: json {"city":"Rome","unit":"C"}"#,
            "tool function_call_output c1: -3",
            "tool function_call_output c2: 18",
            "assistant message: Rome.",
        ],
    );
    assert_eq!(usage(&graph, "a"), [50, 32, 20, 8]);
    assert_eq!(crate::case::call(&graph, "a").tool_call_ids.len(), 2);
}

#[test]
fn response_is_matched_in_any_spelling_of_its_history() {
    for (returned, repeated) in [
        (json!({ "content": "hi" }), json!({ "content": "hi" })),
        (json!({ "content": "hi" }), json!({ "content": [{ "type": "text", "text": "hi" }] })),
        (json!({ "content": "" , "tool_calls": [weather("c", "{}")] }), json!({ "tool_calls": [weather("c", "{}")] })),
        (json!({ "content": null }), json!({ "content": "" })),
        (json!({ "content": "hi", "tool_calls": null }), json!({ "content": "hi", "name": "helper", "id": "m1" })),
        (json!({ "refusal": "no" }), json!({ "content": [{ "type": "refusal", "refusal": "no" }] })),
        (json!({ "audio": { "id": "a1", "data": "…", "transcript": "hi" } }), json!({ "audio": { "id": "a1" } })),
    ] {
        let mut returned = returned;
        returned["role"] = json!("assistant");
        let mut repeated = repeated;
        repeated["role"] = json!("assistant");
        let mut case = Case::new();
        case.request_body("a", json!({ "messages": [] }));
        case.response_body("a", completion(returned.clone()));
        case.request_body("b", json!({ "messages": [repeated] }));
        let graph = case.check(&[]);
        assert_eq!((response_items(&graph, "a"), request_items(&graph, "b")), (vec![1], vec![1]), "{returned}");
    }
}

#[test]
fn reasoning_and_text_come_before_calls() {
    let message = json!({ "role": "assistant", "tool_calls": [weather("c", "{}")], "content": "One moment.",
        "reasoning_content": "I should look." });
    let expected = [
        "assistant reasoning: I should look.",
        "assistant message: One moment.",
        "assistant function_call c weather: json {}",
    ];
    check_response(completion(message.clone()), &[], &expected);
    check_request(json!({ "messages": [message] }), &[], &expected);
    let other_name =
        json!({ "role": "assistant", "reasoning": "I should look.", "reasoning_content": "", "content": "hi" });
    check_response(completion(other_name), &[], &["assistant reasoning: I should look.", "assistant message: hi"]);
}

#[test]
fn reasoning_omitted_from_history_stays_in_the_response() {
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [{ "role": "user", "content": "1" }] }));
    case.response_body("a", response(json!({ "content": "2", "reasoning_content": "hm" })));
    case.request_body("b", json!({ "messages": [
        { "role": "user", "content": "1" }, { "role": "assistant", "content": "2" }, { "role": "user", "content": "3" }] }));
    let graph = case.check(&[]);
    assert_eq!((response_items(&graph, "a"), request_items(&graph, "b")), (vec![2, 3], vec![1, 3, 4]));
}

#[test]
fn non_text_parts_are_payload_references() {
    let content = json!([{ "type": "text", "text": "What is this?" },
        { "type": "image_url", "image_url": { "url": "data:image/png;base64,AA==" } },
        { "type": "input_audio", "input_audio": { "data": "AA==", "format": "wav" } },
        { "type": "file", "file": { "file_id": "f1" } }, 7, "and this?"]);
    let body = json!({ "messages": [{ "role": "user", "content": content }] });
    check_request(
        body,
        &[],
        &["user message: What is this? | [image_url] | [input_audio] | [file] | [content] | and this?"],
    );
}

#[test]
fn refusal_is_a_labelled_text() {
    let refusal = json!([{ "type": "text", "text": "Well." }, { "type": "refusal", "refusal": "No." }]);
    for message in [json!({ "content": "Well.", "refusal": "No." }), json!({ "content": refusal })] {
        check_response(completion(message), &[], &["assistant message: Well. | (refusal) No."]);
    }
    for nothing in [json!({ "content": "Well.", "refusal": "" }), json!({ "content": "Well.", "refusal": null })] {
        check_response(completion(nothing), &[], &["assistant message: Well."]);
    }
    let graph = check_response(completion(json!({ "refusal": "No." })), &[], &["assistant message: (refusal) No."]);
    let item = &state(&graph)["conversation_items"]["conversation_item:1"];
    assert_eq!(item["body"]["parts"], json!([{ "type": "text", "text": "No.", "label": "refusal" }]));
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [{ "role": "assistant", "refusal": "No." }] }));
    case.request_body("b", json!({ "messages": [{ "role": "assistant", "content": "No." }] }));
    assert_eq!(request_items(&case.check(&[]), "b"), [2], "the label counts");
}

#[test]
fn images_beside_content_are_parts() {
    let image = |url: &str| json!({ "type": "image_url", "image_url": { "url": url } });
    let message = |images: Value| json!({ "role": "assistant", "content": "Here.", "images": images });
    let expected = ["assistant message: Here. | [image_url] | [image]"];
    check_response(completion(message(json!([image("u"), "iVBORw0KGgo="]))), &[], &expected);
    check_response(completion(message(image("u"))), &[], &["assistant message: Here. | [image_url]"]);
    check_response(completion(message(Value::Null)), &[], &["assistant message: Here."]);
    let mut case = Case::new();
    for (call, url) in [("a", "1"), ("b", "1"), ("c", "2")] {
        case.request_body(call, json!({ "messages": [message(json!([image(url)]))] }));
    }
    let graph = case.check(&[]);
    assert_eq!(["a", "b", "c"].map(|call| request_items(&graph, call)), [[1], [1], [2]]);
}

#[test]
fn annotations_are_parts_that_history_may_omit() {
    let citation =
        json!({ "type": "url_citation", "url_citation": { "url": "https://example.org", "start_index": 0 } });
    let annotated =
        json!({ "role": "assistant", "content": "Oslo.", "annotations": [citation, { "type": "file", "file": {} }] });
    let plain = json!({ "role": "assistant", "content": "Oslo." });
    let expected = ["assistant message: Oslo. | [url_citation] | [file]"];
    for repeated in [&annotated, &plain] {
        let mut case = Case::new();
        case.request_body("a", json!({ "messages": [] }));
        case.response_body("a", completion(annotated.clone()));
        case.request_body("b", json!({ "messages": [repeated] }));
        case.request_body("c", json!({ "messages": [annotated] }));
        let graph = case.check(&[]);
        assert_eq!(graph.items().map(render_item).collect::<Vec<_>>(), expected);
        assert_eq!((request_items(&graph, "b"), request_items(&graph, "c")), (vec![1], vec![1]));
    }
    let image = json!([{ "type": "image_url", "image_url": { "url": "u" } }, { "type": "text", "text": "Oslo." }]);
    let mut case = Case::new();
    case.request_body(
        "a",
        json!({ "messages": [{ "role": "assistant", "content": image, "annotations": [citation] }] }),
    );
    case.request_body("b", json!({ "messages": [{ "role": "assistant", "content": image }] }));
    let graph = case.check(&[]);
    let expected = ["assistant message: [image_url] | Oslo. | [url_citation]"];
    assert_eq!(graph.items().map(render_item).collect::<Vec<_>>(), expected, "parts stay in order");
}

#[test]
fn images_are_compared_by_content() {
    let body = |image: &str| json!({ "messages": [{ "role": "user", "content": [{ "type": "image_url", "image_url": { "url": image } }] }] });
    let mut case = Case::new();
    case.request_body("a", body("https://example.org/1.png"));
    case.request_body("b", body("https://example.org/1.png"));
    case.request_body("c", body("https://example.org/2.png"));
    let graph = case.check(&[]);
    assert_eq!((request_items(&graph, "b"), request_items(&graph, "c")), (vec![1], vec![2]));
}

#[test]
fn legacy_function_calls_have_no_id() {
    let message = json!({ "role": "assistant", "content": null,
        "function_call": { "name": "weather", "arguments": "{\"city\":\"Oslo\"}" } });
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [] }));
    case.response_body("a", completion(message.clone()));
    case.request_body(
        "b",
        json!({ "messages": [message, { "role": "function", "name": "weather", "content": "-3" }] }),
    );
    let graph = case.check(&[Code::CallWithoutId]);
    let expected =
        [r#"assistant function_call weather: json {"city":"Oslo"}"#, "tool function_call_output weather: -3"];
    assert_eq!(graph.items().map(render_item).collect::<Vec<_>>(), expected);
    assert!(case.try_reduce(&otel_trace::reduce::Options::default().strict(true)).is_ok());
}

#[test]
fn repeated_call_without_an_id_is_reported_once() {
    let message =
        json!({ "role": "assistant", "tool_calls": [{ "id": "", "function": { "name": "f", "arguments": {} } }] });
    let mut case = Case::new();
    for call in ["a", "b", "c"] {
        case.request_body(call, json!({ "messages": [message] }));
    }
    let graph = case.check(&[Code::CallWithoutId]);
    assert_eq!(graph.items().map(render_item).collect::<Vec<_>>(), ["assistant function_call f: json {}"]);
}

#[test]
fn arguments_are_json_text_or_a_payload_reference() {
    let call = |call: Value, expected: &str| {
        let message = json!({ "role": "assistant", "tool_calls": [call] });
        check_request(json!({ "messages": [message] }), &[], &[&format!("assistant function_call c f: {expected}")]);
    };
    let function = |arguments: Value| json!({ "id": "c", "function": { "name": "f", "arguments": arguments } });
    call(function(json!("{\"a\": 1")), "{\"a\": 1");
    call(function(json!({ "b": 1, "a": 2.50 })), r#"json {"a":2.5,"b":1}"#);
    call(function(Value::Null), "[payload]");
    call(json!({ "id": "c", "name": "f", "args": {} }), "json {}");
    call(json!({ "id": "c", "type": "custom", "custom": { "name": "f", "input": "42" } }), "42");
}

#[test]
fn tool_output_may_be_empty() {
    let tool = |content: Value, expected: &str| {
        let message = json!({ "role": "tool", "tool_call_id": "c", "content": content });
        check_request(json!({ "messages": [message] }), &[], &[&format!("tool function_call_output c: {expected}")]);
    };
    tool(json!(""), "");
    tool(Value::Null, "[tool_output]");
    tool(json!([]), "[tool_output]");
    tool(json!([{ "type": "image_url", "image_url": {} }]), "[image_url]");
}

#[test]
fn content_as_speech_describes_the_message() {
    let message = |audio: &str| json!({ "role": "assistant", "content": "Oslo.", "audio_content": audio });
    check_response(completion(message("")), &[], &["assistant message: Oslo."]);
    check_response(completion(message("49443304")), &[], &["assistant message: Oslo. | [audio]"]);
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [] }));
    case.response_body("a", completion(message("49443304")));
    case.request_body("b", json!({ "messages": [{ "role": "assistant", "content": "Oslo." }] }));
    assert_eq!(request_items(&case.check(&[]), "b"), [1]);
}

#[test]
fn signature_of_a_called_function_is_reasoning() {
    for name in ["thought_signature", "thoughtSignature"] {
        let function = json!({ "name": "f", "arguments": "{}", name: "s1" });
        let message = json!({ "role": "assistant", "tool_calls": [{ "id": "c", "function": function }] });
        let expected = ["assistant reasoning: <signature s1>", "assistant function_call c f: json {}"];
        check_response(completion(message.clone()), &[], &expected);
        check_request(json!({ "messages": [message] }), &[], &expected);
    }
}

#[test]
fn content_in_members_of_servers_is_read_from_streams() {
    let deltas = [
        json!({ "role": "assistant", "name": "K", "content": "Os", "audio_content": "4944" }),
        json!({ "content": "lo.", "audio_content": "3304" }),
        json!({ "tool_calls": [{ "index": 0, "id": "c", "function": { "name": "f", "arguments": "{", "thought_signature": "s1" } }] }),
        json!({ "tool_calls": [{ "index": 0, "function": { "arguments": "}" } }] }),
    ];
    let chunk = |delta: &Value| format!("data: {}\n\n", json!({ "choices": [{ "index": 0, "delta": delta }] }));
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [] }));
    case.received("a", [deltas.iter().map(chunk).collect::<String>(), "data: [DONE]\n\n".into()].concat().as_bytes());
    let expected = [
        "assistant message K: Oslo. | [audio]",
        "assistant reasoning: <signature s1>",
        "assistant function_call c f: json {}",
    ];
    assert_eq!(case.check(&[]).items().map(render_item).collect::<Vec<_>>(), expected);
}
