//! Conformance cases: bundles of other producers with the graph that they must reduce to.
//!
//! A case is a bundle with `expected.json`. Every expected field must exist and be equal, and further fields are
//! allowed; the top-level maps must have equal keys. A turn's `input_item_ids` is not compared. Fields that this crate
//! always writes, and the first implementation did not, are added to the expected graph.

use std::collections::BTreeMap;
use std::path::Path;

use otel_trace::bundle::Reader;
use otel_trace::graph::{Graph, Snapshots};
use otel_trace::reduce::{Options, reduce};
use serde_json::{Map, Value};

#[test]
fn chat() {
    check("chat");
}

#[test]
fn incremental() {
    check("incremental");
}

#[test]
fn tools() {
    check("tools");
}

#[test]
fn code_cells() {
    check("code-cells");
}

#[test]
fn compaction() {
    check("compaction");
}

#[test]
fn agents() {
    check("agents");
}

#[test]
fn everything() {
    check("everything");
}

#[test]
fn everything_incremental() {
    check("everything-incremental");
}

#[track_caller]
fn check(case: &str) {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance").join(case);
    let graph = reduced(&case, &Options::default());
    assert_eq!(graph.diagnostics, [], "a sound bundle has no diagnostics");

    let expanded = state(&graph, Snapshots::Expanded);
    let mut expected = serde_json::from_slice(&std::fs::read(case.join("expected.json")).unwrap()).unwrap();
    add_cache_writes(&mut expected);
    let mut differences = Vec::new();
    compare("$", &expected, &expanded, 0, &mut differences);
    assert!(differences.is_empty(), "{}:\n{}", case.display(), differences.join("\n"));

    let shared = state(&graph, Snapshots::Shared);
    assert_eq!(expand(shared), expanded, "shared snapshots expand to an equal state");
    let strict = reduced(&case, &Options::default().strict(true));
    assert_eq!(state(&strict, Snapshots::Expanded), expanded, "a sound bundle passes a strict reduction");
}

fn reduced(case: &Path, options: &Options) -> Graph {
    reduce(&Reader::open(case).unwrap(), options).unwrap().graph
}

fn state(graph: &Graph, snapshots: Snapshots) -> Value {
    let mut bytes = Vec::new();
    graph.write_state(&mut bytes, snapshots).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

fn compare(path: &str, expected: &Value, actual: &Value, depth: usize, differences: &mut Vec<String>) {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => {
            if depth == 1 {
                let unexpected = actual.keys().filter(|key| !expected.contains_key(*key));
                differences.extend(unexpected.map(|key| format!("{path}.{key}: not expected")));
            }
            for (key, expected) in expected {
                if key == "input_item_ids" && path.contains(".codex_turns.") {
                    continue;
                }
                match actual.get(key) {
                    Some(actual) => compare(&format!("{path}.{key}"), expected, actual, depth + 1, differences),
                    None if expected.is_null() => {}
                    None => differences.push(format!("{path}.{key}: missing")),
                }
            }
        }
        (Value::Array(expected), Value::Array(actual)) if expected.len() == actual.len() => {
            for (index, (expected, actual)) in expected.iter().zip(actual).enumerate() {
                compare(&format!("{path}[{index}]"), expected, actual, depth + 2, differences);
            }
        }
        (expected, actual) if expected == actual => {}
        (expected, actual) => differences.push(format!("{path}: expected {expected}, found {actual}")),
    }
}

/// Adds to every object with token counts that no tokens were written to a cache.
fn add_cache_writes(state: &mut Value) {
    match state {
        Value::Object(fields) => {
            fields.values_mut().for_each(add_cache_writes);
            if fields.contains_key("cached_input_tokens") {
                fields.insert("cache_write_input_tokens".to_owned(), 0.into());
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(add_cache_writes),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Expands the request prefixes of a state with shared snapshots.
fn expand(mut state: Value) -> Value {
    let calls = state["inference_calls"].as_object().unwrap().clone();
    let mut known = BTreeMap::new();
    for call in calls.keys() {
        expand_call(&calls, call, &mut known);
    }
    for (id, call) in state["inference_calls"].as_object_mut().unwrap() {
        let call = call.as_object_mut().unwrap();
        call.remove("request_prefix");
        call.insert("request_item_ids".to_owned(), Value::Array(known[id].clone()));
    }
    state
}

fn expand_call(calls: &Map<String, Value>, id: &str, known: &mut BTreeMap<String, Vec<Value>>) -> Vec<Value> {
    if let Some(items) = known.get(id) {
        return items.clone();
    }
    let call = &calls[id];
    let mut items = Vec::new();
    if let Some(prefix) = call.get("request_prefix") {
        let earlier = prefix["inference_call_id"].as_str().unwrap();
        items = expand_call(calls, earlier, known);
        let count = usize::try_from(prefix["items"].as_u64().unwrap()).unwrap();
        assert!(count <= items.len(), "the prefix of {id} is longer than the request of {earlier}");
        items.truncate(count);
        if prefix["with_response"].as_bool().unwrap() {
            items.extend(calls[earlier]["response_item_ids"].as_array().unwrap().iter().cloned());
        }
    }
    items.extend(call["request_item_ids"].as_array().unwrap().iter().cloned());
    known.insert(id.to_owned(), items.clone());
    items
}
