//! Errors that a provider reports in a stream, and answers that it ended itself.

use otel_trace::graph::{Code, Graph};
use serde_json::{Value, json};

use crate::case::{Case, call};
use crate::stream_unread::{named_events, reduce_received, texts};

/// Returns the error of the call, which its end event reports as completed.
fn error(graph: &Graph) -> Option<&str> {
    call(graph, "a").error.as_deref()
}

/// Checks that the error in a stream is the error of its call, and that the text before the error is kept.
#[track_caller]
fn check(stream: &str, expected: &str) {
    let graph = reduce_received(stream, &[Code::PartialStream]);
    assert_eq!((error(&graph), texts(&graph)), (Some(expected), vec!["assistant message: So ".to_owned()]), "{stream}");
    let message = &graph.diagnostics[0].message;
    assert!(message.contains(&format!("the provider reported an error in it: {expected}")), "{message}");
}

fn anthropic(last: &Value) -> String {
    named_events(&[
        json!({ "type": "message_start", "message": { "id": "m", "role": "assistant", "content": [] } }),
        json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "So " } }),
        last.clone(),
    ])
}

fn chat(last: &str) -> String {
    let chunk = json!({ "choices": [{ "index": 0, "delta": { "content": "So " } }] });
    format!("data: {chunk}\n\n{last}")
}

#[test]
fn error_in_the_middle_of_a_stream_is_that_of_the_call() {
    let overloaded = json!({ "type": "overloaded_error", "message": "Overloaded" });
    check(&anthropic(&json!({ "type": "error", "error": overloaded, "request_id": "r" })), "Overloaded");
    let created = [
        json!({ "type": "response.created", "response": { "id": "r", "output": [] } }),
        json!({ "type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "So " }),
    ];
    for last in [
        json!({ "type": "error", "code": "x", "message": "Overloaded", "param": null }),
        json!({ "type": "error", "error": overloaded }),
        json!({ "type": "response.failed", "response": { "id": "r", "status": "failed", "error": overloaded } }),
    ] {
        check(&named_events(&[created[0].clone(), created[1].clone(), last]), "Overloaded");
    }
    let start = json!({ "type": "message-start", "id": "c", "delta": { "message": { "role": "assistant" } } });
    let text = json!({ "type": "content-start", "index": 0, "delta": { "message": { "content": { "type": "text", "text": "So " } } } });
    let end = json!({ "type": "message-end", "delta": { "finish_reason": "ERROR", "error": "Overloaded" } });
    check(&named_events(&[start, text, end]), "Overloaded");
    let converse = [
        json!({ "messageStart": { "role": "assistant" } }),
        json!({ "contentBlockDelta": { "contentBlockIndex": 0, "delta": { "text": "So " } } }),
        json!({ "modelStreamErrorException": { "message": "Overloaded", "originalStatusCode": 500 } }),
    ];
    check(&named_events(&converse), "Overloaded");
    let ollama = [
        json!({ "message": { "role": "assistant", "content": "So " }, "done": false }),
        json!({ "error": "Overloaded" }),
    ];
    check(&ollama.map(|line| format!("{line}\n")).concat(), "Overloaded");
    let gemini =
        [json!({ "candidates": [{ "content": { "parts": [{ "text": "So " }] } }] }), json!({ "error": overloaded })];
    check(&named_events(&gemini), "Overloaded");
    check(&Value::from(gemini.to_vec()).to_string(), "Overloaded");
}

#[test]
fn error_of_any_form_ends_a_chat() {
    let error = json!({ "code": 502, "message": "Overloaded" });
    let choice = json!({ "index": 0, "delta": { "content": "" }, "finish_reason": "error", "error": error });
    for last in [
        format!("data: {}\n\n", json!({ "error": error })),
        format!(
            "data: {}\n\n",
            json!({ "error": error, "choices": [{ "delta": { "content": "" }, "finish_reason": "error" }] })
        ),
        format!("data: {}\n\ndata: [DONE]\n\n", json!({ "choices": [choice] })),
        format!("event: error\ndata: {}\n\n", json!({ "error": error })),
        format!("event: error\ndata: {}\n\n", json!({ "message": "Overloaded", "code": 1 })),
        "event: error\ndata: \"Overloaded\"\n\n".replace('"', ""),
        "data: {\"error\":\"Overloaded\"}\n\n".to_owned(),
    ] {
        check(&chat(&last), "Overloaded");
    }
}

#[test]
fn error_of_a_choice_is_that_of_the_call_without_streaming_too() {
    let choice = json!({ "message": { "role": "assistant", "content": "So " }, "error": { "message": "Overloaded" } });
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [] }));
    case.response_body("a", json!({ "choices": [choice] }));
    let graph = case.check(&[]);
    assert_eq!((error(&graph), texts(&graph)), (Some("Overloaded"), vec!["assistant message: So ".to_owned()]));
}

#[test]
fn complete_stream_without_output_is_reported() {
    let streams = [
        named_events(&[
            json!({ "type": "message_start", "message": { "id": "m", "role": "assistant", "content": [] } }),
            json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" } }),
            json!({ "type": "message_stop" }),
        ]),
        "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"
            .to_owned(),
        named_events(&[
            json!({ "type": "response.created", "response": { "id": "r" } }),
            json!({ "type": "response.completed", "response": { "id": "r", "status": "completed", "output": [] } }),
        ]),
        named_events(&[json!({ "type": "message-start", "delta": {} }), json!({ "type": "message-end", "delta": {} })]),
        named_events(&[json!({ "messageStart": { "role": "assistant" } }), json!({ "metadata": {} })]),
        json!({ "message": { "role": "assistant", "content": "" }, "done": true }).to_string(),
        json!([{ "candidates": [{ "finishReason": "STOP" }] }]).to_string(),
    ];
    for stream in streams {
        let graph = reduce_received(&stream, &[Code::PartialStream]);
        assert!(texts(&graph).iter().all(|text| text == "assistant message: [empty_content]"), "{:?}", texts(&graph));
        assert!(graph.diagnostics[0].message.contains("has no output"), "{}", graph.diagnostics[0]);
    }
    // The reason why there is no output is the error of the call.
    let blocked = reduce_received(r#"[{"promptFeedback":{"blockReason":"SAFETY"}}]"#, &[]);
    assert_eq!(error(&blocked), Some("the prompt was blocked: SAFETY"));
    let stopped = reduce_received(r#"[{"candidates":[{"finishReason":"SAFETY"}]}]"#, &[]);
    assert!(error(&stopped).is_some_and(|error| error.contains("SAFETY")));
}

#[test]
fn answer_that_a_filter_ended_in_the_middle_keeps_its_reason() {
    let piece = |text: &str, reason: Option<&str>| {
        let content = json!({ "role": "model", "parts": [{ "text": text }] });
        json!({ "candidates": [{ "content": content, "finishReason": reason, "index": 0 }] })
    };
    for reason in ["RECITATION", "SAFETY"] {
        let pieces = [piece("So ", None), piece("it ", Some(reason)), piece("is", Some("STOP"))];
        let graph = reduce_received(&named_events(&pieces), &[]);
        assert_eq!(texts(&graph), ["assistant message: So it is"]);
        assert!(error(&graph).is_some_and(|error| error.contains(reason)), "{:?}", error(&graph));
    }
}
