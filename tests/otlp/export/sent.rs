//! Exporting a bundle whose spans were sent while the program ran: their resource, and what the program called its
//! conversation.

use std::path::{Path, PathBuf};

use opentelemetry::{Array, KeyValue, Value as OtelValue};
use opentelemetry_sdk::trace::InMemorySpanExporter;
use otel_trace::otlp::{ContentPolicy, Otlp};
use otel_trace::{AgentThread, Json, Model, Operation, Recorder, ThreadMeta};
use serde_json::{Value, json};
use tempfile::TempDir;
use tracing_subscriber::prelude::*;

use crate::export::{Run, comparable, ok};

/// Records a conversation that the program gives this id, and sends its spans to an exporter in memory.
fn record_sent(id: Option<&str>) -> (TempDir, InMemorySpanExporter) {
    let root = tempfile::tempdir().unwrap();
    let (recorder, guard) = Recorder::builder().root(root.path()).no_parent().build().unwrap();
    let exporter = InMemorySpanExporter::default();
    let attributes = [
        KeyValue::new("deployment.environment.name", "test"),
        KeyValue::new("replica", 7),
        KeyValue::new("ratio", 0.5),
        KeyValue::new("zones", OtelValue::Array(Array::String(vec!["a".into(), "b".into()]))),
        KeyValue::new("api_key", "not-for-the-disk"),
    ];
    let builder = Otlp::builder().service_name("desk").resource_attributes(attributes).exporter(exporter.clone());
    let (otlp, otlp_guard) = builder.on_drop(|_| {}).build().unwrap();
    let subscriber = tracing_subscriber::registry().with(otlp.bridge(&recorder)).with(recorder.layer());
    tracing::subscriber::with_default(subscriber, || {
        let meta = ThreadMeta::new();
        let thread = AgentThread::start(id.map_or(meta, |id| meta.id(id)));
        let turn = thread.turn(None);
        let call = turn.inference(Model { name: "m", provider: "p" });
        call.request(Json(&json!({"input": []})));
        call.response(Json(&json!({"output_items": []})));
        call.complete();
        turn.complete();
        thread.complete();
    });
    drop(guard);
    drop(otlp_guard);
    (root, exporter)
}

/// Returns the directory of the only bundle.
fn only_bundle(root: &TempDir) -> PathBuf {
    let mut entries = root.path().read_dir().unwrap().map(|entry| entry.unwrap().path());
    entries.find(|path| path.is_dir()).unwrap()
}

fn manifest(bundle: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(bundle.join("manifest.json")).unwrap()).unwrap()
}

/// Returns the attributes of the resource in an exported file, by key.
fn exported_resource(bundle: &str, more: &[&str]) -> Value {
    let mut args = vec!["export", bundle, "--format", "otlp-json", "-"];
    args.extend(more);
    let file: Value = serde_json::from_str(&ok(&args)).unwrap();
    let attributes = file["resourceSpans"][0]["resource"]["attributes"].as_array().unwrap();
    attributes.iter().map(|it| (it["key"].as_str().unwrap().to_owned(), it["value"].clone())).collect()
}

#[test]
fn the_resource_is_the_one_that_spans_were_sent_with() {
    let (root, _) = record_sent(None);
    let bundle = &only_bundle(&root);
    let manifest = manifest(bundle);
    let kept = &manifest["otel_resource"];
    assert_eq!(kept["service.name"], "desk");
    assert_eq!(kept["zones"], json!(["a", "b"]));
    assert!(!kept.to_string().contains("not-for-the-disk"), "{kept}");
    let path = bundle.to_str().unwrap();
    let mut exported = exported_resource(path, &[]);
    assert_eq!(exported["service.name"], json!({"stringValue": "desk"}));
    assert_eq!(exported["deployment.environment.name"], json!({"stringValue": "test"}));
    assert_eq!(exported["replica"], json!({"intValue": "7"}));
    assert_eq!(exported["ratio"], json!({"doubleValue": 0.5}));
    assert_eq!(exported["zones"]["arrayValue"]["values"], json!([{"stringValue": "a"}, {"stringValue": "b"}]));
    assert_eq!(exported["telemetry.sdk.name"], json!({"stringValue": "opentelemetry"}));
    // A service that is named by the command counts, and changes nothing else.
    let renamed = exported_resource(path, &["--service", "other"]);
    exported["service.name"] = json!({"stringValue": "other"});
    assert_eq!(renamed, exported);
    let state: Value = serde_json::to_value(Run::open(bundle).graph.otel_resource).unwrap();
    assert_eq!(state, *kept);
}

#[test]
fn a_resource_that_is_no_object_is_as_good_as_none() {
    let (root, _) = record_sent(None);
    let bundle = &only_bundle(&root);
    let (path, written) = (bundle.join("manifest.json"), manifest(bundle));
    for bad in [json!(null), json!("x"), json!([1])] {
        let mut changed = written.clone();
        changed["otel_resource"] = bad;
        std::fs::write(&path, changed.to_string()).unwrap();
        let exported = exported_resource(bundle.to_str().unwrap(), &[]);
        assert_eq!(exported["service.name"], json!({"stringValue": "otel-trace"}));
    }
    let mut changed = written;
    changed["otel_resource"] = json!({"service.name": "s", "none": null, "object": {}, "mixed": [1, "a"], "empty": []});
    std::fs::write(&path, changed.to_string()).unwrap();
    let exported = exported_resource(bundle.to_str().unwrap(), &[]);
    let keys: Vec<_> = exported.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["empty", "service.name"]);
}

#[test]
fn conversations_are_named_where_the_program_named_them() {
    for id in [None, Some("conversation-7")] {
        let (root, exporter) = record_sent(id);
        let bundle = &only_bundle(&root);
        let log = std::fs::read_to_string(bundle.join("trace.jsonl")).unwrap();
        let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let started =
            lines.map(|line| line["payload"].clone()).find(|event| event["type"] == "thread_started").unwrap();
        assert_eq!(started.get("conversation_id"), id.map(|id| json!(id)).as_ref());
        let live = exporter.get_finished_spans().unwrap();
        let later = Run::open(bundle).spans(ContentPolicy::Omit);
        for spans in [live, later] {
            for span in comparable::named_by_object(&spans) {
                let attributes = &span["attributes"];
                let names = attributes["otel_trace.kind"] != "turn";
                let expected = id.filter(|_| names).map(|id| json!(id));
                assert_eq!(attributes.get("gen_ai.conversation.id"), expected.as_ref(), "{attributes}");
                assert!(attributes["otel_trace.thread.id"].is_string());
            }
        }
    }
}
