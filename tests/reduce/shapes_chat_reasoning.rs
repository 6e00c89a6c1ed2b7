//! Reasoning in the dialects of Chat Completions. The bodies follow the public documentation of the servers.

use otel_trace::graph::Code;
use serde_json::{Value, json};

use crate::case::{Case, request_items, response_items};
use crate::shapes::{check_request, check_response, render_item};

fn completion(message: &Value) -> Value {
    json!({ "id": "chatcmpl-1", "object": "chat.completion", "model": "m",
        "choices": [{ "index": 0, "message": message, "finish_reason": "stop" }] })
}

fn assistant(fields: Value) -> Value {
    let mut message = fields;
    message["role"] = json!("assistant");
    message
}

fn call(id: &str, more: Value) -> Value {
    let mut call = json!({ "id": id, "type": "function", "function": { "name": "f", "arguments": "{}" } });
    call.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    call
}

fn text_detail(text: &str, index: u64) -> Value {
    json!({ "type": "reasoning.text", "text": text, "signature": null, "id": null, "format": "unknown", "index": index })
}

/// Checks the items of a message as a response, as history alone, and as history of a response: there every item is
/// found again.
#[track_caller]
fn check_message(message: Value, expected: &[&str]) {
    let message = assistant(message);
    check_request(json!({ "messages": [message] }), &[], expected);
    check_repeated(&message, &message, expected);
}

/// Checks that a request that repeats a response in either of two spellings has the items of the response.
#[track_caller]
fn check_spellings(returned: Value, repeated: Value, expected: &[&str]) {
    let (returned, repeated) = (assistant(returned), assistant(repeated));
    check_repeated(&returned, &repeated, expected);
    check_repeated(&repeated, &returned, expected);
}

#[track_caller]
fn check_repeated(returned: &Value, repeated: &Value, expected: &[&str]) {
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [] }));
    case.response_body("a", completion(returned));
    case.request_body("b", json!({ "messages": [repeated] }));
    let graph = case.check(&[]);
    assert_eq!(graph.items().map(render_item).collect::<Vec<_>>(), expected);
    assert_eq!(request_items(&graph, "b"), response_items(&graph, "a"));
    assert_eq!(request_items(&graph, "b").len(), expected.len());
}

#[test]
fn details_are_texts_summaries_and_encoded_parts() {
    let details = json!([
        { "type": "reasoning.summary", "summary": "Adding.", "format": "openai-responses-v1", "index": 0 },
        { "type": "reasoning.text", "text": "One and one.", "signature": "s1", "format": "anthropic-claude-v1", "index": 1 },
        { "type": "reasoning.encrypted", "data": "d1", "id": "rs_1", "format": "openai-responses-v1", "index": 2 },
    ]);
    let items =
        ["assistant reasoning: summary Adding. | One and one. | <signature s1> | <data d1>", "assistant message: Two."];
    check_message(json!({ "content": "Two.", "reasoning": null, "reasoning_details": details }), &items);
}

#[test]
fn encrypted_reasoning_stands_before_the_call() {
    let details = json!([{ "type": "reasoning.encrypted", "data": "d1", "id": "rs_1", "index": 0 }]);
    check_message(
        json!({ "content": null, "tool_calls": [call("c", json!({}))], "reasoning_details": details }),
        &["assistant reasoning: <data d1>", "assistant function_call c f: json {}"],
    );
}

