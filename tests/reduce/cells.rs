//! Code cells, their tool calls and their ids.

use otel_trace::event::{CellStatus, ExecutionStatus};
use otel_trace::graph::{Code, CodeCell, Graph, Producer, Requester};
use serde_json::{Value, json};

use crate::case::{Case, function_invocation, item, tool, user};

fn start(runtime: &str, call: &str) -> Value {
    json!({ "type": "code_cell_started", "runtime_cell_id": runtime, "model_visible_call_id": call, "source_js": "js" })
}

fn respond(runtime: &str, status: &str) -> Value {
    json!({ "type": "code_cell_initial_response", "runtime_cell_id": runtime, "status": status, "response_payload": null })
}

fn end(runtime: &str, status: &str) -> Value {
    json!({ "type": "code_cell_ended", "runtime_cell_id": runtime, "status": status, "response_payload": null })
}

fn cell<'g>(graph: &'g Graph, id: &str) -> &'g CodeCell {
    graph.code_cells.get(id).unwrap()
}

fn exec_call(call: &str) -> Value {
    json!({ "type": "custom_tool_call", "call_id": call, "name": "exec", "input": "js" })
}

fn exec_output(call: &str) -> Value {
    json!({ "type": "custom_tool_call_output", "call_id": call, "output": "done" })
}

#[test]
fn cell_is_linked_to_its_items_and_tool_calls() {
    let mut case = Case::new();
    case.request("a", [user("1")]);
    case.response("a", [exec_call("c")]);
    case.event(start("1", "c"));
    case.event(json!({ "type": "tool_call_started", "tool_call_id": "nested", "kind": { "type": "web" },
        "requester": { "type": "code_cell", "runtime_cell_id": "1" }, "summary": { "type": "generic", "label": "web" } }));
    case.event(respond("1", "yielded"));
    let wait = json!({ "type": "other", "name": "wait" });
    case.tool("waits", None, wait.clone(), function_invocation("wait", json!({ "cell_id": "1" })));
    case.tool("badly", None, wait, function_invocation("wait", "1"));
    case.event(end("1", "completed"));
    case.request_after("b", "resp-a", [exec_output("c")]);
    let graph = case.check(&[Code::BadArguments]);
    let cell = cell(&graph, "code_cell:c");
    assert_eq!(cell.source_item_id.map(|item| item.number()), Some(2));
    assert_eq!(cell.output_item_ids.len(), 1);
    assert_eq!(item(&graph, 3).produced_by, [Producer::CodeCell { code_cell_id: "code_cell:c".into() }]);
    assert_eq!(
        (&*cell.nested_tool_call_ids, &*cell.wait_tool_call_ids),
        (&["nested".into()][..], &["waits".into()][..])
    );
    assert_eq!(tool(&graph, "nested").requester, Requester::CodeCell { code_cell_id: "code_cell:c".into() });
    assert_eq!((cell.runtime_status, cell.execution.status), (CellStatus::Completed, ExecutionStatus::Completed));
    assert_eq!(cell.yielded_seq, cell.initial_response_seq);
}

#[test]
fn incomplete_turn_ends_its_cells() {
    for (turn, runtime, execution) in [
        ("failed", CellStatus::Failed, ExecutionStatus::Failed),
        ("cancelled", CellStatus::Terminated, ExecutionStatus::Cancelled),
        ("aborted", CellStatus::Terminated, ExecutionStatus::Cancelled),
        ("completed", CellStatus::Starting, ExecutionStatus::Running),
    ] {
        let mut case = Case::new();
        case.request("a", [exec_call("c")]);
        case.response("a", json!([]));
        case.event(start("1", "c"));
        case.end_turn("u", turn);
        let graph = case.check(&[]);
        let cell = cell(&graph, "code_cell:c");
        assert_eq!((cell.runtime_status, cell.execution.status), (runtime, execution), "{turn}");
    }
}

#[test]
fn events_after_the_end_of_a_cell_change_nothing() {
    let mut case = Case::new();
    case.request("a", [exec_call("c")]);
    case.event(start("1", "c"));
    let ended = case.event(end("1", "failed"));
    case.event(respond("1", "completed"));
    case.event(end("1", "completed"));
    let graph = case.check(&[Code::LateEnd, Code::LateEnd]);
    let cell = cell(&graph, "code_cell:c");
    assert_eq!((cell.runtime_status, cell.execution.status), (CellStatus::Failed, ExecutionStatus::Failed));
    assert_eq!(cell.initial_response_seq.unwrap().0, ended);
}

#[test]
fn cell_ids_are_scoped_and_runtime_ids_are_not_rebound() {
    let mut case = Case::new();
    case.thread("t2", "/root/w");
    case.turn("u2", "t2");
    case.event(start("1", "c"));
    case.event_in(json!("t2"), json!("u2"), start("1", "c"));
    case.event(start("1", "other"));
    case.event(start("2", "c"));
    case.event(respond("9", "completed"));
    use Code::{CellWithoutSource, DuplicateStart, ReboundCell, UnknownObject};
    let graph = case.check(&[CellWithoutSource, CellWithoutSource, ReboundCell, DuplicateStart, UnknownObject]);
    assert_eq!(cell(&graph, "code_cell:c").thread_id, "t".into());
    assert_eq!(cell(&graph, "code_cell:t2:c").thread_id, "t2".into());
    assert_eq!(graph.code_cells.len(), 2);
}

#[test]
fn tool_call_of_an_unknown_cell_names_its_runtime_id() {
    let mut case = Case::new();
    case.event(json!({ "type": "tool_call_started", "tool_call_id": "x", "kind": { "type": "web" },
        "requester": { "type": "code_cell", "runtime_cell_id": "9" }, "summary": { "type": "generic", "label": "web" } }));
    let graph = case.check(&[Code::UnknownObject]);
    assert_eq!(tool(&graph, "x").requester, Requester::CodeCell { code_cell_id: "code_cell:runtime:t:9".into() });
}
