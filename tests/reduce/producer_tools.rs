//! Tools as the producer of format 1 names them today: those of MCP servers, and those whose names are newer than the kinds of
//! the format.

use otel_trace::graph::{Code, McpTool};
use serde_json::{Value, json};

use crate::case::{Case, function_invocation, state, tool};

/// The event that starts a tool call with this kind and label.
fn start(kind: Value, label: &str) -> Value {
    json!({ "type": "tool_call_started", "tool_call_id": "x", "requester": { "type": "model" }, "kind": kind,
        "summary": { "type": "generic", "label": label } })
}

fn other(name: &str) -> Value {
    json!({ "type": "other", "name": name })
}

fn correlate(case: &mut Case, id: &str) -> u64 {
    case.event(json!({ "type": "mcp_tool_call_correlation_assigned", "tool_call_id": "x", "mcp_call_id": id }))
}

/// Returns the MCP tool of a call with this kind and label, and with an id of the MCP client if `is_correlated`.
fn mcp_of(kind: Value, label: &str, is_correlated: bool) -> Option<McpTool> {
    let mut case = Case::new();
    case.event(start(kind, label));
    if is_correlated {
        correlate(&mut case, "7");
    }
    let graph = case.check_strict(&[]);
    let mcp = tool(&graph, "x").mcp.clone();
    let written = &state(&graph)["tool_calls"]["x"];
    match &mcp {
        Some(McpTool { server, tool }) => assert_eq!(written["mcp"], json!({ "server": server, "tool": tool })),
        None => assert!(written.get("mcp").is_none()),
    }
    mcp
}

fn mcp(server: Option<&str>, tool: &str) -> Option<McpTool> {
    Some(McpTool { server: server.map(str::to_owned), tool: tool.to_owned() })
}

#[test]
fn label_names_the_server_up_to_its_first_dot() {
    for is_correlated in [false, true] {
        let found = |label: &str| mcp_of(other("whatever"), label, is_correlated);
        assert_eq!(found("mcp__docs.find"), mcp(Some("docs"), "find"));
        assert_eq!(found("mcp__docs.find.all"), mcp(Some("docs"), "find.all"));
        assert_eq!(found("mcp__docs_v2__eu.find"), mcp(Some("docs_v2__eu"), "find"));
        assert_eq!(found("mcp__docs__find"), mcp(Some("docs"), "find"));
        assert_eq!(found("mcp__.find"), mcp(None, "find"));
        assert_eq!(found("mcp__docs"), mcp(None, "mcp__docs"));
    }
}

#[test]
fn tool_call_with_an_id_of_the_mcp_client_used_an_mcp_tool() {
    assert_eq!(mcp_of(other("find"), "find", true), mcp(None, "find"));
    assert_eq!(mcp_of(other("find"), "docs.find", true), mcp(Some("docs"), "find"));
    assert_eq!(mcp_of(json!({ "type": "web" }), "web_search", true), mcp(None, "web_search"));
}

#[test]
fn kind_of_the_tool_may_name_the_server() {
    let kind = json!({ "type": "mcp", "server": "docs", "tool": "find" });
    assert_eq!(mcp_of(kind.clone(), "mcp:docs:find", false), mcp(Some("docs"), "find"));
    assert_eq!(mcp_of(kind, "mcp:docs:find", true), mcp(Some("docs"), "find"));
}

#[test]
fn other_tools_are_no_mcp_tools() {
    for (kind, label) in [
        (other("find"), "find"),
        (other("web.run"), "web.run"),
        (other("find"), "my_mcp__docs.find"),
        (json!({ "type": "exec_command" }), "shell"),
    ] {
        assert_eq!(mcp_of(kind, label, false), None, "{label}");
    }
}

#[test]
fn namespace_of_an_invocation_that_is_read_names_the_server() {
    let invocation = |namespace: Value| {
        let mut invocation = function_invocation("send_message", "{}").unwrap();
        invocation["tool_namespace"] = namespace;
        Some(invocation)
    };
    let mut case = Case::new();
    case.tool("x", None, json!({ "type": "send_message" }), invocation(json!("mcp__chat")));
    case.tool("y", None, json!({ "type": "send_message" }), invocation(Value::Null));
    // The invocation of another tool is not read.
    case.tool("z", None, other("find"), invocation(json!("mcp__chat")));
    let graph = case.check_strict(&[]);
    assert_eq!(tool(&graph, "x").mcp, mcp(Some("chat"), "send_message"));
    assert_eq!((&tool(&graph, "y").mcp, &tool(&graph, "z").mcp), (&None, &None));
}

#[test]
fn second_id_of_the_mcp_client_is_reported_if_it_differs() {
    let mut case = Case::new();
    case.event(start(other("find"), "mcp__docs.find"));
    correlate(&mut case, "7");
    correlate(&mut case, "7");
    case.check_strict(&[]);
    let second = correlate(&mut case, "8");
    let graph = case.check_strict(&[Code::CorrelationConflict]);
    assert_eq!(tool(&graph, "x").mcp_call_id, Some("7".into()));
    assert_eq!(case.strict_error(), (Code::CorrelationConflict, Some(second), Some(second)));
}

#[test]
fn correlation_needs_no_thread_and_turn() {
    let mut case = Case::new();
    case.event(start(other("find"), "find"));
    let event = json!({ "type": "mcp_tool_call_correlation_assigned", "tool_call_id": "x", "mcp_call_id": "7" });
    case.event_in(Value::Null, Value::Null, event);
    assert_eq!(tool(&case.check_strict(&[]), "x").mcp_call_id, Some("7".into()));
}

#[test]
fn tool_recorded_by_a_newer_name_is_of_the_kind_that_the_name_stands_for() {
    for (name, kind) in [
        ("interrupt_agent", json!("close_agent")),
        ("assign_task", json!("assign_agent_task")),
        ("imagegen", json!("image_generation")),
    ] {
        let mut case = Case::new();
        case.event(start(other(name), name));
        let graph = case.check_strict(&[]);
        assert_eq!(state(&graph)["tool_calls"]["x"]["kind"], json!({ "type": kind }), "{name}");
    }
    let mut case = Case::new();
    case.event(start(other("interrupt_agents"), "x"));
    let graph = case.check_strict(&[]);
    assert_eq!(state(&graph)["tool_calls"]["x"]["kind"], other("interrupt_agents"));
}

#[test]
fn agent_that_a_tool_of_a_newer_name_interrupts_is_the_target_of_its_edge() {
    let edges = |kind: Value| {
        let mut case = Case::new();
        case.event(json!({ "type": "thread_started", "thread_id": "child", "agent_path": "/root/child" }));
        case.event(start(kind, "interrupt_agent"));
        let end = case.body("tool_runtime_event", json!({ "receiver_thread_id": "child", "status": "completed" }));
        case.event(json!({ "type": "tool_call_runtime_ended", "tool_call_id": "x", "status": "completed",
            "runtime_payload": end }));
        state(&case.check_strict(&[]))["interaction_edges"].clone()
    };
    let of_kind = edges(json!({ "type": "close_agent" }));
    assert_eq!(of_kind.as_object().map(|edges| edges.len()), Some(1), "{of_kind}");
    assert_eq!(edges(other("interrupt_agent")), of_kind);
}
