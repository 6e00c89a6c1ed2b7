//! Calls that models made and programs answered, while no run of them was recorded.

use otel_trace::graph::{Code, Graph};
use serde_json::{Value, json};

use crate::case::{Case, assistant, exec, function_call, function_output, tool, user};

/// Starts a run whose model calls `c` and `d`, and whose program runs `c` alone. The next request is left to the caller.
fn two_calls(calls: Value) -> Case {
    let mut case = Case::new();
    case.request("a", [user("1")]);
    case.response("a", calls);
    case.tool("x", Some("c"), exec(), None);
    case.end_tool("x", "completed", None);
    case
}

/// Returns the message of the notice.
fn message(graph: &Graph) -> &str {
    &graph.diagnostics.iter().find(|found| found.code == Code::UnseenTool).unwrap().message
}

#[test]
fn answered_calls_without_a_run_are_counted_once() {
    let mut case = two_calls(json!([function_call("c"), function_call("d"), function_call("e"), function_call("f")]));
    case.request_after("b", "resp-a", ["c", "d", "e"].map(|id| function_output(id, "out")));
    let graph = case.check_strict(&[Code::UnseenTool]);
    assert!(message(&graph).starts_with("of 2 of the calls"), "{}", message(&graph));
    assert_eq!(graph.diagnostics[0].seq.unwrap().0, 5);
    // Further calls in another thread are part of the same notice.
    case.thread("v", "/root/v");
    case.turn("w", "v");
    case.request_in("k", "v", "w", json!({ "input": [user("1")] }));
    case.response("k", [function_call("c")]);
    case.request_in("l", "v", "w", json!({ "input": [function_output("c", "out")], "previous_response_id": "resp-k" }));
    let graph = case.check_strict(&[Code::UnseenTool]);
    assert!(message(&graph).starts_with("of 3 of the calls"), "{}", message(&graph));
}

#[test]
fn a_run_that_records_no_tools_has_none_unseen() {
    let mut case = Case::new();
    case.request("a", [user("1")]);
    case.response("a", [function_call("c")]);
    case.request_after("b", "resp-a", [function_output("c", "out")]);
    case.check(&[]);
    // This one runs no call of a model.
    case.tool("x", Some("other"), exec(), None);
    case.check(&[]);
}

#[test]
fn calls_of_every_shape_are_found() {
    let chat_call = |id: &str| json!({ "id": id, "type": "function", "function": { "name": "f", "arguments": "{}" } });
    let chat = json!({ "role": "assistant", "content": null, "tool_calls": [chat_call("c"), chat_call("d")] });
    let chat_output = |id: &str| json!({ "role": "tool", "tool_call_id": id, "content": "out" });
    let block = |id: &str| json!({ "type": "tool_use", "id": id, "name": "f", "input": {} });
    let blocks = json!([block("c"), block("d")]);
    let result = |id: &str| json!({ "type": "tool_result", "tool_use_id": id, "content": "out" });
    let custom = |id: &str| json!({ "type": "custom_tool_call", "call_id": id, "name": "f", "input": "x" });
    let custom_output = |id: &str| json!({ "type": "custom_tool_call_output", "call_id": id, "output": "out" });
    let shapes = [
        (
            json!({ "choices": [{ "message": chat, "finish_reason": "tool_calls" }] }),
            json!({ "messages": [user_message(), chat, chat_output("c"), chat_output("d")] }),
            json!({ "messages": [user_message()] }),
        ),
        (
            json!({ "role": "assistant", "type": "message", "content": blocks, "stop_reason": "tool_use" }),
            json!({ "system": "s", "messages": [user_message(), { "role": "assistant", "content": blocks },
                                 { "role": "user", "content": [result("c"), result("d")] }] }),
            json!({ "system": "s", "messages": [user_message()] }),
        ),
        (
            json!({ "output": [custom("c"), custom("d")] }),
            json!({ "input": [user("1"), custom("c"), custom("d"), custom_output("c"), custom_output("d")] }),
            json!({ "input": [user("1")] }),
        ),
    ];
    for (response, second, first) in shapes {
        for (runs, codes) in [(vec!["c"], vec![Code::UnseenTool]), (vec!["c", "d"], vec![])] {
            let mut case = Case::new();
            case.request_body("a", &first);
            case.response_body("a", &response);
            for id in runs {
                case.tool(id, Some(id), exec(), None);
                case.end_tool(id, "completed", None);
            }
            case.request_body("b", &second);
            case.check_strict(&codes);
        }
    }
}

