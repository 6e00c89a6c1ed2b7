//! Agents as the producer of format 1 reports them today: activities of agents, and messages that name their authors.

use otel_trace::graph::{Anchor, Code, EdgeKind, Graph, Part};
use serde_json::{Value, json};

use crate::case::{Case, assistant, function_invocation, item, parts, user};

/// An `agent_message` item with a readable text, an encrypted one, or both.
fn agent_message(author: &str, readable: Option<&str>, encrypted: Option<&str>) -> Value {
    let readable = readable.map(|text| json!({ "type": "input_text", "text": text }));
    let encrypted = encrypted.map(|text| json!({ "type": "encrypted_content", "encrypted_content": text }));
    let content: Vec<Value> = readable.into_iter().chain(encrypted).collect();
    json!({ "type": "agent_message", "author": author, "recipient": "/root/w", "content": content })
}

/// A message of another agent as JSON in a message of the assistant.
fn delivered(author: &str, text: &str) -> Value {
    let message = json!({ "author": author, "recipient": "/root/w", "other_recipients": [], "content": text,
        "trigger_turn": true });
    assistant(&message.to_string())
}

/// Returns a case with the agents `/root`, `/root/w` in thread `child` and `/root/v` in thread `other`.
fn agents() -> Case {
    let mut case = Case::new();
    case.thread("child", "/root/w");
    case.turn("cu", "child");
    case.thread("other", "/root/v");
    case.turn("ou", "other");
    case
}

/// Records a request of thread `child` with these items.
fn receive(case: &mut Case, items: impl Into<Value>) {
    case.request_in("received", "child", "cu", json!({ "input": items.into() }));
}

fn activity(tool: &str, thread: &str, kind: &str) -> Value {
    json!({ "event_id": tool, "occurred_at_ms": 1234, "agent_thread_id": thread, "agent_path": "/root/w", "kind": kind })
}

/// Records a tool call of thread `t` that ends with an activity of thread `child`.
fn act(case: &mut Case, tool: &str, kind: &str, arguments: Value, happened: &str) -> u64 {
    let invocation = function_invocation(kind, arguments);
    case.tool(tool, Some(tool), json!({ "type": kind }), invocation);
    case.runtime_end(tool, "completed", activity(tool, "child", happened))
}

/// Records a tool call of thread `other` that sends a message to thread `child`, which its runtime names.
fn send_from_other(case: &mut Case, tool: &str, text: &str) {
    case.tool_in(("other", "ou"), tool, None, json!({ "type": "send_message" }), None);
    let body = json!({ "sender_thread_id": "other", "receiver_thread_id": "child", "prompt": text });
    case.runtime_end(tool, "completed", body);
}

/// Returns the number of the item to which an edge leads. Returns `None` if it leads to a thread.
fn target(graph: &Graph, edge: &str) -> Option<u64> {
    match &graph.edges.get(edge).unwrap().target {
        Anchor::ConversationItem { item_id } => Some(item_id.number()),
        Anchor::Thread { thread_id } => {
            assert_eq!(thread_id.as_str(), "child");
            None
        }
        Anchor::ToolCall { .. } => panic!("{edge} leads to a tool call"),
    }
}

const EDGES: [(&str, &str, &str, EdgeKind); 3] = [
    ("spawn_agent", "started", "edge:spawn:t:child", EdgeKind::SpawnAgent),
    ("assign_agent_task", "interacted", "edge:tool:x", EdgeKind::AssignAgentTask),
    ("send_message", "interacted", "edge:tool:x", EdgeKind::SendMessage),
];

