//! Tests that events survive serialization: every event, every payload kind, every optional field.

mod strategies;

use std::path::Path;

use otel_trace::bundle::{Manifest, Writer, WriterOptions};
use otel_trace::event::*;
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use strategies::{parent_process, record};

#[test]
fn record_of_any_event_round_trips() {
    for &kind in EventKind::ALL {
        let mut runner = TestRunner::deterministic();
        let check = |record: Record| {
            let line = serde_json::to_string(&record).unwrap();
            prop_assert!(!line.contains(['\n', '\r']), "the record takes more than one line: {line}");
            prop_assert_eq!(Record::parse(line.as_bytes()).unwrap(), record);
            Ok(())
        };
        runner.run(&record(kind), check).unwrap_or_else(|error| panic!("{}: {error}", kind.name()));
    }
}

#[test]
fn record_names_its_event_as_the_format_does() {
    for &kind in EventKind::ALL {
        let check = |record: Record| {
            let wire = serde_json::to_value(&record).unwrap();
            prop_assert_eq!(&wire["payload"]["type"], kind.name());
            prop_assert_eq!(&wire["schema_version"], 1);
            prop_assert!(wire.as_object().unwrap().contains_key("thread_id"), "thread_id is absent; expected null");
            Ok(())
        };
        TestRunner::deterministic().run(&record(kind), check).unwrap();
    }
}

#[test]
fn conformance_lines_are_written_back_unchanged() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let mut lines = 0;
    for case in cases.read_dir().unwrap() {
        let log = std::fs::read_to_string(case.unwrap().path().join("trace.jsonl")).unwrap();
        for line in log.lines() {
            let written = serde_json::to_value(Record::parse(line.as_bytes()).unwrap()).unwrap();
            assert_eq!(written, serde_json::from_str::<Value>(line).unwrap());
            lines += 1;
        }
    }
    assert_eq!(lines, 834, "lines of the eight cases");
}

#[test]
fn absent_original_fields_are_null_and_later_ones_omitted() {
    let check = |event: Event, expected: Value| assert_eq!(serde_json::to_value(&event).unwrap(), expected);
    let cancelled = InferenceCancelled {
        inference_call_id: "i".into(),
        reason: "r".into(),
        partial_response_payload: None,
        upstream_request_id: UpstreamRequestId::Unrecorded,
        first_token_at_unix_ms: None,
        usage: None,
        wire_payload: None,
        ended_by: None,
        error_type: None,
        attributes: None,
    };
    check(
        cancelled.into(),
        json!({ "type": "inference_cancelled", "inference_call_id": "i", "reason": "r",
                "partial_response_payload": null }),
    );
    let ended = ToolCallEnded {
        tool_call_id: "t".into(),
        status: ExecutionStatus::Aborted,
        result_payload: None,
        error: None,
        ended_by: None,
        error_type: None,
        attributes: None,
    };
    check(
        ended.into(),
        json!({ "type": "tool_call_ended", "tool_call_id": "t", "status": "aborted", "result_payload": null }),
    );
    let assigned = McpToolCallCorrelationAssigned { tool_call_id: "t".into(), mcp_call_id: "m".into() };
    check(
        assigned.into(),
        json!({ "type": "mcp_tool_call_correlation_assigned", "tool_call_id": "t", "mcp_call_id": "m" }),
    );
    let payload = PayloadRef {
        raw_payload_id: RawPayloadId::numbered(7),
        kind: PayloadKind::InferenceRequest.into(),
        path: "payloads/7.json".into(),
        offset: None,
        length: None,
        hash: None,
        truncated: None,
    };
    let reference = json!({ "raw_payload_id": "raw_payload:7", "kind": { "type": "inference_request" }, "path": "payloads/7.json" });
    let mode = RequestInputMode::IncrementalWithUntracedPrefix {
        previous_response_id: "p".into(),
        prefix_payload: payload.clone(),
    };
    let mut started = InferenceStarted {
        inference_call_id: "i".into(),
        thread_id: "t".into(),
        turn_id: "u".into(),
        model: String::new(),
        provider_name: "p".into(),
        request_payload: payload,
        request_input_mode: Some(Box::new(mode)),
        wire_payload: None,
    };
    let mut expected = json!({
        "type": "inference_started", "inference_call_id": "i", "thread_id": "t", "codex_turn_id": "u", "model": "",
        "provider_name": "p", "request_payload": &reference,
        "request_input_mode": { "type": "incremental_with_untraced_prefix", "previous_response_id": "p",
                                "prefix_payload": &reference },
    });
    check(started.clone().into(), expected.clone());
    started.request_input_mode = None;
    expected.as_object_mut().unwrap().remove("request_input_mode");
    check(started.into(), expected);
}

