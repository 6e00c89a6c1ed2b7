//! Events of a stream, and members of events, that no rule reads are reported, once a run.

use otel_trace::graph::{Code, Graph};
use otel_trace::reduce::Options;
use serde_json::{Value, json};

use crate::case::Case;
use crate::shapes::render_item;
use crate::streams::Stream;
use crate::unread_fields::unread;

/// Writes events as server-sent events, each named by its type.
pub(crate) fn named_events(events: &[Value]) -> String {
    let event = |event: &Value| match event["type"].as_str() {
        Some(kind) => format!("event: {kind}\ndata: {event}\n\n"),
        None => format!("data: {event}\n\n"),
    };
    events.iter().map(event).collect()
}

/// Reduces a completed call of which the bytes of the response were recorded.
#[track_caller]
pub(crate) fn reduce_received(stream: &str, codes: &[Code]) -> Graph {
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [] }));
    case.received("a", stream.as_bytes());
    case.check(codes)
}

/// Renders the items of a graph.
pub(crate) fn texts(graph: &Graph) -> Vec<String> {
    graph.items().map(render_item).collect()
}

/// A small stream of an API, between whose first and last event other events may stand.
struct Frame {
    first: Vec<Value>,
    last: Vec<Value>,
}

fn responses() -> Frame {
    let item = json!({ "type": "message", "id": "m", "role": "assistant", "content": [{ "type": "output_text", "text": "a" }] });
    Frame {
        first: vec![json!({ "type": "response.created", "response": { "id": "r", "output": [] } })],
        last: vec![
            json!({ "type": "response.output_item.done", "output_index": 0, "item": item }),
            json!({ "type": "response.completed", "response": { "id": "r", "status": "completed", "output": [item] } }),
        ],
    }
}

fn anthropic() -> Frame {
    Frame {
        first: vec![
            json!({ "type": "message_start", "message": { "id": "m", "type": "message", "role": "assistant", "content": [] } }),
            json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } }),
        ],
        last: vec![
            json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": "a" } }),
            json!({ "type": "content_block_stop", "index": 0 }),
            json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" }, "usage": { "output_tokens": 1 } }),
            json!({ "type": "message_stop" }),
        ],
    }
}

fn cohere() -> Frame {
    Frame {
        first: vec![
            json!({ "type": "message-start", "id": "c", "delta": { "message": { "role": "assistant", "content": [] } } }),
        ],
        last: vec![
            json!({ "type": "content-start", "index": 0, "delta": { "message": { "content": { "type": "text", "text": "a" } } } }),
            json!({ "type": "content-end", "index": 0 }),
            json!({ "type": "message-end", "delta": { "finish_reason": "COMPLETE" } }),
        ],
    }
}

fn converse() -> Frame {
    Frame {
        first: vec![json!({ "messageStart": { "role": "assistant", "p": "abc" } })],
        last: vec![
            json!({ "contentBlockDelta": { "contentBlockIndex": 0, "delta": { "text": "a" }, "p": "ab" } }),
            json!({ "contentBlockStop": { "contentBlockIndex": 0, "p": "a" } }),
            json!({ "messageStop": { "stopReason": "end_turn", "p": "a" } }),
            json!({ "metadata": { "usage": { "inputTokens": 1, "outputTokens": 1 }, "metrics": { "latencyMs": 1 }, "p": "a" } }),
        ],
    }
}

