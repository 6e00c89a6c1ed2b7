//! `otel-trace locate`: from a trace or span id to its bundle, events and payloads.

use opentelemetry::trace::SpanId;
use otel_trace::otlp::ContentPolicy;

use crate::log::{Live, Log, TRACE, hex};
use crate::{Run, case, command, copy_case, ok, otel_trace, stderr, stdout};

fn live() -> Log {
    let mut log = Log::new();
    log.thread(Live::Root(1));
    log.turn(Live::Root(1));
    log.inference(Live::Below(1, 2), "I");
    log
}

#[test]
fn live_trace_is_found_in_its_bundle() {
    let log = live();
    assert_eq!(ok(&["locate", TRACE, log.root()]), format!("{}\n", log.arg()));
    assert_eq!(ok(&["locate", &TRACE.to_uppercase(), log.arg()]), format!("{}\n", log.arg()));
}

#[test]
fn live_span_is_found_with_its_events_and_payloads() {
    let log = live();
    let path = log.arg();
    let expected = format!(
        "bundle\t{path}\nobject\tinference\tI\nevent\t4\nevent\t5\n\
         payload\traw_payload:1\t{path}/payloads/1.json\npayload\traw_payload:2\t{path}/payloads/2.json\n"
    );
    assert_eq!(ok(&["locate", &format!("{TRACE}/{}", hex(2)), log.root()]), expected);
}

#[test]
fn span_id_alone_is_searched_in_all_bundles() {
    let log = live();
    let found = ok(&["locate", &format!("{TRACE}/{}", hex(2)), log.root()]);
    assert_eq!(ok(&["locate", &hex(2), log.root()]), found);
    assert_eq!(ok(&["locate", &hex(2), case("chat").to_str().unwrap(), log.root()]), found);
    let (directory, bundle) = copy_case("chat");
    let exported = Run::open(&bundle).spans(ContentPolicy::Omit)[2].span_context.clone();
    let found = ok(&["locate", &exported.span_id().to_string(), log.root(), directory.path().to_str().unwrap()]);
    assert_eq!(
        found,
        ok(&["locate", &format!("{}/{}", exported.trace_id(), exported.span_id()), bundle.to_str().unwrap()])
    );
    let unknown = hex(0xbad);
    let output = otel_trace(&["locate", &unknown, log.root()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).starts_with(&format!("error: span {unknown} was not found: 1 bundle")),
        "{}",
        stderr(&output)
    );
}

#[test]
fn help_shows_the_format_of_lines() {
    let help = ok(&["locate", "--help"]);
    for line in [
        "bundle<TAB>PATH",
        "object<TAB>KIND<TAB>ID",
        "event<TAB>SEQ",
        "payload<TAB>ID<TAB>FILE[<TAB>OFFSET<TAB>LENGTH]",
    ] {
        assert!(help.contains(line), "{line} is not in {help}");
    }
    assert!(help.contains("a span id (16 hexadecimal digits)"), "{help}");
}

#[test]
fn payload_outside_the_bundle_is_not_listed() {
    let mut log = Log::new();
    log.thread(Live::Root(1));
    log.turn(Live::Root(1));
    let outside = serde_json::json!({
        "raw_payload_id": "raw_payload:9", "kind": { "type": "tool_invocation" }, "path": "/etc/passwd",
    });
    let started = serde_json::json!({
        "type": "tool_call_started", "tool_call_id": "t\tab", "requester": { "type": "model" },
        "kind": { "type": "other", "name": "find" },
        "summary": { "type": "generic", "label": "find" }, "invocation_payload": outside,
    });
    log.event(Live::Below(1, 2), started);
    let expected = format!("bundle\t{}\nobject\ttool\tt\\tab\nevent\t4\n", log.arg());
    assert_eq!(ok(&["locate", &format!("{TRACE}/{}", hex(2)), log.root()]), expected);
}

#[test]
fn path_is_printed_without_escapes() {
    let log = live();
    let root = tempfile::tempdir().unwrap();
    let odd = root.path().join("o'brien \"x\"");
    std::fs::create_dir(&odd).unwrap();
    std::fs::rename(log.arg(), odd.join("b")).unwrap();
    let found = ok(&["locate", &format!("{TRACE}/{}", hex(2)), odd.to_str().unwrap()]);
    assert!(found.ends_with(&format!("{}/b/payloads/2.json\n", odd.display())), "{found}");
}

#[test]
fn span_of_a_thread_and_its_turn_lists_both() {
    let log = live();
    let expected = format!("bundle\t{}\nobject\tthread\tT\nevent\t2\nobject\tturn\tU\nevent\t3\n", log.arg());
    assert_eq!(ok(&["locate", &format!("{TRACE}/{}", hex(1)), log.root()]), expected);
}

