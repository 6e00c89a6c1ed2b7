//! `otel-trace redact` keeps fields of the format, but not fields of payloads and metadata with equal names.

use std::fs;
use std::path::Path;

use otel_trace::{AgentThread, Json, Model, Operation, Recorder, ThreadMeta, ToolCallMeta};
use serde_json::{Value, json};

use crate::common::run_recorded;
use crate::recording::assert_lacks;
use crate::redact::{graph, redacted, with_lines};
use crate::secrets::characters;

/// Stores a payload and returns a log line that references it.
fn line_with(bundle: &Path, seq: u32, kind: &str, body: &Value, metadata: &Value) -> String {
    let path = format!("payloads/{seq}.json");
    fs::write(bundle.join(&path), body.to_string()).unwrap();
    let reference = json!({ "raw_payload_id": format!("raw_payload:{seq}"), "kind": { "type": kind }, "path": path });
    let event = json!({ "type": "other", "kind": "x", "summary": "s", "payloads": [reference], "metadata": metadata });
    let line = json!({ "schema_version": 1, "seq": seq, "wall_time_unix_ms": 1, "rollout_id": "r", "payload": event });
    format!("{line}\n")
}

fn add_line(bundle: &Path, line: &str) {
    let log = fs::read_to_string(bundle.join("trace.jsonl")).unwrap();
    fs::write(bundle.join("trace.jsonl"), log + line).unwrap();
}

fn event(bundle: &Path, seq: u32) -> Value {
    let log = fs::read_to_string(bundle.join("trace.jsonl")).unwrap();
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.into_iter().find(|line| line["seq"] == seq).unwrap()["payload"].clone()
}

#[test]
fn secrets_in_metadata_are_masked_under_any_name() {
    let (_source, bundle) = with_lines("");
    let key = format!("sk-ant-api03-{}", characters(60));
    let url = format!("https://u:hunter22@h/?api_key={key}");
    let metadata = json!({ "path": url, "session_id": format!("Bearer {key}"), "type": key, "deep": [{ "hash": key, "bundle": key }] });
    let unknown = json!({ "schema_version": 1, "seq": 931, "wall_time_unix_ms": 1, "rollout_id": "r",
        "payload": { "type": "new", "path": url, "session_id": key } });
    add_line(&bundle, &line_with(&bundle, 930, "protocol_event", &json!({ "n": 1 }), &metadata));
    add_line(&bundle, &format!("{unknown}\n"));
    let (_root, copy) = redacted(&bundle, &[]);
    assert_lacks(&copy, "hunter22");
    assert_lacks(&copy, &key);
    let event = event(&copy, 930);
    assert_eq!((&event["type"], &event["payloads"][0]["path"]), (&json!("other"), &json!("payloads/930.json")));
}

#[test]
fn paths_ids_and_types_are_never_masked() {
    let (_source, bundle) = with_lines("");
    add_line(&bundle, &line_with(&bundle, 930, "protocol_event", &json!({ "n": 1 }), &json!("payload")));
    let (_root, copy) = redacted(&bundle, &["--pattern", "payload|other|call|thread"]);
    let copied = event(&copy, 930);
    assert!(copied["metadata"].as_str().unwrap().starts_with("[masked:"), "{copied}");
    assert_eq!(copied["payloads"], event(&bundle, 930)["payloads"]);
    assert_eq!(
        graph(&copy)["threads"].as_object().map(|it| it.len()),
        graph(&bundle)["threads"].as_object().map(|it| it.len())
    );
}

