//! Which request made this call? Did the model see this output?

use otel_trace::event::ExecutionStatus;
use otel_trace::graph::{ItemKind, Producer, Requester};

use super::RUN;

#[test]
fn model_calls_link_to_the_response_that_contains_them() {
    let run = &*RUN;
    let tools: Vec<_> = run.graph.tool_calls.iter().filter(|tool| tool.requester == Requester::Model).collect();
    assert!(tools.len() >= 12, "{}", tools.len());
    for tool in tools {
        let call_id = tool.model_visible_call_id.as_ref().expect("the model named it").as_str();
        let [response] = run.evidence.response_with_call(call_id)[..] else { panic!("{call_id}") };
        let requesting_call = run.requesting_call(tool);
        assert_eq!(requesting_call.raw_response_payload_id.as_ref().map(|id| id.as_str()), Some(response));
        assert!(requesting_call.tool_call_ids.contains(&tool.tool_call_id));
        assert_eq!(requesting_call.thread_id, tool.thread_id);
        let [item] = tool.call_item_ids[..] else { panic!("{:?}", tool.call_item_ids) };
        assert!(requesting_call.response_item_ids.contains(&item));
        assert_eq!(run.item(item).content.kind, ItemKind::FunctionCall);
    }
}

#[test]
fn outputs_link_to_the_first_request_that_contains_them() {
    let run = &*RUN;
    for tool in run.graph.tool_calls.iter().filter(|tool| tool.requester == Requester::Model) {
        let call_id = tool.model_visible_call_id.as_ref().expect("the model named it").as_str();
        let [output_id] = tool.output_item_ids[..] else { panic!("{:?}", tool.output_item_ids) };
        let item = run.item(output_id);
        assert_eq!(item.content.kind, ItemKind::FunctionCallOutput);
        assert_eq!(item.produced_by, [Producer::Tool { tool_call_id: tool.tool_call_id.clone() }]);
        let request = run.payload_of_first_request_with(call_id, output_id);
        let mut calls = run.graph.inference_calls.iter();
        let Some(seen_by) = calls.find(|call| call.raw_request_payload_id.as_str() == request) else { continue };
        assert_eq!(item.raw_payload_id.as_str(), request);
        assert!(run.graph.snapshot(&seen_by.inference_call_id).any(|id| id == output_id));
        assert!(seen_by.execution.started.seq > run.requesting_call(tool).execution.started.seq);
        // No earlier request shows the output.
        for call in
            run.graph.inference_calls.iter().filter(|call| call.execution.started.seq < seen_by.execution.started.seq)
        {
            assert!(run.graph.snapshot(&call.inference_call_id).all(|id| id != output_id));
        }
    }
}

#[test]
fn nested_calls_are_not_visible_to_the_model() {
    let run = &*RUN;
    let nested: Vec<_> = run.graph.tool_calls.iter().filter(|tool| tool.requester != Requester::Model).collect();
    assert!(nested.len() >= 3);
    for tool in nested {
        assert_eq!((&tool.requested_by, &tool.model_visible_call_id), (&None, &None));
        assert!(tool.call_item_ids.is_empty() && tool.output_item_ids.is_empty());
    }
}

#[test]
fn call_blocked_by_the_hook_has_failed() {
    let run = &*RUN;
    let [tool] = run.command("rm -rf \"$CARGO_TARGET_DIR\" && cargo test")[..] else { panic!("not called once") };
    assert_eq!(tool.execution.status, ExecutionStatus::Failed);
    assert!(tool.error.as_ref().is_some_and(|error| error.starts_with("blocked by the approval hook: ")));
    let result = tool.raw_result_payload_id.as_ref().expect("a result").as_str();
    assert_eq!(run.evidence.body(result)["type"], "error");
    // The command never ran, and the model received the reason.
    assert!(tool.operation_id.is_none() && tool.raw_runtime_payload_ids.is_empty());
    let output = run.item(tool.output_item_ids[0]).content.text();
    assert!(output.starts_with("error: blocked by the approval hook: "), "{output}");
    let failed = run.graph.tool_calls.iter().filter(|tool| tool.execution.status != ExecutionStatus::Completed);
    assert_eq!(failed.count(), 1, "it is the only one");
}
