//! Bodies of Converse of Amazon Bedrock, as the AWS SDKs send and receive them.

use otel_trace::graph::Code;
use serde_json::{Value, json};

use crate::case::{Case, call, request_items, response_items};
use crate::shapes::{check, check_request, check_response, render_item, usage};

fn converse(content: Value) -> Value {
    json!({ "output": { "message": { "role": "assistant", "content": content } }, "stopReason": "end_turn",
        "usage": { "inputTokens": 11, "outputTokens": 25, "totalTokens": 376, "cacheReadInputTokens": 300,
            "cacheWriteInputTokens": 40, "cacheDetails": [{ "ttl": "1h", "inputTokens": 30 }, { "ttl": "5m", "inputTokens": 10 }],
            "serverToolUsage": {} },
        "metrics": { "latencyMs": 812 }, "additionalModelResponseFields": null,
        "trace": { "promptRouter": { "invokedModelId": "m" } }, "performanceConfig": { "latency": "standard" },
        "serviceTier": { "type": "default" }, "ResponseMetadata": { "RequestId": "r1", "HTTPStatusCode": 200 } })
}

fn request(system: Value, messages: Value) -> Value {
    json!({ "modelId": "m", "system": system, "messages": messages,
        "inferenceConfig": { "maxTokens": 100, "temperature": 0.5, "topP": 0.9, "stopSequences": ["."] },
        "toolConfig": { "tools": [{ "toolSpec": { "name": "weather", "description": "d", "inputSchema": { "json": {} } } }, cache_point()],
            "toolChoice": { "auto": {} } },
        "guardrailConfig": { "guardrailIdentifier": "g", "guardrailVersion": "1", "trace": "enabled" },
        "additionalModelRequestFields": { "thinking": { "type": "enabled", "budget_tokens": 1024 } },
        "additionalModelResponseFieldPaths": ["/stop_sequence"],
        "requestMetadata": { "k": "v" }, "performanceConfig": { "latency": "standard" }, "serviceTier": { "type": "default" } })
}

fn cache_point() -> Value {
    json!({ "cachePoint": { "type": "default", "ttl": "1h" } })
}

fn user(content: Value) -> Value {
    json!({ "role": "user", "content": content })
}

#[test]
fn conversation_with_tools_has_each_item_once() {
    let thought = json!({ "reasoningContent": { "reasoningText": { "text": "I should look.", "signature": "s1" } } });
    let redacted = json!({ "reasoningContent": { "redactedContent": "ZDE=" } });
    let tool_use =
        |id: &str, city: &str| json!({ "toolUse": { "toolUseId": id, "name": "weather", "input": { "city": city } } });
    let returned =
        json!([thought, redacted, { "text": "One moment." }, tool_use("c1", "Oslo"), tool_use("c2", "Rome")]);
    let answers = json!([
        { "toolResult": { "toolUseId": "c1", "status": "success", "content": [{ "json": { "degrees": -3 } }] } },
        { "toolResult": { "toolUseId": "c2", "status": "error", "content": [{ "text": "18" }, cache_point(),
            { "image": { "format": "png", "source": { "bytes": "AA==" } } }] } },
        cache_point(),
        { "text": "In one word." },
    ]);
    // The cache points of the second request are at other places than those of the first.
    let first = request(
        json!([{ "text": "Be brief." }, cache_point()]),
        json!([user(json!([{ "text": "Oslo or Rome?" }, cache_point()]))]),
    );
    let second = request(
        json!([{ "text": "Be brief." }]),
        json!([user(json!([{ "text": "Oslo or Rome?" }])), { "role": "assistant", "content": returned }, user(answers)]),
    );
    let graph = check(
        [(first, converse(returned)), (second, converse(json!([{ "text": "Rome." }])))],
        &["c1", "c2"],
        &[],
        &[
            "system message: Be brief.",
            "user message: Oslo or Rome?",
            "assistant reasoning: I should look. | <signature s1>",
            "assistant reasoning: <data ZDE=>",
            "assistant message: One moment.",
            r#"assistant function_call c1 weather: json {"city":"Oslo"}"#,
            r#"assistant function_call c2 weather: json {"city":"Rome"}"#,
            r#"tool function_call_output c1: json {"degrees":-3}"#,
            "tool function_call_output c2 error: 18 | [image]",
            "user message: In one word.",
            "assistant message: Rome.",
        ],
    );
    assert_eq!(usage(&graph, "a"), [351, 300, 25, 0]);
    let usage = call(&graph, "a").usage.unwrap();
    assert_eq!((usage.cache_write_input_tokens, usage.cache_write_1h_input_tokens), (40, 30));
    let pointers = [&call(&graph, "a").instructions, &call(&graph, "a").tools];
    assert_eq!(
        pointers.map(|found| found.as_ref().map(|found| &*found.pointer)),
        [Some("/system"), Some("/toolConfig/tools")]
    );
}

