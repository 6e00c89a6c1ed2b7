//! Responses that were recorded as chunks only, because the process was killed or the program never ended the call.

use otel_trace::event::{ExecutionStatus, RawPayloadId};
use otel_trace::graph::Code;
use otel_trace::reduce::Options;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

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

/// Records two chunks of a call, and its end. `wire` damages the payload with the bytes of the whole response.
fn case_with_damaged_bytes(wire: impl Fn(&Case, &mut Value)) -> Case {
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [] }));
    let chunks = texts(&["so", " far"]);
    case.chunk("a", 1, chunks[0].as_bytes());
    case.chunk("a", 2, chunks[1].as_bytes());
    let body = case.body("inference_response", "{}");
    let mut payload = case.body_bytes("inference_response", chunks.concat().as_bytes());
    wire(&case, &mut payload);
    case.event(json!({
        "type": "inference_completed", "inference_call_id": "a", "response_id": null, "response_payload": body,
        "wire_payload": payload,
    }));
    case
}

#[test]
fn chunks_count_where_the_bytes_are_missing_or_damaged() {
    type Damage<'d> = &'d dyn Fn(&Case, &mut Value);
    let damages: [Damage<'_>; 2] =
        [&|case, wire| std::fs::remove_file(case.path().join(wire["path"].as_str().unwrap())).unwrap(), &|_, wire| {
            wire["path"] = json!("payloads/never.json")
        }];
    for damage in damages {
        let case = case_with_damaged_bytes(damage);
        let graph = case.check(&[Code::BadPayload, Code::PartialStream]);
        assert_eq!(graph.items().map(render_item).collect::<Vec<_>>(), ["assistant message: so far"]);
        assert_eq!(graph.diagnostics[0].raw_payload_id, Some("raw_payload:5".into()));
        assert_eq!(call(&graph, "a").raw_response_chunk_ids.len(), 2);
    }
    let refused = case_with_damaged_bytes(|_, wire| wire["path"] = json!("../outside.json"));
    assert_eq!(text_of(&refused, &[Code::PartialStream, Code::RefusedPath]), ["assistant message: so far"]);
}

#[test]
fn chunks_count_where_the_response_of_the_program_is_missing() {
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [] }));
    case.chunk("a", 1, texts(&["chunk"]).concat().as_bytes());
    case.event(json!({
        "type": "inference_completed", "inference_call_id": "a", "response_id": null,
        "response_payload": { "raw_payload_id": "gone", "kind": { "type": "inference_response" }, "path": "payloads/gone" },
    }));
    assert_eq!(text_of(&case, &[Code::BadPayload, Code::PartialStream]), ["assistant message: chunk"]);
    let checked = case.try_reduce(&Options::default().every_body(true)).unwrap().graph;
    assert_eq!(codes(&checked), [Code::BadPayload, Code::PartialStream], "reported once");
}

#[test]
fn whole_chunks_count_where_only_head_and_tail_of_the_bytes_are_stored() {
    let truncate = |case: &Case, wire: &mut Value| {
        let path = case.path().join(wire["path"].as_str().unwrap());
        let bytes = std::fs::read_to_string(&path).unwrap();
        let ends = json!({ "otel_trace.truncated": { "head": bytes[..60], "tail": bytes[bytes.len() - 20..] } });
        std::fs::write(&path, ends.to_string()).unwrap();
        wire["truncated"] = json!({ "length": bytes.len(), "hash": "00" });
    };
    let case = case_with_damaged_bytes(truncate);
    assert_eq!(text_of(&case, &[Code::PartialStream]), ["assistant message: so far"]);
    std::fs::remove_file(case.path().join("payloads/3.json")).unwrap();
    assert_eq!(text_of(&case, &[Code::PartialStream]), ["assistant message: so"]);
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
