use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use super::arbitrary::any_json;
use crate::provider::fuzz::put_together;
use crate::provider::{NotAStream, assemble};

/// Types of the events of all APIs that have types.
const KINDS: [&str; 24] = [
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
    "error",
    "response.created",
    "response.output_item.added",
    "response.output_item.done",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.reasoning_summary_text.delta",
    "response.function_call_arguments.delta",
    "response.output_text.annotation.added",
    "response.completed",
    "message-start",
    "content-start",
    "content-delta",
    "tool-plan-delta",
    "tool-call-start",
    "tool-call-delta",
    "message-end",
];

/// Generates a JSON value that is often an event of a stream.
fn any_event() -> impl Strategy<Value = Value> {
    let typed = (select(KINDS.to_vec()), 0..3_u8, any_json(), any_json()).prop_map(|(kind, index, a, b)| {
        json!({
            "type": kind, "index": index, "output_index": index, "content_index": index, "item_id": "i", "delta": a,
            "message": b, "content_block": a, "item": b, "part": a, "annotation": a, "response": b,
        })
    });
    let chat = (0..3_u8, any_json(), any_json()).prop_map(|(index, delta, calls)| {
        json!({ "choices": [
            { "index": index, "delta": delta },
            { "index": 0, "delta": { "content": delta, "tool_calls": [calls], "reasoning_details": [calls] } },
        ] })
    });
    let gemini = (any_json(), any_json()).prop_map(|(part, args)| {
        let call = json!({ "functionCall": { "partialArgs": [args], "willContinue": true } });
        json!({ "candidates": [{ "content": { "parts": [part, { "text": "a" }, call] } }] })
    });
    let ollama = (any_json(), any::<bool>()).prop_map(|(message, done)| json!({ "message": message, "done": done }));
    let converse = (0..3_u8, any_json()).prop_map(|(index, piece)| {
        json!({ "messageStart": {}, "contentBlockDelta": { "contentBlockIndex": index, "delta": piece } })
    });
    prop_oneof![typed, chat, gemini, ollama, converse, any_json()]
}

