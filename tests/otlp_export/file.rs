//! `otel-trace export --format otlp-json FILE`: the content of the file.

use std::fs;

use otel_trace::otlp::ContentPolicy;
use serde_json::{Value, json};

use crate::{CASES, Run, case, comparable, ok, otel_trace, stderr, stdout};

#[test]
fn file_has_the_spans_that_would_be_sent() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("run.json");
    for name in CASES {
        for (content, flag) in [(ContentPolicy::Omit, None), (ContentPolicy::Capture, Some("--content"))] {
            let bundle = case(name);
            let args = ["export", bundle.to_str().unwrap(), "--format", "otlp-json", file.to_str().unwrap()];
            let args: Vec<_> = args.into_iter().chain(flag).collect();
            let ids = ok(&args);
            let expected = Run::open(&bundle).spans(content);
            assert_eq!(ids, format!("{}\n", expected[0].span_context.trace_id()));
            let written: Vec<_> = comparable::spans_in_file(&fs::read_to_string(&file).unwrap())
                .iter()
                .map(comparable::from_otlp_json)
                .collect();
            assert_eq!(written, expected.iter().map(comparable::from_span_data).collect::<Vec<_>>(), "{name}");
            let once = fs::read(&file).unwrap();
            ok(&args);
            assert_eq!(fs::read(&file).unwrap(), once, "{name}: the export is deterministic");
        }
    }
    assert_eq!(directory.path().read_dir().unwrap().count(), 1, "no temporary file stays");
}

#[test]
fn file_follows_the_otlp_json_encoding() {
    let chat = case("chat");
    let file: Value =
        serde_json::from_str(&ok(&["export", chat.to_str().unwrap(), "--format", "otlp-json", "-"])).unwrap();
    assert_eq!(file.as_object().unwrap().keys().collect::<Vec<_>>(), ["resourceSpans"]);
    let scope = &file["resourceSpans"][0]["scopeSpans"][0];
    assert_eq!(scope["scope"]["name"], "otel-trace");
    assert_eq!(scope["scope"]["version"], env!("CARGO_PKG_VERSION"));
    let tool = &scope["spans"][3];
    let is_hex = |value: &Value, digits| {
        let text = value.as_str().unwrap();
        text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    assert!(is_hex(&tool["traceId"], 32) && is_hex(&tool["spanId"], 16) && is_hex(&tool["parentSpanId"], 16), "{tool}");
    assert_eq!(tool["startTimeUnixNano"], "1760000000017000000");
    assert_eq!(tool["kind"], 1);
    let exit_code = tool["attributes"].as_array().unwrap().iter().find(|it| it["key"] == "process.exit.code");
    assert_eq!(exit_code, Some(&json!({ "key": "process.exit.code", "value": { "intValue": "0" } })));
}

#[test]
fn several_bundles_are_one_file() {
    let (chat, tools) = (case("chat"), case("tools"));
    let args = ["export", chat.to_str().unwrap(), tools.to_str().unwrap(), "--format", "otlp-json", "-"];
    let written = comparable::spans_in_file(&ok(&args));
    let expected = [&chat, &tools].map(|bundle| Run::open(bundle).spans(ContentPolicy::Omit));
    let written: Vec<_> = written.iter().map(comparable::from_otlp_json).collect();
    assert_eq!(written, expected.concat().iter().map(comparable::from_span_data).collect::<Vec<_>>());
}

#[test]
fn unreadable_bundle_leaves_the_file_unchanged() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("run.json");
    fs::write(&file, "before").unwrap();
    let nothing = directory.path().join("nothing");
    let args = ["export", nothing.to_str().unwrap(), "--format", "otlp-json", file.to_str().unwrap()];
    let output = otel_trace(&args);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(fs::read_to_string(&file).unwrap(), "before");
    assert_eq!(directory.path().read_dir().unwrap().count(), 1);
}

#[test]
fn unknown_format_is_wrong_usage() {
    let chat = case("chat");
    let output = otel_trace(&["export", chat.to_str().unwrap(), "--format", "zipkin", "x.json"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).starts_with("error: unknown --format `zipkin`; expected `--format otlp-json FILE`, "));
    let output = otel_trace(&["export", chat.to_str().unwrap(), "--format", "otlp-json"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stdout(&output), "");
}
