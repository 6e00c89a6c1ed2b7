//! Tool calls and their links to conversation items.

use otel_trace::graph::{Code, Producer};
use serde_json::{Value, json};

use crate::case::{Case, call, function_call, function_output, item, tool, user};

fn numbers(items: &[otel_trace::graph::ItemId]) -> Vec<u64> {
    items.iter().map(|item| item.number()).collect()
}

#[test]
fn tool_call_is_linked_before_and_after_the_response() {
    for early in [true, false] {
        let mut case = Case::new();
        case.request("a", [user("1")]);
        if early {
            case.tool("x", Some("c"), json!({ "type": "web" }), None);
        }
        case.response("a", [function_call("c")]);
        if !early {
            case.tool("x", Some("c"), json!({ "type": "web" }), None);
        }
        case.end_tool("x", "completed", None);
        case.request_after("b", "resp-a", [function_output("c", "done")]);
        let graph = case.check(&[]);
        let tool = tool(&graph, "x");
        assert_eq!((numbers(&tool.call_item_ids), numbers(&tool.output_item_ids)), (vec![2], vec![3]));
        assert_eq!(tool.requested_by, Some("a".into()));
        assert_eq!(call(&graph, "a").tool_call_ids, ["x".into()]);
        assert_eq!(item(&graph, 3).produced_by, [Producer::Tool { tool_call_id: "x".into() }]);
    }
}

#[test]
fn tool_call_without_an_item_links_to_an_unknown_response() {
    let respond = |case: &mut Case, id: &str, body: Value| {
        let body = case.body("inference_response", body);
        case.event(json!({ "type": "inference_completed", "inference_call_id": id, "response_payload": body }));
    };
    let unknown = || json!({ "gen_ai.response.id": "r", "gen_ai.usage.input_tokens": 3 });
    for id in [Some("c"), None] {
        let mut case = Case::new();
        case.request("a", [user("1")]);
        respond(&mut case, "a", unknown());
        case.request("b", [user("1")]);
        respond(&mut case, "b", unknown());
        case.tool("x", id, json!({ "type": "web" }), None);
        // A tool call of another turn, which has no calls.
        case.turn("u2", "t");
        case.tool_in(("t", "u2"), "z", Some("d"), json!({ "type": "web" }), None);
        let graph = case.check(&[Code::ResponseUnknown, Code::ResponseUnknown]);
        assert_eq!(tool(&graph, "x").requested_by, Some("b".into()));
        assert_eq!(call(&graph, "b").tool_call_ids, ["x".into()]);
        assert!(call(&graph, "a").tool_call_ids.is_empty());
        assert_eq!(tool(&graph, "z").requested_by, None);
    }
    // The next request lists the function call, but no response produced that item.
    let mut case = Case::new();
    case.request("a", [user("1")]);
    respond(&mut case, "a", unknown());
    case.tool("x", Some("c"), json!({ "type": "web" }), None);
    case.request("b", [user("1"), function_call("c"), function_output("c", "done")]);
    let graph = case.check(&[Code::ResponseUnknown]);
    assert_eq!(tool(&graph, "x").requested_by, Some("a".into()));
    assert_eq!(numbers(&tool(&graph, "x").output_item_ids), [3]);
    // The last response is known and requests no tool.
    let mut case = Case::new();
    case.request("a", [user("1")]);
    respond(&mut case, "a", unknown());
    case.request("b", [user("1")]);
    respond(&mut case, "b", json!({ "output_items": [] }));
    case.tool("x", Some("c"), json!({ "type": "web" }), None);
    assert_eq!(tool(&case.check(&[Code::ResponseUnknown]), "x").requested_by, None);
}

#[test]
fn call_ids_are_scoped_to_their_thread() {
    let mut case = Case::new();
    case.thread("t2", "/root/w");
    case.turn("u2", "t2");
    case.request("a", [function_call("c")]);
    case.request_in("b", "t2", "u2", json!({ "input": [function_call("c")] }));
    case.tool("x", Some("c"), json!({ "type": "web" }), None);
    case.tool_in(("t2", "u2"), "y", Some("c"), json!({ "type": "web" }), None);
    let graph = case.check(&[]);
    assert_eq!(numbers(&tool(&graph, "x").call_item_ids), [1]);
    assert_eq!(numbers(&tool(&graph, "y").call_item_ids), [2]);
}