#[test]
fn entries_with_one_index_are_pieces() {
    let pieces = json!([text_detail("One ", 0), text_detail("and ", 0), text_detail("one.", 0),
        { "type": "reasoning.text", "signature": "s1", "index": 0 }, text_detail("Sure.", 1)]);
    let whole = json!([{ "type": "reasoning.text", "text": "One and one.", "signature": "s1", "index": 0 },
        text_detail("Sure.", 1)]);
    let item = "assistant reasoning: One and one. | <signature s1> | Sure.";
    check_spellings(json!({ "reasoning_details": pieces }), json!({ "reasoning_details": whole }), &[item]);
    let encrypted = |id: &str, data: &str| json!({ "type": "reasoning.encrypted", "id": id, "data": data, "index": 0 });
    check_message(
        json!({ "reasoning_details": [encrypted("a", "d1"), encrypted("a", "d2"), encrypted("b", "d3"),
            { "type": "reasoning.summary", "summary": "Hm.", "index": 0 }] }),
        &["assistant reasoning: <data d1d2> | <data d3> | summary Hm."],
    );
    check_message(
        json!({ "reasoning_details": [{ "type": "reasoning.text", "text": "a" }, { "type": "reasoning.text", "text": "b" }] }),
        &["assistant reasoning: a | b"],
    );
}

#[test]
fn entry_merged_by_a_client_keeps_all_of_its_fields() {
    let merged = json!([{ "type": "reasoning.summary", "summary": "Hm.", "data": "d1", "id": "rs_1", "index": 0 }]);
    let apart = json!([{ "type": "reasoning.summary", "summary": "Hm.", "index": 0 },
        { "type": "reasoning.encrypted", "data": "d1", "id": "rs_1", "index": 0 }]);
    check_spellings(
        json!({ "reasoning_details": apart }),
        json!({ "reasoning_details": merged }),
        &["assistant reasoning: summary Hm. | <data d1>"],
    );
}

#[test]
fn repeated_text_is_one_text() {
    let details = json!([text_detail("One.", 0), text_detail("Two.", 1)]);
    let summaries = json!([{ "type": "reasoning.summary", "summary": "One." }, { "type": "reasoning.summary", "summary": "Two." },
        { "type": "reasoning.encrypted", "data": "d" }]);
    for reasoning in ["One.Two.", "One.\n\nTwo.", " One. Two.\n"] {
        check_message(
            json!({ "content": "2", "reasoning": reasoning, "reasoning_details": details }),
            &["assistant reasoning: One. | Two.", "assistant message: 2"],
        );
        check_message(
            json!({ "content": "2", "reasoning_content": reasoning, "reasoning": reasoning, "reasoning_details": summaries }),
            &["assistant reasoning: summary One. | summary Two. | <data d>", "assistant message: 2"],
        );
    }
    check_message(json!({ "reasoning_content": "Hm.", "reasoning": "Hm." }), &["assistant reasoning: Hm."]);
    let mixed = json!([{ "type": "reasoning.summary", "summary": "One." }, text_detail("Two.", 1)]);
    check_message(
        json!({ "reasoning": "One.\nTwo.", "reasoning_details": mixed }),
        &["assistant reasoning: summary One. | Two."],
    );
}

#[test]
fn text_beside_the_details_that_differs_is_kept() {
    let details = json!([text_detail("One.", 0), text_detail("Two.", 1)]);
    for other in ["One.", "Two.", "One.Two.Three.", "Three."] {
        check_message(
            json!({ "reasoning": other, "reasoning_details": details }),
            &[&format!("assistant reasoning: One. | Two. | {other}")],
        );
    }
    check_message(json!({ "reasoning_content": "a", "reasoning": "b" }), &["assistant reasoning: a | b"]);
}

#[test]
fn every_field_with_a_text_is_reasoning() {
    for name in ["reasoning_content", "reasoning", "thinking"] {
        for value in [json!("Hm."), json!([{ "type": "text", "text": "H" }, "m."]), json!({ "text": "Hm." })] {
            check_message(
                json!({ "content": "2", name: value }),
                &["assistant reasoning: Hm.", "assistant message: 2"],
            );
        }
        for nothing in [Value::Null, json!(""), json!([]), json!(false), json!([{ "type": "text", "text": "" }])] {
            check_message(json!({ "content": "2", name: nothing }), &["assistant message: 2"]);
        }
    }
    check_message(json!({ "content": "2", "reasoning_details": [] }), &["assistant message: 2"]);
    check_message(json!({ "content": "2", "reasoning_details": [text_detail("", 0)] }), &["assistant message: 2"]);
}

