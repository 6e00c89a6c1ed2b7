//! Responses that were recorded as chunks only, because the process was killed or the program never ended the call.

use otel_trace::event::{ExecutionStatus, RawPayloadId};
use otel_trace::graph::Code;
use otel_trace::reduce::Options;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;

use crate::case::{Case, call, codes};
use crate::shapes::render_item;
use crate::streams::{Stream, render};

/// Splits bytes at the given places.
fn split<'b>(bytes: &'b [u8], places: &[Index]) -> Vec<&'b [u8]> {
    let mut places: Vec<_> = places.iter().map(|place| place.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|ends| &bytes[ends[0]..ends[1]]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn split_at_any_places_is_the_same_response(
        stream in any::<Index>(),
        places in prop::collection::vec(any::<Index>(), 0..12),
        order in any::<u64>(),
    ) {
        let streams = Stream::all();
        let stream = stream.get(&streams);
        let mut chunks: Vec<_> = (1..).zip(split(&stream.bytes, &places)).collect();
        // Events are in order of time, but a response may be read by several threads.
        chunks.sort_by_key(|(number, _)| number ^ (order & 3));
        let mut case = Case::new();
        case.request_body("a", json!({ "messages": [] }));
        for (number, bytes) in &chunks {
            case.chunk("a", *number, bytes);
        }
        let (graph, whole) = (case.try_reduce(&Options::default()).unwrap().graph, stream.whole_graph());
        prop_assert_eq!((render(&graph, "a"), codes(&graph)), (render(&whole, "a"), codes(&whole)));
        let call = call(&graph, "a");
        prop_assert_eq!(call.execution.status, ExecutionStatus::Running);
        prop_assert_eq!(call.raw_response_chunk_ids.len(), chunks.len());
        prop_assert_eq!(call.raw_response_payload_id.as_ref(), call.raw_response_chunk_ids.first());
    }
}

/// Returns a stream of texts, one event each.
fn texts(texts: &[&str]) -> Vec<String> {
    let event = |text: &&str| format!("data: {}\n\n", json!({ "choices": [{ "delta": { "content": text } }] }));
    texts.iter().map(event).collect()
}

fn text_of(case: &Case, codes: &[Code]) -> Vec<String> {
    case.check(codes).items().map(render_item).collect()
}

#[test]
fn chunks_count_up_to_a_gap() {
    let chunks = texts(&["a", "b", "c"]);
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [] }));
    case.chunk("a", 1, chunks[0].as_bytes());
    case.chunk("a", 3, chunks[2].as_bytes());
    assert_eq!(text_of(&case, &[Code::PartialStream]), ["assistant message: a"]);
    let graph = case.check(&[Code::PartialStream]);
    assert!(graph.diagnostics[0].message.contains("its chunk 2 is missing"), "{}", graph.diagnostics[0]);
    assert_eq!(call(&graph, "a").raw_response_chunk_ids, ["raw_payload:2".into()]);
    // The chunk behind the gap is checked like other payloads that nothing reads.
    std::fs::write(case.path().join("payloads/3.json"), "{").unwrap();
    let checked = case.try_reduce(&Options::default().every_body(true)).unwrap().graph;
    assert_eq!(codes(&checked), [Code::PartialStream, Code::BadPayload]);
}

#[test]
fn response_without_its_first_chunk_is_reported() {
    let chunks = texts(&["a", "b"]);
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [] }));
    case.chunk("a", 2, chunks[1].as_bytes());
    let graph = case.check(&[Code::PartialStream]);
    assert_eq!(graph.items().count(), 0);
    assert!(graph.diagnostics[0].message.contains("its chunk 1 is missing"), "{}", graph.diagnostics[0]);
}

#[test]
fn chunk_that_cannot_be_read_ends_the_response() {
    let chunks = texts(&["a", "b", "c"]);
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [] }));
    for (number, chunk) in (1..).zip(&chunks) {
        case.chunk("a", number, chunk.as_bytes());
    }
    std::fs::remove_file(case.path().join("payloads/3.json")).unwrap();
    assert_eq!(text_of(&case, &[Code::PartialStream]), ["assistant message: a"]);
}

