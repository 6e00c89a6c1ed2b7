//! Child processes in the graph of a single bundle.

use otel_trace::event::{Seq, ToolCallId};
use otel_trace::graph::{Code, Severity};
use serde_json::{Value, json};

use crate::case::{Case, exec, state};

pub(crate) fn spawned(metadata: Value) -> Value {
    let summary = "a child process may record";
    json!({ "type": "other", "kind": "process_spawned", "summary": summary, "payloads": [], "metadata": metadata })
}

pub(crate) fn parent(trace: &str, child: &str) -> Value {
    json!({
        "trace_id": trace, "bundle": format!("trace-{trace}-t"), "thread_id": "t", "tool_call_id": "x",
        "child_thread_id": child, "depth": 1,
    })
}

#[test]
fn process_is_spawned_by_a_tool_call_or_in_a_thread() {
    let mut case = Case::new();
    case.tool("x", Some("c"), exec(), None);
    let by_tool = case.event(spawned(json!({ "child_thread_id": "child-1", "tool_call_id": "x", "of": "later" })));
    let in_thread = case.event_in(json!("t"), Value::Null, spawned(json!({ "child_thread_id": "child-2" })));
    let graph = case.check(&[]);
    let child = graph.child_processes.get("child-1").unwrap();
    assert_eq!((child.spawned.seq, child.tool_call_id.as_ref()), (Seq(by_tool), Some(&ToolCallId::from("x"))));
    assert_eq!(child.evidence.as_slice(), [(Seq(by_tool), None)]);
    assert_eq!(
        state(&graph)["child_processes"],
        json!([
            {
                "edge_id": "edge:spawn:t:child-1", "child_thread_id": "child-1", "thread_id": "t", "tool_call_id": "x",
                "spawned_at_unix_ms": 1000 + by_tool, "seq": by_tool,
            },
            {
                "edge_id": "edge:spawn:t:child-2", "child_thread_id": "child-2", "thread_id": "t",
                "spawned_at_unix_ms": 1000 + in_thread, "seq": in_thread,
            },
        ])
    );
    assert!(graph.edges.is_empty(), "edges of a graph stay inside its bundle");
    assert!(case.try_reduce(&otel_trace::reduce::Options::default().strict(true)).is_ok());
}

#[test]
fn bundle_without_processes_has_no_process_fields() {
    let state = state(&Case::new().check(&[]));
    assert_eq!((state.get("parent"), state.get("child_processes")), (None, None));
}

#[test]
fn parent_of_the_manifest_is_kept() {
    let case = Case::new();
    case.manifest("parent", parent("other", "t"));
    assert_eq!(state(&case.check(&[]))["parent"], parent("other", "t"));
    case.manifest("parent", Value::Null);
    assert_eq!(case.check(&[]).parent, None);
}

#[test]
fn unreadable_parent_leaves_the_rest_of_the_graph_intact() {
    for bad in [json!("text"), json!({ "trace_id": "other" }), json!([1]), json!(7)] {
        let mut case = Case::new();
        case.tool("x", None, exec(), None);
        case.manifest("parent", bad);
        let graph = case.check(&[Code::BadProcess]);
        assert_eq!((graph.parent.as_ref(), graph.tool_calls.len()), (None, 1));
        assert!(
            graph.diagnostics[0].message.contains("the run is treated as having no parent"),
            "{}",
            graph.diagnostics[0]
        );
        assert_eq!(case.strict_error(), (Code::BadProcess, None, None));
    }
}

#[test]
fn unreadable_child_process_is_skipped() {
    for bad in [json!(null), json!("child"), json!({ "tool_call_id": "x" }), json!({ "child_thread_id": 7 })] {
        let mut case = Case::new();
        let seq = case.event(spawned(bad));
        let graph = case.check(&[Code::BadProcess]);
        assert!(graph.child_processes.is_empty());
        assert_eq!(graph.diagnostics[0].severity, Severity::Skipped);
        assert_eq!(case.strict_error(), (Code::BadProcess, Some(seq), Some(seq)));
    }
}

#[test]
fn child_of_an_unknown_tool_call_belongs_to_the_thread() {
    let mut case = Case::new();
    case.event(spawned(json!({ "child_thread_id": "child", "tool_call_id": "never" })));
    let graph = case.check(&[Code::UnknownObject]);
    assert_eq!(graph.child_processes.get("child").unwrap().tool_call_id, None);
    // The tool call starts later: only a strict reduction reports that.
    case.tool("never", None, exec(), None);
    let graph = case.check(&[]);
    assert!(graph.child_processes.get("child").unwrap().tool_call_id.is_some());
    assert_eq!(case.strict_error().0, Code::UnknownObject);
}

#[test]
fn child_without_a_context_takes_the_thread_of_its_tool_call() {
    let mut case = Case::new();
    case.tool("x", None, exec(), None);
    case.event_in(Value::Null, Value::Null, spawned(json!({ "child_thread_id": "a", "tool_call_id": "x" })));
    case.event_in(Value::Null, Value::Null, spawned(json!({ "child_thread_id": "b" })));
    let graph = case.check(&[Code::UnknownObject]);
    assert_eq!(graph.child_processes.get("a").unwrap().thread_id.as_str(), "t");
    assert!(!graph.child_processes.contains("b"));
}

#[test]
fn repeated_child_id_is_reported() {
    let mut case = Case::new();
    case.tool("x", None, exec(), None);
    let first = case.event(spawned(json!({ "child_thread_id": "child" })));
    case.event(spawned(json!({ "child_thread_id": "child", "tool_call_id": "x" })));
    let graph = case.check(&[Code::DuplicateStart]);
    assert_eq!(graph.child_processes.get("child").unwrap().spawned.seq, Seq(first));
}
