//! Which cell issued this nested call? Who waited for it?

use otel_trace::event::{CellStatus, ExecutionStatus};
use otel_trace::graph::{CodeCell, ItemKind, Producer, Requester};

use super::RUN;

fn cell(runtime_id: &str) -> &'static CodeCell {
    let matches = |cell: &&CodeCell| cell.runtime_cell_id.as_ref().is_some_and(|id| id.as_str() == runtime_id);
    RUN.graph.code_cells.iter().find(matches).expect("a cell")
}

#[test]
fn nested_calls_link_to_the_cell_that_issued_them() {
    let run = &*RUN;
    assert_eq!(run.graph.code_cells.len(), 2);
    for cell in run.graph.code_cells.iter() {
        assert!(!cell.nested_tool_call_ids.is_empty());
    }
    let mut nested = 0;
    for tool in run.graph.tool_calls.iter() {
        let Requester::CodeCell { code_cell_id } = &tool.requester else { continue };
        nested += 1;
        let issuer = run.graph.code_cells.get(code_cell_id).expect("the cell");
        assert!(issuer.nested_tool_call_ids.contains(&tool.tool_call_id));
        let runtime_id = tool.code_mode_runtime_tool_id.as_ref().expect("the runtime named it").as_str();
        let number = issuer.runtime_cell_id.as_ref().expect("a number").as_str();
        assert!(runtime_id.starts_with(&format!("cell-{number}-tool-")), "{runtime_id}");
        let cmd = run.evidence.argument(tool, "cmd").expect("a command");
        assert!(issuer.source_js.contains(&cmd), "{cmd}: {}", issuer.source_js);
        // The result is the value that the script received.
        let result = tool.raw_result_payload_id.as_ref().expect("a result").as_str();
        assert_eq!(run.evidence.body(result)["type"], "code_mode_response");
    }
    assert_eq!(nested, run.graph.code_cells.iter().map(|cell| cell.nested_tool_call_ids.len()).sum::<usize>());
}

#[test]
fn cells_link_to_their_response_and_request() {
    let run = &*RUN;
    for cell in run.graph.code_cells.iter() {
        let call_id = cell.model_visible_call_id.as_str();
        let [response] = run.evidence.response_with_call(call_id)[..] else { panic!("{call_id}") };
        let source = cell.source_item_id.expect("a source");
        let source_call = run.graph.inference_calls.iter().find(|call| call.response_item_ids.contains(&source));
        let source_response = source_call.and_then(|call| call.raw_response_payload_id.as_ref()).map(|id| id.as_str());
        assert_eq!(source_response, Some(response));
        let [output_id] = cell.output_item_ids[..] else { panic!("{:?}", cell.output_item_ids) };
        let item = run.item(output_id);
        assert_eq!(item.content.kind, ItemKind::CustomToolCallOutput);
        assert_eq!(item.produced_by, [Producer::CodeCell { code_cell_id: cell.code_cell_id.clone() }]);
        let request = run.payload_of_first_request_with(call_id, output_id);
        let is_call = run.graph.inference_calls.iter().any(|call| call.raw_request_payload_id.as_str() == request);
        assert_eq!(item.raw_payload_id.as_str() == request, is_call);
    }
}

#[test]
fn yielded_cell_runs_until_it_is_waited_for() {
    let (first, second) = (cell("1"), cell("2"));
    assert_eq!((first.yielded_at, first.wait_tool_call_ids.len()), (None, 0));
    assert!(second.yielded_seq.is_some() && second.yielded_seq == second.initial_response_seq);
    let ended = second.execution.ended.expect("an end");
    assert!(second.yielded_seq < Some(ended.seq));
    for cell in [first, second] {
        assert_eq!((cell.runtime_status, cell.execution.status), (CellStatus::Completed, ExecutionStatus::Completed));
    }
    let waits = RUN.tools_named("wait");
    assert!(!waits.is_empty());
    let ids: Vec<_> = waits.iter().map(|tool| tool.tool_call_id.clone()).collect();
    assert_eq!(second.wait_tool_call_ids, ids);
    for wait in waits {
        assert_eq!(RUN.evidence.argument(wait, "cell_id").as_deref(), Some("2"));
    }
}