#[test]
fn media_are_labelled_by_their_field() {
    let source = json!({ "bytes": "AA==" });
    let content = json!([
        { "text": "What is this?" },
        { "image": { "format": "png", "source": source } },
        { "document": { "format": "pdf", "name": "d", "source": source, "context": "c", "citations": { "enabled": true } } },
        { "video": { "format": "mp4", "source": { "s3Location": { "uri": "s3://b/1.mp4" } } } },
        { "audio": { "format": "wav", "source": source } },
        { "searchResult": { "source": "u", "title": "t", "content": [{ "text": "x" }], "citations": { "enabled": true } } },
        { "guardContent": { "text": { "text": "Guard this.", "qualifiers": ["query"] } } },
        { "guardContent": { "image": { "format": "png", "source": source } } },
    ]);
    check_request(
        json!({ "messages": [user(content)] }),
        &[],
        &[
            "user message: What is this? | [image] | [document] | [video] | [audio] | [searchResult] | Guard this. | [guardContent]",
        ],
    );
}

#[test]
fn cited_text_is_a_text_with_annotations() {
    let citation = json!({ "title": "t", "source": "u", "sourceContent": [{ "text": "cold" }],
        "location": { "documentChar": { "documentIndex": 0, "start": 0, "end": 4 } } });
    let cited = json!([{ "citationsContent": { "content": [{ "text": "It is " }, { "text": "cold." }], "citations": [citation] } }]);
    let expected = ["assistant message: It is cold. | [citation]"];
    check_response(converse(cited.clone()), &[], &expected);
    let plain = json!([{ "text": "It is cold." }]);
    for (returned, repeated) in [(&cited, &cited), (&cited, &plain), (&plain, &cited)] {
        let mut case = Case::new();
        case.request_body("a", json!({ "messages": [] }));
        case.response_body("a", converse(returned.clone()));
        case.request_body("b", json!({ "messages": [{ "role": "assistant", "content": repeated }] }));
        let graph = case.check(&[]);
        assert_eq!((response_items(&graph, "a"), request_items(&graph, "b")), (vec![1], vec![1]), "{returned}");
    }
}

#[test]
fn tool_result_is_text_json_or_empty() {
    let result = |content: Value, expected: &str| {
        let part = json!({ "toolResult": { "toolUseId": "c", "content": content } });
        let body = json!({ "messages": [user(json!([part]))] });
        check_request(body, &[], &[&format!("tool function_call_output c: {expected}")]);
    };
    result(json!([{ "text": "a" }, { "json": [1, 2] }, { "json": null }]), "a | json [1,2] | json null");
    result(json!([]), "[empty_content]");
    result(json!([cache_point()]), "[empty_content]");
    result(Value::Null, "[tool_output]");
    result(json!([{ "document": { "name": "d" } }]), "[document]");
}

#[test]
fn calls_and_results_without_ids_are_reported() {
    let content =
        json!([{ "toolUse": { "name": "f", "input": {} } }, { "toolUse": { "toolUseId": "c", "name": "g" } }]);
    check_response(
        converse(content),
        &[Code::CallWithoutId],
        &["assistant function_call f: json {}", "assistant function_call c g: [payload]"],
    );
    for content in [json!([{ "toolUse": 7 }]), json!([{ "toolResult": 7 }])] {
        check_request(json!({ "messages": [user(content)] }), &[Code::BadItem], &[]);
    }
}

#[test]
fn message_tells_the_output_from_that_of_the_responses_api() {
    let item = json!({ "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": "hi" }] });
    check_response(json!({ "output": [item] }), &[], &["assistant message: hi"]);
    let message = json!({ "role": "assistant", "content": [{ "text": "hi" }] });
    check_response(json!({ "output": { "message": message } }), &[], &["assistant message: hi"]);
    check_response(json!({ "output": { "message": null } }), &[Code::BadPayload], &[]);
    check_response(json!({ "output": { "other": message } }), &[Code::BadPayload], &[]);
}

#[test]
fn reasoning_without_a_signature_is_matched_by_its_text() {
    let content = json!([{ "reasoningContent": { "reasoningText": { "text": "Hm." } } }, { "text": "Yes." }]);
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [] }));
    case.response_body("a", converse(content.clone()));
    case.request_body("b", json!({ "messages": [{ "role": "assistant", "content": content }] }));
    let graph = case.check(&[]);
    assert_eq!(
        graph.items().map(render_item).collect::<Vec<_>>(),
        ["assistant reasoning: Hm.", "assistant message: Yes."]
    );
    assert_eq!(request_items(&graph, "b"), [1, 2]);
}
