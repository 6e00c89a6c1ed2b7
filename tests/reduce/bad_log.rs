//! Logs with torn, disordered, missing or invalid lines.

use std::fs;
use std::path::Path;

use otel_trace::bundle::Reader;
use otel_trace::graph::{Code, Graph};
use otel_trace::reduce::{Options, reduce};
use serde_json::{Value, json};

use crate::case::{Case, call, codes, request_items, session, state, user};

/// Returns the state without its diagnostics.
fn state_without_diagnostics(graph: &Graph) -> Value {
    let mut state = state(graph);
    state.as_object_mut().unwrap().remove("diagnostics");
    state
}

#[test]
fn log_cut_at_any_byte_reduces_to_its_complete_lines() {
    let case = session();
    let log = case.log();
    assert!(!log.is_ascii(), "multi-byte characters are cut too");
    for end in 0..=log.len() {
        let graph = case.with_log(&log[..end]);
        let whole = log[..end].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        // A line that lacks only its newline is complete.
        let is_torn = end > whole && log.get(end) != Some(&b'\n');
        // The payloads of the lines that were cut off are still there.
        let codes: Vec<_> = codes(&graph).into_iter().filter(|code| *code != Code::UnnamedPayload).collect();
        assert_eq!(codes, if is_torn { vec![Code::TornLine] } else { vec![] }, "cut at {end}");
        if is_torn {
            assert_eq!(
                state_without_diagnostics(&graph),
                state_without_diagnostics(&case.with_log(&log[..whole])),
                "cut at {end}"
            );
        }
    }
}

#[test]
fn line_cut_inside_a_character_is_torn() {
    let mut case = Case::new();
    case.event(json!({ "type": "inference_failed", "inference_call_id": "a", "error": "測" }));
    let mut log = case.log();
    let character = log.windows(3).position(|bytes| bytes == "測".as_bytes()).unwrap();
    log.truncate(character + 2);
    assert_eq!(codes(&case.with_log(&log)), [Code::TornLine]);
    // In the middle of the log it is a bad line, not a torn line.
    log.extend(b"\n");
    log.extend(case.log().split_inclusive(|byte| *byte == b'\n').next_back().unwrap());
    assert_eq!(codes(&case.with_log(&log)), [Code::BadLine, Code::UnknownObject]);
}

#[test]
fn nuls_are_torn_at_the_end_and_bad_in_the_middle() {
    let case = session();
    let log = case.log();
    let expected = state_without_diagnostics(&case.with_log(&log));
    let nuls = [0_u8; 4096];
    let graph = case.with_log(&[&log[..], &nuls].concat());
    assert_eq!((codes(&graph), state_without_diagnostics(&graph)), (vec![Code::TornLine], expected.clone()));
    let graph = case.with_log(&[&nuls[..], b"\n", &log].concat());
    assert_eq!((codes(&graph), state_without_diagnostics(&graph)), (vec![Code::BadLine], expected));
}

#[test]
fn bom_blank_lines_and_carriage_returns_are_ignored() {
    let case = session();
    let log = case.log();
    let expected = state_without_diagnostics(&case.with_log(&log));
    let text = String::from_utf8(log).unwrap();
    for other in [
        format!("\u{feff}{text}"),
        text.replace('\n', "\r\n"),
        text.replace('\n', "\n\n \n\t\r\n"),
        format!("\n\n{}", text.trim_end()),
    ] {
        let graph = case.with_log(other.as_bytes());
        assert_eq!((codes(&graph), state_without_diagnostics(&graph)), (vec![], expected.clone()));
    }
}

#[test]
fn garbage_between_lines_is_one_bad_line() {
    let case = session();
    let log = case.log();
    let expected = state_without_diagnostics(&case.with_log(&log));
    for garbage in
        [&b"\xff\xfe\x00garbage"[..], b"[]", b"null", b"{", b"\"text\"", b"{}{}", b"{\"schema_version\":\"1\"}"]
    {
        let lines: Vec<_> = log.split_inclusive(|byte| *byte == b'\n').collect();
        for place in 0..lines.len() {
            let (before, after) = lines.split_at(place);
            let graph = case.with_log(&[&before.concat()[..], garbage, b"\n", &after.concat()].concat());
            assert_eq!(
                (codes(&graph), state_without_diagnostics(&graph)),
                (vec![Code::BadLine], expected.clone()),
                "{garbage:?} at {place}"
            );
        }
    }
}

