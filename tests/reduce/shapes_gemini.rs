//! Bodies of the Gemini API.

use otel_trace::graph::Code;
use serde_json::{Value, json};

use crate::case::{Case, request_items, response_items};
use crate::shapes::{check, check_request, check_response, render_item, usage};

fn candidate(parts: Value) -> Value {
    json!({ "candidates": [{ "content": { "role": "model", "parts": parts }, "finishReason": "STOP", "index": 0 }],
        "usageMetadata": { "promptTokenCount": 60, "cachedContentTokenCount": 16, "candidatesTokenCount": 12,
            "thoughtsTokenCount": 30, "totalTokenCount": 102 },
        "modelVersion": "m", "responseId": "r1" })
}

#[test]
fn conversation_with_tools_has_each_item_once() {
    let system = json!({ "parts": [{ "text": "Be brief." }] });
    let question = json!({ "role": "user", "parts": [{ "text": "Oslo or Rome?" }] });
    let thought = json!({ "text": "I should look.", "thought": true });
    let call =
        |id: &str, city: &str| json!({ "functionCall": { "id": id, "name": "weather", "args": { "city": city } } });
    let mut signed = call("c1", "Oslo");
    signed["thoughtSignature"] = json!("s1");
    let parts = json!([thought, signed, call("c2", "Rome")]);
    let answer = |id: &str, degrees: i32| json!({ "functionResponse": { "id": id, "name": "weather", "response": { "degrees": degrees } } });
    let graph = check(
        [
            (json!({ "systemInstruction": system, "contents": [question] }), candidate(parts.clone())),
            (
                json!({ "systemInstruction": system, "contents": [question, { "role": "model", "parts": parts },
                    { "role": "user", "parts": [answer("c1", -3), answer("c2", 18)] }] }),
                candidate(json!([{ "text": "Rome." }])),
            ),
        ],
        &["c1", "c2"],
        &[],
        &[
            "system message: Be brief.",
            "user message: Oslo or Rome?",
            "assistant reasoning: I should look. | <signature s1>",
            r#"assistant function_call c1 weather: json {"city":"Oslo"}"#,
            r#"assistant function_call c2 weather: json {"city":"Rome"}"#,
            r#"tool function_call_output c1 weather: json {"degrees":-3}"#,
            r#"tool function_call_output c2 weather: json {"degrees":18}"#,
            "assistant message: Rome.",
        ],
    );
    assert_eq!(usage(&graph, "a"), [60, 16, 42, 30]);
}

#[test]
fn calls_without_ids_are_matched_but_not_linked() {
    let call = json!({ "functionCall": { "name": "weather", "args": { "city": "Oslo" } } });
    let answer = json!({ "functionResponse": { "name": "weather", "response": { "degrees": -3 } } });
    let rounds = [
        (json!({ "contents": [] }), candidate(json!([call, call]))),
        (
            json!({ "contents": [{ "role": "model", "parts": [call, call] }, { "role": "function", "parts": [answer, answer] }] }),
            candidate(json!([{ "text": "Cold." }])),
        ),
    ];
    let call = r#"assistant function_call weather: json {"city":"Oslo"}"#;
    let answer = r#"tool function_call_output weather: json {"degrees":-3}"#;
    let graph = check(rounds, &[], &[Code::CallWithoutId], &[call, call, answer, answer, "assistant message: Cold."]);
    assert!(graph.diagnostics[0].message.contains("a call without an id"), "{}", graph.diagnostics[0]);
}