#[test]
fn thinking_blocks_repeat_the_reasoning_content() {
    let blocks = json!([{ "type": "thinking", "thinking": "Hm.", "signature": "s1" }, { "type": "redacted_thinking", "data": "d1" }]);
    check_spellings(
        json!({ "content": "2", "reasoning_content": "Hm.", "thinking_blocks": blocks }),
        json!({ "content": "2", "thinking_blocks": blocks }),
        &["assistant reasoning: Hm. | <signature s1> | <data d1>", "assistant message: 2"],
    );
}

#[test]
fn thinking_part_may_be_a_list() {
    let thinking = json!({ "type": "thinking", "closed": true, "thinking": [
        { "type": "text", "text": "One and " }, { "type": "text", "text": "one." }] });
    let joined = json!({ "type": "thinking", "thinking": [{ "type": "text", "text": "One and one." }] });
    let answer = json!({ "type": "text", "text": "Two." });
    check_spellings(
        json!({ "content": [thinking, answer] }),
        json!({ "content": [joined, answer] }),
        &["assistant reasoning: One and one.", "assistant message: Two."],
    );
    let cited = json!({ "type": "thinking", "thinking": [{ "type": "text", "text": "See" }, { "type": "reference", "reference_ids": [1] }] });
    check_message(
        json!({ "content": [cited, answer] }),
        &["assistant reasoning: See | [reference]", "assistant message: Two."],
    );
}

#[test]
fn details_may_stand_in_parts() {
    check_message(
        json!({ "content": [{ "type": "reasoning.text", "text": "Hm.", "signature": "s" },
            { "type": "reasoning.encrypted", "data": "d" }, { "type": "text", "text": "2" }] }),
        &["assistant reasoning: Hm. | <signature s>", "assistant reasoning: <data d>", "assistant message: 2"],
    );
}

#[test]
fn signature_of_a_call_signs_the_reasoning() {
    for extension in [
        json!({ "extra_content": { "google": { "thought_signature": "s1" } } }),
        json!({ "extra_content": { "another": {}, "vertex": { "thoughtSignature": "s1" } } }),
        json!({ "provider_specific_fields": { "thought_signature": "s1" } }),
        json!({ "thoughtSignature": "s1" }),
        json!({ "thought_signature": "s1" }),
    ] {
        let calls = json!([call("a", extension.clone()), call("b", json!({}))]);
        check_message(
            json!({ "content": null, "tool_calls": calls }),
            &[
                "assistant reasoning: <signature s1>",
                "assistant function_call a f: json {}",
                "assistant function_call b f: json {}",
            ],
        );
        check_message(
            json!({ "reasoning_content": "Hm.", "tool_calls": [call("a", extension)] }),
            &["assistant reasoning: Hm. | <signature s1>", "assistant function_call a f: json {}"],
        );
    }
}

#[test]
fn signature_of_a_message_signs_the_reasoning() {
    let signed = json!({ "google": { "thought_signature": "s1" } });
    check_message(
        json!({ "content": "2", "extra_content": signed }),
        &["assistant reasoning: <signature s1>", "assistant message: 2"],
    );
    check_message(
        json!({ "content": "2", "reasoning": "Hm.", "extra_content": signed }),
        &["assistant reasoning: Hm. | <signature s1>", "assistant message: 2"],
    );
}

#[test]
fn entry_of_an_unknown_type_is_kept() {
    check_message(
        json!({ "content": "2", "reasoning_details": [{ "type": "reasoning.image", "url": "u" }] }),
        &["assistant reasoning: [reasoning.image]", "assistant message: 2"],
    );
}

#[test]
fn entry_in_place_of_the_list_is_read() {
    check_message(json!({ "reasoning_details": text_detail("Hm.", 0) }), &["assistant reasoning: Hm."]);
    check_message(json!({ "reasoning_details": "Hm." }), &["assistant reasoning: Hm."]);
    check_message(json!({ "reasoning_details": ["Hm.", 7] }), &["assistant reasoning: Hm."]);
}

