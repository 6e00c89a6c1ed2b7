//! Responses of which only the bytes of a stream were recorded. The streams in `data/streams` follow the providers'
//! public documentation; beside each is the body that the provider returns for the same request without streaming.

use std::fs;
use std::path::Path;

use otel_trace::graph::{Code, Graph, Item};
use otel_trace::reduce::Options;
use serde_json::{Value, json};

use crate::case::{Case, call, codes, response_items, tool};
use crate::shapes::{render_item, usage};

/// A stream and the same response without streaming.
pub(crate) struct Stream {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) whole: Value,
}

impl Stream {
    /// Reads all streams.
    pub(crate) fn all() -> Vec<Self> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reduce/data/streams");
        let mut streams = Vec::new();
        for entry in fs::read_dir(&directory).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".whole.json") {
                continue;
            }
            let whole = format!("{}.whole.json", name.split_once('.').unwrap().0);
            let whole = serde_json::from_slice(&fs::read(directory.join(whole)).unwrap()).unwrap();
            streams.push(Self { bytes: fs::read(directory.join(&name)).unwrap(), name, whole });
        }
        assert_eq!(streams.len(), 21);
        streams
    }

    /// Reads one stream.
    pub(crate) fn named(name: &str) -> Self {
        Self::all().into_iter().find(|stream| stream.name == name).unwrap()
    }

    /// Reduces the response without streaming.
    pub(crate) fn whole_graph(&self) -> Graph {
        let mut case = Case::new();
        case.request_body("a", json!({ "messages": [] }));
        let body = case.body("inference_response", &self.whole);
        case.event(json!({
            "type": "inference_completed", "inference_call_id": "a", "response_id": null, "response_payload": body,
        }));
        case.try_reduce(&Options::default()).unwrap().graph
    }
}

/// Returns the items of a response.
pub(crate) fn items<'g>(graph: &'g Graph, id: &str) -> Vec<&'g Item> {
    let by_number = |number: u64| graph.items().nth(usize::try_from(number).unwrap() - 1).unwrap();
    call(graph, id).response_item_ids.iter().map(|id| by_number(id.number())).collect()
}

/// Renders items, usage and id of a response.
pub(crate) fn render(graph: &Graph, id: &str) -> Vec<String> {
    let call = call(graph, id);
    let mut lines: Vec<_> = items(graph, id).into_iter().map(render_item).collect();
    lines.push(format!("{:?} {:?}", call.usage, call.response_id));
    lines
}

#[test]
fn stream_gives_the_graph_of_the_response_without_streaming() {
    for stream in Stream::all() {
        let mut case = Case::new();
        case.request_body("a", json!({ "messages": [] }));
        case.received("a", &stream.bytes);
        let (graph, whole) = (case.try_reduce(&Options::default()).unwrap().graph, stream.whole_graph());
        assert_eq!((render(&graph, "a"), codes(&graph)), (render(&whole, "a"), codes(&whole)), "{}", stream.name);
        assert_eq!(call(&graph, "a").raw_response_payload_id, Some("raw_payload:3".into()));
        assert!(items(&graph, "a").iter().all(|item| item.raw_payload_id == "raw_payload:3".into()), "{}", stream.name);
    }
}

#[test]
fn list_may_be_the_response_itself() {
    let stream = Stream::named("gemini-tools.json");
    let mut case = Case::new();
    case.request_body("a", json!({ "contents": [] }));
    case.response_body("a", String::from_utf8(stream.bytes).unwrap());
    let graph = case.check(&[]);
    assert_eq!(usage(&graph, "a"), [9, 4, 18, 6]);
    assert_eq!(response_items(&graph, "a").len(), 7);
}

#[test]
fn recorded_response_counts_and_its_bytes_are_not_opened() {
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [] }));
    let body = case.body("inference_response", json!({ "content": "recorded" }));
    let wire = json!({ "raw_payload_id": "gone", "kind": { "type": "inference_response" }, "path": "payloads/gone" });
    case.event(json!({
        "type": "inference_completed", "inference_call_id": "a", "response_id": null, "response_payload": body,
        "wire_payload": wire,
    }));
    let graph = case.check(&[]);
    assert_eq!(graph.items().map(render_item).collect::<Vec<_>>(), ["assistant message: recorded"]);
}

