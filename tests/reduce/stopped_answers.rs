//! Answers that a provider stopped or withheld, and answers beside the first one.

use otel_trace::graph::{Code, Graph};
use serde_json::{Value, json};

use crate::case::{Case, call};
use crate::shapes::render_item;

/// Reduces a response.
#[track_caller]
fn reduced(body: &Value, codes: &[Code]) -> Graph {
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [] }));
    case.response_body("a", body);
    case.check(codes)
}

/// Checks the error that the call has after a response.
#[track_caller]
fn check_error(body: Value, expected: Option<&str>) {
    assert_eq!(call(&reduced(&body, &[]), "a").error.as_deref(), expected);
}

fn candidate(finish: Value) -> Value {
    json!({ "candidates": [finish] })
}

#[test]
fn reason_and_explanation_of_a_stopped_candidate_are_kept() {
    let error = "the provider stopped the answer: ";
    for (name, explanation) in [("finishReason", "finishMessage"), ("finish_reason", "finish_message")] {
        check_error(candidate(json!({ name: "SAFETY" })), Some(&format!("{error}SAFETY")));
        check_error(candidate(json!({ name: "RECITATION", explanation: "x" })), Some(&format!("{error}RECITATION: x")));
        let content = json!({ "role": "model", "parts": [{ "text": "One" }] });
        check_error(candidate(json!({ name: "SPII", "content": content })), Some(&format!("{error}SPII")));
        check_error(candidate(json!({ name: "STOP", "content": content })), None);
        check_error(candidate(json!({ name: "MAX_TOKENS", "content": content })), None);
    }
}

#[test]
fn sources_of_a_withheld_answer_are_kept() {
    let cited = json!({ "citationSources": [{ "uri": "https://example.org/poem" }] });
    for name in ["citationMetadata", "citation_metadata"] {
        let graph = reduced(&candidate(json!({ "finishReason": "RECITATION", name: cited })), &[]);
        assert_eq!(graph.items().map(render_item).collect::<Vec<_>>(), ["assistant message: [citation_metadata]"]);
    }
    let answer = json!({ "choices": [{ "message": null }], "citations": ["https://example.org/poem"] });
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [] }));
    case.response_body("a", answer);
    case.check(&[Code::BadPayload]);
}

#[test]
fn stopped_candidate_of_a_stream_is_kept() {
    let pieces = [
        json!({ "candidates": [{ "content": { "role": "model", "parts": [{ "text": "One" }] } }] }),
        json!({ "candidates": [{ "finishReason": "RECITATION", "finishMessage": "x", "citationMetadata": { "a": 1 } }] }),
    ];
    let stream: String = pieces.iter().map(|piece| format!("data: {piece}\n\n")).collect();
    let mut case = Case::new();
    case.request_body("a", json!({ "contents": [] }));
    case.received("a", stream.as_bytes());
    let graph = case.check(&[]);
    assert_eq!(call(&graph, "a").error.as_deref(), Some("the provider stopped the answer: RECITATION: x"));
    assert_eq!(graph.items().map(render_item).collect::<Vec<_>>(), ["assistant message: One | [citation_metadata]"]);
}

#[test]
fn refusal_of_a_classifier_is_explained() {
    let message = |details: Value| json!({ "content": [], "stop_reason": "refusal", "stop_details": details });
    let error = "the provider stopped the answer: refusal";
    check_error(message(Value::Null), Some(error));
    check_error(message(json!({ "type": "refusal", "category": null, "explanation": null })), Some(error));
    let explained = message(json!({ "type": "refusal", "category": "cyber", "explanation": "Not this." }));
    check_error(explained, Some(&format!("{error}: cyber: Not this.")));
    check_error(json!({ "content": [], "stop_reason": "end_turn" }), None);
}

#[test]
fn filters_of_other_apis_are_told() {
    let message = json!({ "role": "assistant", "content": "One" });
    let choice = |more: Value| {
        let mut choice = json!({ "message": message });
        choice.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "choices": [choice] })
    };
    check_error(choice(json!({ "finish_reason": "stop" })), None);
    let filtered = "the provider stopped the answer: content_filter";
    check_error(choice(json!({ "finish_reason": "content_filter" })), Some(filtered));
    let error = json!({ "code": 502, "message": "Provider disconnected" });
    check_error(choice(json!({ "finish_reason": "error", "error": error })), Some("Provider disconnected"));
    check_error(choice(json!({ "error": "gone" })), Some("gone"));
    let converse = |reason: &str| json!({ "output": { "message": { "role": "assistant", "content": [{ "text": "No." }] } }, "stopReason": reason });
    check_error(converse("end_turn"), None);
    for reason in ["guardrail_intervened", "content_filtered"] {
        check_error(converse(reason), Some(&format!("the provider stopped the answer: {reason}")));
    }
    let cohere = |reason: &str| json!({ "id": "r", "message": message, "finish_reason": reason });
    check_error(cohere("COMPLETE"), None);
    check_error(cohere("ERROR_TOXIC"), Some("the provider stopped the answer: ERROR_TOXIC"));
}

