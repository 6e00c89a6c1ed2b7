//! Logs that are torn, disordered, or not logs at all in places.

use std::fs;
use std::path::Path;

use otel_trace::bundle::Reader;
use otel_trace::graph::{Code, Graph};
use otel_trace::reduce::{Options, reduce};
use serde_json::{Value, json};

use crate::case::{Case, call, codes, seen, session, state, user};

/// The state without what it says of the evidence.
fn plain(graph: &Graph) -> Value {
    let mut state = state(graph);
    state.as_object_mut().unwrap().remove("diagnostics");
    state
}

#[test]
fn a_log_cut_at_any_byte_is_what_its_whole_lines_say() {
    let case = session();
    let log = case.log();
    assert!(!log.is_ascii(), "characters of several bytes are cut too");
    for end in 0..=log.len() {
        let graph = case.with_log(&log[..end]);
        let whole = log[..end].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        // What lacks only its newline is whole.
        let is_torn = end > whole && log.get(end) != Some(&b'\n');
        assert_eq!(codes(&graph), if is_torn { vec![Code::TornLine] } else { vec![] }, "cut at {end}");
        if is_torn {
            assert_eq!(plain(&graph), plain(&case.with_log(&log[..whole])), "cut at {end}");
        }
    }
}

#[test]
fn a_line_cut_inside_a_character_is_torn() {
    let mut case = Case::new();
    case.event(json!({ "type": "inference_failed", "inference_call_id": "a", "error": "測" }));
    let mut log = case.log();
    let character = log.windows(3).position(|bytes| bytes == "測".as_bytes()).unwrap();
    log.truncate(character + 2);
    assert_eq!(codes(&case.with_log(&log)), [Code::TornLine]);
    // Amid other lines it is no tear.
    log.extend(b"\n");
    log.extend(case.log().split_inclusive(|byte| *byte == b'\n').next_back().unwrap());
    assert_eq!(codes(&case.with_log(&log)), [Code::BadLine, Code::UnknownObject]);
}

#[test]
fn nuls_at_the_end_are_a_torn_line_and_amid_others_a_bad_one() {
    let case = session();
    let log = case.log();
    let expected = plain(&case.with_log(&log));
    let nuls = [0_u8; 4096];
    let graph = case.with_log(&[&log[..], &nuls].concat());
    assert_eq!((codes(&graph), plain(&graph)), (vec![Code::TornLine], expected.clone()));
    let graph = case.with_log(&[&nuls[..], b"\n", &log].concat());
    assert_eq!((codes(&graph), plain(&graph)), (vec![Code::BadLine], expected));
}

#[test]
fn a_byte_order_mark_blank_lines_and_carriage_returns_are_passed_over() {
    let case = session();
    let log = case.log();
    let expected = plain(&case.with_log(&log));
    let text = String::from_utf8(log).unwrap();
    for other in [
        format!("\u{feff}{text}"),
        text.replace('\n', "\r\n"),
        text.replace('\n', "\n\n \n\t\r\n"),
        format!("\n\n{}", text.trim_end()),
    ] {
        let graph = case.with_log(other.as_bytes());
        assert_eq!((codes(&graph), plain(&graph)), (vec![], expected.clone()));
    }
}

#[test]
fn garbage_between_the_lines_costs_only_itself() {
    let case = session();
    let log = case.log();
    let expected = plain(&case.with_log(&log));
    for garbage in
        [&b"\xff\xfe\x00garbage"[..], b"[]", b"null", b"{", b"\"text\"", b"{}{}", b"{\"schema_version\":\"1\"}"]
    {
        let lines: Vec<_> = log.split_inclusive(|byte| *byte == b'\n').collect();
        for place in 0..lines.len() {
            let (before, after) = lines.split_at(place);
            let graph = case.with_log(&[&before.concat()[..], garbage, b"\n", &after.concat()].concat());
            assert_eq!(
                (codes(&graph), plain(&graph)),
                (vec![Code::BadLine], expected.clone()),
                "{garbage:?} at {place}"
            );
        }
    }
}

