//! Names of authors and of tools that answer, and tools that failed, in the items of the graph.

use otel_trace::graph::{Code, Graph};
use serde_json::{Value, json};

use crate::case::{Case, item, request_items, state};
use crate::shapes::{check_request, render_item};

fn rendered(graph: &Graph) -> Vec<String> {
    graph.items().map(render_item).collect()
}

#[test]
fn names_of_authors_are_kept() {
    let message = |role: &str, name: &str| json!({ "role": role, "name": name, "content": "hi" });
    let messages =
        json!([message("user", "ann"), message("user", "bob"), message("system", "host"), message("user", "")]);
    let expected = ["user message ann: hi", "user message bob: hi", "system message host: hi", "user message: hi"];
    check_request(json!({ "messages": messages }), &[], &expected);
    let part = json!([{ "type": "text", "content": "hi" }]);
    let messages =
        json!([{ "role": "user", "name": "ann", "parts": part }, { "role": "assistant", "name": "k", "parts": part }]);
    let expected = ["user message ann: hi", "assistant message k: hi"];
    check_request(json!({ "gen_ai.input.messages": messages }), &[], &expected);
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [message("user", "ann")] }));
    assert_eq!(state(&case.check(&[]))["conversation_items"]["conversation_item:1"]["name"], "ann");
}

#[test]
fn user_with_another_name_is_another_author() {
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [{ "role": "user", "name": "ann", "content": "hi" }] }));
    case.request_body("b", json!({ "messages": [{ "role": "user", "name": "bob", "content": "hi" }] }));
    assert_eq!(rendered(&case.check(&[])), ["user message ann: hi", "user message bob: hi"]);
}

#[test]
fn answer_is_found_again_with_the_name_that_a_client_adds() {
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [] }));
    case.response_body("a", json!({ "choices": [{ "message": { "role": "assistant", "content": "hi" } }] }));
    case.request_body("b", json!({ "messages": [{ "role": "assistant", "name": "coder", "content": "hi" }] }));
    case.request_body("c", json!({ "messages": [{ "role": "assistant", "content": "hi" }] }));
    let graph = case.check(&[]);
    assert_eq!(rendered(&graph), ["assistant message coder: hi"]);
    assert_eq!((request_items(&graph, "b"), request_items(&graph, "c")), (vec![1], vec![1]));
    assert_eq!(item(&graph, 1).evidence.as_slice().len(), 2, "the request that adds the name is evidence");
}

#[test]
fn failed_tools_are_told_in_every_form() {
    let output = |body: Value| {
        let mut case = Case::new();
        case.request_body("a", body);
        let graph = case.check(&[]);
        let item = graph.items().last().unwrap();
        assert!(item.content.kind.is_output());
        let in_state =
            state(&graph)["conversation_items"][format!("conversation_item:{}", graph.items().count())].clone();
        assert_eq!(in_state.get("is_error").is_some(), item.content.is_error);
        item.content.is_error
    };
    let anthropic = |is_error: Value| {
        json!({ "messages": [{ "role": "user", "content": [
        { "type": "tool_result", "tool_use_id": "c", "content": "x", "is_error": is_error }] }] })
    };
    let converse = |status: Value| {
        json!({ "messages": [{ "role": "user", "content": [
        { "toolResult": { "toolUseId": "c", "content": [{ "text": "x" }], "status": status } }] }] })
    };
    let chat = |name: &str, value: Value| json!({ "messages": [{ "role": "tool", "tool_call_id": "c", "content": "x", name: value }] });
    let gemini = |response: Value| {
        json!({ "contents": [{ "role": "user", "parts": [
        { "functionResponse": { "id": "c", "name": "f", "response": response } }] }] })
    };
    let gen_ai = |is_error: bool| {
        json!({ "gen_ai.input.messages": [{ "role": "tool", "parts": [
        { "type": "tool_call_response", "id": "c", "response": "x", "is_error": is_error }] }] })
    };
    for failed in [
        anthropic(json!(true)),
        converse(json!("error")),
        chat("is_error", json!(true)),
        chat("status", json!("error")),
        gemini(json!({ "error": "gone" })),
        gemini(json!({ "error": { "code": 1 } })),
        gen_ai(true),
    ] {
        assert!(output(failed.clone()), "{failed}");
    }
    for succeeded in [
        anthropic(json!(false)),
        anthropic(Value::Null),
        anthropic(json!("no")),
        converse(json!("success")),
        chat("is_error", json!(false)),
        chat("status", json!("success")),
        gemini(json!({ "output": 7, "error": "warned" })),
        gemini(json!({ "error": null })),
        gemini(json!({ "error": "" })),
        gemini(json!([{ "error": "x" }])),
        gen_ai(false),
    ] {
        assert!(!output(succeeded.clone()), "{succeeded}");
    }
}

#[test]
fn failure_does_not_tell_outputs_apart() {
    let result = |is_error: bool| {
        json!({ "messages": [{ "role": "user", "content": [
        { "type": "tool_result", "tool_use_id": "c", "content": "x", "is_error": is_error }] }] })
    };
    let mut case = Case::new();
    case.request_body("a", result(false));
    case.request_body("b", result(true));
    assert_eq!(rendered(&case.check(&[])), ["tool function_call_output c error: x"]);
}

#[test]
fn names_of_answering_tools_are_kept() {
    let chat = json!({ "role": "function", "name": "find", "content": "x" });
    check_request(json!({ "messages": [chat] }), &[Code::CallWithoutId], &["tool function_call_output find: x"]);
    let ollama = json!({ "role": "tool", "tool_name": "find", "tool_call_id": "c", "content": "x" });
    check_request(json!({ "messages": [ollama] }), &[], &["tool function_call_output c find: x"]);
    let gen_ai = json!({ "type": "tool_call_response", "id": "c", "name": "find", "response": "x" });
    check_request(
        json!({ "gen_ai.input.messages": [{ "role": "tool", "parts": [gen_ai] }] }),
        &[],
        &["tool function_call_output c find: x"],
    );
    for kind in ["function_call_output", "custom_tool_call_output"] {
        let output = json!({ "type": kind, "call_id": "c", "name": "find", "output": "x" });
        check_request(json!({ "input": [output] }), &[], &[&format!("tool {kind} c find: x")]);
    }
}
