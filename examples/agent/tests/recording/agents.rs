//! Which tool call spawned, messaged, received from or closed this agent?

use otel_trace::graph::{Anchor, Edge, EdgeKind, Origin, Thread, ToolCall};
use serde_json::Value;

use super::RUN;

fn thread(path: &str) -> &'static Thread {
    RUN.graph.threads.iter().find(|thread| thread.agent_path.as_str() == path).expect("a thread")
}

fn edges(kind: EdgeKind) -> Vec<&'static Edge> {
    RUN.graph.edges.iter().filter(|edge| edge.kind == kind).collect()
}

fn from(tool: &ToolCall) -> Anchor {
    Anchor::ToolCall { tool_call_id: tool.tool_call_id.clone() }
}

/// Returns the message at the target of an edge: the path of the recipient, and the text.
fn delivered(edge: &Edge) -> (String, String) {
    let Anchor::ConversationItem { item_id } = &edge.target else { panic!("{:?}", edge.target) };
    assert_eq!(edge.carried_item_ids, [*item_id]);
    let item = RUN.item(*item_id);
    let recipient = RUN.graph.threads.get(&item.thread_id).expect("a thread").agent_path.to_string();
    let message: Value = serde_json::from_str(&item.content.text()).expect("a message");
    assert_eq!(message["recipient"], recipient.as_str());
    (recipient, message["content"].as_str().expect("a text").to_owned())
}

#[test]
fn spawned_agent_links_to_its_spawn_call() {
    let run = &*RUN;
    let [tool] = run.tools_named("spawn_agent")[..] else { panic!("not called once") };
    let [edge] = edges(EdgeKind::SpawnAgent)[..] else { panic!("not one edge") };
    assert_eq!(edge.source, from(tool));
    let (recipient, text) = delivered(edge);
    assert_eq!(recipient, "/root/reviewer");
    assert_eq!(Some(text), run.evidence.argument(tool, "message"));
    let Origin::Spawned { parent_thread_id, spawn_edge_id, task_name, agent_role } = &thread("/root/reviewer").origin
    else {
        panic!("not spawned");
    };
    assert_eq!((parent_thread_id, spawn_edge_id), (&thread("/root").thread_id, &edge.edge_id));
    assert_eq!((task_name.as_str(), agent_role.as_str()), ("reviewer", "worker"));
}

#[test]
fn messages_link_to_the_calls_that_sent_them() {
    let run = &*RUN;
    for (name, kind) in [("send_message", EdgeKind::SendMessage), ("followup_task", EdgeKind::AssignAgentTask)] {
        let [tool] = run.tools_named(name)[..] else { panic!("{name}") };
        let [edge] = edges(kind)[..] else { panic!("{name}") };
        assert_eq!(edge.source, from(tool));
        let (recipient, text) = delivered(edge);
        assert_eq!(recipient, "/root/reviewer");
        assert_eq!(Some(text), run.evidence.argument(tool, "message"));
        let root = &thread("/root").thread_id;
        assert_eq!((&tool.thread_id, &run.requesting_call(tool).thread_id), (root, root));
    }
}

#[test]
fn results_link_the_last_message_to_the_parent() {
    let run = &*RUN;
    let results = edges(EdgeKind::AgentResult);
    let reviewer = thread("/root/reviewer");
    assert_eq!(results.len(), reviewer.turn_ids.len());
    for (edge, turn) in results.iter().zip(&reviewer.turn_ids) {
        let Anchor::ConversationItem { item_id } = &edge.source else { panic!("{:?}", edge.source) };
        let last_message = run.item(*item_id);
        assert_eq!((&last_message.thread_id, last_message.turn_id.as_ref()), (&reviewer.thread_id, Some(turn)));
        assert_eq!(delivered(edge), ("/root".to_owned(), last_message.content.text()));
        let [body] = &edge.carried_raw_payload_ids[..] else { panic!("{:?}", edge.carried_raw_payload_ids) };
        assert_eq!(run.evidence.body(body.as_str())["status"]["completed"], last_message.content.text());
    }
    // The parent waited for the second result.
    let waits = run.tools_named("wait_agent");
    let waited = waits.last().expect("a wait").execution;
    assert!(waited.ended.expect("returned").at.unix_ms() >= results[1].started_at);
}

#[test]
fn closed_agent_links_to_its_close_call() {
    let run = &*RUN;
    let [tool] = run.tools_named("close_agent")[..] else { panic!("not called once") };
    let [edge] = edges(EdgeKind::CloseAgent)[..] else { panic!("not one edge") };
    let reviewer = thread("/root/reviewer");
    assert_eq!(edge.source, from(tool));
    assert_eq!(edge.target, Anchor::Thread { thread_id: reviewer.thread_id.clone() });
    let ended = reviewer.execution.ended.expect("closed").seq;
    assert!(tool.execution.started.seq < ended && ended < tool.execution.ended.expect("returned").seq);
    assert_eq!(run.graph.edges.len(), 6, "one spawn, two messages, two results, one close");
}
