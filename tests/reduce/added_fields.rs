//! Fields that our recorder adds to format 1: what the graph has of them, and values of other types.

use serde_json::{Value, json};

use crate::case::{Case, state};

/// Records a run with these values of the added fields, and returns its state.
fn state_with(conversation: Value, tool: Value, sampled: Value, resource: Value) -> Value {
    let mut case = Case::empty();
    case.manifest("otel_resource", resource);
    case.event(json!({ "type": "rollout_started", "trace_id": "trace", "root_thread_id": "t" }));
    case.event(
        json!({ "type": "thread_started", "thread_id": "t", "agent_path": "/root", "conversation_id": conversation }),
    );
    case.turn("u", "t");
    let cell = json!({ "type": "code_cell_started", "runtime_cell_id": "1", "model_visible_call_id": "c",
                       "source_js": "run()", "tool_name": tool });
    let line = json!({ "schema_version": 1, "seq": 4, "wall_time_unix_ms": 1004, "rollout_id": "r",
                       "thread_id": "t", "codex_turn_id": "u", "payload": cell, "otel_trace_id": "a",
                       "otel_span_id": "b", "otel_sampled": sampled });
    case.line(line);
    state(&case.check(&[otel_trace::graph::Code::CellWithoutSource]))
}

#[test]
fn the_graph_has_them() {
    let resource = json!({ "service.name": "desk", "replica": 7 });
    let state = state_with(json!("conversation-7"), json!("run_js"), json!(false), resource.clone());
    assert_eq!(state["threads"]["t"]["conversation_id"], "conversation-7");
    let cell = &state["code_cells"]["code_cell:c"];
    assert_eq!((&cell["tool_name"], &cell["otel_sampled"]), (&json!("run_js"), &json!(false)));
    assert_eq!(state["otel_resource"], resource);
}

#[test]
fn absent_and_unusable_values_leave_nothing() {
    for value in [Value::Null, json!(7), json!([]), json!(true)] {
        let state = state_with(value.clone(), value.clone(), value.clone(), value);
        let cell = &state["code_cells"]["code_cell:c"];
        assert_eq!(cell["source_js"], "run()");
        assert!(cell.get("tool_name").is_none() && cell.get("otel_sampled").is_none(), "{cell}");
        assert!(state["threads"]["t"].get("conversation_id").is_none());
        assert!(state.get("otel_resource").is_none());
    }
}