#[test]
fn activity_leads_to_the_item_that_the_agent_received() {
    for received in [agent_message("/root", Some("go"), None), delivered("/root", "go")] {
        for (kind, happened, edge, edge_kind) in EDGES {
            for is_received_first in [true, false] {
                let mut case = agents();
                if is_received_first {
                    receive(&mut case, [user("x"), received.clone()]);
                }
                let ended = act(&mut case, "x", kind, json!({ "message": "go", "prompt": "other" }), happened);
                if !is_received_first {
                    receive(&mut case, [user("x"), received.clone()]);
                }
                let graph = case.check_strict(&[]);
                assert_eq!(target(&graph, edge), Some(2), "{kind}");
                let edge = graph.edges.get(edge).unwrap();
                assert_eq!((edge.kind, &edge.source), (edge_kind, &Anchor::ToolCall { tool_call_id: "x".into() }));
                assert_eq!(edge.carried_item_ids.len(), 1);
                assert_eq!(edge.carried_raw_payload_ids.len(), 2, "the invocation and the activity");
                assert_eq!(edge.ended_at.unwrap().0, 1000 + i64::try_from(ended).unwrap());
                assert_eq!(graph.edges.len(), 1);
            }
        }
    }
}

#[test]
fn text_of_an_activity_is_the_message_else_the_prompt_else_the_task() {
    for (arguments, text) in [
        (json!({ "message": "m", "prompt": "p", "task": "t" }), "m"),
        (json!({ "prompt": "p", "task": "t" }), "p"),
        (json!({ "task": "t", "target": "/root/w" }), "t"),
        (json!({ "message": null, "task": "t" }), "t"),
    ] {
        let mut case = agents();
        receive(&mut case, ["m", "p", "t"].map(|text| agent_message("/root", Some(text), None)));
        act(&mut case, "x", "send_message", arguments, "interacted");
        let graph = case.check_strict(&[]);
        let found = item(&graph, target(&graph, "edge:tool:x").unwrap());
        assert_eq!(found.content.text(), text);
    }
}

#[test]
fn spawn_whose_task_was_not_received_leads_to_the_thread() {
    for received in [vec![], vec![agent_message("/root", Some("other"), None)]] {
        let mut case = agents();
        act(&mut case, "x", "spawn_agent", json!({ "message": "go" }), "started");
        receive(&mut case, received);
        assert_eq!(target(&case.check_strict(&[]), "edge:spawn:t:child"), None);
    }
}

#[test]
fn message_or_task_that_was_not_received_is_left_out() {
    for kind in ["assign_agent_task", "send_message"] {
        for arguments in [json!({ "message": "go" }), json!({})] {
            let mut case = agents();
            act(&mut case, "x", kind, arguments, "interacted");
            receive(&mut case, [agent_message("/root", Some("other"), None)]);
            assert!(case.check_strict(&[Code::UndeliveredMessage]).edges.is_empty());
        }
    }
}

#[test]
fn arguments_that_cannot_be_read_have_no_text() {
    for (kind, happened, codes) in [
        ("spawn_agent", "started", &[Code::BadArguments][..]),
        ("send_message", "interacted", &[Code::BadArguments, Code::UndeliveredMessage]),
        ("close_agent", "interrupted", &[]),
    ] {
        let mut case = agents();
        act(&mut case, "x", kind, json!("not an object"), happened);
        receive(&mut case, [agent_message("/root", Some("go"), None)]);
        case.check_strict(codes);
    }
}

#[test]
fn invocation_that_cannot_be_read_has_no_text() {
    let mut case = agents();
    case.tool("x", None, json!({ "type": "spawn_agent" }), Some(json!("not an object")));
    case.runtime_end("x", "completed", activity("x", "child", "started"));
    assert_eq!(target(&case.check_strict(&[Code::BadPayload]), "edge:spawn:t:child"), None);
}

#[test]
fn interruption_leads_to_a_thread_of_the_bundle() {
    let mut case = agents();
    receive(&mut case, [agent_message("/root", Some("go"), None)]);
    act(&mut case, "x", "close_agent", json!({ "message": "go" }), "interrupted");
    case.tool("gone", None, json!({ "type": "close_agent" }), None);
    case.runtime_end("gone", "completed", activity("gone", "elsewhere", "interrupted"));
    let graph = case.check_strict(&[]);
    assert_eq!(target(&graph, "edge:tool:x"), None);
    assert_eq!(graph.edges.len(), 1);
}