#[test]
fn call_is_found_again_without_its_id() {
    let call = |id: Value| json!({ "functionCall": { "id": id, "name": "weather", "args": { "city": "Oslo" } } });
    let items = repeated(json!([call(json!("c1"))]), json!([call(Value::Null)]), (&[1], &[1]));
    assert_eq!(items, [r#"assistant function_call c1 weather: json {"city":"Oslo"}"#]);
}

/// Reduces a response and a request that repeats it as history, checks the item numbers of both, and returns all items.
#[track_caller]
fn repeated(returned: Value, history: Value, expected: (&[u64], &[u64])) -> Vec<String> {
    let mut case = Case::new();
    case.request_body("a", json!({ "contents": [] }));
    case.response_body("a", candidate(returned));
    case.request_body("b", json!({ "contents": [{ "role": "model", "parts": history }] }));
    let graph = case.check(&[]);
    assert_eq!((&*response_items(&graph, "a"), &*request_items(&graph, "b")), expected);
    graph.items().map(render_item).collect()
}

#[test]
fn signature_belongs_to_the_preceding_thought() {
    let thought = json!({ "text": "I should look.", "thought": true });
    let call = json!({ "functionCall": { "id": "c", "name": "f" }, "thoughtSignature": "s" });
    let items = ["assistant reasoning: I should look. | <signature s>", "assistant function_call c f: json {}"];
    let both = json!([thought, call]);
    assert_eq!(repeated(both.clone(), both.clone(), (&[1, 2], &[1, 2])), items);
    assert_eq!(repeated(both.clone(), json!([call]), (&[1, 2], &[1, 2])), items, "clients seldom send thoughts back");
    let spelled = json!([{ "function_call": { "id": "c", "name": "f", "args": {} }, "thought_signature": "s" }]);
    assert_eq!(repeated(both.clone(), spelled, (&[1, 2], &[1, 2])), items);
    let unsigned = json!([{ "functionCall": { "id": "c", "name": "f" } }]);
    assert_eq!(repeated(both, unsigned, (&[1, 2], &[2])), items, "clients may drop signatures");
}

#[test]
fn signature_alone_is_reasoning_without_text() {
    let text = json!([{ "text": "Ro" }, { "text": "me.", "thoughtSignature": "s" }]);
    let items = ["assistant reasoning: <signature s>", "assistant message: Ro | me."];
    assert_eq!(repeated(text.clone(), text, (&[1, 2], &[1, 2])), items);
    let last = json!([{ "text": "Rome." }, { "text": "", "thoughtSignature": "s" }]);
    let items = ["assistant reasoning: <signature s>", "assistant message: Rome."];
    assert_eq!(repeated(last.clone(), last, (&[1, 2], &[1, 2])), items);
    let nothing = json!([{ "thoughtSignature": "s" }]);
    assert_eq!(repeated(nothing.clone(), nothing, (&[1], &[1])), ["assistant reasoning: <signature s>"]);
    let own = json!([{ "text": "hm", "thought": true, "thoughtSignature": "1" }, { "text": "Rome.", "thoughtSignature": "2" }]);
    let items =
        ["assistant reasoning: hm | <signature 1>", "assistant reasoning: <signature 2>", "assistant message: Rome."];
    assert_eq!(repeated(own.clone(), own, (&[1, 2, 3], &[1, 2, 3])), items);
}

#[test]
fn non_text_parts_are_labelled_by_their_field() {
    let parts = json!([
        { "text": "What is this?" },
        { "inlineData": { "mimeType": "image/png", "data": "AA==" }, "videoMetadata": {} },
        { "videoMetadata": { "fps": 1 }, "file_data": { "file_uri": "gs://b/1.mp4" } },
        { "executableCode": { "language": "PYTHON", "code": "1" } },
        { "codeExecutionResult": { "outcome": "OUTCOME_OK" }, "text": null },
        {},
    ]);
    check_request(
        json!({ "contents": [{ "parts": parts }] }),
        &[],
        &[
            "user message: What is this? | [inlineData] | [file_data] | [executableCode] | [codeExecutionResult] | [content]",
        ],
    );
    let pictured =
        json!([{ "thought": true, "inlineData": { "mimeType": "image/png", "data": "AA==" } }, { "thought": true }]);
    let expected = ["assistant reasoning: [inlineData]", "assistant reasoning: [empty_content]"];
    check_response(candidate(pictured), &[], &expected);
}

#[test]
fn function_response_may_have_parts() {
    let answer = json!({ "functionResponse": { "id": "c", "name": "f", "response": { "ok": true },
        "parts": [{ "inlineData": { "mimeType": "image/png", "data": "AA==" } }] } });
    let empty = json!({ "functionResponse": { "id": "d", "name": "f" } });
    check_request(
        json!({ "contents": [{ "role": "user", "parts": [answer, empty, { "text": "go on" }] }] }),
        &[],
        &[
            r#"tool function_call_output c f: json {"ok":true} | [inlineData]"#,
            "tool function_call_output d f: [tool_output]",
            "user message: go on",
        ],
    );
}

#[test]
fn list_of_one_may_be_the_object_itself() {
    let part = |text: &str| json!({ "text": text });
    for instructions in ["systemInstruction", "system_instruction"] {
        check_request(
            json!({ "contents": { "role": "user", "parts": part("hi") }, instructions: { "parts": part("Be brief.") } }),
            &[],
            &["system message: Be brief.", "user message: hi"],
        );
    }
    let body = json!({ "candidates": [{ "content": { "role": "model", "parts": part("ho") } }] });
    check_response(body, &[], &["assistant message: ho"]);
    let image = json!({ "inlineData": { "mimeType": "image/png", "data": "AA==" } });
    let answer = json!({ "functionResponse": { "id": "c", "name": "f", "response": { "ok": true }, "parts": image } });
    check_request(
        json!({ "contents": [{ "role": "user", "parts": answer }, { "role": "model", "parts": { "functionCall": { "id": "d", "name": "f" } } }] }),
        &[],
        &[r#"tool function_call_output c f: json {"ok":true} | [inlineData]"#, "assistant function_call d f: json {}"],
    );
    let same = json!({ "contents": [{ "role": "user", "parts": [part("hi")] }] });
    let mut case = Case::new();
    case.request_body("a", same);
    case.request_body("b", json!({ "contents": { "role": "user", "parts": part("hi") } }));
    assert_eq!(request_items(&case.check(&[]), "b"), [1]);
}

#[test]
fn missing_role_is_derived_from_the_field() {
    check_request(json!({ "contents": [{ "parts": [{ "text": "hi" }] }] }), &[], &["user message: hi"]);
    check_request(json!({ "contents": { "parts": [{ "text": "hi" }] } }), &[], &["user message: hi"]);
    check_request(json!({ "contents": "hi" }), &[], &["user message: hi"]);
    check_request(json!({ "contents": [], "systemInstruction": "hi" }), &[], &["system message: hi"]);
    check_request(json!({ "contents": [], "systemInstruction": { "text": "hi" } }), &[], &["system message: hi"]);
    let content = json!({ "candidates": [{ "content": { "parts": [{ "text": "hi" }] } }, { "content": {} }] });
    check_response(content, &[Code::UnreadField], &["assistant message: hi"]);
}

/// A request as the Gemini CLI sends it.
fn wrapped(more: Value) -> Value {
    let mut body = json!({ "model": "gemini-3-pro", "project": "p", "user_prompt_id": "x", "request": {
        "contents": [{ "role": "user", "parts": [{ "text": "Oslo?" }] }],
        "systemInstruction": { "parts": [{ "text": "Be brief." }] },
        "tools": [{ "functionDeclarations": [{ "name": "find" }] }], "session_id": "s" } });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[test]
fn wrapped_request_is_read() {
    let expected = ["system message: Be brief.", "user message: Oslo?"];
    check_request(wrapped(json!({ "enabled_credit_types": [] })), &[], &expected);
    check_request(wrapped(json!({ "new": 1 })), &[Code::UnreadField], &expected);
    let mut case = Case::new();
    case.request_body("a", wrapped(json!({})));
    let graph = case.check(&[]);
    let pointer = |pointer: &Option<otel_trace::graph::Pointer>| pointer.as_ref().map(|it| it.pointer.to_string());
    assert_eq!(pointer(&crate::case::call(&graph, "a").instructions).as_deref(), Some("/request/systemInstruction"));
    assert_eq!(pointer(&crate::case::call(&graph, "a").tools).as_deref(), Some("/request/tools"));
}

#[test]
fn wrapped_response_is_read() {
    let piece = |text: &str, more: Value| {
        let mut response = json!({ "candidates": [{ "content": { "role": "model", "parts": [{ "text": text }] } }],
            "modelVersion": "gemini-3-pro", "responseId": "r1" });
        response.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "response": response, "traceId": "t1" })
    };
    let usage = json!({ "usageMetadata": { "promptTokenCount": 3, "candidatesTokenCount": 4, "totalTokenCount": 7 } });
    check_response(piece("It is cold.", usage.clone()), &[], &["assistant message: It is cold."]);
    let mut unread = piece("It is cold.", json!({}));
    unread["new"] = json!(1);
    check_response(unread.clone(), &[Code::UnreadField], &["assistant message: It is cold."]);
    let finished = json!({ "candidates": [{ "finishReason": "STOP" }], "usageMetadata": usage["usageMetadata"] });
    let pieces = [piece("It is ", json!({})), piece("cold.", json!({})), json!({ "response": finished })];
    let events: String = pieces.iter().map(|piece| format!("data: {piece}\n\n")).collect();
    let list = json!(pieces).to_string();
    for bytes in [events, list] {
        let mut case = Case::new();
        case.request_body("a", wrapped(json!({})));
        case.received("a", bytes.as_bytes());
        let graph = case.check(&[]);
        assert_eq!(graph.items().last().map(render_item).as_deref(), Some("assistant message: It is cold."));
        let call = crate::case::call(&graph, "a");
        assert_eq!(call.usage.map(|usage| (usage.input_tokens, usage.output_tokens)), Some((3, 4)));
    }
    let mut case = Case::new();
    case.request_body("a", wrapped(json!({})));
    case.received("a", format!("data: {unread}\n\ndata: {}\n\n", json!({ "response": finished })).as_bytes());
    case.check(&[Code::UnreadField]);
}