#[test]
fn encrypted_part_alone_finds_the_reasoning() {
    let details =
        json!([{ "type": "reasoning.summary", "summary": "Hm." }, { "type": "reasoning.encrypted", "data": "d" }]);
    check_spellings(
        json!({ "content": "2", "reasoning_details": details }),
        json!({ "content": "2", "reasoning_details": [{ "type": "reasoning.encrypted", "data": "d" }] }),
        &["assistant reasoning: summary Hm. | <data d>", "assistant message: 2"],
    );
}

#[test]
fn first_of_several_choices_has_the_reasoning() {
    let message = assistant(json!({ "content": "2", "reasoning_details": [text_detail("Hm.", 0)] }));
    let mut body = completion(&message);
    body["choices"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "index": 1, "message": { "role": "assistant", "reasoning": "no" } }));
    check_response(body, &[Code::UnreadField], &["assistant reasoning: Hm.", "assistant message: 2"]);
}

#[test]
fn second_list_of_entries_adds_what_the_first_lacks() {
    let redacted = json!({ "type": "redacted_thinking", "data": "d" });
    let block = |text: &str| json!({ "type": "thinking", "thinking": text, "signature": format!("s {text}") });
    let check = |details: Value, blocks: Value, expected: &str| {
        let message = assistant(json!({ "content": "2", "reasoning_details": details, "thinking_blocks": blocks }));
        check_response(completion(&message), &[], &[expected, "assistant message: 2"]);
    };
    // The same, with the signature in either list.
    let signed = "assistant reasoning: Hm. | <signature s Hm.> | <data d>";
    let encrypted = json!({ "type": "reasoning.encrypted", "data": "d", "index": 1 });
    check(json!([text_detail("Hm.", 0), encrypted]), json!([block("Hm."), redacted]), signed);
    check(json!([text_detail("Hm.", 0)]), json!([block("Hm."), redacted]), signed);
    // Other entries are added, also two equal ones.
    let more = "assistant reasoning: Hm. | Ah. | <signature s Ah.> | <data d> | <data d>";
    check(json!([text_detail("Hm.", 0)]), json!([block("Ah."), redacted, redacted]), more);
    check(json!([]), json!([block("Hm."), redacted]), signed);
    check(json!([text_detail("Hm.", 0)]), json!([]), "assistant reasoning: Hm.");
}

#[test]
fn signatures_that_a_gateway_lists_are_signatures() {
    let message = |fields: Value| json!({ "role": "assistant", "content": "x", "provider_specific_fields": fields });
    let table: [(Value, &str); 4] = [
        (json!({ "thought_signatures": ["s1"] }), "assistant reasoning: <signature s1>"),
        (
            json!({ "thought_signatures": ["s1"], "reasoning_content": "Hm." }),
            "assistant reasoning: Hm. | <signature s1>",
        ),
        (
            json!({ "thought_signature": "s1", "thought_signatures": ["s1", "s2"] }),
            "assistant reasoning: <signature s1> | <signature s2>",
        ),
        (json!({ "reasoning_details": [{ "type": "reasoning.text", "text": "Hm." }] }), "assistant reasoning: Hm."),
    ];
    for (fields, expected) in table {
        check_response(
            json!({ "choices": [{ "message": message(fields) }] }),
            &[],
            &[expected, "assistant message: x"],
        );
    }
}

#[test]
fn what_a_gateway_has_of_other_providers_is_read() {
    let fields = json!({
        "compaction_blocks": [{ "type": "compaction", "content": "They asked for Oslo." }],
        "server_side_tool_invocations": [{ "tool": "google_search", "id": "s1" }],
    });
    let message = json!({ "role": "assistant", "content": "x", "provider_specific_fields": fields });
    let expected = [
        r#"assistant function_call: json {"id":"s1","tool":"google_search"}"#,
        "assistant message: They asked for Oslo.",
        "assistant message: x",
    ];
    check_response(json!({ "choices": [{ "message": message }] }), &[Code::HistoryEdited], &expected);
    check_request(json!({ "messages": [message] }), &[], &expected);
}