#[test]
fn content_is_removed_under_any_name() {
    let (_source, bundle) = with_lines("");
    let body = json!({
        "path": "/home/alice/merger-with-acme.txt", "name": "Alice-Miller", "label": "merger-label", "hash": "merger-hash",
        "kind": "merger-kind", "status": "merger-status", "bundle": "merger-bundle",
        "call_id": "a whole sentence of the merger", "id": "merger/of/path", "user_id": "alice@merger.example",
        "otp": "482913", "pin": " 4711 ", "raw_payload_id": "raw_payload:1",
        "messages": [{ "role": "user", "name": "Alice-Miller", "content": "true" }],
        "tools": [{ "type": "function", "function": { "name": "get_weather" } }, { "name": "run_it" }],
        "n": 5,
    });
    let metadata = json!({ "path": "/merger", "call_id": "a whole sentence of the merger", "type": "merger-type", "tool_call_id": "call_9" });
    for (seq, kind) in [(930, "inference_request"), (931, "protocol_event"), (932, "tool_result")] {
        add_line(&bundle, &line_with(&bundle, seq, kind, &body, &metadata));
    }
    let (_root, copy) = redacted(&bundle, &["--content"]);
    for text in ["merger", "Alice", "482913", "4711"] {
        assert_lacks(&copy, text);
    }
    let read = |seq: u32| {
        let text = fs::read_to_string(copy.join(format!("payloads/{seq}.json"))).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let new = read(930);
    assert_eq!(new["tools"], body["tools"]);
    assert_eq!((&new["messages"][0]["role"], &new["n"]), (&json!("user"), &json!(5)));
    // Replaced ids still link.
    let event = event(&copy, 930);
    assert_eq!(new["call_id"], event["metadata"]["call_id"]);
    assert_eq!(new["call_id"], read(931)["call_id"]);
    assert_eq!(event["metadata"]["tool_call_id"], "call_9");
    assert_eq!(event["payloads"][0]["path"], "payloads/930.json");
}

#[test]
fn ids_that_are_sentences_still_link_without_content() {
    let root = tempfile::tempdir().unwrap();
    let (recorder, guard) = Recorder::builder().root(root.path()).no_parent().build().unwrap();
    run_recorded(&recorder, || {
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = thread.turn(None);
        let inference = turn.inference(Model { name: "m", provider: "p" });
        inference.request(Json(&json!({ "input": [{ "role": "user", "content": "do it" }] })));
        let call =
            json!({ "type": "function_call", "call_id": "the call of Alice", "name": "exec", "arguments": "17" });
        inference.response(Json(&json!({ "output_items": [call] })));
        inference.complete();
        turn.tool_call(ToolCallMeta::new("exec").id("the call of Alice").arguments("17")).output("done");
    });
    drop(guard);
    let bundle = root.path().read_dir().unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).unwrap();
    let (_copy_root, copy) = redacted(&bundle, &["--content"]);
    assert_lacks(&copy, "Alice");
    let requested = |graph: &Value| {
        let tool = graph["tool_calls"].as_object().unwrap().values().next().unwrap().clone();
        tool["model_visible_call_item_ids"].as_array().map(Vec::len)
    };
    assert_eq!(requested(&graph(&copy)), requested(&graph(&bundle)));
    assert_eq!(requested(&graph(&bundle)), Some(1));
}

#[test]
fn ids_of_conversations_are_kept_in_every_spelling() {
    let (_source, bundle) = with_lines("");
    let body = |conversation: Value| json!({ "conversation": conversation, "note": { "conversation": "merger" } });
    for (seq, conversation) in [(930, json!("conv_1")), (931, json!({ "id": "conv_1" })), (932, json!("a merger"))] {
        add_line(&bundle, &line_with(&bundle, seq, "inference_request", &body(conversation), &Value::Null));
    }
    let (_root, copy) = redacted(&bundle, &["--content"]);
    assert_lacks(&copy, "merger");
    let conversation = |seq: u32| {
        let body = fs::read(copy.join(format!("payloads/{seq}.json"))).unwrap();
        serde_json::from_slice::<Value>(&body).unwrap()["conversation"].clone()
    };
    assert_eq!((conversation(930), conversation(931)), (json!("conv_1"), json!({ "id": "conv_1" })));
}