/// Returns a response of the Responses API.
fn response(status: &str, details: &Value, output: &Value) -> Value {
    json!({ "id": "r", "object": "response", "status": status, "incomplete_details": details, "output": output })
}

#[test]
fn filter_of_a_response_is_told() {
    let filtered = "the provider stopped the answer: content_filter";
    let reason = |reason: &str| json!({ "reason": reason });
    let part =
        json!([{ "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": "One" }] }]);
    for output in [json!([]), part] {
        check_error(response("incomplete", &reason("content_filter"), &output), Some(filtered));
        check_error(response("incomplete", &reason("max_output_tokens"), &output), None);
        check_error(response("completed", &Value::Null, &output), None);
        let body = response("incomplete", &reason("content_filter"), &output);
        let mut case = Case::new();
        case.request_body("a", json!({ "input": [] }));
        let events = [
            json!({ "type": "response.created", "response": { "id": "r" } }),
            json!({ "type": "response.incomplete", "response": body }),
        ];
        case.received("a", events.map(|event| format!("data: {event}\n\n")).concat().as_bytes());
        assert_eq!(call(&case.check(&[]), "a").error.as_deref(), Some(filtered));
    }
}

#[test]
fn response_that_the_provider_has_not_finished_is_reported() {
    for status in ["queued", "in_progress", "cancelled"] {
        let graph = reduced(&response(status, &Value::Null, &json!([])), &[Code::PartialStream]);
        assert!(graph.diagnostics[0].message.contains(&format!("its status is {status}")), "{:?}", graph.diagnostics);
    }
    reduced(&response("completed", &Value::Null, &json!([])), &[]);
}

#[test]
fn alternative_answers_are_reported() {
    let check = |body: Value, expected: Option<&str>| {
        let codes: &[Code] = if expected.is_some() { &[Code::UnreadField] } else { &[] };
        let graph = reduced(&body, codes);
        assert_eq!(graph.diagnostics.first().and_then(|notice| notice.message.split('`').nth(1)), expected);
        assert_eq!(graph.items().map(render_item).collect::<Vec<_>>(), ["assistant message: One"]);
    };
    let choice = |text: &str| json!({ "message": { "role": "assistant", "content": text } });
    check(json!({ "choices": [choice("One")] }), None);
    check(json!({ "choices": [choice("One"), choice("Two")] }), Some("choices[1..]"));
    let candidate = |text: &str| json!({ "content": { "role": "model", "parts": [{ "text": text }] } });
    check(json!({ "candidates": [candidate("One")] }), None);
    check(json!({ "candidates": [candidate("One"), candidate("Two")] }), Some("candidates[1..]"));
    let chunk = |index: u32, text: &str| {
        format!("data: {}\n\n", json!({ "choices": [{ "index": index, "delta": { "content": text } }] }))
    };
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [] }));
    case.received("a", [chunk(0, "One"), chunk(1, "Two"), "data: [DONE]\n\n".into()].concat().as_bytes());
    assert_eq!(
        case.check(&[Code::UnreadField]).items().map(render_item).collect::<Vec<_>>(),
        ["assistant message: One"]
    );
}

#[test]
fn answer_of_a_choice_may_stand_elsewhere() {
    let check = |choice: Value, expected: &[&str]| {
        let graph = reduced(&json!({ "choices": [choice] }), &[]);
        assert_eq!(graph.items().map(render_item).collect::<Vec<_>>(), expected);
    };
    check(json!({ "text": "One", "index": 0, "logprobs": null, "finish_reason": "stop" }), &["assistant message: One"]);
    check(json!({ "delta": { "role": "assistant", "content": "One" } }), &["assistant message: One"]);
    check(json!({ "message": { "content": "One" }, "text": "One", "delta": {} }), &["assistant message: One"]);
    check(json!({ "text": "" }), &["assistant message: [empty_content]"]);
    let graph = reduced(&json!({ "choices": [{ "text": "One" }], "citations": ["u"] }), &[]);
    assert_eq!(graph.items().map(render_item).collect::<Vec<_>>(), ["assistant message: One | [citation]"]);
}

#[test]
fn refusal_in_a_stream_is_explained() {
    let events = [
        json!({ "type": "message_start", "message": { "id": "m", "role": "assistant", "content": [], "usage": { "input_tokens": 1 } } }),
        json!({ "type": "message_delta", "delta": { "stop_reason": "refusal",
            "stop_details": { "type": "refusal", "category": "cyber", "explanation": "Not this." } }, "usage": { "output_tokens": 1 } }),
        json!({ "type": "message_stop" }),
    ];
    let stream: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [] }));
    case.received("a", stream.as_bytes());
    let error = "the provider stopped the answer: refusal: cyber: Not this.";
    assert_eq!(call(&case.check(&[]), "a").error.as_deref(), Some(error));
}
