//! Secrets in every input of a recording: no file of the bundle contains them.

use std::borrow::Cow;
use std::path::Path;

use otel_trace::bundle::{Manifest, Writer, WriterOptions};
use otel_trace::event::{EventContext, InferenceFailed, UnixMillis, UpstreamRequestId};
use otel_trace::{
    AgentThread, CellStatus, CodeCellMeta, Exact, ExecutionStatus, Json, Masking, Model, Operation, PayloadKind,
    Recorder, Redactor, SpanExt, ThreadMeta, ToolCallMeta,
};
use serde_json::{Value, json};
use tracing::{Level, event, info_span};

use crate::common::{Bundle, bundles, run_recorded};
use crate::secrets::{characters, private_key};

/// Returns the bytes of all files below a directory.
pub(crate) fn all_bytes(directory: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in directory.read_dir().unwrap() {
        let path = entry.unwrap().path();
        bytes.extend(if path.is_dir() { all_bytes(&path) } else { std::fs::read(&path).unwrap() });
    }
    bytes
}

#[track_caller]
pub(crate) fn assert_lacks(root: &Path, secret: &str) {
    let bytes = String::from_utf8_lossy(&all_bytes(root)).into_owned();
    assert!(!bytes.contains(secret), "{:?}", bytes.find(secret).map(|at| &bytes[at.saturating_sub(200)..at + 20]));
}

/// Records a run that passes `secret` to every handle, field and event.
pub(crate) fn record_secret_everywhere(secret: &str) {
    let text = format!("it is {secret}, \"quoted\"");
    let named = json!({ "headers": { "authorization": format!("Bearer {secret}") }, "text": text });
    let meta = ThreadMeta::new().agent_name("root").cwd(&text).session_source(&text).task_name(&text);
    let thread = AgentThread::start(meta);
    thread.protocol_event(&text, Json(&named));
    thread.other("noted", &text, &named);
    thread.record_payload(PayloadKind::ProtocolEvent, Json(&named));
    let turn = thread.turn(None);

    let inference = turn.inference(Model { name: &text, provider: &text });
    inference.request(Exact(format!("{{ \"input\" : \"{secret}\" }}").as_bytes()));
    inference.record_payload(PayloadKind::InferenceResponse, Exact(format!("data: {named}\n\n").as_bytes()));
    inference.fail(&text);
    let inference = turn.inference(Model { name: "m", provider: "p" });
    inference.request(Json(&json!({ "input": [{ "role": "user", "content": text }] })));
    inference.cancel(&text);

    // The preview of the arguments ends in the middle of the secret.
    let arguments = json!({ "cmd": format!("{}{secret}", format!("{} ", "x".repeat(129))) }).to_string();
    let tool = turn.tool_call(ToolCallMeta::new("exec_command").id("call_1").arguments(&arguments));
    tool.runtime_started(Json(&json!({ "command": ["echo", text], "cwd": "/" })));
    tool.runtime_ended(ExecutionStatus::Completed, Json(&named));
    tool.output(&text);
    tool.fail(&text);
    drop(turn.tool_call(ToolCallMeta::new(&text).id("call_2").arguments(&text)));
    let cell = turn.code_cell(CodeCellMeta::new(&format!("fetch('{secret}')")).id("cell_1").call_id("call_3"));
    cell.responded(CellStatus::Completed, Json(&named));
    let compaction = turn.compaction(Model { name: "m", provider: "p" });
    compaction.request(Json(&named));
    compaction.fail(&text);
    let agent =
        turn.tool_call(ToolCallMeta::new("spawn_agent").id("call_4")).spawn_thread(ThreadMeta::new().agent_name(&text));
    let agent_turn = agent.turn(None);
    agent_turn.agent_result(&text, Json(&named));
    agent_turn.fail(&text);
    agent.fail(&text);

    let span = info_span!("chat", gen_ai.operation.name = "chat", gen_ai.input.messages = %json!([named]),
        gen_ai.request.model = "m", error.type = %text, gen_ai.output.messages = %named);
    span.in_scope(|| {
        let (event_type, payload) = (text.as_str(), named.to_string());
        event!(target: "otel_trace", Level::INFO, otel_trace.event = "protocol_event_observed",
            otel_trace.protocol_event = event_type, otel_trace.payload = payload);
        event!(target: "otel_trace", Level::INFO, otel_trace.event = event_type, otel_trace.message = event_type,
            otel_trace.payload = payload);
    });
    drop(span);
    let span = info_span!("execute_tool", gen_ai.operation.name = "execute_tool", gen_ai.tool.name = "t",
        gen_ai.tool.call.id = "call_5", gen_ai.tool.call.arguments = %arguments, gen_ai.tool.call.result = %text,
        otel.status_code = "ERROR", otel.status_description = %text, note = %text, password = secret, nested = ?named);
    span.in_scope(|| {
        span.otel_trace().record_payload(PayloadKind::ToolRuntimeEvent, Exact(&[text.as_bytes(), &[0xFF]].concat()))
    });
    drop(span);
    turn.fail(&text);
    thread.fail(&text);
}