#[test]
fn events_with_equal_seq_keep_the_order_of_their_lines() {
    let case = session();
    let text = String::from_utf8(case.log()).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let again = |line: &str| line.replace("\"seq\":5,", "\"seq\":4,");
    let twice: String = lines.iter().map(|line| again(line) + "\n").collect();
    let graph = case.with_log(twice.as_bytes());
    assert_eq!(codes(&graph), [Code::SeqDisorder, Code::SeqGap], "{:#?}", graph.diagnostics);
    assert_eq!(call(&graph, "a").response_item_ids.len(), 2);
}

#[test]
fn lines_are_reduced_in_order_of_seq() {
    let case = session();
    let log = case.log();
    let expected = state_without_diagnostics(&case.with_log(&log));
    let mut lines: Vec<_> = log.split_inclusive(|byte| *byte == b'\n').collect();
    lines.reverse();
    let graph = case.with_log(&lines.concat());
    assert_eq!(state_without_diagnostics(&graph), expected);
    assert_eq!(codes(&graph), vec![Code::SeqDisorder; lines.len() - 1]);
}

#[test]
fn each_gap_of_missing_lines_is_reported() {
    let mut case = Case::new();
    case.request("a", [user("1")]);
    case.skip_seq();
    case.skip_seq();
    case.request("b", [user("1")]);
    case.skip_seq();
    case.request("c", [user("1")]);
    let graph = case.check(&[Code::SeqGap, Code::SeqGap]);
    assert_eq!(graph.diagnostics.iter().map(|found| found.seq.unwrap().0).collect::<Vec<_>>(), [7, 9]);
    assert!(graph.diagnostics[0].message.contains("2 events"), "{}", graph.diagnostics[0]);
}

/// Returns the rows of a table of the state, except the rows with these ids.
fn rows<'s>(state: &'s Value, table: &str, without: &[&str]) -> Vec<(&'s String, &'s Value)> {
    state[table].as_object().unwrap().iter().filter(|(id, _)| !without.contains(&id.as_str())).collect()
}

/// Start events: the event type, the table of the started object, and the field with its id.
const STARTS: [(&str, &str, &str); 6] = [
    ("thread_started", "threads", "thread_id"),
    ("codex_turn_started", "codex_turns", "codex_turn_id"),
    ("inference_started", "inference_calls", "inference_call_id"),
    ("tool_call_started", "tool_calls", "tool_call_id"),
    ("code_cell_started", "code_cells", "model_visible_call_id"),
    ("compaction_request_started", "compaction_requests", "compaction_request_id"),
];

#[test]
fn missing_start_event_costs_only_its_operation() {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/everything");
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("payloads")).unwrap();
    for entry in fs::read_dir(case.join("payloads")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), dir.path().join("payloads").join(entry.file_name())).unwrap();
    }
    fs::copy(case.join("manifest.json"), dir.path().join("manifest.json")).unwrap();
    let log = fs::read_to_string(case.join("trace.jsonl")).unwrap();
    let reduced = |log: &str| {
        fs::write(dir.path().join("trace.jsonl"), log).unwrap();
        reduce(&Reader::open(dir.path()).unwrap(), &Options::default()).unwrap().graph
    };
    let whole = state(&reduced(&log));
    let mut dropped = [0; STARTS.len()];
    for (number, line) in log.lines().enumerate() {
        let event = &serde_json::from_str::<Value>(line).unwrap()["payload"];
        let Some(start) = STARTS.iter().position(|(name, ..)| event["type"] == *name) else { continue };
        dropped[start] += 1;
        let (name, table, id) = STARTS[start];
        let id = event[id].as_str().unwrap();
        let rest: String =
            log.lines().enumerate().filter(|(n, _)| *n != number).map(|(_, line)| format!("{line}\n")).collect();
        let graph = reduced(&rest);
        let found = codes(&graph);
        let damaged = state(&graph);
        let assert_reported = |code: Code| assert!(found.contains(&code), "{name} of {id}: {:#?}", graph.diagnostics);
        assert_reported(Code::SeqGap);
        match name {
            // Later events that name the object imply its start.
            "thread_started" | "codex_turn_started" => {
                assert_reported(Code::ImpliedStart);
                let keys =
                    |state: &Value| rows(state, table, &[]).iter().map(|(id, _)| (*id).clone()).collect::<Vec<_>>();
                assert_eq!(keys(&damaged), keys(&whole), "{name} of {id}");
            }
            _ => {
                assert_reported(Code::UnknownObject);
                let lost = [id, &format!("code_cell:{id}")].map(str::to_owned);
                let lost = [lost[0].as_str(), lost[1].as_str()];
                let ids =
                    |state: &Value| rows(state, table, &lost).iter().map(|(id, _)| (*id).clone()).collect::<Vec<_>>();
                assert_eq!(rows(&damaged, table, &[]).len() + 1, rows(&whole, table, &[]).len(), "{name} of {id}");
                assert_eq!(ids(&damaged), ids(&whole), "{name} of {id}");
            }
        }
        // Tables that do not refer to the object are unchanged.
        let untouched = match name {
            "tool_call_started" => ["codex_turns", "compactions", "compaction_requests"].as_slice(),
            "code_cell_started" => &["threads", "codex_turns", "compactions", "compaction_requests", "inference_calls"],
            "compaction_request_started" => {
                &["threads", "codex_turns", "inference_calls", "conversation_items", "tool_calls"]
            }
            "inference_started" => &["compaction_requests"],
            _ => &["compaction_requests", "terminal_sessions", "code_cells"],
        };
        let strip = |state: &Value, table: &str| {
            let mut table = state[table].clone();
            // Totals count the missing tool call.
            table.as_object_mut().unwrap().values_mut().for_each(|row| {
                row.as_object_mut().unwrap().remove("totals");
            });
            table
        };
        for table in untouched {
            assert_eq!(strip(&damaged, table), strip(&whole, table), "{table} without {name} of {id}");
        }
    }
    assert!(dropped.iter().all(|count| *count > 0), "{dropped:?}");
}

