//! References: bodies that name an item by the id that the provider gave it.

use otel_trace::graph::{Code, Graph, Part, Producer, Snapshots};
use otel_trace::reduce::Options;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::case::{
    Case, assistant, call, function_call, function_output, item, parts, request_items, response_items, state, user,
};

/// Returns the item with an id, as a provider returns it.
fn with_id(mut item: Value, id: &str) -> Value {
    item["id"] = json!(id);
    item
}

fn reference(id: &str) -> Value {
    json!({ "type": "item_reference", "id": id })
}

/// Returns a case with one call: a user message (item 1), and an answer of reasoning, a call and a message (2, 3, 4).
fn answered() -> Case {
    let mut case = Case::new();
    case.request("a", [user("1")]);
    let reasoning = json!({ "type": "reasoning", "id": "rs_1", "summary": [{ "type": "summary_text", "text": "hm" }] });
    let message = with_id(assistant("4"), "msg_1");
    case.response("a", [reasoning, with_id(function_call("c"), "fc_1"), message]);
    case
}

fn provider_id(graph: &Graph, number: u64) -> Option<&str> {
    item(graph, number).provider_id.as_ref().map(|id| id.as_str())
}

fn numbers(ids: &[otel_trace::graph::ItemId]) -> Vec<u64> {
    ids.iter().map(|id| id.number()).collect()
}

#[test]
fn reference_is_the_item_with_its_id() {
    for without_content in [
        reference("rs_1"),
        json!({ "id": "rs_1" }),
        json!({ "type": null, "id": "rs_1" }),
        json!({ "type": null, "id": "rs_1", "role": null, "content": null }),
    ] {
        let mut case = answered();
        case.request(
            "b",
            [user("1"), without_content.clone(), reference("fc_1"), function_output("c", "5"), user("6")],
        );
        let graph = case.check(&[]);
        assert_eq!(request_items(&graph, "b"), [1, 2, 3, 5, 6], "{without_content}");
        assert!(case.try_reduce(&Options::default().strict(true)).is_ok());
    }
}

#[test]
fn items_keep_the_id_of_the_provider() {
    let graph = answered().check(&[]);
    let ids: Vec<_> = (1..=4).map(|number| provider_id(&graph, number)).collect();
    assert_eq!(ids, [None, Some("rs_1"), Some("fc_1"), Some("msg_1")]);
    let items = &state(&graph)["conversation_items"];
    assert_eq!(items["conversation_item:3"]["provider_id"], "fc_1");
    assert_eq!(items["conversation_item:3"]["call_id"], "c");
    assert_eq!(items["conversation_item:1"].get("provider_id"), None);
}

#[test]
fn id_is_not_part_of_the_content() {
    let mut case = Case::new();
    case.request("a", [user("1")]);
    case.request("b", [with_id(user("1"), "msg_b")]);
    case.request("c", [with_id(user("1"), "msg_c")]);
    case.request("d", [user("1")]);
    case.request("e", [reference("msg_b")]);
    case.request("f", [reference("msg_c")]);
    let graph = case.check(&[]);
    for request in ["a", "b", "c", "d", "e", "f"] {
        assert_eq!(request_items(&graph, request), [1], "{request}");
    }
    assert_eq!(provider_id(&graph, 1), Some("msg_b"), "an item keeps the first id");
    let named_by: Vec<_> = item(&graph, 1).evidence.as_slice().iter().map(|(seq, _)| seq.0).collect();
    assert_eq!(named_by, [4, 5], "the request that introduced the item, and the one that added its id");
}

#[test]
fn reference_tells_equal_items_apart() {
    let mut case = Case::new();
    case.request("a", [with_id(user("ok"), "msg_1"), with_id(user("ok"), "msg_2"), with_id(user("ok"), "msg_3")]);
    case.request("b", [reference("msg_2"), reference("msg_1")]);
    let graph = case.check(&[]);
    assert_eq!(request_items(&graph, "a"), [1, 2, 3]);
    assert_eq!(request_items(&graph, "b"), [2, 1]);
}

#[test]
fn equal_content_beside_a_reference_is_another_item() {
    let mut case = Case::new();
    case.request("a", [with_id(user("ok"), "msg_1"), with_id(user("ok"), "msg_2")]);
    case.request("b", [user("ok"), reference("msg_1"), user("ok")]);
    let graph = case.check(&[]);
    assert_eq!(request_items(&graph, "b"), [2, 1, 3]);
}

