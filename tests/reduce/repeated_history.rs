//! Answers that clients repeat as history in another form, and contents that only look alike.

use otel_trace::graph::{Channel, Graph};
use serde_json::{Value, json};

use crate::case::{Case, item, request_items};

/// Reduces an answer, and the request that repeats it. Returns the graph.
fn repeated(request: Value, response: Value, next: Value) -> Graph {
    let mut case = Case::new();
    case.request_body("a", request);
    case.response_body("a", response);
    case.request_body("b", next);
    case.check(&[])
}

fn phased(text: &str, phase: Option<&str>) -> Value {
    let mut message =
        json!({ "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": text }] });
    if let Some(phase) = phase {
        message["phase"] = json!(phase);
    }
    message
}

#[test]
fn phase_that_a_client_drops_is_kept() {
    let answer = [phased("I look.", Some("commentary")), phased("Cold.", Some("final_answer"))];
    let user = json!({ "role": "user", "content": "Oslo?" });
    let sent = |answers: [Value; 2]| {
        let [first, last] = answers;
        repeated(
            json!({ "input": [user] }),
            json!({ "id": "r", "output": answer }),
            json!({ "input": [user, first, last] }),
        )
    };
    let graph = sent([phased("I look.", None), phased("Cold.", None)]);
    assert_eq!(request_items(&graph, "b"), [1, 2, 3]);
    assert_eq!(
        (item(&graph, 2).content.channel, item(&graph, 3).content.channel),
        (Some(Channel::Commentary), Some(Channel::Final))
    );
    // The answers are found at other places, too.
    assert_eq!(request_items(&sent([phased("Cold.", None), phased("I look.", None)]), "b"), [1, 3, 2]);
    // Another phase is another answer.
    assert_eq!(request_items(&sent([phased("I look.", Some("final_answer")), phased("Cold.", None)]), "b"), [1, 4, 3]);
}

#[test]
fn answers_that_differ_in_their_phases_are_told_apart() {
    let user = json!({ "role": "user", "content": "Oslo?" });
    let answers = [phased("ok", Some("commentary")), phased("ok", Some("final_answer"))];
    let graph = repeated(
        json!({ "input": [user] }),
        json!({ "id": "r", "output": answers }),
        json!({ "input": [user, answers[1], answers[0]] }),
    );
    assert_eq!(request_items(&graph, "b"), [1, 3, 2]);
}

#[test]
fn texts_of_an_answer_are_joined_or_split() {
    let text = |text: &str| json!({ "type": "text", "text": text });
    let forms = [
        json!([text("It is "), text("cold.")]),
        json!("It is cold."),
        json!([text("It"), text(" is cold"), text(".")]),
    ];
    let message = |content: &Value| json!({ "role": "assistant", "content": content });
    for first in &forms {
        for second in &forms {
            let next = json!({ "messages": [message(second)] });
            let graph =
                repeated(json!({ "messages": [] }), json!({ "choices": [{ "message": message(first) }] }), next);
            assert_eq!(request_items(&graph, "b"), [1], "{first} then {second}");
            let parts = first.as_array().map_or(1, Vec::len);
            assert_eq!(item(&graph, 1).content.parts.len(), parts, "the first form is kept");
        }
        let other = json!({ "messages": [message(&json!("It is  cold."))] });
        let graph = repeated(json!({ "messages": [] }), json!({ "choices": [{ "message": message(first) }] }), other);
        assert_eq!(request_items(&graph, "b"), [2], "{first}");
    }
    // What stands between two texts counts.
    let image = json!({ "type": "image_url", "image_url": { "url": "u" } });
    let parts = |parts: [&Value; 3]| message(&json!(parts));
    let (one, two) = (text("1"), text("2"));
    let graph = repeated(
        json!({ "messages": [] }),
        json!({ "choices": [{ "message": parts([&one, &image, &two]) }] }),
        json!({ "messages": [parts([&one, &two, &image])] }),
    );
    assert_eq!(request_items(&graph, "b"), [2]);
    // Texts of a user are compared one by one.
    let user = |content: Value| json!({ "role": "user", "content": content });
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [user(forms[0].clone())] }));
    case.request_body("b", json!({ "messages": [user(forms[1].clone())] }));
    assert_eq!(request_items(&case.check(&[]), "b"), [2]);
}