#[test]
fn completion_is_no_object() {
    let mut case = agents();
    case.runtime_end("subagent-completed-cu", "completed", activity("subagent-completed-cu", "child", "completed"));
    let graph = case.check_strict(&[]);
    assert_eq!((graph.edges.len(), graph.tool_calls.len()), (0, 0));
    assert_eq!(graph.raw_payloads.len(), 1);
    let checked = case.try_reduce(&otel_trace::reduce::Options::default().every_body(true)).unwrap();
    assert_eq!(checked.diagnostics(), []);
}

#[test]
fn completion_of_an_unknown_thread_is_reported() {
    let mut case = agents();
    case.runtime_end("done", "completed", activity("done", "elsewhere", "completed"));
    let graph = case.check_strict(&[Code::ActivityUnmatched]);
    assert_eq!((graph.edges.len(), graph.tool_calls.len()), (0, 0));
}

#[test]
fn other_activity_of_an_unknown_tool_call_is_that_of_an_unknown_object() {
    for kind in ["started", "interacted", "interrupted", "of_a_later_version"] {
        let mut case = agents();
        case.runtime_end("ghost", "completed", activity("ghost", "child", kind));
        case.check_strict(&[Code::UnknownObject]);
    }
}

#[test]
fn activity_that_its_tool_does_not_cause_is_reported() {
    for (kind, causes) in [
        ("spawn_agent", "started"),
        ("assign_agent_task", "interacted"),
        ("send_message", "interacted"),
        ("close_agent", "interrupted"),
        ("wait_agent", ""),
    ] {
        for happened in ["started", "interacted", "interrupted", "completed", "of_a_later_version"] {
            if happened == causes {
                continue;
            }
            let mut case = agents();
            let invocation = function_invocation(kind, json!({ "message": "go" }));
            case.tool("x", None, json!({ "type": kind }), invocation);
            case.runtime_end("x", "completed", activity("x", "child", happened));
            receive(&mut case, [agent_message("/root", Some("go"), None)]);
            let graph = case.check_strict(&[Code::ActivityUnmatched]);
            assert!(graph.edges.is_empty(), "{kind} {happened}");
            assert_eq!(graph.tool_calls.get("x").unwrap().raw_runtime_payload_ids.len(), 1);
        }
    }
}

#[test]
fn envelope_and_encrypted_text_are_one_message() {
    let mut case = agents();
    receive(&mut case, [agent_message("/root", Some("Message from /root"), Some("c2VhbGVk"))]);
    act(&mut case, "x", "spawn_agent", json!({ "message": "c2VhbGVk" }), "started");
    let graph = case.check_strict(&[]);
    assert_eq!(target(&graph, "edge:spawn:t:child"), Some(1));
    let encrypted = Part::Encoded { label: "encrypted_content", value: "c2VhbGVk".into() };
    assert_eq!(parts(&graph, 1), [Part::Text("Message from /root".into()), encrypted]);
}

#[test]
fn envelope_of_an_encrypted_text_is_not_its_text() {
    let mut case = agents();
    receive(&mut case, [agent_message("/root", Some("go"), Some("c2VhbGVk"))]);
    act(&mut case, "x", "send_message", json!({ "message": "go" }), "interacted");
    case.check_strict(&[Code::UndeliveredMessage]);
}

#[test]
fn message_of_any_other_parts_is_no_single_text() {
    let text = |text: &str| json!({ "type": "input_text", "text": text });
    let encrypted = || json!({ "type": "encrypted_content", "encrypted_content": "c2VhbGVk" });
    for content in [
        json!([encrypted(), text("go")]),
        json!([text("go"), text("c2VhbGVk")]),
        json!([text("go"), encrypted(), text("end")]),
        json!([]),
    ] {
        let mut case = agents();
        let mut message = agent_message("/root", None, None);
        message["content"] = content;
        receive(&mut case, [message]);
        act(&mut case, "x", "send_message", json!({ "message": "c2VhbGVk" }), "interacted");
        let graph = case.check_strict(&[Code::UndeliveredMessage]);
        let input = &graph.turns.get("cu").unwrap().input_item_ids;
        assert_eq!(input.len(), 1, "it is a message of another agent all the same");
    }
}