#[test]
fn item_referred_to_twice_is_listed_twice() {
    let mut case = answered();
    case.request("b", [reference("msg_1"), user("5"), reference("msg_1")]);
    case.request("c", [reference("msg_1"), user("5"), assistant("4"), user("6")]);
    let graph = case.check(&[]);
    assert_eq!(request_items(&graph, "b"), [4, 5, 4]);
    assert_eq!(request_items(&graph, "c"), [4, 5, 6, 7], "the content beside the reference is an item of its own");
}

#[test]
fn reference_finds_an_item_that_left_the_conversation() {
    let mut case = answered();
    case.request("title", [user("a title, please")]);
    case.request("b", [user("1"), reference("msg_1")]);
    let graph = case.check(&[]);
    assert_eq!(request_items(&graph, "b"), [6, 4], "the message is new when it returns, the referenced item is not");
}

#[test]
fn reference_is_the_last_item_with_its_id() {
    let mut case = answered();
    case.request("title", [user("a title, please")]);
    case.request("b", [user("1"), with_id(assistant("4"), "msg_1")]);
    case.request("c", [user("1"), reference("msg_1")]);
    let graph = case.check(&[]);
    assert_eq!((request_items(&graph, "b"), request_items(&graph, "c")), (vec![6, 7], vec![6, 7]));
}

#[test]
fn reference_finds_an_earlier_item_of_its_own_list() {
    let mut case = Case::new();
    case.request(
        "a",
        [with_id(user("1"), "msg_1"), reference("msg_1"), reference("msg_2"), with_id(user("2"), "msg_2")],
    );
    let graph = case.check(&[Code::UnknownReference]);
    assert_eq!(request_items(&graph, "a"), [1, 1, 2, 3], "an item behind the reference was not seen before it");
}

#[test]
fn unknown_reference_is_an_item_with_a_payload_reference() {
    let mut case = Case::new();
    let seq = case.request("a", [reference("msg_lost"), user("2")]);
    case.request("b", [json!({ "id": "msg_lost" }), user("2"), reference("msg_lost")]);
    let graph = case.check(&[Code::UnknownReference]);
    assert_eq!(graph.diagnostics[0].seq.map(|seq| seq.0), Some(seq));
    assert!(graph.diagnostics[0].message.contains("item msg_lost"), "{}", graph.diagnostics[0].message);
    assert_eq!((request_items(&graph, "a"), request_items(&graph, "b")), (vec![1, 2], vec![1, 2, 1]));
    assert_eq!(parts(&graph, 1), [Part::PayloadRef { label: "item_reference".into() }]);
    assert_eq!(provider_id(&graph, 1), Some("msg_lost"));
    assert!(case.try_reduce(&Options::default().strict(true)).is_ok());
}

#[test]
fn item_that_appears_later_replaces_its_unknown_reference() {
    let mut case = Case::new();
    case.request("a", [reference("msg_1"), user("2")]);
    case.request("b", [with_id(user("1"), "msg_1"), user("2")]);
    case.request("c", [reference("msg_1"), user("2")]);
    let graph = case.check(&[Code::UnknownReference]);
    assert_eq!((request_items(&graph, "b"), request_items(&graph, "c")), (vec![3, 2], vec![3, 2]));
}

#[test]
fn ids_belong_to_their_thread() {
    let mut case = answered();
    case.thread("child", "/root/child");
    case.turn("v", "child");
    case.request_in("b", "child", "v", json!({ "input": [reference("msg_1")] }));
    let graph = case.check(&[Code::UnknownReference]);
    assert_eq!(request_items(&graph, "b"), [5]);
    assert_eq!(provider_id(&graph, 5), Some("msg_1"));
}

#[test]
fn reference_without_an_id_is_left_out() {
    for bad in [
        json!({ "type": "item_reference" }),
        json!({ "type": "item_reference", "id": "" }),
        json!({ "type": "item_reference", "id": 7 }),
        json!({ "id": "msg_1", "status": "completed" }),
        json!({}),
    ] {
        let mut case = answered();
        case.request("b", [user("1"), bad.clone()]);
        assert_eq!(request_items(&case.check(&[Code::BadItem]), "b"), [1], "{bad}");
        assert_eq!(case.strict_error().0, Code::BadItem);
    }
}