#[test]
fn raw_json_keeps_its_text_on_one_line() {
    let deep = format!("{}{}", "[".repeat(120), "]".repeat(120));
    for text in ["1e400", "123456789012345678901234567890", "{\"a\":1,\"a\":2}", &deep] {
        assert_eq!(serde_json::from_str::<RawJson>(text).unwrap().as_str(), text);
    }
    let pretty: RawJson = serde_json::from_str("{\r\n  \"a\": \"b\\nc\"\n}").unwrap();
    assert_eq!(pretty.as_str(), "{    \"a\": \"b\\nc\" }");
}

#[test]
fn nanoseconds_below_the_millisecond_are_optional() {
    let at = |nanos: &str| {
        let line = format!(
            r#"{{"schema_version":1,"seq":9,"wall_time_unix_ms":7{nanos},"rollout_id":"r","payload":{{"type":"rollout_ended","status":"failed"}}}}"#
        );
        let record = Record::parse(line.as_bytes()).unwrap();
        assert_eq!(serde_json::to_string(&record).unwrap().contains("sub_ms"), record.at.sub_ms_ns() != 0, "{line}");
        record.at
    };
    let millis = Timestamp::from(UnixMillis(7));
    assert_eq!(at(""), millis);
    assert_eq!(at(r#","wall_time_sub_ms_ns":null"#), millis);
    assert_eq!(at(r#","wall_time_sub_ms_ns":999999"#), Timestamp::new(UnixMillis(7), 999_999));
    for out_of_range in ["1000000", "-1", "99999999999"] {
        assert_eq!(at(&format!(r#","wall_time_sub_ms_ns":{out_of_range}"#)), millis);
    }
    assert!(at(r#","wall_time_sub_ms_ns":1"#) > millis);
}

#[test]
fn invalid_line_error_names_cause_and_seq() {
    let error = |line: &str| Record::parse(line.as_bytes()).unwrap_err();
    let line = |payload: &str| {
        format!(r#"{{"schema_version":1,"seq":9,"wall_time_unix_ms":0,"rollout_id":"r","payload":{payload}}}"#)
    };
    let unknown = error(&line(r#"{"type":"brand_new"}"#));
    assert!(matches!(unknown, RecordError::Variant { seq: Seq(9), ref name } if name == "brand_new"), "{unknown}");
    assert!(matches!(error(&line(r#"{"type":"rollout_ended"}"#)), RecordError::Line { seq: Some(Seq(9)), .. }));
    assert!(matches!(error(r#"{"schema_version":2,"seq":9}"#), RecordError::Schema { seq: Some(Seq(9)), version: 2 }));
    assert!(matches!(error("{\"schema_version\":1,\"se"), RecordError::Line { seq: None, .. }));
    assert!(Record::parse(line(r#"{"type":"rollout_ended","status":"failed","new":[1]}"#).as_bytes()).is_ok());
}

#[test]
fn parent_with_any_ids_round_trips_through_a_variable() {
    let check = |parent: ParentProcess| {
        let text = parent.to_text();
        prop_assert!(!text.contains(['\0', '\n', '\r']), "not a single-line value of a variable: {text:?}");
        let later = text.replacen('{', r#"{"of_a_later_version":[{}],"#, 1);
        for text in [text, later] {
            prop_assert_eq!(&ParentProcess::parse(&text).unwrap(), &parent);
        }
        Ok(())
    };
    TestRunner::deterministic().run(&parent_process(), check).unwrap();
}

#[test]
fn invalid_parent_process_is_refused() {
    let missing = r#"{"trace_id":"t","bundle":"b","thread_id":"t","depth":1}"#;
    for text in ["", "7", "null", "{}", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", missing] {
        assert!(ParentProcess::parse(text).is_err(), "{text}");
    }
}

#[test]
fn written_line_equals_the_output_of_serde_json() {
    let root = tempfile::tempdir().unwrap();
    for &kind in EventKind::ALL {
        let check = |record: Record| {
            let Record { at, rollout_id, context, event, .. } = &record;
            let trace_id = TraceId::from(format!("{}-{:x}", kind.name(), unique()));
            let manifest = Manifest::new(trace_id, rollout_id.clone(), "t".into(), at.unix_ms());
            let writer = Writer::create(root.path(), manifest, WriterOptions::default()).unwrap();
            let seq = writer.append(*at, context, event).unwrap();
            let line = std::fs::read_to_string(writer.path().join("trace.jsonl")).unwrap();
            prop_assert_eq!(line, serde_json::to_string(&Record { seq, ..record.clone() }).unwrap() + "\n");
            std::fs::remove_dir_all(writer.path()).unwrap();
            Ok(())
        };
        let mut runner = TestRunner::new_with_rng(
            ProptestConfig { cases: 64, ..ProptestConfig::default() },
            TestRng::deterministic_rng(RngAlgorithm::ChaCha),
        );
        runner.run(&record(kind), check).unwrap_or_else(|error| panic!("{}: {error}", kind.name()));
    }
}

/// Returns a number that differs at each call.
fn unique() -> u64 {
    static LAST: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    LAST.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}
