//! Compactions and their requests.

use otel_trace::graph::{Code, ItemKind, Producer};
use serde_json::json;

use crate::case::{Case, assistant, item, request_items, user};

fn install(case: &mut Case, id: &str, before: serde_json::Value, after: serde_json::Value) -> u64 {
    let body = case.body("compaction_checkpoint", json!({ "input_history": before, "replacement_history": after }));
    case.event(json!({ "type": "compaction_installed", "compaction_id": id, "checkpoint_payload": body }))
}

#[test]
fn next_full_request_is_compared_with_the_replacement_once() {
    let mut case = Case::new();
    case.request("a", [user("1"), user("2")]);
    case.response("a", [assistant("3")]);
    install(&mut case, "k", json!([user("1"), user("2"), user("only there")]), json!([user("1"), user("summary")]));
    case.request_after("incremental", "resp-a", [user("4")]);
    case.request("b", [user("1"), user("summary"), user("2")]);
    case.request("c", [user("1"), user("summary"), user("2")]);
    let graph = case.check(&[]);
    let compaction = graph.compactions.get("k").unwrap();
    let numbers = |items: &[otel_trace::graph::ItemId]| items.iter().map(|item| item.number()).collect::<Vec<_>>();
    assert_eq!(numbers(&compaction.input_item_ids), [1, 2, 4]);
    assert_eq!(compaction.marker_item_id.number(), 5);
    assert_eq!(numbers(&compaction.replacement_item_ids), [6, 7]);
    assert_eq!(item(&graph, 5).content.kind, ItemKind::CompactionMarker);
    let producer = Producer::Compaction { compaction_id: "k".into() };
    assert_eq!((&*item(&graph, 4).produced_by, &*item(&graph, 6).produced_by), (&[][..], &[producer][..]));
    assert_eq!(request_items(&graph, "incremental"), [1, 2, 3, 8]);
    assert_eq!(request_items(&graph, "b"), [6, 7, 9], "a reinjected item is new");
    assert_eq!(request_items(&graph, "c"), [6, 7, 9]);
}

#[test]
fn compaction_is_installed_once_in_a_thread_and_turn() {
    let mut case = Case::new();
    install(&mut case, "k", json!([]), json!([]));
    install(&mut case, "k", json!([]), json!([]));
    let body = case.body("compaction_checkpoint", json!({ "input_history": [], "replacement_history": [] }));
    let event = json!({ "type": "compaction_installed", "compaction_id": "l", "checkpoint_payload": body });
    case.event_in(json!("t"), json!(null), event);
    let body = case.body("compaction_checkpoint", json!({ "input_history": [] }));
    case.event(json!({ "type": "compaction_installed", "compaction_id": "m", "checkpoint_payload": body }));
    let graph = case.check(&[Code::DuplicateStart, Code::UnknownObject, Code::BadPayload]);
    assert_eq!(graph.compactions.len(), 1);
}

#[test]
fn compaction_requests_do_not_change_the_conversation() {
    let mut case = Case::new();
    let body = case.body("compaction_request", json!("anything"));
    case.event(json!({ "type": "compaction_request_started", "compaction_id": "k", "compaction_request_id": "q",
        "thread_id": "t", "codex_turn_id": "u", "model": "m", "provider_name": "p", "request_payload": body }));
    case.event(json!({ "type": "compaction_request_failed", "compaction_id": "l", "compaction_request_id": "q", "error": "e" }));
    case.event(json!({ "type": "compaction_request_completed", "compaction_id": "k", "compaction_request_id": "q", "response_payload": body }));
    install(&mut case, "k", json!([]), json!([]));
    let graph = case.check(&[Code::UnknownObject]);
    assert_eq!(graph.compactions.get("k").unwrap().request_ids, ["q".into()]);
    assert_eq!(
        graph.compaction_requests.get("q").unwrap().execution.status,
        otel_trace::event::ExecutionStatus::Completed
    );
}
