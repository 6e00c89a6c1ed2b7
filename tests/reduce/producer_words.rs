//! Words that format 1 does not define: each costs itself, and not its event.

use otel_trace::event::{CellStatus, ExecutionStatus, ReferencedKind, RolloutStatus, ToolKind, ToolSummary};
use otel_trace::graph::{Code, Graph, Requester};
use otel_trace::reduce::{Options, reduce};
use otel_trace::rewrite::{Redaction, convert};
use otel_trace::{Masking, Store, bundle::Reader};
use serde_json::{Value, json};

use crate::case::{Case, assistant, call, exec, request_items, state, tool, user};

const UNKNOWN: &str = "of_a_later_version";

/// Checks that the graph has one notice, about an unknown word, and that a strict reduction ends with it.
#[track_caller]
fn check(case: &Case, seq: u64) -> Graph {
    let graph = case.check_strict(&[Code::UnknownWord]);
    assert_eq!(case.strict_error(), (Code::UnknownWord, Some(seq), Some(seq)));
    assert!(graph.diagnostics[0].message.contains(UNKNOWN), "{}", graph.diagnostics[0].message);
    graph
}

fn start(tool: &str, requester: Value, kind: Value, summary: Value) -> Value {
    json!({ "type": "tool_call_started", "tool_call_id": tool, "model_visible_call_id": "c", "requester": requester,
        "kind": kind, "summary": summary })
}

fn generic() -> Value {
    json!({ "type": "generic", "label": "find", "input_preview": "{}" })
}

#[test]
fn unknown_requester_is_the_model() {
    let mut case = Case::new();
    let seq = case.event(start("x", json!({ "type": UNKNOWN, "runtime_cell_id": "1" }), exec(), generic()));
    let graph = check(&case, seq);
    let tool = tool(&graph, "x");
    assert_eq!((&tool.requester, &tool.kind), (&Requester::Model, &ToolKind::ExecCommand));
    assert_eq!(tool.model_visible_call_id, Some("c".into()), "the rest of the event is read");
}

#[test]
fn unknown_kind_of_a_tool_is_its_name() {
    let mut case = Case::new();
    let seq = case.event(start("x", json!({ "type": "model" }), json!({ "type": UNKNOWN, "depth": [1] }), generic()));
    let graph = check(&case, seq);
    assert_eq!(tool(&graph, "x").kind, ToolKind::Other { name: UNKNOWN.into() });
    assert_eq!(state(&graph)["tool_calls"]["x"]["kind"], json!({ "type": "other", "name": UNKNOWN }));
}

#[test]
fn unknown_summary_is_generic_and_keeps_its_texts() {
    for (summary, label, preview) in [
        (json!({ "type": UNKNOWN }), "", None),
        (json!({ "type": UNKNOWN, "label": "find", "input_preview": "{}", "rows": 3 }), "find", Some("{}")),
        (json!({ "type": UNKNOWN, "label": 7, "input_preview": [] }), "", None),
    ] {
        let mut case = Case::new();
        let seq = case.event(start("x", json!({ "type": "model" }), exec(), summary));
        let graph = check(&case, seq);
        let expected = ToolSummary::Generic {
            label: label.into(),
            input_preview: preview.map(str::to_owned),
            output_preview: None,
        };
        assert_eq!(tool(&graph, "x").summary, expected);
    }
}

#[test]
fn each_unknown_word_of_an_event_is_reported() {
    let unknown = || json!({ "type": UNKNOWN });
    let mut case = Case::new();
    case.event(start("x", unknown(), unknown(), unknown()));
    let graph = case.check_strict(&[Code::UnknownWord; 3]);
    assert_eq!(tool(&graph, "x").kind, ToolKind::Other { name: UNKNOWN.into() });
}

#[test]
fn unknown_input_mode_is_absent_so_that_the_body_decides() {
    for (previous, expected) in [(Some("resp-a"), vec![1, 2, 3]), (None, vec![3])] {
        let mut case = Case::new();
        case.request("a", [user("1")]);
        case.response("a", [assistant("2")]);
        let prefix = case.body("inference_request", json!({ "input": [] }));
        let body = json!({ "input": [user("3")], "previous_response_id": previous });
        let body = case.body("inference_request", body);
        let seq = case.event(json!({ "type": "inference_started", "inference_call_id": "b", "thread_id": "t",
            "codex_turn_id": "u", "model": "m", "provider_name": "p", "request_payload": body,
            "request_input_mode": { "type": UNKNOWN, "previous_response_id": "x", "prefix_payload": prefix } }));
        let graph = check(&case, seq);
        assert_eq!(request_items(&graph, "b"), expected);
        assert_eq!(call(&graph, "b").model, "m");
        assert!(graph.raw_payloads.get("raw_payload:3").is_some(), "the payload that the mode names is listed");
    }
}

