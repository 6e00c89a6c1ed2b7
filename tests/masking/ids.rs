//! Ids that are credentials: masked alike in the log, in bodies, in the manifest and in the name of the directory, so that
//! what they link stays linked.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use otel_trace::bundle::{Body, Manifest, Reader, Writer, WriterOptions};
use otel_trace::event::ParentProcess;
use otel_trace::event::{Event, PayloadRef, Record, ThreadId};
use otel_trace::{
    AgentThread, Durability, Exact, Json, Masking, Model, Operation, Recorder, RecorderBuilder, Store, ThreadMeta,
    ToolCallMeta,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tracing::info_span;
use xxhash_rust::xxh3::xxh3_128;

use crate::common::{bundles, run_recorded};
use crate::recording::assert_lacks;
use crate::redact::{case, graph, redacted};

const CASES: [&str; 8] =
    ["agents", "chat", "code-cells", "compaction", "everything", "everything-incremental", "incremental", "tools"];

/// The beginning of each credential of these tests. The rest follows from the id that the credential stands for.
const PREFIX: &str = "ghp_";

/// Returns a token that stands for an id.
fn credential(id: &str) -> String {
    format!("{PREFIX}{:032x}AbCd", xxh3_128(id.as_bytes()))
}

/// Returns the names of the members of an event or a body that hold ids.
fn is_id_name(name: &str) -> bool {
    !["raw_payload_id", "trace_id"].contains(&name) && name.ends_with("_id")
}

fn collect_ids(value: &Value, name: &str, ids: &mut BTreeSet<String>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| collect_ids(value, name, ids)),
        Value::Object(members) => members.iter().for_each(|(name, value)| collect_ids(value, name, ids)),
        Value::String(text) if is_id_name(name) && !text.is_empty() => drop(ids.insert(text.clone())),
        Value::String(text) => {
            if let Ok(nested @ Value::Object(_)) = serde_json::from_str(text) {
                collect_ids(&nested, "", ids);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Returns the files of a bundle, with their paths in it.
fn files(bundle: &Path) -> Vec<PathBuf> {
    let payloads = fs::read_dir(bundle.join("payloads")).unwrap().map(|entry| entry.unwrap().file_name());
    let payloads = payloads.map(|name| Path::new("payloads").join(name));
    ["manifest.json", "trace.jsonl"].map(PathBuf::from).into_iter().chain(payloads).collect()
}

/// Copies a conformance case with a credential in place of each id.
fn with_credentials(name: &str) -> (TempDir, PathBuf) {
    let mut ids = BTreeSet::new();
    for file in files(&case(name)) {
        for line in fs::read_to_string(case(name).join(file)).unwrap().lines() {
            serde_json::from_str(line).iter().for_each(|value| collect_ids(value, "", &mut ids));
        }
    }
    assert!(ids.len() > 5, "{ids:?}");
    let root = tempfile::tempdir().unwrap();
    let bundle = root.path().join("bundle");
    fs::create_dir_all(bundle.join("payloads")).unwrap();
    for file in files(&case(name)) {
        let mut text = fs::read_to_string(case(name).join(&file)).unwrap();
        for id in &ids {
            // Whole strings, at any level of escapes.
            for end in ["\"", "\\"] {
                text = text.replace(&format!("\"{id}{end}"), &format!("\"{}{end}", credential(id)));
            }
        }
        fs::write(bundle.join(file), text).unwrap();
    }
    (root, bundle)
}

/// Adds the strings of two JSON values of one structure in which they differ, as pairs.
fn add_pairs(masked: &Value, original: &Value, pairs: &mut BTreeMap<String, String>) {
    match (masked, original) {
        (Value::Array(masked), Value::Array(original)) => {
            assert_eq!(masked.len(), original.len());
            masked.iter().zip(original).for_each(|(masked, original)| add_pairs(masked, original, pairs));
        }
        (Value::Object(masked), Value::Object(original)) => {
            for (name, original) in original.iter().filter(|(name, _)| !["path", "trace_id"].contains(&name.as_str())) {
                add_pairs(&masked[name], original, pairs);
            }
        }
        (Value::String(masked), Value::String(original)) if masked != original => {
            if let (Ok(masked @ Value::Object(_)), Ok(original)) =
                (serde_json::from_str(masked), serde_json::from_str(original))
            {
                return add_pairs(&masked, &original, pairs);
            }
            let known = pairs.insert(masked.clone(), original.clone());
            assert!(known.is_none_or(|known| known == *original), "{masked} stands for two ids");
        }
        (masked, original) => assert_eq!(masked, original),
    }
}

fn lines(bundle: &Path) -> Vec<Value> {
    let log = fs::read_to_string(bundle.join("trace.jsonl")).unwrap();
    log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Checks that a bundle has the graph of the original, once the ids that were masked are put back.
#[track_caller]
fn assert_same_graph(masked: &Path, original: &Path) {
    let mut pairs = BTreeMap::new();
    let (masked_lines, original_lines) = (lines(masked), lines(original));
    assert_eq!(masked_lines.len(), original_lines.len());
    masked_lines.iter().zip(&original_lines).for_each(|(masked, original)| add_pairs(masked, original, &mut pairs));
    for name in fs::read_dir(original.join("payloads")).unwrap().map(|entry| entry.unwrap().file_name()) {
        let body = |bundle: &Path| fs::read(bundle.join("payloads").join(&name)).unwrap();
        if let (Ok(masked), Ok(original)) =
            (serde_json::from_slice(&body(masked)), serde_json::from_slice(&body(original)))
        {
            add_pairs(&masked, &original, &mut pairs);
        }
    }
    let originals: BTreeSet<_> = pairs.values().collect();
    assert_eq!(originals.len(), pairs.len(), "one id is masked in two ways");
    assert!(pairs.keys().all(|masked| masked.contains("masked-github-")), "{pairs:?}");
    let mut state = graph(masked).to_string();
    for (masked, original) in &pairs {
        state = state.replace(masked, original);
    }
    let normal = |mut state: Value| {
        for name in ["trace_id", "bundle"] {
            state.as_object_mut().unwrap().remove(name);
        }
        state
    };
    let state = normal(serde_json::from_str(&state).unwrap());
    assert_equal(&state, &normal(graph(original)), "");
}

#[track_caller]
fn assert_equal(value: &Value, expected: &Value, path: &str) {
    match (value, expected) {
        (Value::Array(values), Value::Array(expected)) if values.len() == expected.len() => {
            values.iter().zip(expected).for_each(|(value, expected)| assert_equal(value, expected, path));
        }
        (Value::Object(values), Value::Object(expected)) => {
            values.keys().for_each(|name| assert!(expected.contains_key(name), "{path}: {name}"));
            expected.iter().for_each(|(name, expected)| {
                assert_equal(&values[name], expected, &format!("{path}/{name}"));
            });
        }
        (value, expected) => assert_eq!(value, expected, "{path}"),
    }
}

#[test]
fn redacted_copy_links_what_masked_ids_link() {
    for name in CASES {
        let (_source, bundle) = with_credentials(name);
        let (_root, copy) = redacted(&bundle, &[]);
        assert_lacks(&copy, PREFIX);
        assert_same_graph(&copy, &case(name));
        let (_root, copy) = redacted(&bundle, &["--content"]);
        assert_lacks(&copy, PREFIX);
    }
}

/// Writes the events and payloads of a bundle by a writer with the default masking.
fn written_again(bundle: &Path, store: Store) -> (TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let reader = Reader::open(bundle).unwrap();
    let Manifest { trace_id, rollout_id, root_thread_id, started_at, .. } = reader.manifest().clone();
    let manifest = Manifest::new(trace_id, rollout_id, root_thread_id, started_at);
    let mut options = WriterOptions::default();
    options.store = store;
    let writer = Writer::create(root.path(), manifest, options).unwrap();
    let mut written = BTreeMap::new();
    for line in reader.lines().unwrap() {
        let record: Record = line.unwrap().content.unwrap();
        let thread = record.context.thread_id.clone().unwrap_or_else(|| ThreadId::from(""));
        record.event.for_each_payload(|reference| {
            let body = reader.payload(reference).unwrap();
            let body: &dyn Body = &Exact(&body);
            let stored = || writer.put(&thread, reference.kind.known().unwrap(), body).unwrap().reference;
            written.entry(reference.path.clone()).or_insert_with(stored);
        });
        let event = located(serde_json::to_value(&record.event).unwrap(), &written);
        writer.append(record.at, &record.context, &event).unwrap();
    }
    let path = writer.path().to_owned();
    (root, path)
}

/// Returns the event with its payloads where they were written.
fn located(mut event: Value, written: &BTreeMap<String, PayloadRef>) -> Event {
    fn visit(value: &mut Value, written: &BTreeMap<String, PayloadRef>) {
        match value {
            Value::Array(values) => values.iter_mut().for_each(|value| visit(value, written)),
            Value::Object(members) if members.contains_key("raw_payload_id") => {
                let id = members["raw_payload_id"].clone();
                let path = members["path"].as_str().unwrap();
                *value = serde_json::to_value(&written[path]).unwrap();
                value["raw_payload_id"] = id;
            }
            Value::Object(members) => members.values_mut().for_each(|value| visit(value, written)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    visit(&mut event, written);
    let line = json!({ "schema_version": 1, "seq": 1, "wall_time_unix_ms": 1, "rollout_id": "r", "payload": event });
    Record::parse(line.to_string().as_bytes()).unwrap().event
}

#[test]
fn recorded_bundle_links_what_masked_ids_link() {
    for name in CASES {
        let (_source, bundle) = with_credentials(name);
        // The same bundle without credentials, so that the locations of payloads are equal.
        let (_plain, plain) = written_again(&case(name), Store::Files);
        let (_root, masked) = written_again(&bundle, Store::Files);
        assert_lacks(masked.parent().unwrap(), PREFIX);
        let directory = masked.file_name().unwrap().to_string_lossy().into_owned();
        assert!(directory.contains("-masked-github-"), "{directory}");
        assert_same_graph(&masked, &plain);
    }
}

/// Records a program by a recorder, and returns its bundles.
fn recorded(
    configure: impl FnOnce(RecorderBuilder) -> RecorderBuilder,
    program: impl FnOnce(&Recorder),
) -> (TempDir, Vec<crate::common::Bundle>) {
    let root = tempfile::tempdir().unwrap();
    let (recorder, guard) = configure(Recorder::builder().root(root.path()).no_parent()).build().unwrap();
    run_recorded(&recorder, || program(&recorder));
    drop(guard);
    assert_eq!(recorder.stats().lost(), 0, "{:?}", recorder.stats());
    assert_lacks(root.path(), PREFIX);
    let bundles = bundles(root.path());
    for bundle in &bundles {
        let name = bundle.path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(!name.contains(PREFIX) && name.contains("masked-github-"), "{name}");
    }
    (root, bundles)
}

#[test]
fn open_conversation_is_found_by_an_id_that_is_masked() {
    let id = credential("conversation");
    let ask = |recorder: &Recorder| {
        let thread = recorder.conversation(&id, ThreadMeta::new());
        thread.turn(None).complete();
    };
    let (_root, found) = recorded(
        |builder| builder,
        |recorder| {
            ask(recorder);
            ask(recorder);
            assert!(recorder.find_thread(&id).is_some());
            // A plain span names the conversation by the same id.
            info_span!(
                "chat",
                gen_ai.operation.name = "chat",
                gen_ai.request.model = "m",
                gen_ai.conversation.id = id,
                gen_ai.input.messages = "[]",
                gen_ai.output.messages = "[]"
            )
            .in_scope(|| {});
        },
    );
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].events("codex_turn_started").len(), 3);
    let thread = &found[0].event("thread_started")["thread_id"];
    assert_eq!(&found[0].event("thread_started")["conversation_id"], thread);
    assert_eq!(&found[0].manifest["root_thread_id"], thread);
}

#[test]
fn bundles_of_one_conversation_have_one_masked_id() {
    let id = credential("conversation");
    let (_root, found) = recorded(
        |builder| builder,
        |recorder| {
            for _ in 0..2 {
                recorder.conversation(&id, ThreadMeta::new()).complete();
            }
        },
    );
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].manifest["root_thread_id"], found[1].manifest["root_thread_id"]);
    // Without the key of the recorder, a guess cannot be compared with the id.
    let (_root, other) =
        recorded(|builder| builder, |recorder| recorder.conversation(&id, ThreadMeta::new()).complete());
    assert_ne!(found[0].manifest["root_thread_id"], other[0].manifest["root_thread_id"]);
    let salted = |builder: RecorderBuilder| builder.mask(Masking::new().salt([7; 16]));
    let ids = [(); 2].map(|()| {
        let (_root, found) = recorded(salted, |recorder| recorder.conversation(&id, ThreadMeta::new()).complete());
        found[0].manifest["root_thread_id"].clone()
    });
    assert_eq!(ids[0], ids[1]);
}

/// Records a call of a tool whose id is a credential, by typed handles and by a plain span without surroundings, and a
/// child process.
fn call_tools() -> ParentProcess {
    let thread = AgentThread::start(ThreadMeta::new().id(&credential("thread")));
    let turn = thread.turn(Some(credential("turn").into()));
    let inference = turn.inference(Model { name: "m", provider: "p" });
    inference.request(Json(&json!({ "input": [] })));
    let call =
        |id: &str| json!({ "type": "function_call", "call_id": credential(id), "name": "run", "arguments": "{}" });
    let body = json!({ "id": credential("response"), "output": [call("one"), call("two")] });
    inference.response(Exact(body.to_string().as_bytes()));
    inference.complete();
    let tool = turn.tool_call(ToolCallMeta::new("run").id(&credential("one")));
    let ids = tool.ids();
    assert!(ids.tool_call.unwrap().as_str().starts_with("masked-github-"));
    assert!(ids.thread.unwrap().as_str().starts_with("masked-github-"));
    let process = tool.child_process();
    let parent = process.parent().map(ParentProcess::parse);
    tool.output("1");
    tool.complete();
    tracing::Span::none().in_scope(|| {
        let parent: Option<tracing::span::Id> = None;
        info_span!(parent: parent, "execute_tool", gen_ai.operation.name = "execute_tool", gen_ai.tool.name = "run",
            gen_ai.tool.call.id = credential("two"), gen_ai.tool.call.result = "2")
        .in_scope(|| {});
    });
    let followed = turn.inference(Model { name: "m", provider: "p" });
    let output =
        |id: &str, text: &str| json!({ "type": "function_call_output", "call_id": credential(id), "output": text });
    followed.request(Json(
        &json!({ "previous_response_id": credential("response"), "input": [output("one", "1"), output("two", "2")] }),
    ));
    followed.response(Json(&json!({ "output": [] })));
    followed.complete();
    turn.complete();
    thread.complete();
    parent.unwrap().unwrap()
}

#[test]
fn calls_and_processes_are_linked_by_masked_ids() {
    for durability in [Durability::PageCache, Durability::Buffered] {
        for store in [Store::Files, Store::Pack] {
            let mut parent = None;
            let (root, found) =
                recorded(|builder| builder.durability(durability).store(store), |_| parent = Some(call_tools()));
            let graph = crate::common::graph(&found[0].path);
            assert_eq!(graph.tool_calls.len(), 2);
            for tool in graph.tool_calls.iter() {
                assert!(tool.requested_by.is_some() && !tool.output_item_ids.is_empty(), "{tool:?}");
            }
            assert_eq!((graph.turns.len(), graph.inference_calls.len()), (1, 2));
            // The child's manifest names its parent as the parent's log does.
            let parent = parent.unwrap();
            assert!(!parent.to_text().contains(PREFIX), "{parent:?}");
            assert_eq!(parent.thread_id.as_str(), found[0].manifest["root_thread_id"]);
            let builder = Recorder::builder().root(root.path()).parent(parent.to_text());
            let (recorder, guard) = builder.build().unwrap();
            run_recorded(&recorder, || AgentThread::start(ThreadMeta::new()).complete());
            drop(guard);
            let child = bundles(root.path()).into_iter().find(|it| it.path != found[0].path).unwrap();
            assert_eq!(child.manifest["parent"]["thread_id"], found[0].manifest["root_thread_id"]);
            let spawned =
                found[0].events("other").into_iter().find(|event| event["kind"] == "process_spawned").unwrap();
            assert_eq!(spawned["metadata"]["tool_call_id"], child.manifest["parent"]["tool_call_id"]);
        }
    }
}

#[test]
fn parent_in_a_manifest_is_redacted() {
    let (_source, bundle) = with_credentials("chat");
    let mut manifest: Value = serde_json::from_slice(&fs::read(bundle.join("manifest.json")).unwrap()).unwrap();
    let name = format!("trace-0190a0b0-0000-7000-8000-000000000001-{}", credential("root"));
    manifest["parent"] = json!({ "trace_id": "t", "bundle": name, "thread_id": credential("root"), "child_thread_id": "c",
        "tool_call_id": credential("call"), "depth": 1 });
    fs::write(bundle.join("manifest.json"), manifest.to_string()).unwrap();
    let (_root, copy) = redacted(&bundle, &[]);
    assert_lacks(&copy, PREFIX);
    let manifest: Value = serde_json::from_slice(&fs::read(copy.join("manifest.json")).unwrap()).unwrap();
    let thread = manifest["parent"]["thread_id"].as_str().unwrap();
    assert!(manifest["parent"]["bundle"].as_str().unwrap().ends_with(thread), "{manifest}");
}
