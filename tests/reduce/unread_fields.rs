//! Members of bodies that no rule reads are reported, once a run.

use otel_trace::graph::{Code, Graph};
use otel_trace::reduce::Options;
use serde_json::{Map, Value, json};

use crate::case::Case;

/// Returns the paths in the notices about unread members, in order.
pub(crate) fn unread(graph: &Graph) -> Vec<&str> {
    let notices = graph.diagnostics.iter().filter(|notice| notice.code == Code::UnreadField);
    notices.map(|notice| notice.message.split('`').nth(1).unwrap_or(&notice.message)).collect()
}

/// Reduces a request and checks the paths of the unread members.
fn check_request(body: &(impl ToString + ?Sized), expected: &[&str]) {
    let mut case = Case::new();
    case.request_body("a", body.to_string());
    check(&case, expected);
}

/// Reduces a response and checks the paths of the unread members.
fn check_response(body: &Value, expected: &[&str]) {
    let mut case = Case::new();
    case.request_body("a", json!({ "input": [] }));
    case.response_body("a", body);
    check(&case, expected);
}

fn check(case: &Case, expected: &[&str]) {
    assert_eq!(unread(&case.check(&vec![Code::UnreadField; expected.len()])), expected);
    assert!(case.try_reduce(&Options::default().strict(true)).is_ok());
}

#[test]
fn member_is_named_with_its_path() {
    check_request(&json!({ "input": "hi", "new": 1 }), &["new"]);
    // The order of the members counts, which the values of `json!` need not have.
    check_request(
        r#"{ "input": [{ "role": "user", "new": 1, "content": [{ "type": "input_text", "text": "x", "newer": 2 }] }] }"#,
        &["input[].new", "input[].content[].newer"],
    );
    let message = json!({ "role": "assistant", "tool_calls": [{ "id": "c", "function": { "name": "f", "new": 1 } }] });
    check_request(&json!({ "messages": [message] }), &["messages[].tool_calls[].function.new"]);
    let message = json!({ "role": "assistant", "content": "x", "new": 1 });
    check_response(&json!({ "choices": [{ "message": message }] }), &["choices[].message.new"]);
    check_response(&json!({ "choices": [], "usage": { "prompt_tokens": 1, "new": 2 } }), &["usage.new"]);
    let content = json!({ "role": "model", "parts": [{ "functionCall": { "id": "c", "name": "f", "new": 1 } }] });
    check_response(
        &json!({ "candidates": [{ "content": content }] }),
        &["candidates[].content.parts[].functionCall.new"],
    );
    let message = json!({ "role": "assistant", "parts": [{ "type": "text", "content": "x", "new": 1 }] });
    check_response(&json!({ "gen_ai.output.messages": [message] }), &["gen_ai.output.messages[].parts[].new"]);
}

#[test]
fn member_of_the_list_of_another_api_is_reported() {
    check_request(&json!({ "input": [], "messages": [] }), &["messages"]);
    check_request(&json!({ "contents": [], "messages": "hi" }), &["messages"]);
}

#[test]
fn null_is_not_reported() {
    check_request(&json!({ "contents": [], "input": null, "new": null }), &[]);
    check_request(
        &json!({ "input": [{ "role": "user", "content": "x", "new": null, "newer": 0 }] }),
        &["input[].newer"],
    );
    check_response(&json!({ "choices": [], "usage": { "prompt_tokens": 1, "new": null } }), &[]);
}

#[test]
fn member_is_reported_once_for_its_kind_of_object() {
    let message = |text: &str| json!({ "role": "user", "content": text, "new": text });
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [message("1")] }));
    case.response_body("a", json!({ "choices": [{ "message": message("2") }], "new": 1 }));
    case.request_body("b", json!({ "messages": [message("1"), message("2"), message("3")], "new": 1 }));
    // The member of the message is not the one of the response, and that not the one of the request.
    assert_eq!(unread(&case.check(&[Code::UnreadField; 3])), ["messages[].new", "new", "new"]);
}

#[test]
fn response_of_the_call_tells_the_api() {
    // `system` is a member of Anthropic's requests, `functions` one of Chat Completions.
    let request = json!({ "messages": [{ "role": "user", "content": "x" }], "system": "s", "functions": [] });
    let check = |response: Value, expected: &[&str]| {
        let mut case = Case::new();
        case.request_body("a", &request);
        case.response_body("a", response);
        check(&case, expected);
    };
    check(json!({ "choices": [] }), &["system"]);
    check(json!({ "content": [], "role": "assistant" }), &["functions"]);
}

