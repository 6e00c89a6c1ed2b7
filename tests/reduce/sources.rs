//! What providers found and ran for an answer, and stored prompts that they made instructions of.

use otel_trace::graph::Code;
use serde_json::{Value, json};

use crate::case::{Case, call, item, request_items, response_items};
use crate::shapes::{check_request, check_response, render_item};

const URL: &str = "https://example.org";

fn chat(message: Value, sources: Value) -> Value {
    let mut body = json!({ "choices": [{ "message": message }] });
    body.as_object_mut().unwrap().extend(sources.as_object().unwrap().clone());
    body
}

#[test]
fn sources_beside_the_choices_describe_the_first_answer() {
    let tool_call = json!({ "id": "c", "function": { "name": "f", "arguments": "{}" } });
    let message = json!({ "role": "assistant", "reasoning": "Hm.", "content": "Oslo.", "tool_calls": [tool_call] });
    let mut body = chat(message, json!({ "citations": [URL], "search_results": [{ "url": URL }] }));
    body["choices"].as_array_mut().unwrap().push(json!({ "message": { "role": "assistant", "content": "Rome." } }));
    let expected = [
        "assistant reasoning: Hm.",
        "assistant message: Oslo. | [citation] | [search_result]",
        "assistant function_call c f: json {}",
    ];
    check_response(body, &[Code::UnreadField], &expected);
}

#[test]
fn sources_may_have_any_form() {
    let check = |sources: Value, expected: &str| {
        let message = json!({ "role": "assistant", "content": "Oslo." });
        check_response(chat(message, sources), &[], &[&format!("assistant message: Oslo.{expected}")]);
    };
    check(json!({ "citations": URL }), " | [citation]");
    check(json!({ "citations": null, "search_results": [], "images": {} }), " | [image]");
    check(
        json!({ "citations": [[URL, { "type": "char_location" }], [], 7] }),
        " | [citation] | [char_location] | [citation]",
    );
}

#[test]
fn sources_beside_items_describe_the_last_message() {
    let search = json!({ "type": "web_search_call", "id": "ws_1" });
    let message = |text: &str| json!({ "type": "message", "role": "assistant", "content": text });
    let check = |output: Value, expected: &[&str]| {
        let mut case = Case::new();
        case.request_body("a", json!({ "input": [] }));
        case.response_body("a", json!({ "output": output, "citations": [URL] }));
        assert_eq!(case.check(&[]).items().map(render_item).collect::<Vec<_>>(), expected);
    };
    let json_of_search = r#"json {"id":"ws_1","type":"web_search_call"}"#;
    let found = format!("assistant function_call: {json_of_search}");
    check(
        json!([message("Hm."), message("Oslo."), search]),
        &["assistant message: Hm.", "assistant message: Oslo. | [citation]", &found],
    );
    check(json!([search]), &[&format!("{found} | [citation]")]);
    check(json!([]), &[]);
}

#[test]
fn answer_is_found_again_without_its_sources() {
    let answer = json!({ "role": "assistant", "content": "Oslo." });
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [] }));
    case.response_body("a", chat(answer.clone(), json!({ "citations": [URL] })));
    case.request_body("b", json!({ "messages": [answer] }));
    let graph = case.check(&[]);
    assert_eq!((response_items(&graph, "a"), request_items(&graph, "b")), (vec![1], vec![1]));
}

#[test]
fn tool_that_a_server_ran_needs_no_id() {
    let message = json!({ "role": "assistant", "content": "2", "executed_tools": { "type": "python", "output": "2" } });
    let expected = [r#"assistant function_call: json {"output":"2","type":"python"}"#, "assistant message: 2"];
    let graph = check_response(chat(message, json!({})), &[], &expected);
    assert_eq!(item(&graph, 1).content.call_id, None);
}

#[test]
fn documents_of_a_request_are_read() {
    let user = json!({ "role": "user", "content": "hi" });
    let documents = |documents: Value| json!({ "messages": [user], "documents": documents });
    let expected = ["system message: [document] | [document]", "user message: hi"];
    check_request(documents(json!([{ "text": "x" }, "y"])), &[], &expected);
    check_request(documents(json!([])), &[], &["user message: hi"]);
    check_request(documents(Value::Null), &[], &["user message: hi"]);
    check_request(documents(json!("x")), &[], &["system message: [document]", "user message: hi"]);
    let mut case = Case::new();
    for call in ["a", "b"] {
        case.request_body(call, documents(json!([{ "text": "x" }])));
    }
    case.request_body("c", documents(json!([{ "text": "y" }])));
    let graph = case.check(&[]);
    assert_eq!(["b", "c"].map(|call| request_items(&graph, call)), [vec![1, 2], vec![3, 2]]);
}

#[test]
fn instructions_made_of_a_stored_prompt_are_in_the_response() {
    let instructions = |request: Value, response: Value| {
        let mut case = Case::new();
        case.request_body("a", request);
        case.response_body("a", response);
        let graph = case.try_reduce(&Default::default()).unwrap().graph;
        let pointer = call(&graph, "a").instructions.clone();
        pointer.map(|pointer| (pointer.raw_payload_id.as_str().to_owned(), pointer.pointer.into_owned()))
    };
    let at = |payload: &str| Some((payload.to_owned(), "/instructions".to_owned()));
    let rendered = json!([{ "role": "developer", "content": "Be brief." }]);
    let response = json!({ "output": [], "prompt": { "id": "pmpt_1" }, "instructions": rendered });
    let request = json!({ "input": "hi", "prompt": { "id": "pmpt_1" } });
    assert_eq!(instructions(request.clone(), response.clone()), at("raw_payload:2"));
    let given = json!({ "input": "hi", "prompt": { "id": "pmpt_1" }, "instructions": "Be kind." });
    assert_eq!(instructions(given, response), at("raw_payload:1"));
    // A response repeats the instructions of its request, as none here.
    let repeated = json!({ "output": [], "prompt": null, "instructions": "Be brief." });
    assert_eq!(instructions(json!({ "input": "hi" }), repeated), None);
    assert_eq!(
        instructions(request, json!({ "output": [], "prompt": { "id": "pmpt_1" }, "instructions": null })),
        None
    );
}