#[test]
fn continued_response_may_be_followed_by_references() {
    let mut case = answered();
    case.request_after("b", "resp-a", [function_output("c", "5"), reference("msg_1")]);
    case.request_after("retry", "resp-a", [function_output("c", "5"), reference("msg_1")]);
    case.request_after("branch", "resp-a", [function_output("c", "5"), reference("rs_1")]);
    let graph = case.check(&[Code::HistoryBranched]);
    assert_eq!(request_items(&graph, "b"), [1, 2, 3, 4, 5, 4]);
    assert_eq!(request_items(&graph, "retry"), [1, 2, 3, 4, 5, 4]);
    assert_eq!(request_items(&graph, "branch"), [1, 2, 3, 4, 5, 2]);
}

#[test]
fn prefix_payload_may_have_references() {
    let mut case = answered();
    let prefix = case.body("inference_request", json!({ "input": [user("1"), reference("rs_1"), reference("lost")] }));
    let tail = case.body("inference_request", json!({ "input": [reference("msg_1"), user("6")] }));
    case.event(json!({
        "type": "inference_started", "inference_call_id": "b", "thread_id": "t", "codex_turn_id": "u", "model": "m",
        "provider_name": "p", "request_payload": tail,
        "request_input_mode":
            { "type": "incremental_with_untraced_prefix", "previous_response_id": "x", "prefix_payload": prefix },
    }));
    let graph = case.check(&[Code::UnknownReference]);
    assert_eq!(request_items(&graph, "b"), [1, 2, 5, 4, 6]);
}

/// Installs a compaction.
fn install(case: &mut Case, before: Value, after: Value) {
    let checkpoint =
        case.body("compaction_checkpoint", json!({ "input_history": before, "replacement_history": after }));
    case.event(json!({ "type": "compaction_installed", "compaction_id": "k", "checkpoint_payload": checkpoint }));
}

#[test]
fn checkpoint_may_have_references() {
    let mut case = answered();
    install(
        &mut case,
        json!([reference("rs_1"), user("1"), reference("lost")]),
        json!([reference("msg_1"), with_id(assistant("summary"), "msg_2")]),
    );
    case.request("b", [reference("msg_1"), reference("msg_2"), user("8")]);
    let graph = case.check(&[Code::UnknownReference]);
    let compaction = graph.compactions.get("k").unwrap();
    assert_eq!(numbers(&compaction.input_item_ids), [2, 1, 5]);
    assert_eq!(compaction.marker_item_id.number(), 6);
    assert_eq!(numbers(&compaction.replacement_item_ids), [4, 7], "a reference is the earlier item, not a new one");
    assert_eq!(request_items(&graph, "b"), [4, 7, 8]);
    assert_eq!(item(&graph, 4).produced_by, [Producer::Inference { inference_call_id: "a".into() }]);
    assert_eq!(item(&graph, 7).produced_by, [Producer::Compaction { compaction_id: "k".into() }]);
}

#[test]
fn reference_in_a_response_is_the_item_with_its_id() {
    let mut case = answered();
    case.request("b", [user("5")]);
    case.response("b", [reference("msg_1"), with_id(assistant("4"), "msg_1")]);
    let graph = case.check(&[]);
    assert_eq!(response_items(&graph, "b"), [4, 6], "items with content are new in a response");
}

#[test]
fn item_with_only_type_and_id_is_the_item_with_the_id() {
    let image = |id: &str, result: &str| json!({ "type": "image_generation_call", "id": id, "result": result });
    let named = |id: &str| json!({ "type": "image_generation_call", "id": id });
    let mut case = Case::new();
    case.request("a", [user("1")]);
    case.response("a", [image("ig_1", "b25l"), image("ig_2", "dHdv")]);
    case.request("b", [user("1"), named("ig_2"), user("warmer")]);
    case.request("c", [user("1"), named("ig_2"), named("ig_lost")]);
    case.response("c", [named("ig_2")]);
    let graph = case.check(&[]);
    assert_eq!(request_items(&graph, "b"), [1, 3, 4]);
    assert_eq!(request_items(&graph, "c"), [1, 3, 5], "an item with a type says what it is, even if it is unknown");
    assert!(matches!(parts(&graph, 5)[..], [Part::Json { .. }]));
    assert_eq!(response_items(&graph, "c"), [6]);
}

#[test]
fn unknown_items_with_only_type_and_id_are_told_apart_by_their_ids() {
    let named = |id: &str| json!({ "type": "image_generation_call", "id": id });
    let mut case = Case::new();
    case.request("a", [named("ig_1"), named("ig_2")]);
    case.request("b", [named("ig_2"), named("ig_3"), named("ig_1")]);
    case.request("c", [named("ig_2"), named("ig_3"), named("ig_1"), user("4")]);
    let graph = case.check(&[]);
    assert_eq!(request_items(&graph, "a"), [1, 2]);
    assert_eq!(request_items(&graph, "b"), [2, 3, 1]);
    assert_eq!(request_items(&graph, "c"), [2, 3, 1, 4]);
}

