//! Responses to compaction requests that were recorded as bytes: streams, chunks, errors and pages of proxies.

use otel_trace::event::{ExecutionStatus, Usage};
use otel_trace::graph::{Code, CompactionRequest, Graph};
use otel_trace::reduce::Options;
use serde_json::{Value, json};

use crate::case::{Case, state};
use crate::streams::Stream;

/// The ways in which the bytes of a response are recorded.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Recorded {
    /// The request completed. Its body names the payload with the bytes.
    Completed,
    /// The request failed after the bytes were recorded.
    Failed,
    /// The bytes were recorded, but the request never ended.
    Running,
    /// The bytes were recorded in three chunks, and the request never ended.
    Chunks,
    /// The bytes were recorded in three chunks, and the request failed.
    FailedChunks,
}

const ALL: [Recorded; 5] =
    [Recorded::Completed, Recorded::Failed, Recorded::Running, Recorded::Chunks, Recorded::FailedChunks];

fn start(case: &mut Case) {
    let body = case.body("compaction_request", json!({ "input": [] }));
    case.event(json!({
        "type": "compaction_request_started", "compaction_id": "c", "compaction_request_id": "q", "thread_id": "t",
        "codex_turn_id": "u", "model": "m", "provider_name": "p", "request_payload": body,
    }));
}

/// Records a payload event with bytes of the response. Returns the id of the payload.
fn add_bytes(case: &mut Case, bytes: &[u8], metadata: Value) -> String {
    let payload = case.body_bytes("compaction_response", bytes);
    case.event(json!({
        "type": "other", "kind": "payload", "summary": "s", "payloads": [payload], "metadata": metadata,
    }));
    payload["raw_payload_id"].as_str().unwrap().to_owned()
}

fn fail(case: &mut Case) {
    case.event(json!({
        "type": "compaction_request_failed", "compaction_id": "c", "compaction_request_id": "q", "error": "own",
    }));
}

fn complete(case: &mut Case, body: impl ToString) {
    let body = case.body("compaction_response", body);
    case.event(json!({
        "type": "compaction_request_completed", "compaction_id": "c", "compaction_request_id": "q",
        "response_payload": body,
    }));
}

/// Creates a bundle with these bytes as the response of a compaction request.
fn case(recorded: Recorded, bytes: &[u8]) -> Case {
    let mut case = Case::new();
    start(&mut case);
    let of_request = json!({ "compaction_request_id": "q" });
    match recorded {
        Recorded::Completed => {
            let id = add_bytes(&mut case, bytes, of_request);
            complete(&mut case, json!({ "otel_trace.bytes": id }));
        }
        Recorded::Failed => {
            add_bytes(&mut case, bytes, of_request);
            fail(&mut case);
        }
        Recorded::Running => drop(add_bytes(&mut case, bytes, of_request)),
        Recorded::Chunks | Recorded::FailedChunks => {
            let third = bytes.len().div_ceil(3).max(1);
            for (number, chunk) in (1..).zip(bytes.chunks(third)) {
                add_bytes(&mut case, chunk, json!({ "compaction_request_id": "q", "chunk": number }));
            }
            if recorded == Recorded::FailedChunks {
                fail(&mut case);
            }
        }
    }
    case
}

fn request(graph: &Graph) -> &CompactionRequest {
    graph.compaction_requests.get("q").unwrap()
}

#[test]
fn streamed_response_has_the_usage_of_every_api() {
    for stream in Stream::all() {
        let whole = stream.whole_graph();
        let expected = whole.inference_calls.get("a").unwrap().usage;
        for recorded in ALL {
            let graph = case(recorded, &stream.bytes).try_reduce(&Options::default()).unwrap().graph;
            let request = request(&graph);
            assert_eq!(request.usage, expected, "{recorded:?}");
            assert_eq!(
                graph.totals.input_tokens,
                expected.map_or(0, |usage: Usage| usage.input_tokens),
                "{recorded:?}"
            );
            let chunks = if matches!(recorded, Recorded::Chunks | Recorded::FailedChunks) { 3 } else { 0 };
            assert_eq!(request.raw_response_chunk_ids.len(), chunks);
            assert_eq!(request.raw_response_payload_id, Some("raw_payload:2".into()), "{recorded:?}");
            assert_eq!(graph.items().count(), 0);
        }
    }
}

#[test]
fn cut_stream_is_reported() {
    let event = json!({ "choices": [{ "delta": { "content": "So" } }], "usage": { "prompt_tokens": 3, "completion_tokens": 1 } });
    for recorded in ALL {
        let graph = case(recorded, format!("data: {event}\n\n").as_bytes()).check_strict(&[Code::PartialStream]);
        assert!(graph.diagnostics[0].message.contains("it ends before its last event"), "{}", graph.diagnostics[0]);
        assert_eq!(request(&graph).usage.map(|usage| usage.input_tokens), Some(3));
        let expected = match recorded {
            Recorded::Completed => ExecutionStatus::Completed,
            Recorded::Failed | Recorded::FailedChunks => ExecutionStatus::Failed,
            Recorded::Running | Recorded::Chunks => ExecutionStatus::Running,
        };
        assert_eq!(request(&graph).execution.status, expected);
    }
}