#[test]
fn unknown_status_of_an_end_is_aborted() {
    let mut case = Case::new();
    let seq = case.event(json!({ "type": "thread_ended", "thread_id": "t", "status": UNKNOWN }));
    assert_eq!(check(&case, seq).threads.get("t").unwrap().execution.status, ExecutionStatus::Aborted);

    let mut case = Case::new();
    let seq = case.event(json!({ "type": "rollout_ended", "status": UNKNOWN }));
    let graph = check(&case, seq);
    assert_eq!(graph.status, RolloutStatus::Aborted);
    assert_eq!(graph.ended_at.unwrap().0, 1000 + i64::try_from(seq).unwrap());

    let mut case = Case::new();
    let seq = case.end_turn("u", UNKNOWN);
    assert_eq!(check(&case, seq).turns.get("u").unwrap().execution.status, ExecutionStatus::Aborted);

    let mut case = Case::new();
    case.tool("x", None, exec(), None);
    let seq = case.end_tool("x", UNKNOWN, Some(json!({ "type": "error", "error": "no" })));
    let graph = check(&case, seq);
    assert_eq!(tool(&graph, "x").execution.status, ExecutionStatus::Aborted);
    assert_eq!(tool(&graph, "x").error.as_deref(), Some("no"), "the result of the call is read");

    let mut case = Case::new();
    case.tool("x", None, exec(), None);
    case.runtime_start("x", crate::case::command_begin("7"));
    let seq = case.runtime_end("x", UNKNOWN, crate::case::command_end("7", "out", 0));
    let graph = check(&case, seq);
    let operation = graph.terminal_operations().next().unwrap();
    assert_eq!(operation.execution.status, ExecutionStatus::Aborted);
    assert_eq!(&*operation.result.as_ref().unwrap().stdout, "out");
}

#[test]
fn unknown_status_of_a_cell_ends_it_as_terminated() {
    for is_end in [true, false] {
        let mut case = Case::new();
        case.request("a", [json!({ "type": "custom_tool_call", "call_id": "c", "name": "exec", "input": "js" })]);
        case.event(json!({ "type": "code_cell_started", "runtime_cell_id": "1", "model_visible_call_id": "c",
            "source_js": "js" }));
        let kind = if is_end { "code_cell_ended" } else { "code_cell_initial_response" };
        let seq = case.event(json!({ "type": kind, "runtime_cell_id": "1", "status": UNKNOWN }));
        let graph = check(&case, seq);
        let cell = graph.code_cells.get("code_cell:c").unwrap();
        let found = (cell.runtime_status, cell.execution.status);
        // A first response ends no cell.
        let running = (CellStatus::Running, ExecutionStatus::Running);
        assert_eq!(found, if is_end { (CellStatus::Terminated, ExecutionStatus::Cancelled) } else { running });
        assert_eq!(cell.initial_response_seq.unwrap().0, seq);
    }
}

#[test]
fn word_that_is_no_text_makes_a_bad_line() {
    for (name, value) in [("requester", json!({ "type": 7 })), ("kind", json!({})), ("summary", json!("generic"))] {
        let mut event = start("x", json!({ "type": "model" }), exec(), generic());
        event[name] = value;
        let mut case = Case::new();
        case.event(event);
        case.check_strict(&[Code::BadLine]);
    }
    for status in [json!(7), Value::Null, json!(["completed"])] {
        let mut case = Case::new();
        case.event(json!({ "type": "rollout_ended", "status": status }));
        case.check_strict(&[Code::BadLine]);
    }
}

#[test]
fn known_word_without_its_fields_makes_a_bad_line() {
    for (name, value) in [
        ("requester", json!({ "type": "code_cell" })),
        ("kind", json!({ "type": "mcp", "server": "docs" })),
        ("summary", json!({ "type": "generic" })),
    ] {
        let mut event = start("x", json!({ "type": UNKNOWN }), exec(), generic());
        event[name] = value;
        let mut case = Case::new();
        case.event(event);
        case.check_strict(&[Code::BadLine]);
    }
}

/// Returns a case that references payloads of an unknown kind from every event with a payload, each once.
fn payloads_of_unknown_kinds() -> Case {
    let mut case = Case::new();
    let body = |case: &mut Case, body: Value| case.body(UNKNOWN, body);
    let request = body(&mut case, json!({ "input": [user("1")] }));
    case.event(json!({ "type": "inference_started", "inference_call_id": "a", "thread_id": "t", "codex_turn_id": "u",
        "model": "m", "provider_name": "p", "request_payload": request }));
    let response = body(&mut case, json!({ "output_items": [assistant("2")] }));
    case.event(json!({ "type": "inference_completed", "inference_call_id": "a", "response_id": "resp-a",
        "response_payload": response }));
    let invocation =
        body(&mut case, json!({ "tool_name": "shell", "payload": { "type": "function", "arguments": "{}" } }));
    let mut tool = start("x", json!({ "type": "model" }), exec(), generic());
    tool["invocation_payload"] = invocation;
    case.event(tool);
    let result = body(&mut case, json!({ "type": "error", "error": "no" }));
    case.event(json!({ "type": "tool_call_ended", "tool_call_id": "x", "status": "failed", "result_payload": result }));
    case
}