#[test]
fn one_id_for_all_items_names_none_of_them() {
    let id = "__fake_id__";
    let reasoning = json!({ "type": "reasoning", "id": id, "summary": [] });
    let mut case = Case::new();
    let turns = [reasoning.clone(), with_id(assistant("2"), id), user("3"), reasoning, with_id(assistant("5"), id)];
    case.request("a", turns.to_vec());
    case.request("b", [&turns[..], &[user("6")]].concat());
    let graph = case.check(&[]);
    assert_eq!((request_items(&graph, "a"), request_items(&graph, "b")), (vec![1, 2, 3, 4, 5], vec![1, 2, 3, 4, 5, 6]));
}

#[test]
fn stored_reasoning_without_its_text_is_the_item_with_its_id() {
    let mut case = answered();
    case.request("b", [user("1"), json!({ "type": "reasoning", "id": "rs_1", "summary": [] }), user("5")]);
    let graph = case.check(&[]);
    assert_eq!(request_items(&graph, "b"), [1, 2, 5]);
    let text = Part::Summary("hm".into());
    assert_eq!(parts(&graph, 2), [text]);
}

#[test]
fn message_ids_of_other_apis_are_not_kept() {
    let mut case = Case::new();
    let message = json!({ "role": "user", "id": "msg_1", "content": "1" });
    case.request_body("a", json!({ "messages": [message] }));
    case.response_body(
        "a",
        json!({ "id": "msg_2", "role": "assistant", "content": [{ "type": "text", "text": "2" }] }),
    );
    case.request("b", [reference("msg_1"), reference("msg_2")]);
    let graph = case.check(&[Code::UnknownReference, Code::UnknownReference]);
    assert_eq!((provider_id(&graph, 1), provider_id(&graph, 2)), (None, None));
    assert_eq!(call(&graph, "a").response_id.as_ref().map(|id| id.as_str()), Some("resp-a"));
}

#[test]
fn requests_of_references_share_their_prefix() {
    let mut case = answered();
    let list = [reference("rs_1"), reference("fc_1"), function_output("c", "5")];
    case.request("b", list.to_vec());
    case.request("c", [&list[..], &[user("6")]].concat());
    let graph = case.check(&[]);
    assert_eq!((request_items(&graph, "b"), request_items(&graph, "c")), (vec![2, 3, 5], vec![2, 3, 5, 6]));
    let mut shared = Vec::new();
    graph.write_state(&mut shared, Snapshots::Shared).unwrap();
    let shared: Value = serde_json::from_slice(&shared).unwrap();
    assert_eq!(shared["inference_calls"]["c"]["request_item_ids"], json!(["conversation_item:6"]));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Each turn is a user's text and the texts of the answer, with a flag for each earlier item: whether the request
    /// refers to it or repeats it. Few texts make many items equal.
    #[test]
    fn session_has_equal_items_however_its_history_is_listed(
        turns in prop::collection::vec(("[ab]", prop::collection::vec("[ab]", 0..4)), 1..8),
        refers in prop::collection::vec(any::<bool>(), 64),
    ) {
        let mut case = Case::new();
        let mut history: Vec<Value> = Vec::new();
        let mut lengths = Vec::new();
        for (turn, (question, answers)) in turns.iter().enumerate() {
            let call = turn.to_string();
            let listed = history.iter().zip(refers.iter().cycle().skip(turn));
            let list = |(item, refers): (&Value, &bool)| match item["id"].as_str() {
                Some(id) if *refers => reference(id),
                _ => item.clone(),
            };
            let mut items: Vec<Value> = listed.map(list).collect();
            items.push(user(question));
            history.push(user(question));
            lengths.push((call.clone(), items.len() as u64));
            case.request(&call, items);
            let answer = answers.iter().zip(0..).map(|(text, n)| with_id(assistant(text), &format!("msg_{turn}_{n}")));
            let answer: Vec<_> = answer.collect();
            case.response(&call, answer.clone());
            history.extend(answer);
        }
        let graph = case.try_reduce(&Options::default().strict(true)).unwrap().graph;
        prop_assert_eq!(&graph.diagnostics, &[]);
        for (call, length) in lengths {
            prop_assert_eq!(request_items(&graph, &call), (1..=length).collect::<Vec<_>>());
        }
    }
}
