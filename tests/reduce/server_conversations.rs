//! Conversations that the provider keeps: requests name them and list only what is new.

use otel_trace::graph::{Code, Snapshots};
use otel_trace::reduce::Options;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::case::{Case, assistant, item, request_items, response_items, user};

/// Records a request that names a conversation.
fn request(case: &mut Case, call: &str, conversation: impl Into<Value>, items: impl Into<Value>) -> u64 {
    case.request_body(call, json!({ "conversation": conversation.into(), "input": items.into() }))
}

/// Records the end of a call that failed.
fn fail(case: &mut Case, call: &str) {
    case.event(json!({ "type": "inference_failed", "inference_call_id": call, "error": "overloaded" }));
}

/// Returns a response to a request of conversation `conv_1`, as the provider returns it.
fn response_body(n: u32, text: &str) -> Value {
    let content = json!([{ "type": "output_text", "text": text, "annotations": [] }]);
    let message = json!({
        "type": "message", "id": format!("msg_{n}"), "role": "assistant", "status": "completed", "content": content,
    });
    json!({ "id": format!("resp_{n}"), "object": "response", "conversation": { "id": "conv_1" }, "output": [message] })
}

#[test]
fn request_continues_the_last_call_of_its_conversation() {
    let message = |text: &str| json!({ "role": "user", "content": text });
    let mut case = Case::new();
    request(&mut case, "a", "conv_1", [message("My name is Ada.")]);
    case.response_body("a", response_body(1, "Hello."));
    request(&mut case, "b", json!({ "id": "conv_1" }), [message("What is my name?")]);
    case.response_body("b", response_body(2, "Ada."));
    request(&mut case, "c", "conv_1", [message("Thanks.")]);
    let graph = case.check(&[Code::ServerSideHistory]);
    assert_eq!((request_items(&graph, "a"), response_items(&graph, "a")), (vec![1], vec![2]));
    assert_eq!((request_items(&graph, "b"), response_items(&graph, "b")), (vec![1, 2, 3], vec![4]));
    assert_eq!(request_items(&graph, "c"), [1, 2, 3, 4, 5]);
    let strict = case.try_reduce(&Options::default().strict(true)).unwrap().graph;
    assert_eq!(request_items(&strict, "c"), [1, 2, 3, 4, 5]);
}

#[test]
fn requests_of_a_conversation_share_their_prefix() {
    let mut case = Case::new();
    request(&mut case, "a", "conv_1", [user("1")]);
    case.response("a", [assistant("2")]);
    request(&mut case, "b", "conv_1", [user("3")]);
    let graph = case.check(&[Code::ServerSideHistory]);
    let mut shared = Vec::new();
    graph.write_state(&mut shared, Snapshots::Shared).unwrap();
    let shared: Value = serde_json::from_slice(&shared).unwrap();
    let prefix = json!({ "inference_call_id": "a", "items": 1, "with_response": true });
    assert_eq!(shared["inference_calls"]["b"]["request_prefix"], prefix);
}

#[test]
fn first_request_of_a_conversation_is_a_full_request() {
    let mut case = Case::new();
    case.request("a", [user("1")]);
    case.response("a", [assistant("2")]);
    request(&mut case, "b", "conv_1", [user("1"), assistant("2"), user("3")]);
    let graph = case.check(&[Code::ServerSideHistory]);
    assert_eq!(request_items(&graph, "b"), [1, 2, 3]);
}

#[test]
fn notice_tells_once_that_more_may_have_been_seen() {
    let mut case = Case::new();
    let seq = request(&mut case, "a", "conv_1", [user("1")]);
    case.response("a", [assistant("2")]);
    request(&mut case, "b", "conv_1", [user("3")]);
    case.thread("child", "/root/child");
    case.turn("v", "child");
    case.request_in("c", "child", "v", json!({ "conversation": "conv_1", "input": [user("4")] }));
    request(&mut case, "d", "conv_2", [user("5")]);
    let graph = case.check(&[Code::ServerSideHistory, Code::ServerSideHistory]);
    let first = &graph.diagnostics[0];
    assert_eq!(first.seq.map(|seq| seq.0), Some(seq));
    assert!(first.message.contains("inference call a belongs to conversation conv_1"), "{}", first.message);
    assert!(first.message.contains("is not in the evidence"), "{}", first.message);
    assert!(graph.diagnostics[1].message.contains("conv_2"));
    assert_eq!(request_items(&graph, "c"), [4], "another thread continues its own calls");
}

