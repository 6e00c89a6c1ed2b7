//! Exporting bundles of runs that were exported live: live spans keep their ids.

use otel_trace::otlp::ContentPolicy;
use serde_json::{Value, json};

use crate::export::log::{Live, Log, RECORDING, STARTED_AT_MS, TRACE, hex};
use crate::export::{Run, comparable};

/// Returns object id, span id, parent span id and trace id of each span.
fn span_ids(log: &Log) -> Vec<[String; 4]> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let spans = Run::open(&log.path).spans(ContentPolicy::Omit);
    let spans = spans.iter().map(comparable::from_span_data);
    let ids = |span: Value| {
        let object = text(&span["attributes"]["otel_trace.object_id"]);
        [object, text(&span["span"]), text(&span["parent"]), text(&span["trace"])]
    };
    spans.map(ids).collect()
}

#[track_caller]
fn check(log: &Log, expected: &[(&str, &str, &str)]) {
    let ids = |&(object, span, parent): &(&str, &str, &str)| [object, span, parent, TRACE].map(str::to_owned);
    assert_eq!(span_ids(log), expected.iter().map(ids).collect::<Vec<_>>());
}

#[test]
fn live_spans_keep_their_ids_and_parents() {
    let mut log = Log::new();
    log.thread(Live::Root(1));
    log.turn(Live::Below(1, 2));
    log.inference(Live::Below(0x99, 3), "I");
    log.tool(Live::Below(2, 4), "C");
    let (a, b, c, d) = (hex(1), hex(2), hex(3), hex(4));
    // The parent of the call is a span of the program.
    check(&log, &[("T", &a, "-"), ("U", &b, &a), ("I", &c, &hex(0x99)), ("C", &d, &b)]);
}

#[test]
fn missing_parent_id_falls_back_to_the_enclosing_operation() {
    let mut log = Log::new();
    log.thread(Live::Root(1));
    log.turn(Live::Root(2));
    log.inference(Live::Root(3), "I");
    let (a, b, c) = (hex(1), hex(2), hex(3));
    check(&log, &[("T", &a, "-"), ("U", &b, &a), ("I", &c, &b)]);
}

#[test]
fn root_keeps_its_remote_parent() {
    let mut log = Log::new();
    log.thread(Live::Below(0x77, 1));
    log.turn(Live::Below(1, 2));
    check(&log, &[("T", &hex(1), &hex(0x77)), ("U", &hex(2), &hex(1))]);
}

#[test]
fn thread_and_turn_of_one_live_span_are_one_span() {
    let mut log = Log::new();
    log.thread(Live::Root(1));
    log.turn(Live::Root(1));
    log.inference(Live::Below(1, 2), "I");
    check(&log, &[("T", &hex(1), "-"), ("I", &hex(2), &hex(1))]);
    let spans = comparable::named_by_object(&Run::open(&log.path).spans(ContentPolicy::Omit));
    let expected = json!({
        "gen_ai.operation.name": "invoke_agent", "otel_trace.agent.path": "/root",
        "otel_trace.bundle": "trace-1", "otel_trace.kind": "thread", "otel_trace.object_id": "T",
        "otel_trace.status": "running", "otel_trace.thread.id": "T", "otel_trace.turn.id": "U",
    });
    assert_eq!(spans[0]["attributes"], expected);
}

#[test]
fn implicit_thread_is_no_span() {
    let mut log = Log::new();
    log.thread(Live::No);
    log.turn(Live::Root(1));
    log.inference(Live::Below(1, 2), "I");
    check(&log, &[("U", &hex(1), "-"), ("I", &hex(2), &hex(1))]);
    // Implicit thread and turn of a single call.
    let mut log = Log::new();
    log.thread(Live::No);
    log.turn(Live::No);
    log.inference(Live::Root(2), "I");
    check(&log, &[("I", &hex(2), "-")]);
}

#[test]
fn operation_without_a_live_span_joins_the_enclosing_trace() {
    let mut log = Log::new();
    log.thread(Live::Root(1));
    log.turn(Live::Below(1, 2));
    log.tool(Live::No, "C");
    let all = span_ids(&log);
    assert_eq!(all[2][0], "C");
    assert_eq!(all[2][2..], [hex(2), TRACE.to_owned()]);
    let derived = xxhash_rust::xxh3::xxh3_64(format!("{RECORDING}/tool/C").as_bytes());
    assert_eq!(all[2][1], hex(derived));
}

#[test]
fn run_without_live_spans_uses_the_trace_of_the_recording() {
    let mut log = Log::new();
    log.thread(Live::No);
    log.turn(Live::No);
    log.tool(Live::No, "C");
    let derived = |object: &str| {
        let name = format!("{RECORDING}/{object}");
        hex(xxhash_rust::xxh3::xxh3_64(name.as_bytes()))
    };
    let ids = ["thread/T", "turn/U", "tool/C"].map(derived);
    let trace = RECORDING.replace('-', "");
    let expected = [
        ["T", &ids[0], "-", &trace].map(str::to_owned),
        ["U", &ids[1], &ids[0], &trace].map(str::to_owned),
        ["C", &ids[2], &ids[1], &trace].map(str::to_owned),
    ];
    assert_eq!(span_ids(&log), expected);
}

#[test]
fn calls_that_claim_one_live_span_are_two_spans() {
    let mut log = Log::new();
    log.thread(Live::Root(1));
    log.turn(Live::Below(1, 2));
    log.tool(Live::Below(2, 3), "C");
    log.tool(Live::Below(2, 3), "D");
    let derived = hex(xxhash_rust::xxh3::xxh3_64(format!("{RECORDING}/tool/D").as_bytes()));
    check(&log, &[("T", &hex(1), "-"), ("U", &hex(2), &hex(1)), ("C", &hex(3), &hex(2)), ("D", &derived, &hex(2))]);
}

#[test]
fn agents_that_claim_to_spawn_each_other_form_no_cycle() {
    let mut log = Log::new();
    log.thread(Live::No);
    log.turn(Live::No);
    log.agent(Live::No, "A", "B");
    log.agent(Live::No, "B", "A");
    let all = span_ids(&log);
    let parent_of = |object: &str| {
        let span = all.iter().find(|ids| ids[0] == object).unwrap();
        all.iter().find(|ids| ids[1] == span[2]).map_or("-", |ids| ids[0].as_str())
    };
    assert_eq!(all.len(), 4);
    assert_eq!(["T", "U", "A", "B"].map(parent_of), ["-", "T", "B", "-"]);
}

#[test]
fn open_operation_ends_with_the_log() {
    let mut log = Log::new();
    log.thread(Live::No);
    log.turn(Live::No);
    log.tool(Live::No, "C");
    let spans = comparable::named_by_object(&Run::open(&log.path).spans(ContentPolicy::Omit));
    let times: Vec<_> = spans.iter().map(|span| [&span["from"], &span["to"]].map(Value::to_string)).collect();
    let at = |millis: u64| format!("\"{}\"", (STARTED_AT_MS + millis) * 1_000_000);
    assert_eq!(times, [[at(2), at(5)], [at(3), at(5)], [at(4), at(5)]]);
    let statuses: Vec<_> = spans.iter().map(|span| span["attributes"]["otel_trace.status"].clone()).collect();
    assert_eq!(statuses, ["running", "running", "completed"]);
}