#[test]
fn unknown_kind_of_a_payload_is_kept_as_text() {
    let mut case = payloads_of_unknown_kinds();
    // A second reference to a payload is not reported again.
    let again = json!({ "raw_payload_id": "raw_payload:1", "kind": { "type": UNKNOWN }, "path": "payloads/1.json" });
    case.event(json!({ "type": "other", "kind": "note", "summary": "", "payloads": [again], "metadata": null }));
    let graph = case.check_strict(&[Code::UnknownWord; 4]);
    assert!(graph.raw_payloads.iter().all(|payload| payload.kind == ReferencedKind::Unknown(UNKNOWN.into())));
    assert_eq!(state(&graph)["raw_payloads"]["raw_payload:1"]["kind"], json!({ "type": UNKNOWN }));
    // What the payloads contain is read all the same.
    assert_eq!((request_items(&graph, "a"), tool(&graph, "x").error.as_deref()), (vec![1], Some("no")));
}

#[test]
fn check_reads_payloads_of_unknown_kinds() {
    let case = payloads_of_unknown_kinds();
    let path = case.path().join("payloads/4.json");
    std::fs::remove_file(&path).unwrap();
    let checked = case.try_reduce(&Options::default().every_body(true)).unwrap().graph;
    let codes = crate::case::codes(&checked);
    assert_eq!(codes.iter().filter(|code| **code == Code::UnknownWord).count(), 4);
    assert_eq!(codes.iter().filter(|code| **code == Code::BadPayload).count(), 1, "{:#?}", checked.diagnostics);
}

/// Returns a case with an unknown word in every place that may have one.
fn unknown_words() -> Case {
    let mut case = payloads_of_unknown_kinds();
    let unknown = || json!({ "type": UNKNOWN, "more": [1.50, { "b": 1, "a": 2 }] });
    case.event(start("y", unknown(), unknown(), unknown()));
    let body = case.body(UNKNOWN, json!({ "input": [] }));
    case.event(json!({ "type": "inference_started", "inference_call_id": "b", "thread_id": "t", "codex_turn_id": "u",
        "model": "m", "provider_name": "p", "request_payload": body, "request_input_mode": unknown() }));
    let runtime = case.body("tool_runtime_event", json!({}));
    case.event(
        json!({ "type": "code_cell_started", "runtime_cell_id": "1", "model_visible_call_id": "k", "source_js": "" }),
    );
    for mut event in [
        json!({ "type": "tool_call_runtime_ended", "tool_call_id": "y", "runtime_payload": runtime }),
        json!({ "type": "tool_call_ended", "tool_call_id": "y" }),
        json!({ "type": "code_cell_initial_response", "runtime_cell_id": "1" }),
        json!({ "type": "code_cell_ended", "runtime_cell_id": "1" }),
        json!({ "type": "codex_turn_ended", "codex_turn_id": "u" }),
        json!({ "type": "thread_ended", "thread_id": "t" }),
        json!({ "type": "rollout_ended" }),
    ] {
        event["status"] = json!(UNKNOWN);
        case.event(event);
    }
    case
}

#[test]
fn copies_of_a_bundle_keep_unknown_words_byte_for_byte() {
    let case = unknown_words();
    let expected = case.try_reduce(&Options::default()).unwrap().graph;
    let words = crate::case::codes(&expected).iter().filter(|code| **code == Code::UnknownWord).count();
    assert_eq!(words, 5 + 3 + 1 + 7);
    let root = tempfile::tempdir().unwrap();
    let path = |name: &str| root.path().join(name);
    let open = |name: &str| Reader::open(&path(name)).unwrap();
    let log = |name: &str| std::fs::read_to_string(path(name).join("trace.jsonl")).unwrap();
    let original = Reader::open(case.path()).unwrap();
    let failed = |unread| panic!("{unread:?}");

    convert(&original, &path("packed"), Store::Pack, failed).unwrap();
    let kinds = |log: &str| log.matches(&format!(r#""kind":{{"type":"{UNKNOWN}"}}"#)).count();
    let text = String::from_utf8(case.log()).unwrap();
    assert_eq!(kinds(&log("packed")), kinds(&text), "references keep their kinds");
    convert(&open("packed"), &path("unpacked"), Store::Files, failed).unwrap();
    assert_eq!(log("unpacked"), text);
    let redacted = Redaction::new(Masking::new()).copy(&original, &path("redacted")).unwrap();
    assert_eq!((redacted.bad_lines, redacted.missing_bodies, log("redacted")), (0, 0, text.clone()));
    Redaction::new(Masking::new()).content(true).copy(&original, &path("empty")).unwrap();
    assert_eq!(kinds(&log("empty")), kinds(&text), "kinds are no content");
    for name in ["packed", "unpacked", "redacted", "empty"] {
        let copied = reduce(&open(name), &Options::default()).unwrap().graph;
        assert_eq!(crate::case::codes(&copied), crate::case::codes(&expected), "{name}");
        assert_eq!(copied.raw_payloads.len(), expected.raw_payloads.len());
    }
}
