//! `otel-trace export` from the outside: output, exit status and what arrives at a receiver.

use std::fs;

use otel_trace::otlp::ContentPolicy;

use crate::log::{Live, Log};
use crate::scripted::{ACCEPTED, Receiver};
use crate::{Run, case, command, comparable, copy_case, ok, otel_trace, stderr, stdout};

/// Exports a bundle, an archive or a pack to OTLP JSON, with content, and returns its spans.
#[track_caller]
fn exported_spans(path: &str) -> Vec<serde_json::Value> {
    comparable::spans_in_file(&ok(&["export", path, "--format", "otlp-json", "-", "--content"]))
        .iter()
        .map(comparable::from_otlp_json)
        .collect()
}

#[test]
fn dry_run_prints_the_plan_and_sends_nothing() {
    let receiver = Receiver::new(|_, _| ACCEPTED);
    let agents = case("agents");
    let agents = agents.to_str().unwrap();
    let output = otel_trace(&["export", agents, "--dry-run", "--endpoint", &receiver.url]);
    assert_eq!(output.status.code(), Some(0));
    let trace = "1e16786c95c854bb1e92c3da7195a079";
    assert_eq!(stdout(&output), format!("{trace}\n"));
    let expected = format!(
        "{agents}: would send to {}/v1/traces: 20 inference, 3 thread, 13 tool, 7 turn, in trace {trace}\n",
        receiver.url
    );
    assert_eq!(stderr(&output), expected);
    assert_eq!(receiver.received().len(), 0);
}

#[test]
fn password_in_a_url_is_not_printed() {
    let receiver = Receiver::new(|_, _| ACCEPTED);
    let chat = case("chat");
    let chat = chat.to_str().unwrap();
    let url = format!("{}?key=secret", receiver.url.replace("http://", "http://user:secret@"));
    let shown = format!("{}/v1/traces?…", receiver.url);
    for (more, expected) in [(None, format!("{chat}: 9 spans sent to {shown}\n")), (Some("--dry-run"), String::new())] {
        let arguments: Vec<_> = ["export", chat, "--endpoint", &url].into_iter().chain(more).collect();
        let stderr = stderr(&otel_trace(&arguments));
        assert!(stderr.contains(&shown) && !stderr.contains("secret"), "{stderr}");
        assert!(stderr.ends_with(&expected), "{stderr}");
    }
    let [message] = &receiver.received()[..] else { panic!("expected exactly one message") };
    assert_eq!(message.head[0], "post /v1/traces?key=secret http/1.1");
}

#[test]
fn dry_run_lists_traces_separately() {
    let mut log = Log::new();
    log.thread(Live::No);
    log.turn(Live::No);
    log.inference(Live::Root(1), "I");
    log.tool(Live::No, "C");
    let output = otel_trace(&["export", log.arg(), "--dry-run", "--format", "otlp-json", "x.json"]);
    let path = log.arg();
    let expected = format!(
        "{path}: would write to x.json: 1 tool, in trace 019d3c5e7a4b7c129d101f2e3a4b5c6d\n\
         {path}: would write to x.json: 1 inference, in trace 4bf92f3577b34da6a3ce929d0e0e4736\n"
    );
    assert_eq!(stderr(&output), expected);
}

