//! Edges between agents.

use otel_trace::event::UnixMillis;
use otel_trace::graph::{Anchor, Code, EdgeKind, Graph, Origin};
use serde_json::{Value, json};

use crate::case::{Case, assistant, user};

fn delivered(text: &str) -> Value {
    let message = json!({ "author": "/root", "recipient": "/root/w", "other_recipients": [], "content": text, "trigger_turn": true });
    assistant(&message.to_string())
}

fn parent_and_child() -> Case {
    let mut case = Case::new();
    case.thread("child", "/root/w");
    case.turn("cu", "child");
    case
}

fn send_message(case: &mut Case, tool: &str, text: &str) {
    let body = json!({ "call_id": tool, "sender_thread_id": "t", "receiver_thread_id": "child", "prompt": text });
    case.tool(tool, None, json!({ "type": "send_message" }), None);
    case.runtime_start(tool, body.clone());
    case.runtime_end(tool, "completed", body);
}

fn target(graph: &Graph, edge: &str) -> String {
    match &graph.edges.get(edge).unwrap().target {
        Anchor::ConversationItem { item_id } => item_id.to_string(),
        Anchor::ToolCall { tool_call_id } => tool_call_id.to_string(),
        Anchor::Thread { thread_id } => thread_id.to_string(),
    }
}

#[test]
fn messages_with_equal_text_are_paired_in_order() {
    let mut case = parent_and_child();
    case.request_in("early", "child", "cu", json!({ "input": [delivered("go"), delivered("go"), user("x")] }));
    send_message(&mut case, "one", "go");
    send_message(&mut case, "two", "go");
    send_message(&mut case, "lost", "go");
    let graph = case.check(&[Code::UndeliveredMessage]);
    assert_eq!(target(&graph, "edge:tool:one"), "conversation_item:1");
    assert_eq!(target(&graph, "edge:tool:two"), "conversation_item:2");
    assert_eq!(graph.edges.len(), 2);
    let edge = graph.edges.get("edge:tool:one").unwrap();
    assert_eq!((edge.started_at, edge.ended_at), (UnixMillis(1007), Some(UnixMillis(1009))));
    assert_eq!(edge.carried_raw_payload_ids.len(), 2);
}

#[test]
fn spawn_edge_targets_the_task_message_or_the_thread() {
    for task in ["do it", "something else"] {
        let mut case = parent_and_child();
        case.tool("s", None, json!({ "type": "spawn_agent" }), None);
        case.runtime_start("s", json!("not even an object"));
        let end = json!({ "call_id": "s", "sender_thread_id": "t", "new_thread_id": "child", "prompt": "do it" });
        case.runtime_end("s", "completed", end);
        case.request_in("a", "child", "cu", json!({ "input": [delivered(task)] }));
        let graph = case.check(&[]);
        let expected = if task == "do it" { "conversation_item:1" } else { "child" };
        assert_eq!(target(&graph, "edge:spawn:t:child"), expected);
    }
}

#[test]
fn result_edge_starts_at_the_childs_last_own_message() {
    let mut case = parent_and_child();
    case.request_in("a", "child", "cu", json!({ "input": [user("x")] }));
    let body = case.body("inference_response", json!({ "output_items": [assistant("done"), delivered("no")] }));
    case.event_in(
        json!("child"),
        json!("cu"),
        json!({ "type": "inference_completed", "inference_call_id": "a", "response_payload": body }),
    );
    let body = case.body("agent_result", json!({}));
    let result = json!({ "type": "agent_result_observed", "edge_id": "e", "child_thread_id": "child",
        "child_codex_turn_id": "cu", "parent_thread_id": "t", "message": "it is done", "carried_payload": body });
    case.event_in(json!("child"), json!("cu"), result.clone());
    let mut other = result;
    other["message"] = json!("otherwise");
    case.event_in(json!("child"), json!("cu"), other);
    let message = json!({ "author": "/root/w", "recipient": "/root", "content": "it is done", "trigger_turn": true });
    case.request("b", [assistant(&message.to_string())]);
    let graph = case.check(&[Code::EdgeConflict]);
    let edge = graph.edges.get("e").unwrap();
    assert_eq!(edge.kind, EdgeKind::AgentResult);
    let Anchor::ConversationItem { item_id } = edge.source else { panic!() };
    assert_eq!(item_id.number(), 2);
    assert_eq!(target(&graph, "e"), "conversation_item:4");
    assert_eq!(edge.carried_raw_payload_ids.len(), 1);
}

