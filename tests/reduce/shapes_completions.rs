//! Completions of a prompt: the legacy API of OpenAI and of compatible servers, and Ollama's `generate`.

use otel_trace::event::Usage;
use otel_trace::graph::Code;
use serde_json::{Value, json};

use crate::case::{Case, call};
use crate::shapes::{check_request, check_response, render_item};

#[test]
fn prompt_is_a_message_of_the_user() {
    let texts = ["user message: Once"];
    check_request(json!({ "model": "m", "prompt": "Once", "max_tokens": 7, "echo": false, "best_of": 1 }), &[], &texts);
    check_request(json!({ "model": "m", "prompt": ["Once"] }), &[], &texts);
    let generate = json!({ "model": "m", "prompt": "Once", "system": "Be brief.", "stream": false, "options": { "num_predict": 7 }, "think": true });
    check_request(generate, &[], &["system message: Be brief.", "user message: Once"]);
    // What the model sees beside the prompt.
    let codes = [Code::UnreadField; 3];
    check_request(json!({ "prompt": "Once", "context": [1, 2], "suffix": "end", "images": ["aGk="] }), &codes, &texts);
}

#[test]
fn prompt_beside_another_list_is_no_message() {
    let input = json!([{ "role": "user", "content": "hi" }]);
    check_request(json!({ "input": input, "prompt": "x" }), &[Code::ServerSideContent], &["user message: hi"]);
    check_request(json!({ "messages": input, "prompt": "x" }), &[Code::UnreadField], &["user message: hi"]);
    check_request(json!({ "messages": input, "prompt": null }), &[], &["user message: hi"]);
    // A stored prompt is no text.
    check_request(json!({ "prompt": { "id": "pmpt_1" } }), &[Code::ServerSideContent], &[]);
}

fn generate(more: Value) -> Value {
    let mut body = json!({ "model": "m", "created_at": "2026-01-01T00:00:00Z", "response": "", "done": true });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[test]
fn answer_is_a_message() {
    let answer = ["assistant message: upon a time"];
    let legacy = json!({ "id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m",
        "choices": [{ "text": "upon a time", "index": 0, "logprobs": null, "finish_reason": "length" }] });
    check_response(legacy, &[], &answer);
    check_response(
        generate(json!({ "response": "upon a time", "done_reason": "stop", "context": [1, 2] })),
        &[],
        &answer,
    );
    let thought = generate(json!({ "response": "upon a time", "thinking": "A tale." }));
    check_response(thought, &[], &["assistant reasoning: A tale.", answer[0]]);
    check_response(generate(json!({ "response": "upon a time", "thinking": "" })), &[], &answer);
    check_response(generate(json!({ "new": 1 })), &[Code::UnreadField], &["assistant message: [empty_content]"]);
}

/// Returns the items of the call `a` and its usage, from the bytes that a client received.
#[track_caller]
fn received(bytes: &str, codes: &[Code]) -> (Vec<String>, Option<Usage>) {
    let mut case = Case::new();
    case.request_body("a", json!({ "prompt": "Once" }));
    case.received("a", bytes.as_bytes());
    let graph = case.check(codes);
    (graph.items().skip(1).map(render_item).collect(), call(&graph, "a").usage)
}

#[test]
fn streams_are_put_together() {
    let chunk = |text: &str, reason: Value| json!({ "id": "cmpl-1", "object": "text_completion", "choices": [{ "text": text, "index": 0, "finish_reason": reason }] });
    let usage = json!({ "choices": [], "usage": { "prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7 } });
    let legacy = [chunk("upon", Value::Null), chunk(" a time", Value::Null), chunk("", json!("stop")), usage];
    let legacy: String =
        legacy.iter().map(|chunk| format!("data: {chunk}\n\n")).collect::<String>() + "data: [DONE]\n\n";
    let line =
        |response: &str, thinking: &str| generate(json!({ "response": response, "thinking": thinking, "done": false }));
    let end = generate(json!({ "done_reason": "stop", "prompt_eval_count": 3, "eval_count": 4 }));
    let generated = [line("", "A "), line("", "tale."), line("upon", ""), line(" a time", ""), end];
    let lines: Vec<_> = generated.iter().map(|line| format!("{line}\n")).collect();
    let answer = "assistant message: upon a time".to_owned();
    let thought = "assistant reasoning: A tale.".to_owned();
    let (items, usage) = received(&legacy, &[]);
    assert_eq!(
        (items, usage.map(|usage| (usage.input_tokens, usage.output_tokens))),
        (vec![answer.clone()], Some((3, 4)))
    );
    let (items, usage) = received(&lines.concat(), &[]);
    assert_eq!(items, [thought.clone(), answer]);
    assert_eq!(usage.map(|usage| (usage.input_tokens, usage.output_tokens)), Some((3, 4)));
    // What arrived of a stream that was cut.
    let (items, _) = received(&lines[..3].concat(), &[Code::PartialStream]);
    assert_eq!(items, [thought, "assistant message: upon".to_owned()]);
}