#[test]
fn last_attempt_counts() {
    let (first, second) = (texts(&["first", " answer"]), texts(&["second", " answer", "."]));
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [] }));
    for attempt in [first, second] {
        for (number, chunk) in (1..).zip(&attempt) {
            case.chunk("a", number, chunk.as_bytes());
        }
    }
    assert_eq!(text_of(&case, &[Code::PartialStream]), ["assistant message: second answer."]);
}

#[test]
fn ended_call_has_its_chunks_unless_more_was_recorded() {
    let chunk = texts(&["chunk"]).concat();
    let end = |case: &mut Case, fields: serde_json::Value| {
        let mut end = json!({ "type": "inference_cancelled", "inference_call_id": "a", "reason": "r" });
        end.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        case.event(end)
    };
    let case_with = |fields: &dyn Fn(&mut Case) -> serde_json::Value| {
        let mut case = Case::new();
        case.request_body("a", json!({ "messages": [] }));
        case.chunk("a", 1, chunk.as_bytes());
        let fields = fields(&mut case);
        end(&mut case, fields);
        case
    };
    let case = case_with(&|_| json!({}));
    assert_eq!(text_of(&case, &[Code::PartialStream]), ["assistant message: chunk"]);
    let wire = |case: &mut Case| json!({ "wire_payload": case.body_bytes("inference_response", texts(&["wire"]).concat().as_bytes()) });
    assert_eq!(text_of(&case_with(&wire), &[Code::PartialStream]), ["assistant message: wire"]);
    let body = |case: &mut Case| json!({ "partial_response_payload": case.body("inference_response", json!({ "content": "body" })) });
    assert_eq!(text_of(&case_with(&body), &[]), ["assistant message: body"]);
    let refusal =
        |case: &mut Case| json!({ "wire_payload": case.body("inference_response", json!({ "error": "no" })) });
    assert_eq!(text_of(&case_with(&refusal), &[]), [""; 0]);
}

#[test]
fn chunks_of_unknown_calls_and_other_payloads_are_ignored() {
    let chunk = texts(&["chunk"]).concat();
    let mut case = Case::new();
    case.chunk("nobody", 1, chunk.as_bytes());
    case.request_body("a", json!({ "messages": [] }));
    let payload = case.body_bytes("inference_response", chunk.as_bytes());
    let event = |kind: &str, metadata: serde_json::Value| json!({ "type": "other", "kind": kind, "summary": "s", "payloads": [payload], "metadata": metadata });
    case.event(event("payload", json!({ "inference_call_id": "a" })));
    case.event(event("payload", json!(null)));
    case.event(event("note", json!({ "inference_call_id": "a", "chunk": 1 })));
    let graph = case.check(&[]);
    assert_eq!(call(&graph, "a").raw_response_payload_id, None::<RawPayloadId>);
    assert_eq!(case.try_reduce(&Options::default()).unwrap().work.stream_events, 0);
}

#[test]
fn later_request_repeats_what_arrived() {
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [] }));
    case.chunk("a", 1, texts(&["half"]).concat().as_bytes());
    case.request_body("b", json!({ "messages": [{ "role": "assistant", "content": "half" }] }));
    assert_eq!(text_of(&case, &[Code::PartialStream]), ["assistant message: half"]);
}

#[test]
fn one_payload_counts_for_one_chunk() {
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [] }));
    let payload = case.body_bytes("inference_response", texts(&["a"]).concat().as_bytes());
    for number in 1..=3 {
        case.event(json!({
            "type": "other", "kind": "payload", "summary": "s", "payloads": [payload],
            "metadata": { "inference_call_id": "a", "chunk": number },
        }));
    }
    assert_eq!(text_of(&case, &[Code::PartialStream]), ["assistant message: a"]);
}