#[test]
fn second_tool_call_with_a_call_id_has_no_items() {
    let mut case = Case::new();
    case.request("a", [function_call("c")]);
    case.tool("x", Some("c"), json!({ "type": "web" }), None);
    case.tool("y", Some("c"), json!({ "type": "web" }), None);
    let graph = case.check(&[Code::CallIdReused]);
    assert_eq!(numbers(&tool(&graph, "x").call_item_ids), [1]);
    assert_eq!(numbers(&tool(&graph, "y").call_item_ids), Vec::<u64>::new());
    assert_eq!(case.strict_error(), (Code::CallIdReused, Some(6), Some(6)));
}

#[test]
fn tool_call_without_a_thread_takes_the_thread_of_its_turn() {
    let mut case = Case::new();
    let start = json!({ "type": "tool_call_started", "tool_call_id": "x", "requester": { "type": "model" },
        "kind": { "type": "web" }, "summary": { "type": "generic", "label": "web" } });
    case.event_in(Value::Null, json!("u"), start.clone());
    assert_eq!(tool(&case.check(&[]), "x").thread_id, "t".into());

    let mut case = Case::new();
    case.event_in(Value::Null, Value::Null, start.clone());
    assert!(case.check(&[Code::UnknownObject]).tool_calls.is_empty());

    let mut case = Case::new();
    case.thread("t2", "/root/w");
    case.event_in(json!("t2"), json!("u"), start);
    assert!(case.check(&[Code::WrongThread]).tool_calls.is_empty());
}

#[test]
fn payloads_of_an_unknown_tool_call_are_listed() {
    let mut case = Case::new();
    case.runtime_start("ghost", json!({}));
    case.end_tool("ghost", "completed", Some(json!({ "type": "error", "error": "no" })));
    let graph = case.check(&[Code::UnknownObject, Code::UnknownObject]);
    assert_eq!(graph.raw_payloads.len(), 2);
}

#[test]
fn error_of_a_tool_call_comes_from_its_result() {
    let mut case = Case::new();
    case.tool("x", None, json!({ "type": "web" }), None);
    case.end_tool("x", "failed", Some(json!({ "type": "error", "error": "no network" })));
    assert_eq!(tool(&case.check(&[]), "x").error.as_deref(), Some("no network"));
}

#[test]
fn mcp_call_id_is_kept() {
    let mut case = Case::new();
    case.tool("x", None, json!({ "type": "mcp", "server": "docs", "tool": "find" }), None);
    case.event(json!({ "type": "mcp_tool_call_correlation_assigned", "tool_call_id": "x", "mcp_call_id": "7" }));
    case.event(json!({ "type": "mcp_tool_call_correlation_assigned", "tool_call_id": "ghost", "mcp_call_id": "8" }));
    assert_eq!(tool(&case.check(&[Code::UnknownObject]), "x").mcp_call_id, Some("7".into()));
}

#[test]
fn totals_count_each_call_once() {
    let mut case = Case::new();
    case.request("a", [user("1")]);
    case.response_body("a", json!({ "output_items": [], "token_usage": { "input_tokens": 5, "output_tokens": 7 } }));
    case.response("a", [user("late")]);
    case.tool("x", None, json!({ "type": "web" }), None);
    case.end_tool("x", "completed", None);
    case.end_turn("u", "completed");
    let graph = case.check(&[Code::LateEnd]);
    let turn = graph.turns.get("u").unwrap();
    assert_eq!((graph.totals.inference_calls, graph.totals.tool_calls), (1, 1));
    assert_eq!((graph.totals.input_tokens, graph.totals.output_tokens), (5, 7));
    assert_eq!((turn.totals.model_ms, turn.totals.tool_ms, turn.totals.wall_ms), (1, 1, 6));
    assert_eq!(turn.inference_call_ids, ["a".into()]);
    assert_eq!(turn.tool_call_ids, ["x".into()]);
}