#[test]
fn first_member_that_one_api_has_tells_the_api() {
    let messages = r#""messages": [{ "role": "user", "content": "x" }]"#;
    let body = format!(r#"{{ "max_tokens": 1, "container": "s", "functions": [], {messages} }}"#);
    check_request(&body, &["functions"]);
    let body = format!(r#"{{ "max_tokens": 1, "functions": [], "container": "s", {messages} }}"#);
    check_request(&body, &["container"]);
}

#[test]
fn member_that_any_api_of_the_list_has_is_read_where_the_api_is_unknown() {
    let call =
        json!({ "role": "assistant", "tool_calls": [{ "id": "c", "function": { "name": "f", "arguments": "{}" } }] });
    let result = json!({ "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "c", "content": "x" }] });
    check_request(&json!({ "messages": [call, result], "model": "m" }), &[]);
}

#[test]
fn part_that_any_api_of_the_list_keeps_whole_is_not_compared() {
    let parts = json!([{ "type": "document", "source": {}, "new": 1 }, { "image": {}, "new": 1 }]);
    check_request(&json!({ "messages": [{ "role": "user", "content": parts }] }), &[]);
    let text = json!([{ "text": "x", "new": 1 }, { "type": "text", "text": "x", "newer": 1 }]);
    let paths = ["messages[].content[].new", "messages[].content[].newer"];
    check_request(&json!({ "messages": [{ "role": "user", "content": text }] }), &paths);
}

#[test]
fn what_is_kept_whole_or_is_the_programs_own_is_not_compared() {
    let any = json!({ "any": { "thing": [{ "goes": 1 }] } });
    check_request(
        &json!({
            "input": [
                { "type": "function_call", "call_id": "c", "name": "f", "arguments": any },
                { "type": "function_call_output", "call_id": "c", "output": any },
                { "type": "web_search_call", "id": "w", "action": any, "new": 1 },
                { "role": "user", "content": [{ "type": "input_image", "image_url": "u", "new": 1 }], "metadata": any },
            ],
            "tools": [any], "metadata": any,
        }),
        &[],
    );
    let part = json!({ "inlineData": { "mimeType": "image/png", "data": "x" }, "new": 1 });
    check_request(&json!({ "contents": [{ "role": "user", "parts": [part] }] }), &[]);
}

#[test]
fn items_of_a_checkpoint_and_of_a_prefix_are_compared() {
    let item = |name: &str| json!([{ "role": "user", "content": "x", name: 1 }]);
    let mut case = Case::new();
    let checkpoint = json!({ "input_history": item("old"), "replacement_history": item("shorter") });
    let body = case.body("compaction_checkpoint", checkpoint);
    case.event(json!({ "type": "compaction_installed", "compaction_id": "c", "checkpoint_payload": body }));
    let prefix = case.body("inference_request", json!({ "input": item("prefix") }));
    let request = case.body("inference_request", json!({ "input": item("request") }));
    case.event(json!({
        "type": "inference_started", "inference_call_id": "a", "thread_id": "t", "codex_turn_id": "u", "model": "m",
        "provider_name": "p", "request_payload": request,
        "request_input_mode": {
            "type": "incremental_with_untraced_prefix", "previous_response_id": "r", "prefix_payload": prefix,
        },
    }));
    let graph = case.check(&[Code::UnreadField; 4]);
    let expected = ["input_history[].old", "replacement_history[].shorter", "input[].request", "input[].prefix"];
    assert_eq!(unread(&graph), expected);
}

#[test]
fn at_most_a_hundred_members_of_a_kind_are_named() {
    let numbered = |range: std::ops::Range<u32>| range.map(|n| (format!("new{n:03}"), json!(n))).collect::<Map<_, _>>();
    let mut case = Case::new();
    case.request_body("a", json!({ "input": [], "metadata": 1 }));
    let mut body = numbered(0..90);
    body.insert("input".into(), json!([]));
    case.request_body("b", Value::Object(body));
    let mut body = numbered(80..130);
    body.insert("input".into(), json!([]));
    case.request_body("c", Value::Object(body));
    let graph = case.check(&[Code::UnreadField; 101]);
    assert_eq!(graph.diagnostics[99].message.split('`').nth(1), Some("new099"));
    let rest = &graph.diagnostics[100];
    assert!(rest.message.starts_with("30 more members of a request"), "{rest}");
    assert_eq!(rest.seq, graph.diagnostics[99].seq);
}

#[test]
fn hostile_body_costs_a_bounded_number_of_notices() {
    let members: Map<_, _> = (0..100_000).map(|n| (format!("new{n}"), json!(n))).collect();
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [members] }));
    let graph = case.try_reduce(&Options::default()).unwrap().graph;
    assert_eq!(unread(&graph).len(), 101);
}

#[test]
fn many_messages_with_members_of_their_own_take_linear_time() {
    let message = |n: usize| {
        let members = (0..100).map(|m| (format!("new{n}-{m}"), json!(1)));
        let message = [("role".to_owned(), json!("user")), ("content".to_owned(), json!("x"))];
        Value::Object(message.into_iter().chain(members).collect())
    };
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": (0..2000).map(message).collect::<Vec<_>>() }));
    let graph = case.try_reduce(&Options::default()).unwrap().graph;
    let rest = graph.diagnostics.last().unwrap();
    assert!(rest.message.starts_with("199900 more members of a message"), "{rest}");
}

#[test]
fn members_of_gateways_are_compared() {
    let message = |members: Value| {
        let mut message = json!({ "role": "assistant", "content": "x" });
        message.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        json!({ "choices": [{ "message": message }] })
    };
    check_response(&message(json!({ "context": { "intent": "i" } })), &[]);
    let context = json!({ "context": { "intent": "i", "messages": ["a"] } });
    check_response(&message(context), &["choices[].message.context.messages"]);
    let gateway = json!({ "provider_specific_fields": { "citations": ["a"], "react_trace": ["b"], "refusal": null } });
    check_response(&message(gateway), &["choices[].message.provider_specific_fields.react_trace"]);
    let choice =
        json!({ "message": { "role": "assistant", "content": "x" }, "provider_specific_fields": { "new": 1 } });
    check_response(&json!({ "choices": [choice] }), &["choices[].provider_specific_fields.new"]);
    check_response(&message(json!({ "parsed": { "a": 1 } })), &[]);
    let parsed = message(json!({ "content": null, "parsed": { "a": 1 } }));
    check_response(&parsed, &["choices[].message.parsed"]);
}

#[test]
fn members_of_extensions_are_compared() {
    let signed = json!({ "thought_signature": "s1", "safety": "low" });
    let extensions: [(Value, &[&str]); 6] = [
        (json!({ "google": { "thought_signature": "s1" }, "another": {} }), &[]),
        (json!({ "thoughtSignature": "s1" }), &[]),
        (json!({ "google": signed }), &["google.safety"]),
        (json!({ "another": { "new": { "thought_signature": "s1" } } }), &["another.new"]),
        (json!({ "another": "text" }), &["another"]),
        (json!({ "thought_signature": "s1", "google": { "thought": true } }), &[]),
    ];
    for (extension, unread) in extensions {
        let function = json!({ "name": "f", "arguments": "{}" });
        let call = |name: &str| json!({ "id": "c", "type": "function", "function": function, name: extension });
        let in_function = json!({ "id": "c", "type": "function",
            "function": { "name": "f", "arguments": "{}", "extra_content": extension } });
        let asked = |call: Value| json!({ "role": "assistant", "content": null, "tool_calls": [call] });
        let messages = [
            ("extra_content", json!({ "role": "assistant", "content": "x", "extra_content": extension })),
            ("tool_calls[].extra_content", asked(call("extra_content"))),
            ("tool_calls[].provider_specific_fields", asked(call("provider_specific_fields"))),
            ("tool_calls[].function.extra_content", asked(in_function)),
        ];
        for (place, message) in messages {
            let paths: Vec<_> = unread.iter().map(|name| format!("choices[].message.{place}.{name}")).collect();
            let paths: Vec<_> = paths.iter().map(String::as_str).collect();
            check_response(&json!({ "choices": [{ "message": message }] }), &paths);
        }
    }
    let of_gateway = json!({ "role": "assistant", "content": "x",
        "provider_specific_fields": { "google": signed, "vertex_ai": { "thought_signature": "s1", "new": 1 } } });
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [] }));
    case.response_body("a", json!({ "choices": [{ "message": of_gateway }] }));
    let graph = case.try_reduce(&Options::default()).unwrap().graph;
    let place = "choices[].message.provider_specific_fields";
    assert_eq!(unread(&graph), [format!("{place}.google.safety"), format!("{place}.vertex_ai.new")]);
}