#[test]
fn every_exported_span_is_found() {
    let agents = case("agents");
    let path = agents.to_str().unwrap();
    for exported in Run::open(&agents).spans(ContentPolicy::Omit) {
        let (trace, id) = (exported.span_context.trace_id(), exported.span_context.span_id());
        let attribute =
            |key: &str| exported.attributes.iter().find(|it| it.key.as_str() == key).map(|it| it.value.to_string());
        let object = format!(
            "object\t{}\t{}",
            attribute("otel_trace.kind").unwrap(),
            attribute("otel_trace.object_id").unwrap()
        );
        let found = ok(&["locate", &format!("{trace}/{id}"), path]);
        let mut lines = found.lines();
        assert_eq!(lines.next(), Some(&*format!("bundle\t{path}")));
        assert_eq!(lines.next(), Some(&*object));
        let payloads = attribute("otel_trace.payload_ids").map_or(0, |ids| ids.split(',').count());
        assert_eq!(found.lines().filter(|line| line.starts_with("payload\t")).count(), payloads);
    }
}

#[test]
fn packed_payload_is_listed_with_offset_and_length() {
    let (directory, bundle) = copy_case("chat");
    let spans = Run::open(&bundle).spans(ContentPolicy::Omit);
    let span = format!("{}/{}", spans[2].span_context.trace_id(), spans[2].span_context.span_id());
    let files = ok(&["locate", &span, directory.path().to_str().unwrap()]);
    let pack = directory.path().join("pack");
    ok(&["pack", bundle.to_str().unwrap(), pack.to_str().unwrap()]);
    let packed = ok(&["locate", &span, pack.to_str().unwrap()]);
    let fields = |text: &str| -> Vec<Vec<String>> {
        let payloads = text.lines().filter(|line| line.starts_with("payload\t"));
        payloads.map(|line| line.split('\t').map(str::to_owned).collect()).collect()
    };
    let (files, packed) = (fields(&files), fields(&packed));
    assert_eq!(files.len(), 2);
    assert_eq!(packed.len(), 2);
    for (file, packed) in files.iter().zip(&packed) {
        assert_eq!(packed[1], file[1]);
        assert_eq!(packed[2], pack.join("payloads.pack").to_str().unwrap());
        assert_eq!(packed.len(), 5);
        assert!(packed[3..].iter().all(|number| number.parse::<u64>().is_ok()), "{packed:?}");
    }
}

#[test]
fn root_comes_from_the_environment_or_is_traces() {
    let log = live();
    let output = command(&["locate", TRACE]).env("OTEL_TRACE_ROOT", log.root()).output().unwrap();
    assert_eq!(stdout(&output), format!("{}\n", log.arg()));
    let output = command(&["locate", TRACE]).current_dir(log.root()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("searched in traces"), "{}", stderr(&output));
}

#[test]
fn unknown_span_is_reported_with_the_searched_root() {
    let log = live();
    let unknown = "0123456789abcdef0123456789abcdef";
    let output = otel_trace(&["locate", unknown, log.root()]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output), "");
    let expected = format!(
        "error: trace {unknown} was not found: 1 bundle searched in {}; pass the directory that the run was recorded in\n",
        log.root()
    );
    assert_eq!(stderr(&output), expected);
    let span = format!("{TRACE}/{}", hex(0xbad));
    let output = otel_trace(&["locate", &span, log.root()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).starts_with(&format!("error: span {span} was not found: 1 bundle")), "{}", stderr(&output));
}

#[test]
fn trace_id_in_event_text_is_not_found() {
    let mut log = Log::new();
    log.thread(Live::No);
    let summary = format!("it was in {TRACE}");
    log.event(
        Live::No,
        serde_json::json!({ "type": "other", "kind": "k", "summary": summary, "payloads": [], "metadata": {} }),
    );
    let output = otel_trace(&["locate", TRACE, log.root()]);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
}

#[test]
fn malformed_id_is_wrong_usage() {
    for bad in [
        "",
        "xyz",
        "4bf92f35",
        &format!("{TRACE}/"),
        &format!("{TRACE}/{TRACE}"),
        &format!("{TRACE}/{:x}", SpanId::INVALID),
    ] {
        let output = otel_trace(&["locate", bad]);
        let is_null_id = bad.ends_with("/0000000000000000");
        assert_eq!(output.status.code(), Some(if is_null_id { 1 } else { 2 }), "{bad}: {}", stderr(&output));
        assert!(is_null_id || stderr(&output).contains("the address bar has all"), "{bad}: {}", stderr(&output));
    }
}