#[track_caller]
fn check_error(graph: &Graph, recorded: Recorded) {
    let request = request(graph);
    let expected = match recorded {
        Recorded::Completed | Recorded::Running | Recorded::Chunks => (Some("boom"), None),
        Recorded::Failed | Recorded::FailedChunks => (Some("own"), Some("boom")),
    };
    assert_eq!((request.error.as_deref(), request.provider_error.as_deref()), expected, "{recorded:?}");
    let in_state = &state(graph)["compaction_requests"]["q"];
    assert_eq!(in_state.get("provider_error"), expected.1.map(Value::from).as_ref());
}

#[test]
fn error_of_the_provider_is_that_of_the_request() {
    for body in [
        json!({ "error": { "message": "boom" } }),
        json!({ "detail": "boom" }),
        json!({ "message": "boom" }),
        json!({ "object": "error", "message": { "detail": [{ "msg": "boom" }] } }),
    ] {
        for recorded in ALL {
            let graph = case(recorded, body.to_string().as_bytes()).check_strict(&[Code::ResponseUnknown]);
            assert!(graph.diagnostics[0].message.contains("boom"), "{}", graph.diagnostics[0]);
            check_error(&graph, recorded);
        }
        let mut recorded = Case::new();
        start(&mut recorded);
        complete(&mut recorded, body);
        check_error(&recorded.check_strict(&[Code::ResponseUnknown]), Recorded::Completed);
    }
    for stream in
        ["event: error\ndata: {\"type\":\"error\",\"error\":{\"message\":\"boom\"}}\n\n", r#"[{"error":"boom"}]"#]
    {
        for recorded in ALL {
            check_error(&case(recorded, stream.as_bytes()).check_strict(&[Code::PartialStream]), recorded);
        }
    }
}

#[test]
fn response_of_an_unknown_shape_is_reported() {
    for bytes in [&b"<html>502</html>"[..], b"{\"x\":1}", b"\x1f\x8b\x08\x00"] {
        for recorded in ALL {
            let graph = case(recorded, bytes).check_strict(&[Code::ResponseUnknown]);
            assert_eq!(graph.diagnostics[0].raw_payload_id, Some("raw_payload:2".into()));
        }
    }
}

#[test]
fn response_that_names_bytes_of_nobody_is_reported() {
    let mut case = Case::new();
    start(&mut case);
    complete(&mut case, json!({ "otel_trace.bytes": "raw_payload:77" }));
    let graph = case.check_strict(&[Code::ResponseUnknown]);
    assert!(graph.diagnostics[0].message.contains("raw_payload:77"), "{}", graph.diagnostics[0]);
}

#[test]
fn chunks_count_only_without_the_whole_response() {
    let chunk =
        format!("data: {}\n\n", json!({ "choices": [], "usage": { "prompt_tokens": 3, "completion_tokens": 1 } }));
    let mut case = Case::new();
    start(&mut case);
    add_bytes(&mut case, chunk.as_bytes(), json!({ "compaction_request_id": "q", "chunk": 1 }));
    complete(&mut case, json!({ "content": "ok", "usage": { "input_tokens": 5, "output_tokens": 1 } }));
    let graph = case.check_strict(&[]);
    assert_eq!(request(&graph).usage.map(|usage| usage.input_tokens), Some(5));
    assert!(request(&graph).raw_response_chunk_ids.is_empty());
}

#[test]
fn one_payload_of_bytes_counts_for_one_request() {
    let bytes = json!({ "content": "ok", "usage": { "input_tokens": 5, "output_tokens": 1 } }).to_string();
    let mut case = case(Recorded::Running, bytes.as_bytes());
    let body = case.body("compaction_request", json!({ "input": [] }));
    case.event(json!({
        "type": "compaction_request_started", "compaction_id": "c", "compaction_request_id": "r", "thread_id": "t",
        "codex_turn_id": "u", "model": "m", "provider_name": "p", "request_payload": body,
    }));
    let payload = json!({ "raw_payload_id": "raw_payload:2", "kind": { "type": "compaction_response" }, "path": "payloads/2.json" });
    case.event(json!({
        "type": "other", "kind": "payload", "summary": "s", "payloads": [payload],
        "metadata": { "compaction_request_id": "r" },
    }));
    let graph = case.check(&[Code::BadPayload]);
    assert_eq!(graph.totals.input_tokens, 5);
}