#[test]
fn running_failed_and_cancelled_calls_are_not_continued() {
    let mut case = Case::new();
    request(&mut case, "a", "conv_1", [user("1")]);
    case.response("a", [assistant("2")]);
    request(&mut case, "running", "conv_1", [user("3")]);
    request(&mut case, "failed", "conv_1", [user("3")]);
    fail(&mut case, "failed");
    request(&mut case, "cancelled", "conv_1", [user("3")]);
    let partial = case.body("inference_response", json!({ "conversation": "conv_1", "output": [assistant("4")] }));
    case.event(json!({
        "type": "inference_cancelled", "inference_call_id": "cancelled", "reason": "user",
        "partial_response_payload": partial,
    }));
    request(&mut case, "retry", "conv_1", [user("3")]);
    let graph = case.check(&[Code::ServerSideHistory]);
    for call in ["running", "failed", "cancelled", "retry"] {
        assert_eq!(request_items(&graph, call), [1, 2, 3], "{call}");
    }
}

#[test]
fn calls_at_the_same_time_continue_the_same_call() {
    let mut case = Case::new();
    request(&mut case, "a", "conv_1", [user("1")]);
    case.response("a", [assistant("2")]);
    request(&mut case, "b", "conv_1", [user("3")]);
    request(&mut case, "c", "conv_1", [user("4")]);
    case.response("c", [assistant("5")]);
    case.response("b", [assistant("6")]);
    request(&mut case, "d", "conv_1", [user("7")]);
    // The history of the conversation branches at the requests, and again behind the response that came last.
    let graph = case.check(&[Code::ServerSideHistory, Code::HistoryBranched]);
    assert_eq!((request_items(&graph, "b"), request_items(&graph, "c")), (vec![1, 2, 3], vec![1, 2, 4]));
    assert_eq!(request_items(&graph, "d"), [1, 2, 3, 6, 7], "the call that completed last is continued");
}

#[test]
fn conversations_of_one_thread_do_not_branch_each_other() {
    let mut case = Case::new();
    for round in 0..3 {
        for conversation in ["conv_1", "conv_2"] {
            let call = format!("{conversation}-{round}");
            request(&mut case, &call, conversation, [user(&call), user("go on")]);
            case.response(&call, [assistant(&call)]);
        }
    }
    let graph = case.check(&[Code::ServerSideHistory, Code::ServerSideHistory]);
    assert_eq!(request_items(&graph, "conv_1-2").len(), 8);
    assert_eq!(request_items(&graph, "conv_2-2").len(), 8);
    let last: Vec<_> = graph.snapshot(&"conv_2-2".into()).map(|id| graph.item(id).unwrap().content.text()).collect();
    assert!(last.iter().all(|text| !text.starts_with("conv_1")), "{last:?}");
}

#[test]
fn call_belongs_to_the_conversation_that_its_response_names() {
    let mut case = Case::new();
    case.request("a", [user("1")]);
    let seq = case.response_body("a", json!({ "conversation": { "id": "conv_1" }, "output": [assistant("2")] }));
    request(&mut case, "b", "conv_1", [user("3")]);
    case.request("aside", [user("a title, please")]);
    case.response_body("aside", json!({ "conversation": null, "output": [assistant("Names")] }));
    request(&mut case, "c", "conv_1", [user("4")]);
    let graph = case.check(&[Code::ServerSideHistory]);
    assert_eq!(graph.diagnostics[0].seq.map(|seq| seq.0), Some(seq));
    assert_eq!((request_items(&graph, "b"), request_items(&graph, "c")), (vec![1, 2, 3], vec![1, 2, 6]));
}

#[test]
fn previous_response_wins_over_the_conversation() {
    let mut case = Case::new();
    request(&mut case, "a", "conv_1", [user("1")]);
    case.response("a", [assistant("2")]);
    request(&mut case, "b", "conv_1", [user("3")]);
    case.response("b", [assistant("4")]);
    let body = json!({ "conversation": "conv_1", "previous_response_id": "resp-a", "input": [user("3"), user("5")] });
    case.request_body("c", body);
    let graph = case.check(&[Code::ServerSideHistory, Code::HistoryBranched]);
    assert_eq!(request_items(&graph, "c"), [1, 2, 3, 5]);
}

#[test]
fn input_mode_of_the_event_wins_over_the_conversation() {
    let mut case = Case::new();
    request(&mut case, "a", "conv_1", [user("1")]);
    case.response("a", [assistant("2")]);
    let body = case.body("inference_request", json!({ "conversation": "conv_1", "input": [user("1")] }));
    case.event(json!({
        "type": "inference_started", "inference_call_id": "b", "thread_id": "t", "codex_turn_id": "u", "model": "m",
        "provider_name": "p", "request_payload": body, "request_input_mode": { "type": "full_snapshot" },
    }));
    assert_eq!(request_items(&case.check(&[Code::ServerSideHistory]), "b"), [1]);
}