#[test]
fn arguments_override_the_environment() {
    let receiver = Receiver::new(|_, _| ACCEPTED);
    let chat = case("chat");
    let chat = chat.to_str().unwrap();
    let export = |more: &[&str]| {
        let mut export = command(&[&["export", chat], more].concat());
        export.env("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url);
        export.env("OTEL_EXPORTER_OTLP_HEADERS", "x-from=environment,x-kept=yes");
        let output = export.env("OTEL_SERVICE_NAME", "of-environment").output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        receiver.received().pop().unwrap()
    };
    let contains = |body: &[u8], text: &str| body.windows(text.len()).any(|window| window == text.as_bytes());
    let message = export(&[]);
    assert!(message.head.contains(&"x-from: environment".to_owned()), "{:?}", message.head);
    assert!(contains(&message.body, "of-environment"));
    let message = export(&["--header", "x-from=argument", "--service", "of-argument"]);
    assert!(message.head.contains(&"x-from: argument".to_owned()), "{:?}", message.head);
    assert!(message.head.contains(&"x-kept: yes".to_owned()), "{:?}", message.head);
    assert!(contains(&message.body, "of-argument") && !contains(&message.body, "of-environment"));
}

#[test]
fn invalid_variable_is_reported() {
    let chat = case("chat");
    let mut export = command(&["export", chat.to_str().unwrap()]);
    let output = export.env("OTEL_EXPORTER_OTLP_PROTOCOL", "smoke").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = stderr(&output);
    assert!(
        stderr.ends_with("OTEL_EXPORTER_OTLP_PROTOCOL is `smoke`; expected `http/protobuf` or `grpc`\n"),
        "{stderr}"
    );
}

#[test]
fn wrong_format_is_wrong_usage_and_says_what_is_expected() {
    let chat = case("chat");
    let chat = chat.to_str().unwrap();
    let expected = "expected `--format otlp-json FILE`, where FILE is the file to write, or `-` for stdout\n\n\
                    Usage: otel-trace export [OPTIONS] <BUNDLE>...\n\n\
                    For more information, try 'otel-trace export --help'.\n";
    for (arguments, problem) in [
        (&["--format", "yaml", "run.yaml"][..], "unknown --format `yaml`"),
        (&["--format", "otlp-json"], "--format has no FILE"),
        (&["--format", "otlp-json", "--content"], "--format has no FILE"),
    ] {
        let output = otel_trace(&[&["export", chat], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(stderr(&output), format!("error: {problem}; {expected}"));
    }
}

#[test]
fn closed_stdout_ends_an_export_quietly() {
    let chat = case("chat");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut export = command(&["export", chat.to_str().unwrap(), "--format", "otlp-json", "-"]);
    let output =
        export.stdout(writer).stderr(std::process::Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
    assert_eq!((output.status.code(), stderr(&output).contains("error")), (Some(0), false), "{}", stderr(&output));
}

#[test]
fn header_without_a_value_is_wrong_usage() {
    let output = otel_trace(&["export", "x", "--header", "authorization"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("expected NAME=VALUE"), "{}", stderr(&output));
}

#[test]
fn archive_and_pack_export_equal_spans() {
    let (directory, bundle) = copy_case("chat");
    let expected = exported_spans(bundle.to_str().unwrap());
    // Spans name their bundle after the file, so both copies keep the name `chat`.
    let (archive, pack) = (directory.path().join("chat.otz"), directory.path().join("packed/chat"));
    fs::create_dir(directory.path().join("packed")).unwrap();
    ok(&["pack", bundle.to_str().unwrap(), archive.to_str().unwrap(), "--zstd"]);
    ok(&["pack", bundle.to_str().unwrap(), pack.to_str().unwrap()]);
    assert!(archive.is_file() && pack.join("payloads.pack").is_file());
    assert_eq!(exported_spans(archive.to_str().unwrap()), expected);
    assert_eq!(exported_spans(pack.to_str().unwrap()), expected);
}

#[test]
fn damaged_evidence_is_left_out_of_the_export() {
    let (_directory, bundle) = copy_case("chat");
    let log = bundle.join("trace.jsonl");
    let text = fs::read_to_string(&log).unwrap();
    let damaged = text.lines().enumerate().map(|(n, line)| if n == 17 { "{}\n".into() } else { format!("{line}\n") });
    fs::write(&log, damaged.collect::<String>()).unwrap();
    fs::remove_file(bundle.join("payloads/4.json")).unwrap();
    let path = bundle.to_str().unwrap();
    let output = otel_trace(&["export", path, "--format", "otlp-json", "-"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let stderr = stderr(&output);
    assert!(stderr.ends_with("in the evidence left something out; `otel-trace check` lists them\n"), "{stderr}");
    let expected = Run::open(&bundle).spans(ContentPolicy::Omit);
    let spans: Vec<_> = comparable::spans_in_file(&stdout(&output)).iter().map(comparable::from_otlp_json).collect();
    assert_eq!(spans, expected.iter().map(comparable::from_span_data).collect::<Vec<_>>());
    assert_eq!(spans.len(), 8, "without the tool call whose start is damaged");
}

#[test]
fn missing_bundle_is_reported() {
    let output = otel_trace(&["export", "/nowhere"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).starts_with("error: /nowhere: does not exist"), "{}", stderr(&output));
}

#[test]
fn help_lists_variables_statuses_and_examples() {
    let help = ok(&["export", "--help"]);
    for expected in
        ["OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318", "Exit status", "--format otlp-json run.json"]
    {
        assert!(help.contains(expected), "{expected} is not in {help}");
    }
}