#[test]
fn members_of_a_model_behind_converse_are_compared() {
    let response = |more: Value| {
        let mut body = json!({ "output": { "message": { "role": "assistant", "content": [{ "text": "x" }] } } });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let table: [(Value, &[&str]); 5] = [
        (json!({ "additionalModelResponseFields": { "stop_sequence": "x", "new": null } }), &[]),
        (
            json!({ "additionalModelResponseFields": { "amazon-bedrock-guardrailAction": "NONE" } }),
            &["additionalModelResponseFields.amazon-bedrock-guardrailAction"],
        ),
        (
            json!({ "trace": { "promptRouter": { "invokedModelId": "m" },
            "guardrail": { "actionReason": "a", "inputAssessment": {}, "outputAssessments": {} } } }),
            &[],
        ),
        (
            json!({ "trace": { "guardrail": { "modelOutput": ["What was replaced."] } } }),
            &["trace.guardrail.modelOutput"],
        ),
        (json!({ "trace": { "new": 1 } }), &["trace.new"]),
    ];
    for (more, unread) in table {
        check_response(&response(more), unread);
    }
}

#[test]
fn what_clients_parse_is_reported_without_its_text() {
    let content = json!({ "role": "model", "parts": [{ "text": "{\"a\":1}" }] });
    check_response(&json!({ "candidates": [{ "content": content }], "parsed": { "a": 1 } }), &[]);
    check_response(&json!({ "candidates": [{ "finishReason": "STOP" }], "parsed": { "a": 1 } }), &["parsed"]);
    check_response(&json!({ "candidates": [{ "finishReason": "STOP" }], "parsed": null }), &[]);
}

#[test]
fn members_of_responses_to_compaction_requests_are_compared() {
    let mut case = Case::new();
    let (request, response) = (
        case.body("compaction_request", json!({ "input": [] })),
        case.body(
            "compaction_response",
            json!({ "id": "r", "object": "response.compaction", "new": 1,
            "output": [{ "type": "message", "role": "user", "content": [], "newer": 2 }] }),
        ),
    );
    case.event(json!({ "type": "compaction_request_started", "compaction_id": "k", "compaction_request_id": "k1",
        "thread_id": "t", "codex_turn_id": "u", "model": "m", "provider_name": "p", "request_payload": request }));
    case.event(json!({ "type": "compaction_request_completed", "compaction_id": "k", "compaction_request_id": "k1",
        "response_payload": response }));
    case.request_body("a", json!({ "input": [{ "role": "user", "content": "x", "newer": 3 }] }));
    let graph = case.check(&[Code::UnreadField, Code::UnreadField]);
    // Each is reported once, whichever body has it.
    let mut paths = unread(&graph);
    paths.sort_unstable();
    assert_eq!(paths, ["input[].newer", "new"]);
}

#[test]
fn calls_that_a_client_of_gemini_made_are_reported() {
    let candidates = json!([{ "content": { "role": "model", "parts": [{ "text": "x" }] } }]);
    let body = |calls: Value| json!({ "candidates": candidates, "automaticFunctionCallingHistory": calls });
    check_response(&body(json!([])), &[]);
    check_response(&body(json!([{ "role": "user", "parts": [] }])), &["automaticFunctionCallingHistory"]);
}

#[test]
fn iterations_whose_tokens_are_not_counted_are_reported() {
    let body = |kind: &str| {
        let iteration = json!({ "type": kind, "input_tokens": 1, "output_tokens": 1 });
        json!({ "content": [], "usage": { "input_tokens": 1, "output_tokens": 1, "iterations": [iteration] } })
    };
    for counted in ["message", "compaction", "fallback_message"] {
        check_response(&body(counted), &[]);
    }
    check_response(&body("advisor_message"), &["usage.iterations"]);
}

#[test]
fn system_text_and_audio_of_a_request_to_ollama_are_known() {
    let message = json!({ "role": "user", "content": "x", "audio": "a" });
    check_request(&json!({ "messages": [message], "system": "s", "options": {} }), &[]);
}