#[test]
fn message_is_paired_with_the_item_that_names_its_author() {
    let mut case = agents();
    receive(&mut case, [agent_message("/root/v", Some("go"), None), agent_message("/root", Some("go"), None)]);
    act(&mut case, "x", "send_message", json!({ "message": "go" }), "interacted");
    send_from_other(&mut case, "y", "go");
    let graph = case.check_strict(&[]);
    assert_eq!((target(&graph, "edge:tool:x"), target(&graph, "edge:tool:y")), (Some(2), Some(1)));
}

#[test]
fn message_is_not_paired_with_the_item_of_another_author() {
    let mut case = agents();
    receive(&mut case, [agent_message("/root", Some("go"), None)]);
    send_from_other(&mut case, "y", "go");
    assert!(case.check_strict(&[Code::UndeliveredMessage]).edges.is_empty());
}

#[test]
fn messages_of_one_author_are_paired_in_order() {
    let mut case = agents();
    receive(&mut case, [0; 3].map(|_| agent_message("/root", Some("go"), None)));
    for tool in ["x", "y"] {
        act(&mut case, tool, "send_message", json!({ "message": "go" }), "interacted");
    }
    let graph = case.check_strict(&[]);
    assert_eq!((target(&graph, "edge:tool:x"), target(&graph, "edge:tool:y")), (Some(1), Some(2)));
}

#[test]
fn item_without_an_author_is_paired_by_thread_and_text() {
    for nameless in ["", "missing"] {
        let mut message = agent_message("", Some("go"), None);
        if nameless == "missing" {
            message.as_object_mut().unwrap().remove("author");
        }
        let mut case = agents();
        receive(&mut case, [agent_message("/root/v", Some("go"), None), message]);
        act(&mut case, "x", "send_message", json!({ "message": "go" }), "interacted");
        assert_eq!(target(&case.check_strict(&[]), "edge:tool:x"), Some(2));
    }
}

#[test]
fn items_with_an_author_are_left_to_that_author() {
    let mut case = agents();
    // The first message has no author, since the start of its thread is missing. It takes what is left.
    case.turn("gu", "ghost");
    let body = json!({ "sender_thread_id": "ghost", "receiver_thread_id": "child", "prompt": "go" });
    case.tool_in(("ghost", "gu"), "g", None, json!({ "type": "send_message" }), None);
    case.runtime_end("g", "completed", body);
    act(&mut case, "x", "send_message", json!({ "message": "go" }), "interacted");
    receive(&mut case, [agent_message("/root", Some("go"), None), agent_message("/root/v", Some("go"), None)]);
    let graph = case.check_strict(&[Code::ImpliedStart]);
    assert_eq!((target(&graph, "edge:tool:g"), target(&graph, "edge:tool:x")), (Some(2), Some(1)));
}

#[test]
fn result_of_an_agent_is_paired_by_its_author() {
    let mut case = agents();
    let to_root = |author: &str| {
        let message = json!({ "author": author, "recipient": "/root", "content": "done", "trigger_turn": false });
        assistant(&message.to_string())
    };
    for (thread, turn) in [("child", "cu"), ("other", "ou")] {
        let result = json!({ "type": "agent_result_observed", "edge_id": thread, "child_thread_id": thread,
            "child_codex_turn_id": turn, "parent_thread_id": "t", "message": "done", "carried_payload": null });
        case.event_in(json!(thread), json!(turn), result);
    }
    case.request("a", [to_root("/root/v"), to_root("/root/w")]);
    let graph = case.check_strict(&[]);
    assert_eq!((target(&graph, "child"), target(&graph, "other")), (Some(2), Some(1)));
}