/// Writes events in one of the formats of streams.
fn write(events: &[Value], format: u8) -> String {
    match format {
        0 => events.iter().map(|event| format!("data: {event}\r\n\r\n")).collect(),
        1 => events.iter().map(|event| format!("{event}\n")).collect(),
        _ => Value::from(events).to_string(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_events_are_put_together(
        events in prop::collection::vec(any_event(), 1..8),
        format in 0..3_u8,
        end in any::<Index>(),
    ) {
        let stream = write(&events, format);
        put_together(stream.as_bytes());
        put_together(&stream.as_bytes()[..end.index(stream.len() + 1)]);
    }

    #[test]
    fn any_bytes_are_put_together(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        put_together(&bytes);
        put_together(&[b"data: {\"choices\":[]}\n\n", &*bytes].concat());
    }
}

#[test]
fn any_depth_is_put_together() {
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}"), (r#"[{"type":"thinking","thinking":"#, "}]")] {
        let deep = [open.repeat(50_000), "0".to_owned(), close.repeat(50_000)].concat();
        let events = [
            format!(r#"{{"choices":[{{"delta":{{"content":{deep},"a":{deep},"tool_calls":[{deep}]}}}}]}}"#),
            format!(r#"{{"type":"message_start","message":{deep},"usage":{deep}}}"#),
            format!(r#"{{"type":"response.created","response":{{"output":{deep},"a":{deep}}}}}"#),
            format!(
                r#"{{"candidates":[{{"content":{{"parts":[{{"functionCall":{{"willContinue":true,"partialArgs":{deep}}}}}]}}}}]}}"#
            ),
            format!(r#"{{"message":{{"content":"","a":{deep}}},"done":false}}"#),
            format!(r#"{{"contentBlockDelta":{{"delta":{deep}}}}}"#),
        ];
        for event in events {
            put_together(event.repeat(2).as_bytes());
            put_together(format!("data: {event}\n\ndata: {event}\n\n").as_bytes());
        }
    }
}

#[test]
fn long_stream_is_put_together_in_one_pass() {
    let event = |n: u32| {
        format!(
            "data: {}\n\n",
            json!({ "choices": [{ "delta": { "content": "text", "tool_calls": [{ "index": n, "function": { "arguments": "a" } }] } }] })
        )
    };
    let stream: String = (0..50_000).map(event).collect();
    let assembled = assemble(stream.as_bytes()).expect("a stream");
    assert_eq!(assembled.events, 50_000);
    let body: Value = serde_json::from_str(&assembled.body).expect("JSON");
    let message = &body["choices"][0]["message"];
    assert_eq!(message["content"].as_str().map(str::len), Some(200_000));
    assert_eq!(message["tool_calls"].as_array().map(Vec::len), Some(50_000));
}

#[test]
fn events_before_the_first_known_one_are_passed_over() {
    let stream = b": hello\n\nevent: ping\ndata: {\"type\":\"ping\"}\n\ndata: {\"n\":1}\ndata: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: x\n\ndata: [DONE]\n\n";
    let assembled = assemble(stream).expect("a stream");
    assert!(assembled.body.contains(r#""content":"a""#), "{}", assembled.body);
    assert_eq!(assembled.problem().as_deref(), Some("1 events of it cannot be read"));
    assert_eq!(assemble(b"data: {\"n\":1}\n\n").map(|assembled| assembled.body), Err(NotAStream::Unknown));
}

/// Returns the finish reasons of a stream of JSON lines.
fn finish_reasons(lines: &[Value]) -> Vec<String> {
    let stream: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let assembled = assemble(stream.as_bytes()).expect("a stream");
    crate::provider::Response::parse(&assembled.body).expect("a body").finish_reasons()
}

#[test]
fn reason_that_ended_an_answer_early_is_kept() {
    let candidate = |reason: Value| json!({ "candidates": [{ "content": { "parts": [{ "text": "a" }] }, "finishReason": reason }] });
    for reason in ["SAFETY", "RECITATION", "MAX_TOKENS"] {
        let pieces =
            [json!(null), json!("STOP"), json!(reason), json!(null), json!("FINISH_REASON_UNSPECIFIED"), json!("STOP")];
        assert_eq!(finish_reasons(&pieces.map(candidate)), [reason]);
    }
    let two = json!({ "candidates": [{ "finishReason": "STOP" }, { "finishReason": "SAFETY", "index": 1 }] });
    assert_eq!(finish_reasons(&[candidate(json!(null)), two]), ["STOP", "SAFETY"]);
    let choice =
        |reason: Value| json!({ "choices": [{ "delta": { "content": "a" }, "finish_reason": reason }], "usage": {} });
    assert_eq!(finish_reasons(&[json!(""), json!("content_filter"), json!("stop")].map(choice)), ["content_filter"]);
    assert_eq!(finish_reasons(&[json!(""), json!("stop")].map(choice)), ["stop"]);
    let line = |reason: &str| json!({ "message": { "content": "a" }, "done": reason == "stop", "done_reason": reason });
    assert_eq!(finish_reasons(&[line("length"), line("stop")]), ["length"]);
}

#[test]
fn answer_whose_reason_to_end_is_empty_has_not_ended() {
    let chunk =
        json!({ "choices": [{ "delta": { "content": "a" }, "finish_reason": "" }], "usage": { "prompt_tokens": 1 } });
    let assembled = assemble(chunk.to_string().as_bytes()).expect("a stream");
    assert_eq!(assembled.problem().as_deref(), Some("it ends before its last event"));
}

#[test]
fn unread_members_are_returned_in_order() {
    let stream = b"data: {\"n\":1}\n\ndata: {\"type\":\"hello\"}\n\ndata: {\"choices\":[{\"delta\":\"x\"}]}\n\n";
    let assembled = assemble(stream).expect("a stream");
    let paths: Vec<_> = assembled.unread.iter().map(ToString::to_string).collect();
    assert_eq!(paths, ["events[].n", "events[hello]", "events[].choices[].delta"]);
}

#[cfg(feature = "otlp")]
#[test]
fn outline_has_all_but_the_content() {
    use crate::provider::{Response, outline};

    let chunk = |text: &str| {
        format!("data: {}\n\n", json!({ "id": "c1", "model": "m", "choices": [{ "delta": { "content": text } }] }))
    };
    let end = [
        json!({ "id": "c1", "choices": [{ "delta": {}, "finish_reason": "stop" }] }),
        json!({ "id": "c1", "choices": [], "usage": { "prompt_tokens": 9, "completion_tokens": 3 } }),
    ];
    let end = end.map(|event| format!("data: {event}\n\n")).concat();
    let stream = [chunk("a").repeat(100), end, "data: [DONE]\n\n".to_owned()].concat();
    let (whole, outline) = (assemble(stream.as_bytes()).expect("whole"), outline(stream.as_bytes()).expect("outline"));
    let (whole_body, outline_body) =
        (Response::parse(&whole.body).expect("a body"), Response::parse(&outline.body).expect("a body"));
    assert_eq!(whole_body.usage().usage, outline_body.usage().usage);
    assert_eq!((whole_body.id(), whole_body.model()), (outline_body.id(), outline_body.model()));
    assert_eq!(whole_body.finish_reasons(), outline_body.finish_reasons());
    assert!(whole_body.usage().usage.is_some() && outline.events < 20 && whole.events == 102);
}