#[test]
fn activity_and_close_edges_target_known_threads() {
    let mut case = parent_and_child();
    let activity =
        |kind: &str| json!({ "event_id": "e", "agent_thread_id": "child", "agent_path": "/root/w", "kind": kind });
    for (tool, kind, happened) in [("s", "spawn_agent", "started"), ("k", "close_agent", "interrupted")] {
        case.tool(tool, None, json!({ "type": kind }), None);
        case.runtime_end(tool, "completed", activity(happened));
    }
    for (tool, receiver) in [("c", "child"), ("gone", "nobody")] {
        case.tool(tool, None, json!({ "type": "close_agent" }), None);
        case.runtime_end(tool, "completed", json!({ "sender_thread_id": "t", "receiver_thread_id": receiver }));
    }
    let graph = case.check(&[]);
    let edges: Vec<_> = graph.edges.iter().map(|edge| edge.edge_id.as_str()).collect();
    assert_eq!(edges, ["edge:spawn:t:child", "edge:tool:k", "edge:tool:c"]);
    assert!(graph.edges.iter().all(|edge| edge.target == Anchor::Thread { thread_id: "child".into() }));
}

#[test]
fn thread_metadata_may_name_the_spawning_tool_call() {
    let spawned = |case: &mut Case, thread: &str, tool: &str| {
        let spawn = json!({ "parent_thread_id": "t", "depth": 1, "tool_call_id": tool });
        let body =
            case.body("session_metadata", json!({ "session_source": { "subagent": { "thread_spawn": spawn } } }));
        case.event(json!({ "type": "thread_started", "thread_id": thread, "agent_path": "/root/w",
            "metadata_payload": body }));
    };
    let mut case = Case::new();
    case.tool("auditor", None, json!({ "type": "other", "name": "auditor" }), None);
    spawned(&mut case, "w", "auditor");
    case.tool("s", None, json!({ "type": "spawn_agent" }), None);
    spawned(&mut case, "v", "s");
    case.turn("vu", "v");
    // The runtime event repeats the edge and adds the prompt.
    let end = json!({ "call_id": "s", "sender_thread_id": "t", "new_thread_id": "v", "prompt": "go" });
    case.runtime_end("s", "completed", end);
    case.request_in("a", "v", "vu", json!({ "input": [delivered("go")] }));
    // A tool call of another bundle, and a tool call of a thread other than the parent.
    spawned(&mut case, "x", "elsewhere");
    case.tool_in(("v", "vu"), "of v", None, json!({ "type": "spawn_agent" }), None);
    spawned(&mut case, "y", "of v");
    let graph = case.check(&[]);
    let sources: Vec<_> = graph.edges.iter().map(|edge| (edge.edge_id.as_str(), edge.source.clone())).collect();
    let tool = |id: &str| Anchor::ToolCall { tool_call_id: id.into() };
    assert_eq!(sources, [("edge:spawn:t:w", tool("auditor")), ("edge:spawn:t:v", tool("s"))]);
    assert_eq!(target(&graph, "edge:spawn:t:w"), "w");
    assert_eq!(target(&graph, "edge:spawn:t:v"), "conversation_item:1");
}

#[test]
fn thread_metadata_defines_its_origin() {
    let mut case = Case::new();
    let metadata = json!({ "agent_path": "/root/a/worker_1", "nickname": "W", "model": "m", "agent_role": "explorer",
        "session_source": { "subagent": { "thread_spawn": { "parent_thread_id": "t", "depth": 1 } } } });
    let body = case.body("session_metadata", metadata);
    case.event(json!({ "type": "thread_started", "thread_id": "w", "agent_path": "/x", "metadata_payload": body }));
    let body = case.body("session_metadata", "torn");
    case.event(json!({ "type": "thread_started", "thread_id": "v", "agent_path": "/v", "metadata_payload": body }));
    let graph = case.check(&[Code::BadPayload]);
    let thread = graph.threads.get("w").unwrap();
    assert_eq!(thread.agent_path.as_str(), "/root/a/worker_1");
    let origin = Origin::Spawned {
        parent_thread_id: "t".into(),
        spawn_edge_id: "edge:spawn:t:w".into(),
        task_name: "worker_1".into(),
        agent_role: "explorer".into(),
    };
    assert_eq!(thread.origin, origin);
    assert_eq!(graph.threads.get("v").unwrap().origin, Origin::Root);
}