/// Records a run with the secret everywhere and returns its root directory and bundles.
fn record_masked(masking: Masking, secret: &str) -> (tempfile::TempDir, Vec<Bundle>) {
    let root = tempfile::tempdir().unwrap();
    let (recorder, guard) = Recorder::builder().root(root.path()).no_parent().mask(masking).build().unwrap();
    run_recorded(&recorder, || record_secret_everywhere(secret));
    drop(guard);
    assert_eq!(recorder.stats().lost(), 0, "{:?}", recorder.stats());
    let bundles = bundles(root.path());
    assert!(!bundles.is_empty());
    (root, bundles)
}

/// Returns the distinct placeholders in the files of a directory, sorted.
pub(crate) fn placeholders(root: &Path) -> Vec<String> {
    let bytes = String::from_utf8_lossy(&all_bytes(root)).into_owned();
    // A preview may end inside a placeholder.
    let each = bytes.split("[masked:").skip(1).filter_map(|rest| Some(rest[..rest.find([']', '"'])?].to_owned()));
    let each = each.filter(|placeholder| !placeholder.ends_with("..."));
    each.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}

#[test]
fn credential_reaches_no_file_and_has_one_placeholder() {
    let secret = format!("sk-ant-api03-{}", characters(60));
    let (root, bundles) = record_masked(Masking::new(), &secret);
    for part in ["sk-ant-", &characters(20), &characters(20).to_lowercase()] {
        assert_lacks(root.path(), part);
    }
    assert_eq!(placeholders(root.path()).len(), 1, "{:?}", placeholders(root.path()));
    let texts =
        |name: &str| bundles.iter().flat_map(|bundle| bundle.events(name)).map(Value::to_string).collect::<String>();
    for name in [
        "codex_turn_ended",
        "thread_ended",
        "inference_started",
        "inference_failed",
        "inference_cancelled",
        "tool_call_started",
        "tool_call_ended",
        "code_cell_started",
        "compaction_request_failed",
        "agent_result_observed",
        "protocol_event_observed",
        "other",
    ] {
        assert!(texts(name).contains("[masked:anthropic:"), "{name}: {}", texts(name));
    }
    let (other, _) = record_masked(Masking::new(), &secret);
    assert_ne!(placeholders(root.path()), placeholders(other.path()));
}

#[test]
fn match_of_a_custom_pattern_reaches_no_file() {
    let (root, _) = record_masked(Masking::new().pattern("acme-[0-9]+").unwrap(), "acme-20571205712057");
    assert_lacks(root.path(), "2057120571");
}

#[test]
fn masked_event_metadata_keeps_its_structure() {
    let metadata = json!({ "n": 1234, "deep": [{ "of": "1234 \"quoted\"", "is": true }] });
    let root = tempfile::tempdir().unwrap();
    let masking = || Masking::new().pattern(r"\b[0-9]{4}\b").unwrap().salt(*b"sixteen bytes...");
    let (recorder, guard) = Recorder::builder().root(root.path()).no_parent().mask(masking()).build().unwrap();
    run_recorded(&recorder, || AgentThread::start(ThreadMeta::new()).other("kind", "summary", &metadata));
    drop(guard);
    let placeholder = masking().text("1234").into_owned();
    let expected = json!({ "n": placeholder, "deep": [{ "of": format!("{placeholder} \"quoted\""), "is": true }] });
    assert_eq!(bundles(root.path()).remove(0).event("other")["metadata"], expected);
}

#[test]
fn authorization_is_masked_unless_masking_is_off() {
    let record = || {
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = thread.turn(None);
        let arguments = json!({ "cmd": "curl -H 'Authorization: Bearer hunter-two-2'" }).to_string();
        let tool = turn.tool_call(ToolCallMeta::new("exec_command").id("call_1").arguments(&arguments));
        tool.runtime_started(Json(&json!({ "headers": { "Authorization": "Bearer hunter-two-2" } })));
        tool.fail("sent Authorization: Bearer hunter-two-2");
    };
    let record_into = |off: bool| {
        let root = tempfile::tempdir().unwrap();
        let builder = Recorder::builder().root(root.path()).no_parent();
        let (recorder, guard) = if off { builder.mask(Masking::off()) } else { builder }.build().unwrap();
        run_recorded(&recorder, record);
        drop(guard);
        root
    };
    assert_lacks(record_into(false).path(), "hunter-two-2");
    assert!(String::from_utf8_lossy(&all_bytes(record_into(true).path())).contains("hunter-two-2"));
}