fn chat() -> Frame {
    Frame {
        first: vec![json!({ "id": "c", "choices": [{ "index": 0, "delta": { "role": "assistant", "content": "" } }] })],
        last: vec![
            json!({ "id": "c", "choices": [{ "index": 0, "delta": { "content": "a" } }] }),
            json!({ "id": "c", "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] }),
            json!({ "id": "c", "choices": [], "usage": { "prompt_tokens": 1, "completion_tokens": 1 } }),
        ],
    }
}

fn gemini() -> Frame {
    Frame {
        first: vec![json!({ "candidates": [{ "content": { "role": "model", "parts": [{ "text": "" }] } }] })],
        last: vec![json!({ "candidates": [{ "content": { "parts": [{ "text": "a" }] }, "finishReason": "STOP" }] })],
    }
}

fn ollama() -> Frame {
    Frame {
        first: vec![json!({ "message": { "role": "assistant", "content": "" }, "done": false })],
        last: vec![json!({ "message": { "content": "a" }, "done": true, "done_reason": "stop" })],
    }
}

impl Frame {
    /// Checks which members are reported of a stream that has further events.
    #[track_caller]
    fn check(self, between: &[Value], expected: &[&str]) {
        let Self { first, last } = self;
        let stream = named_events(&[&first, between, &last].concat());
        let graph = reduce_received(&stream, &vec![Code::UnreadField; expected.len()]);
        assert_eq!(unread(&graph), expected);
        assert_eq!(texts(&graph), ["assistant message: a"]);
    }
}

#[test]
fn type_of_events_that_no_rule_reads_is_reported() {
    let new = |kind: &str| json!({ "type": kind, "delta": "x" });
    responses().check(
        &[new("response.new.delta"), new("response.new.delta"), new("new")],
        &["events[response.new.delta]", "events[new]"],
    );
    responses().check(&[new("response.audio.delta")], &["events[response.audio.delta]"]);
    anthropic().check(&[new("content_block_new")], &["events[content_block_new]"]);
    cohere().check(&[json!({ "type": "plan-new", "delta": {} })], &["events[plan-new]"]);
    converse().check(&[json!({ "contentBlockNew": { "text": "x" } })], &["events[contentBlockNew]"]);
}

#[test]
fn member_of_an_event_that_no_rule_reads_is_reported() {
    let delta =
        json!({ "type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "a", "new": 1 });
    responses().check(&[delta], &["events[response.output_text.delta].new"]);
    let delta =
        json!({ "type": "content_block_delta", "index": 0, "new": 1, "delta": { "type": "text_delta", "text": "" } });
    anthropic().check(&[delta], &["events[content_block_delta].new"]);
    cohere().check(&[json!({ "type": "tool-plan-delta", "delta": {}, "new": 1 })], &["events[tool-plan-delta].new"]);
    let delta = json!({ "contentBlockDelta": { "contentBlockIndex": 0, "delta": { "text": "" }, "new": 1 } });
    converse().check(&[delta], &["events[contentBlockDelta].new"]);
}

#[test]
fn member_of_a_delta_that_no_rule_reads_is_reported() {
    let delta = json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "new": "x" } });
    anthropic().check(&[delta], &["content[].new"]);
    cohere().check(&[json!({ "type": "tool-plan-delta", "delta": { "message": { "new": "x" } } })], &["message.new"]);
    let delta = json!({ "contentBlockDelta": { "contentBlockIndex": 0, "delta": { "new": "x" } } });
    converse().check(&[delta], &["output.message.content[].new"]);
    let choice = json!({ "index": 0, "newer": 1, "delta": { "new": "x" } });
    chat()
        .check(&[json!({ "choices": [choice], "newest": 1 })], &["choices[].message.new", "choices[].newer", "newest"]);
    let candidate = json!({ "newer": 1, "content": { "new": 1, "parts": [{ "text": "", "newest": 1 }] } });
    let paths = ["candidates[].content.new", "candidates[].content.parts[].newest", "candidates[].newer"];
    gemini().check(&[json!({ "candidates": [candidate] })], &paths);
    ollama().check(
        &[json!({ "message": { "content": "", "new": 1 }, "done": false, "newer": 1 })],
        &["message.new", "newer"],
    );
}

#[test]
fn event_without_a_type_is_named_by_its_members() {
    responses().check(&[json!({ "n": 1, "m": null })], &["events[].n"]);
    anthropic().check(&[json!({ "n": 1 })], &["events[].n"]);
    chat().check(&[json!({ "n": 1 })], &["n"]);
}

#[test]
fn event_before_the_first_known_one_is_reported() {
    for mut frame in [responses(), anthropic(), cohere(), chat(), gemini()] {
        frame.first.insert(0, json!({ "type": "hello", "text": "x" }));
        frame.first.insert(0, json!({ "text": "x" }));
        frame.check(&[], &["events[].text", "events[hello]"]);
    }
}

#[test]
fn value_that_is_no_piece_is_reported() {
    responses().check(
        &[json!({ "type": "response.output_text.delta", "output_index": 1, "delta": 7 })],
        &["events[response.output_text.delta].delta"],
    );
    anthropic().check(
        &[json!({ "type": "content_block_delta", "index": 0, "delta": "x" })],
        &["events[content_block_delta].delta"],
    );
    cohere().check(&[json!({ "type": "content-delta", "index": 0, "delta": [] })], &["events[content-delta].delta"]);
    converse().check(&[json!({ "contentBlockDelta": { "delta": "x" } })], &["events[contentBlockDelta].delta"]);
    chat().check(&[json!({ "choices": "x" })], &["events[].choices"]);
    chat().check(
        &[json!({ "choices": ["x", { "index": 0, "delta": "x" }] })],
        &["events[].choices[]", "events[].choices[].delta"],
    );
    gemini().check(&[json!({ "candidates": {} })], &["events[].candidates"]);
    gemini().check(
        &[json!({ "candidates": [7, { "index": 0, "content": [] }] })],
        &["events[].candidates[]", "events[].candidates[].content"],
    );
    ollama().check(&[json!({ "message": "x", "done": false })], &["events[].message"]);
}

#[test]
fn events_that_are_known_to_say_nothing_are_silent() {
    let ping = [json!({ "type": "ping" }), json!({ "type": "keepalive", "sequence_number": 3 })];
    for frame in [responses(), anthropic(), cohere(), chat(), gemini()] {
        frame.check(&ping, &[]);
    }
    let state = json!({ "type": "response.web_search_call.searching", "output_index": 0, "item_id": "w", "sequence_number": 4 });
    let preview = json!({ "type": "response.image_generation_call.partial_image", "output_index": 0, "partial_image_b64": "eA==" });
    let steer = json!({ "id": "st", "previous_response_id": "r" });
    let accepted = json!({ "type": "response.steer.accepted", "sequence_number": 5, "steer": steer });
    let pending = json!({ "type": "response.steer.pending", "reason": "waiting_for_required_input",
        "required_input": [{ "type": "function_call_output", "call_id": "c" }], "steer": steer });
    let failed = json!({ "type": "response.steer.failed", "error": { "code": "response_not_active", "message": "m" },
        "steer": { "input": "stop", "previous_response_id": "r" } });
    let injected = json!({ "type": "response.inject.created", "response_id": "r", "sequence_number": 6 });
    let rejected = json!({ "type": "response.inject.failed", "response_id": "r", "sequence_number": 7,
        "input": [{ "type": "function_call_output", "call_id": "c", "output": "o" }],
        "error": { "code": "response_not_found", "message": "m" } });
    responses().check(&[state, preview, accepted, pending, failed, injected, rejected], &[]);
    cohere().check(&[json!({ "type": "debug", "prompt": "p" })], &[]);
    let progress = json!({ "total": 2, "cache": 0, "processed": 1, "time_ms": 1 });
    chat().check(&[json!({ "id": "c", "choices": [], "prompt_progress": progress })], &[]);
    let stream = ": keep-alive\n\nevent: ping\ndata: {}\n\nretry: 5\nid: 1\n\n";
    let chunk = json!({ "choices": [{ "delta": { "content": "a" }, "finish_reason": "stop" }] });
    let graph = reduce_received(&format!("{stream}data: {chunk}\n\n{stream}data: [DONE]\n\n"), &[]);
    assert_eq!(texts(&graph), ["assistant message: a"]);
}

#[test]
fn type_of_events_is_reported_once_a_run() {
    let Frame { first, last } = anthropic();
    let between = [json!({ "type": "new_event" }), json!({ "type": "new_event" })];
    let stream = named_events(&[&first[..], &between, &last].concat());
    let mut case = Case::new();
    for call in ["a", "b"] {
        case.request_body(call, json!({ "messages": [] }));
        case.received(call, stream.as_bytes());
    }
    case.request_body("c", json!({ "messages": [] }));
    case.chunk("c", 1, named_events(&[&first[..], &[json!({ "type": "newer" })], &last].concat()).as_bytes());
    let graph = case.check(&[Code::UnreadField; 2]);
    assert_eq!(unread(&graph), ["events[new_event]", "events[newer]"]);
    assert!(case.try_reduce(&Options::default().strict(true)).is_ok());
}

#[test]
fn at_most_a_hundred_types_of_events_are_named() {
    let Frame { first, last } = anthropic();
    let many: Vec<_> = (0..50_000).map(|n| json!({ "type": format!("new{n}"), "n": n })).collect();
    let graph = reduce_received(&named_events(&[&first[..], &many, &last].concat()), &[Code::UnreadField; 101]);
    assert!(graph.diagnostics[100].message.contains("more members of a stream"), "{}", graph.diagnostics[100]);
}

#[test]
fn recorded_streams_have_no_unread_events() {
    for stream in Stream::all() {
        let mut case = Case::new();
        case.request_body("a", json!({ "messages": [] }));
        case.received("a", &stream.bytes);
        let graph = case.try_reduce(&Options::default()).unwrap().graph;
        assert!(
            unread(&graph).iter().all(|path| !path.starts_with("events[")),
            "{}: {:?}",
            stream.name,
            unread(&graph)
        );
    }
}