#[test]
fn request_may_continue_without_new_items() {
    let mut case = Case::new();
    request(&mut case, "a", "conv_1", [user("1")]);
    case.response("a", [assistant("2")]);
    case.request_body("b", json!({ "model": "m", "conversation": "conv_1" }));
    case.request_body("c", json!({ "model": "m", "previous_response_id": "resp-a" }));
    case.request_body("d", json!({ "model": "m", "conversation": "conv_2" }));
    case.request_body("e", json!({ "model": "m", "prompt": { "id": "pmpt_1" } }));
    let graph = case.check(&[Code::ServerSideHistory, Code::ServerSideHistory, Code::ServerSideContent]);
    for call in ["b", "c"] {
        assert_eq!(request_items(&graph, call), [1, 2], "{call}");
    }
    assert_eq!((request_items(&graph, "d"), request_items(&graph, "e")), (vec![], vec![]));
    let mut case = Case::new();
    case.request_body("tokens", json!({ "model": "m", "prompt": [1, 2] }));
    case.check(&[Code::BadPayload]);
}

#[test]
fn history_repeated_behind_a_previous_response_is_listed_again() {
    let mut case = Case::new();
    case.request("a", [user("1")]);
    case.response("a", [assistant("2")]);
    case.request_after("b", "resp-a", [user("1"), assistant("2"), user("3")]);
    assert_eq!(request_items(&case.check(&[]), "b"), [1, 2, 3, 4, 5]);
}

#[test]
fn other_values_name_no_conversation() {
    for value in [json!(null), json!(""), json!({}), json!({ "id": null }), json!({ "id": "" }), json!(7), json!([])] {
        let mut case = Case::new();
        for call in ["a", "b"] {
            request(&mut case, call, value.clone(), [user(call)]);
            case.response(call, [assistant("ok")]);
        }
        assert_eq!(request_items(&case.check(&[]), "b"), [3], "{value}");
    }
}

#[test]
fn fields_of_other_apis_name_no_conversation() {
    let message = json!({ "role": "user", "content": "1" });
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [message], "conversation": "a tale of two cities" }));
    let choice = json!({ "message": { "role": "assistant", "content": "2" } });
    case.response_body("a", json!({ "choices": [choice], "conversation": "a tale of two cities" }));
    let codes: Vec<_> =
        case.try_reduce(&Options::default()).unwrap().graph.diagnostics.into_iter().map(|it| it.code).collect();
    assert!(!codes.contains(&Code::ServerSideHistory), "{codes:?}");
}

/// The next event of a call: it starts in a conversation, or its oldest running call completes or fails.
#[derive(Debug, Clone)]
enum Step {
    Start(usize),
    Complete,
    Fail,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_request_continues_the_call_that_completed_last(
        steps in prop::collection::vec(
            prop_oneof![2 => (0..3_usize).prop_map(Step::Start), 2 => Just(Step::Complete), 1 => Just(Step::Fail)],
            0..40,
        ),
    ) {
        let mut case = Case::new();
        let mut continued: [Vec<String>; 3] = Default::default();
        let mut running = std::collections::VecDeque::new();
        let mut expected = Vec::new();
        for (n, step) in steps.iter().enumerate() {
            match step {
                Step::Start(conversation) => {
                    let call = n.to_string();
                    request(&mut case, &call, format!("conv_{conversation}"), [user(&call)]);
                    let mut seen = continued[*conversation].clone();
                    seen.push(call.clone());
                    expected.push((call.clone(), seen.clone()));
                    running.push_back((call, *conversation, seen));
                }
                Step::Complete => {
                    let Some((call, conversation, mut seen)) = running.pop_front() else { continue };
                    let answer = format!("answer {call}");
                    case.response(&call, [assistant(&answer)]);
                    seen.push(answer);
                    continued[conversation] = seen;
                }
                Step::Fail => {
                    let Some((call, ..)) = running.pop_front() else { continue };
                    fail(&mut case, &call);
                }
            }
        }
        let graph = case.try_reduce(&Options::default()).unwrap().graph;
        for (call, seen) in expected {
            let items = request_items(&graph, &call).into_iter();
            prop_assert_eq!(items.map(|number| item(&graph, number).content.text()).collect::<Vec<_>>(), seen);
        }
    }
}