#[test]
fn bodies_without_secrets_are_kept_byte_for_byte() {
    let request = b"{ \"input\" :\t[ ] , \"n\": 1e3,\n\"password\": null, \"tokens\": 5 }";
    let stream = b"data: {\"a\":\"\\u00e9\\/\"}\r\n\r\n\xFF\x00";
    let bundle = crate::common::record_one(|| {
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = thread.turn(None);
        let inference = turn.inference(Model { name: "m", provider: "p" });
        inference.request(Exact(request));
        inference.record_payload(PayloadKind::InferenceResponse, Exact(stream));
        inference.complete();
    });
    assert_eq!(bundle.payload_bytes(&bundle.event("inference_started")["request_payload"]), request);
    assert_eq!(bundle.payload_bytes(&bundle.event("inference_completed")["wire_payload"]), stream);
}

/// A redactor that replaces one word and panics on another.
struct WordRedactor;

impl Redactor for WordRedactor {
    fn redact(&self, _: PayloadKind, body: &mut Vec<u8>, _: bool) {
        *body = String::from_utf8_lossy(body).replace("Klaus", "K.").into_bytes();
    }

    fn redact_text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        assert!(!text.contains("planted"), "planted in the redactor");
        Cow::Owned(text.replace("Klaus", "K."))
    }
}

/// A redactor of payloads only, which leaves the text of events to the default implementation.
struct BodyRedactor;

impl Redactor for BodyRedactor {
    fn redact(&self, kind: PayloadKind, body: &mut Vec<u8>, is_json: bool) {
        WordRedactor.redact(kind, body, is_json);
    }
}

#[test]
fn custom_redactor_sees_event_text_before_masking() {
    for own in [true, false] {
        let root = tempfile::tempdir().unwrap();
        let builder = Recorder::builder().root(root.path()).no_parent();
        let builder = if own { builder.redact(WordRedactor) } else { builder.redact(BodyRedactor) };
        let (recorder, guard) = builder.build().unwrap();
        run_recorded(&recorder, || record_secret_everywhere("Klaus"));
        drop(guard);
        assert_eq!(recorder.stats().lost(), 0, "{:?}", recorder.stats());
        assert!(String::from_utf8_lossy(&all_bytes(root.path())).contains("Bearer [masked:secret:"));
        // Names of models and agents are not passed to the redactor.
        for line in bundles(root.path()).iter().flat_map(|bundle| &bundle.lines) {
            let event = &line["payload"];
            let is_name = ["inference_started", "thread_started"].contains(&event["type"].as_str().unwrap());
            let names = [event["summary"]["label"].as_str(), event["kind"]["name"].as_str()];
            let is_name = is_name || names.iter().flatten().any(|name| name.contains("Klaus"));
            assert!(is_name || !event.to_string().contains("Klaus"), "{event}");
        }
    }
}

#[test]
fn text_is_lost_and_counted_if_the_redactor_panics() {
    let root = tempfile::tempdir().unwrap();
    let (recorder, guard) = Recorder::builder().root(root.path()).no_parent().redact(WordRedactor).build().unwrap();
    run_recorded(&recorder, || {
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = thread.turn(None);
        turn.tool_call(ToolCallMeta::new("t").id("call_1")).fail("planted");
    });
    drop(guard);
    let bundle = bundles(root.path()).remove(0);
    let ended = bundle.event("tool_call_ended");
    assert_eq!(ended["error"], "otel_trace.lost: the redactor panicked: planted in the redactor");
    assert_eq!(ended["status"], "failed");
    let stats = recorder.stats();
    assert!(stats.lost() > 0);
    assert_eq!(stats.lost_texts.into_keys().collect::<Vec<_>>(), ["tool_call_ended"]);
}

#[test]
fn writer_masks_the_text_of_events() {
    let root = tempfile::tempdir().unwrap();
    let mut options = WriterOptions::default();
    options.redact = Some(std::sync::Arc::new(WordRedactor));
    options.masking = std::sync::Arc::new(Masking::new());
    let manifest = Manifest::new("t".into(), "r".into(), "root".into(), UnixMillis(0));
    let writer = Writer::create(root.path(), manifest, options).unwrap();
    let event = InferenceFailed {
        inference_call_id: "Klaus".into(),
        error: format!("Klaus has {}", private_key()),
        partial_response_payload: None,
        upstream_request_id: UpstreamRequestId::Unrecorded,
        first_token_at_unix_ms: None,
        usage: None,
        wire_payload: None,
        ended_by: None,
        error_type: None,
        attributes: None,
    };
    writer.append(UnixMillis(0).into(), &EventContext::default(), &event.into()).unwrap();
    let line = std::fs::read_to_string(writer.path().join("trace.jsonl")).unwrap();
    assert!(line.contains("K. has -----BEGIN RSA"), "{line}");
    assert!(line.contains("\"inference_call_id\":\"Klaus\""), "{line}");
    assert_lacks(root.path(), &characters(40));
}