#[test]
fn numbers_without_a_fraction_are_found_as_integers() {
    let call = |arguments: &str| {
        json!({ "role": "assistant", "content": null, "tool_calls": [
        { "id": "c", "type": "function", "function": { "name": "find", "arguments": arguments } }] })
    };
    let sent = |first: &str, second: &str| {
        let next = json!({ "messages": [call(second)] });
        request_items(
            &repeated(json!({ "messages": [] }), json!({ "choices": [{ "message": call(first) }] }), next),
            "b",
        )
    };
    assert_eq!(sent(r#"{"lat":1.0,"lon":[-20.0,1e3]}"#, r#"{"lat":1,"lon":[-20,1000]}"#), [1]);
    assert_eq!(sent(r#"{"lat":1}"#, r#"{"lat":1.0}"#), [1]);
    assert_eq!(sent(r#"{"lat":1.0}"#, r#"{"lat":2}"#), [2]);
    assert_eq!(sent(r#"{"lat":1.5}"#, r#"{"lat":1}"#), [2]);
    assert_eq!(sent(r#"{"text":"1.0"}"#, r#"{"text":"1"}"#), [2]);
    let args = |args: &str| {
        format!(r#"{{"role":"model","parts":[{{"functionCall":{{"id":"c","name":"find","args":{args}}}}}]}}"#)
    };
    let mut case = Case::new();
    case.request_body("a", r#"{"contents":[]}"#);
    case.response_body("a", format!(r#"{{"candidates":[{{"content":{}}}]}}"#, args(r#"{"lat":1.0}"#)));
    case.request_body("b", format!(r#"{{"contents":[{}]}}"#, args(r#"{"lat":1}"#)));
    let graph = case.check(&[]);
    assert_eq!(request_items(&graph, "b"), [1]);
    assert_eq!(crate::shapes::render_item(item(&graph, 1)), r#"assistant function_call c find: json {"lat":1.0}"#);
}

#[test]
fn arguments_that_are_empty_are_found_as_an_empty_object() {
    let call = |function: Value| {
        json!({ "role": "assistant", "content": null, "tool_calls": [
        { "id": "c", "type": "function", "function": function }] })
    };
    let forms = [
        json!({ "name": "f", "arguments": "" }),
        json!({ "name": "f", "arguments": " " }),
        json!({ "name": "f", "arguments": "{}" }),
        json!({ "name": "f", "arguments": "null" }),
        json!({ "name": "f", "arguments": {} }),
        json!({ "name": "f", "arguments": null }),
        json!({ "name": "f" }),
    ];
    let sent = |first: &Value, second: &Value| {
        let next = json!({ "messages": [call(second.clone())] });
        let response = json!({ "choices": [{ "message": call(first.clone()) }] });
        request_items(&repeated(json!({ "messages": [] }), response, next), "b")
    };
    for first in &forms {
        for second in &forms {
            assert_eq!(sent(first, second), [1], "{first} then {second}");
        }
        let others = [json!({ "name": "f", "arguments": "[]" }), json!({ "name": "f", "arguments": "{\"a\":1}" })];
        for other in others {
            assert_eq!(sent(first, &other), [2], "{first} then {other}");
        }
    }
    // So do items of the Responses API. The input of a custom tool is a text, which may be empty.
    let mut case = Case::new();
    let item =
        |arguments: &str| json!({ "type": "function_call", "call_id": "c", "name": "f", "arguments": arguments });
    let custom = |input: &str| json!({ "type": "custom_tool_call", "call_id": "d", "name": "g", "input": input });
    case.request_body("a", json!({ "input": [] }));
    case.response_body("a", json!({ "id": "r", "output": [item(""), custom("")] }));
    case.request_body("b", json!({ "input": [item("{}"), custom("{}")] }));
    assert_eq!(request_items(&case.check(&[]), "b"), [1, 3]);
}