#[test]
fn content_that_the_provider_keeps_is_reported_once() {
    let cached =
        |id: &str| json!({ "cachedContent": id, "contents": [{ "role": "user", "parts": [{ "text": "hi" }] }] });
    let mut case = Case::new();
    case.request_body("a", cached("cachedContents/1"));
    case.request_body("b", cached("cachedContents/1"));
    case.request_body("c", cached("cachedContents/2"));
    case.request_body("d", json!({ "prompt": { "id": "pmpt_1", "version": "2" }, "input": "hi" }));
    case.request_body("e", json!({ "prompt": null, "input": "hi" }));
    let graph = case.check(&[Code::ServerSideContent; 3]);
    let reported: Vec<&str> = graph.diagnostics.iter().map(|notice| &*notice.message).collect();
    for (message, expected) in
        reported.iter().zip(["cachedContents/1 in `cachedContent`", "cachedContents/2", "pmpt_1 in `prompt`"])
    {
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn stored_content_of_every_api_is_reported() {
    let check = |body: Value, expected: &str| {
        let mut case = Case::new();
        case.request_body("a", body);
        let graph = case.check(&[Code::ServerSideContent]);
        assert!(graph.diagnostics[0].message.contains(expected), "{}", graph.diagnostics[0]);
    };
    let messages = json!([{ "role": "user", "content": "x" }]);
    check(json!({ "messages": messages, "cached_content": "c1" }), "names c1 in `cached_content`");
    let google = json!({ "google": { "cached_content": "c1" } });
    check(json!({ "messages": messages, "extra_body": google }), "names c1 in `cached_content`");
    let mut extended = google;
    extended["messages"] = messages;
    check(extended, "names c1 in `cached_content`");
    check(json!({ "contents": [], "cachedContent": "c1" }), "names c1 in `cachedContent`");
    check(json!({ "input": "x", "prompt": { "id": "p1", "variables": { "city": "Oslo" } } }), "names p1 in `prompt`");
    // The prompt stands in place of the model. Its messages are the provider's.
    let variables = json!({ "city": { "text": "Oslo" } });
    let converse = json!({ "modelId": "arn:p1", "promptVariables": variables });
    check(converse.clone(), "names arn:p1 in `modelId`");
    check(json!({ "promptVariables": variables }), "names a stored prompt in `modelId`");
    let mut asked = converse;
    asked["messages"] = json!([{ "role": "user", "content": [{ "text": "x" }] }]);
    check(asked, "names arn:p1 in `modelId`");
}

#[test]
fn message_thread_continues_the_message_that_it_names() {
    let message = |id: &str, text: &str| json!({ "id": id, "type": "message", "role": "assistant", "content": [{ "type": "text", "text": text }] });
    let asked =
        |text: &str, thread: Value| json!({ "messages": [{ "role": "user", "content": text }], "thread": thread });
    let after = |id: &str| json!({ "type": "continue", "previous_message_id": id });
    let respond = |case: &mut Case, call: &str, body: Value| {
        let (id, body) = (body["id"].clone(), case.body("inference_response", body));
        case.event(json!({ "type": "inference_completed", "inference_call_id": call, "response_id": id, "response_payload": body }));
    };
    let mut case = Case::new();
    let mut first = asked("1", json!({ "type": "create" }));
    first["system"] = json!("Be brief.");
    case.request_body("a", first);
    respond(&mut case, "a", message("msg_1", "One"));
    case.request_body("b", asked("2", after("msg_1")));
    respond(&mut case, "b", message("msg_2", "Two"));
    // A retry of the first turn, and a thread that expired.
    case.request_body("c", asked("3", after("msg_1")));
    case.request_body("d", asked("4", after("msg_9")));
    let graph = case.check(&[Code::HistoryBranched, Code::UnknownPreviousResponse]);
    assert_eq!(request_items(&graph, "b"), [1, 2, 3, 4]);
    assert_eq!(request_items(&graph, "c"), [1, 2, 3, 6]);
    assert_eq!(request_items(&graph, "d"), [1, 2, 3, 6, 7]);
}

#[test]
fn compaction_in_a_message_thread_replaces_what_stands_before_it() {
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [{ "role": "user", "content": "1" }], "thread": { "type": "create" } }));
    let block = json!({ "type": "compaction", "content": "So far." });
    case.response_body("a", json!({ "content": [block, { "type": "text", "text": "One" }] }));
    let next = json!({ "messages": [{ "role": "user", "content": "2" }],
        "thread": { "type": "continue", "previous_message_id": "resp-a" } });
    case.request_body("b", next);
    let graph = case.check(&[Code::HistoryEdited]);
    let compacted = crate::case::call(&graph, "b").compacted_before.map(|item| item.number());
    assert_eq!((request_items(&graph, "b"), compacted), (vec![1, 2, 3, 4], Some(2)));
}