#[test]
fn span_attributes_count_where_the_stream_has_none() {
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [] }));
    let attributes =
        json!({ "gen_ai.response.id": "r9", "gen_ai.usage.input_tokens": 7, "gen_ai.usage.output_tokens": 2 });
    let body = case.body("inference_response", attributes);
    let wire = case.body_bytes(
        "inference_response",
        b"data: {\"choices\":[{\"delta\":{\"content\":\"hi\"}}]}\n\ndata: [DONE]\n\n",
    );
    case.event(json!({
        "type": "inference_completed", "inference_call_id": "a", "response_id": null, "response_payload": body,
        "wire_payload": wire,
    }));
    let graph = case.check(&[]);
    assert_eq!(graph.items().map(render_item).collect::<Vec<_>>(), ["assistant message: hi"]);
    assert_eq!((usage(&graph, "a"), call(&graph, "a").response_id.as_ref()), ([7, 0, 2, 0], Some(&"r9".into())));
}

#[test]
fn bytes_of_a_whole_body_are_read_too() {
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [] }));
    case.cut(
        "a",
        json!({ "choices": [{ "message": { "role": "assistant", "content": "whole" } }] }).to_string().as_bytes(),
    );
    assert_eq!(case.check(&[]).items().map(render_item).collect::<Vec<_>>(), ["assistant message: whole"]);
}

#[test]
fn bytes_with_nothing_give_no_response() {
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [] }));
    case.cut("a", b"");
    case.request_body("b", json!({ "messages": [] }));
    case.received("b", b"");
    let graph = case.check(&[Code::ResponseUnknown]);
    assert_eq!(call(&graph, "a").raw_response_payload_id, None);
    assert_eq!(graph.items().count(), 0);
}

#[test]
fn encoded_bytes_are_reported() {
    let aws = [&[0, 0, 0, 90, 0, 0, 0, 60, 1, 2, 3, 4][..], b"\x0b:event-type\x07\x00\x05chunk"].concat();
    for (bytes, name) in [(&[0x1f, 0x8b, 8, 0, 0][..], "gzip"), (&aws, "the binary event stream encoding of AWS")] {
        let mut case = Case::new();
        case.request_body("a", json!({ "messages": [] }));
        case.cut("a", bytes);
        case.request_body("b", json!({ "messages": [] }));
        case.received("b", bytes);
        let graph = case.check(&[Code::ResponseUnknown, Code::ResponseUnknown]);
        let messages = graph.diagnostics.iter().map(|found| &found.message);
        assert!(messages.into_iter().all(|message| message.contains(&format!("as {name}, which is not decoded"))));
    }
}

#[test]
fn head_of_a_truncated_stream_is_read_with_the_usage_of_its_tail() {
    let stream = String::from_utf8(Stream::named("chat-tools.sse").bytes).unwrap();
    let ends = json!({ "otel_trace.truncated": { "head": stream[..1500], "tail": stream[stream.len() - 600..] } });
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [] }));
    let (body, mut wire) = (case.body("inference_response", "{}"), case.body("inference_response", ends));
    wire["truncated"] = json!({ "length": stream.len(), "hash": "00" });
    case.event(json!({
        "type": "inference_completed", "inference_call_id": "a", "response_id": null, "response_payload": body,
        "wire_payload": wire,
    }));
    let graph = case.check(&[Code::PartialStream]);
    assert_eq!(render_item(items(&graph, "a")[0]), "assistant reasoning: Two cities, two calls. 測");
    assert_eq!(usage(&graph, "a"), [21, 16, 38, 12]);
    assert!(graph.diagnostics[0].message.contains("truncated to head and tail"), "{}", graph.diagnostics[0]);
}