#[test]
fn lines_of_unknown_versions_and_variants_are_left_out() {
    let case = session();
    let log = case.log();
    let expected = state_without_diagnostics(&case.with_log(&log));
    let line = |version: Value, event: Value| {
        let seq = 99;
        json!({ "schema_version": version, "seq": seq, "wall_time_unix_ms": 1, "rollout_id": "r", "payload": event })
            .to_string()
    };
    let unknown = json!({ "type": "of_a_later_version", "call_id": 7 });
    let ended = json!({ "type": "thread_ended", "thread_id": "t", "status": "completed" });
    let missing = json!({ "type": "thread_ended", "thread_id": "t" });
    let status = json!({ "type": "thread_ended", "thread_id": "t", "status": 7 });
    for (added, code) in [
        (line(json!(1), unknown.clone()), Code::UnknownVariant),
        (line(json!(2), unknown), Code::UnknownSchema),
        (line(json!(0), ended.clone()), Code::UnknownSchema),
        (line(json!(4_294_967_296_u64), ended.clone()), Code::BadLine),
        (line(Value::Null, ended), Code::BadLine),
        (line(json!(1), missing), Code::BadLine),
        (line(json!(1), status), Code::BadLine),
        (line(json!(1), json!({ "type": 7 })), Code::BadLine),
        (line(json!(1), json!([])), Code::BadLine),
    ] {
        let graph = case.with_log(&[&log[..], added.as_bytes(), b"\n"].concat());
        assert_eq!(
            codes(&graph).iter().filter(|found| **found != Code::SeqGap).collect::<Vec<_>>(),
            [&code],
            "{added}"
        );
        assert_eq!(state_without_diagnostics(&graph), expected, "{added}");
    }
}

#[test]
fn unknown_fields_are_ignored() {
    let case = session();
    let text = String::from_utf8(case.log()).unwrap();
    let expected = state_without_diagnostics(&case.with_log(text.as_bytes()));
    let more = text.replace("{\"", "{\"of_a_later_version\":[{\"a\":null}],\"");
    let graph = case.with_log(more.as_bytes());
    assert_eq!((codes(&graph), state_without_diagnostics(&graph)), (vec![], expected));
    assert_eq!(request_items(&graph, "b").len(), 4);
}

#[test]
fn unreadable_manifest_is_fatal() {
    let case = session();
    case.check(&[]);
    let manifest = case.path().join("manifest.json");
    let good = fs::read_to_string(&manifest).unwrap();
    for bad in [
        "",
        "{",
        "[]",
        "\u{0}",
        "null",
        &good.replace("\"schema_version\":1", "\"schema_version\":2"),
        &"[".repeat(100_000),
    ] {
        fs::write(&manifest, bad).unwrap();
        assert!(Reader::open(case.path()).is_err(), "{bad:.40}");
    }
    fs::remove_file(&manifest).unwrap();
    assert!(Reader::open(case.path()).is_err());
    fs::write(&manifest, good).unwrap();
    Reader::open(case.path()).unwrap();
    fs::remove_file(case.path().join("trace.jsonl")).unwrap();
    assert!(Reader::open(case.path()).is_err());
    fs::create_dir(case.path().join("trace.jsonl")).unwrap();
    assert!(Reader::open(case.path()).is_err());
}