fn user_message() -> Value {
    json!({ "role": "user", "content": "1" })
}

#[test]
fn calls_that_no_response_made_are_of_an_earlier_run() {
    let mut case = Case::new();
    case.request("a", [user("1"), function_call("old"), function_output("old", "out")]);
    case.response("a", [function_call("c")]);
    case.tool("x", Some("c"), exec(), None);
    case.request_after("b", "resp-a", [function_output("c", "out")]);
    case.check(&[]);
}

#[test]
fn calls_that_the_provider_runs_need_no_run() {
    let hosted = json!({ "type": "web_search_call", "id": "ws", "status": "completed", "action": { "query": "q" } });
    let mcp =
        json!({ "type": "mcp_call", "id": "m", "name": "f", "server_label": "s", "arguments": "{}", "output": "o" });
    let approval =
        json!({ "type": "mcp_approval_request", "id": "d", "name": "f", "server_label": "s", "arguments": "{}" });
    let mut case = two_calls(json!([hosted, mcp, approval, function_call("c")]));
    let approved = json!({ "type": "mcp_approval_response", "approval_request_id": "d", "approve": true });
    case.request_after("b", "resp-a", [function_output("c", "out"), approved]);
    case.check(&[]);

    let blocks = json!([
        { "type": "server_tool_use", "id": "s", "name": "web_search", "input": {} },
        { "type": "web_search_tool_result", "tool_use_id": "s", "content": [] },
        { "type": "tool_use", "id": "c", "name": "f", "input": {} },
    ]);
    let mut case = Case::new();
    case.request_body("a", json!({ "system": "s", "messages": [user_message()] }));
    case.response_body("a", json!({ "role": "assistant", "content": blocks, "stop_reason": "tool_use" }));
    case.tool("x", Some("c"), exec(), None);
    let result = json!({ "type": "tool_result", "tool_use_id": "c", "content": "out" });
    let messages =
        json!([user_message(), { "role": "assistant", "content": blocks }, { "role": "user", "content": [result] }]);
    case.request_body("b", json!({ "system": "s", "messages": messages }));
    case.check(&[]);
}

#[test]
fn a_code_cell_is_the_run_of_its_script() {
    let script = json!({ "type": "custom_tool_call", "call_id": "d", "name": "exec", "input": "1" });
    let mut case = two_calls(json!([function_call("c"), script]));
    case.event(json!({
        "type": "code_cell_started", "runtime_cell_id": "1", "model_visible_call_id": "d", "source_js": "1",
    }));
    let output = json!({ "type": "custom_tool_call_output", "call_id": "d", "output": "1" });
    case.request_after("b", "resp-a", [function_output("c", "out"), output]);
    case.check(&[]);
}

#[test]
fn calls_of_an_interrupted_turn_are_answered_by_the_program() {
    for status in ["cancelled", "aborted", "failed"] {
        let mut case = two_calls(json!([function_call("c"), function_call("d")]));
        case.end_turn("u", status);
        case.turn("v", "t");
        let outputs = json!([function_output("c", "out"), function_output("d", "interrupted"), user("2")]);
        case.request_in("b", "t", "v", json!({ "input": outputs, "previous_response_id": "resp-a" }));
        case.check(&[]);
    }
}

#[test]
fn a_tool_without_an_id_may_run_any_call_of_its_thread() {
    let mut case = two_calls(json!([function_call("c"), function_call("d")]));
    case.tool("y", None, json!({ "type": "other", "name": "another" }), None);
    case.request_after("b", "resp-a", ["c", "d"].map(|id| function_output(id, "out")));
    case.check(&[]);
    assert!(tool(&case.check(&[]), "y").call_item_ids.is_empty());
}

#[test]
fn a_call_that_was_not_answered_is_not_expected_to_have_run() {
    let mut case = two_calls(json!([function_call("c"), function_call("d")]));
    case.request_after("b", "resp-a", [function_output("c", "out"), assistant("no")]);
    case.check(&[]);
}