#[test]
fn a_seq_that_comes_twice_is_read_in_order_of_the_lines() {
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
fn lines_in_any_order_are_read_in_order_of_seq() {
    let case = session();
    let log = case.log();
    let expected = plain(&case.with_log(&log));
    let mut lines: Vec<_> = log.split_inclusive(|byte| *byte == b'\n').collect();
    lines.reverse();
    let graph = case.with_log(&lines.concat());
    assert_eq!(plain(&graph), expected);
    assert_eq!(codes(&graph), vec![Code::SeqDisorder; lines.len() - 1]);
}

#[test]
fn missing_lines_are_a_gap_each_time() {
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

/// The rows of a table of the state, but for those of these ids.
fn rows<'s>(state: &'s Value, table: &str, without: &[&str]) -> Vec<(&'s String, &'s Value)> {
    state[table].as_object().unwrap().iter().filter(|(id, _)| !without.contains(&id.as_str())).collect()
}

/// What the events that start things are called, what they start, and the field that names it.
const STARTS: [(&str, &str, &str); 6] = [
    ("thread_started", "threads", "thread_id"),
    ("codex_turn_started", "codex_turns", "codex_turn_id"),
    ("inference_started", "inference_calls", "inference_call_id"),
    ("tool_call_started", "tool_calls", "tool_call_id"),
    ("code_cell_started", "code_cells", "model_visible_call_id"),
    ("compaction_request_started", "compaction_requests", "compaction_request_id"),
];

#[test]
fn each_start_that_is_missing_costs_what_it_starts_and_no_more() {
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
        let told = |code: Code| assert!(found.contains(&code), "{name} of {id}: {:#?}", graph.diagnostics);
        told(Code::SeqGap);
        match name {
            // They are implied by what names them.
            "thread_started" | "codex_turn_started" => {
                told(Code::ImpliedStart);
                let keys =
                    |state: &Value| rows(state, table, &[]).iter().map(|(id, _)| (*id).clone()).collect::<Vec<_>>();
                assert_eq!(keys(&damaged), keys(&whole), "{name} of {id}");
            }
            _ => {
                told(Code::UnknownObject);
                let lost = [id, &format!("code_cell:{id}")].map(str::to_owned);
                let lost = [lost[0].as_str(), lost[1].as_str()];
                let ids =
                    |state: &Value| rows(state, table, &lost).iter().map(|(id, _)| (*id).clone()).collect::<Vec<_>>();
                assert_eq!(rows(&damaged, table, &[]).len() + 1, rows(&whole, table, &[]).len(), "{name} of {id}");
                assert_eq!(ids(&damaged), ids(&whole), "{name} of {id}");
            }
        }
        // What does not know of it stays as it was, to the letter.
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
            // Sums count the tool that is missing.
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
fn lines_of_other_versions_and_variants_are_left_out_alone() {
    let case = session();
    let log = case.log();
    let expected = plain(&case.with_log(&log));
    let line = |version: Value, event: Value| {
        let seq = 99;
        json!({ "schema_version": version, "seq": seq, "wall_time_unix_ms": 1, "rollout_id": "r", "payload": event })
            .to_string()
    };
    let unknown = json!({ "type": "of_a_later_version", "call_id": 7 });
    let ended = json!({ "type": "thread_ended", "thread_id": "t", "status": "completed" });
    let missing = json!({ "type": "thread_ended", "thread_id": "t" });
    let status = json!({ "type": "thread_ended", "thread_id": "t", "status": "hibernating" });
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
        assert_eq!(plain(&graph), expected, "{added}");
    }
}

#[test]
fn fields_that_are_not_known_are_passed_over() {
    let case = session();
    let text = String::from_utf8(case.log()).unwrap();
    let expected = plain(&case.with_log(text.as_bytes()));
    let more = text.replace("{\"", "{\"of_a_later_version\":[{\"a\":null}],\"");
    let graph = case.with_log(more.as_bytes());
    assert_eq!((codes(&graph), plain(&graph)), (vec![], expected));
    assert_eq!(seen(&graph, "b").len(), 4);
}

#[test]
fn manifests_that_can_not_be_read_are_fatal() {
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