#[test]
fn error_in_a_stream_keeps_what_arrived() {
    let streams = [
        concat!(
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"usage\":{\"input_tokens\":5,\"output_tokens\":1}}}\n\n",
            "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"So \"}}\n\n",
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n",
        ),
        concat!(
            "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"So \"}}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":1}}\n\n",
            "data: {\"error\":{\"code\":502,\"message\":\"Overloaded\"},\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"},\"finish_reason\":\"error\"}]}\n\n",
        ),
        concat!(
            "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"So \"}]}}],\"usageMetadata\":{\"promptTokenCount\":5,\"candidatesTokenCount\":1}}\n\n",
            "data: {\"error\":{\"code\":503,\"message\":\"Overloaded\",\"status\":\"UNAVAILABLE\"}}\n\n",
        ),
        concat!(
            "data: {\"type\":\"response.created\",\"response\":{\"id\":\"r\",\"output\":[]}}\n\n",
            "data: {\"type\":\"response.output_text.delta\",\"output_index\":0,\"content_index\":0,\"delta\":\"So \"}\n\n",
            "data: {\"type\":\"response.failed\",\"response\":{\"id\":\"r\",\"status\":\"failed\",\"output\":[],\"error\":{\"code\":\"x\",\"message\":\"Overloaded\"},\"usage\":{\"input_tokens\":5,\"output_tokens\":1}}}\n\n",
        ),
        concat!(
            "data: {\"type\":\"response.created\",\"response\":{\"id\":\"r\",\"output\":[],\"usage\":{\"input_tokens\":5,\"output_tokens\":1}}}\n\n",
            "data: {\"type\":\"response.output_text.delta\",\"output_index\":0,\"content_index\":0,\"delta\":\"So \"}\n\n",
            "data: {\"type\":\"error\",\"code\":\"x\",\"message\":\"Overloaded\",\"param\":null}\n\n",
        ),
    ];
    for stream in streams {
        let mut case = Case::new();
        case.request_body("a", json!({ "messages": [] }));
        case.received("a", stream.as_bytes());
        let graph = case.check(&[Code::PartialStream]);
        assert_eq!(graph.items().map(render_item).collect::<Vec<_>>(), ["assistant message: So "]);
        assert_eq!(usage(&graph, "a"), [5, 0, 1, 0]);
        assert!(graph.diagnostics[0].message.contains("an error in it: Overloaded;"), "{}", graph.diagnostics[0]);
    }
}

#[test]
fn tool_calls_are_linked_to_the_stream_that_requested_them() {
    let stream = Stream::named("chat-tools.sse");
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [] }));
    case.received("a", &stream.bytes);
    for id in ["call_1", "call_2"] {
        case.tool(id, Some(id), json!({ "type": "web" }), None);
        case.end_tool(id, "completed", None);
    }
    let message = stream.whole["choices"][0]["message"].clone();
    let output = json!({ "role": "tool", "tool_call_id": "call_1", "content": "cold" });
    case.request_body("b", json!({ "messages": [message, output] }));
    let graph = case.check(&[]);
    assert_eq!(
        graph.snapshot(&"b".into()).take(5).map(|item| item.number()).collect::<Vec<_>>(),
        response_items(&graph, "a")
    );
    for id in ["call_1", "call_2"] {
        assert_eq!(tool(&graph, id).requested_by, Some("a".into()));
    }
    assert_eq!(tool(&graph, "call_1").output_item_ids.len(), 1);
}

#[test]
fn secret_in_two_deltas_is_masked() {
    // Assembled here, so that no scanner takes it for a leaked key.
    let (first, second) = ("sk-ant-api03-9fQ2", "xT7vLm4Zk8RbW1nYc6HsD3jPgE5aUo0");
    let secret = [first, second].concat();
    let event = |content: &str| format!("data: {}\n\n", json!({ "choices": [{ "delta": { "content": content } }] }));
    let stream = [event("The key: "), event(first), event(second), event(" is it."), "data: [DONE]\n\n".to_owned()];
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [] }));
    case.received("a", stream.concat().as_bytes());
    let graph = case.check(&[]);
    let text = render_item(graph.items().next().unwrap());
    assert!(!text.contains(&secret) && text.ends_with(":000000000000] is it."), "{text}");
}
