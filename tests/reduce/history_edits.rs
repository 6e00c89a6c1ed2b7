//! Conversations that the provider changes between a request and the model.

use otel_trace::event::InferenceId;
use otel_trace::graph::{Code, EditStatus, Graph, Visibility};
use serde_json::{Value, json};

use crate::case::{Case, assistant, call, codes, state, user};

/// Returns the changes of a call: name, and `true` if the provider reports it.
fn edits(graph: &Graph, id: &str) -> Vec<(String, bool)> {
    let edits = call(graph, id).history_edits.iter();
    edits.map(|edit| (edit.name.to_string(), edit.status == EditStatus::Applied)).collect()
}

/// Returns how much of each item of the graph a call saw.
fn visibility(graph: &Graph, id: &str) -> Vec<Visibility> {
    graph.items().map(|item| graph.visibility(&InferenceId::from(id), item.item_id)).collect()
}

fn chat(messages: Value) -> Value {
    json!({ "messages": messages })
}

/// Merges the members of two objects.
fn merged(mut body: Value, more: &Value) -> Value {
    let more = more.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(more);
    body
}

/// Edits as Anthropic reports them.
fn applied() -> Value {
    json!({ "applied_edits": [
        { "type": "clear_tool_uses_20250919", "cleared_tool_uses": 8, "cleared_input_tokens": 50000 },
        { "type": "clear_thinking_20251015", "cleared_thinking_turns": 3, "cleared_input_tokens": 1500 },
    ] })
}

#[test]
fn edits_that_a_response_reports_are_those_of_its_call() {
    let part = json!([{ "type": "text", "text": "One" }]);
    let message = json!({ "role": "assistant", "content": "One" });
    let of_gateway =
        merged(message.clone(), &json!({ "provider_specific_fields": { "context_management": applied() } }));
    let responses = [
        json!({ "content": part, "context_management": applied() }),
        json!({ "choices": [{ "message": of_gateway }] }),
        json!({ "output": { "message": { "role": "assistant", "content": [{ "text": "One" }] } },
            "additionalModelResponseFields": { "context_management": applied() } }),
    ];
    for response in responses {
        let mut case = Case::new();
        case.request_body("a", chat(json!([{ "role": "user", "content": "1" }])));
        case.response_body("a", &response);
        case.request_body("b", chat(json!([{ "role": "user", "content": "1" }, message])));
        let graph = case.check(&[Code::HistoryEdited; 2]);
        let [uses, thinking] = [&graph.diagnostics[0].message, &graph.diagnostics[1].message];
        assert!(
            uses.contains("clear_tool_uses_20250919 (cleared_tool_uses: 8, cleared_input_tokens: 50000)"),
            "{uses}"
        );
        assert!(thinking.contains("cleared_thinking_turns: 3"), "{thinking}");
        let expected = [("clear_tool_uses_20250919".into(), true), ("clear_thinking_20251015".into(), true)];
        assert_eq!(edits(&graph, "a"), expected, "{response}");
        assert_eq!(edits(&graph, "b"), [], "{response}");
        assert_eq!(visibility(&graph, "a"), [Visibility::MayBeCleared, Visibility::NotSent]);
        assert_eq!(visibility(&graph, "b"), [Visibility::Shown; 2]);
        let state = &state(&graph)["inference_calls"];
        let expected = json!({ "name": "clear_tool_uses_20250919", "status": "applied",
            "report": "cleared_tool_uses: 8, cleared_input_tokens: 50000" });
        assert_eq!(state["a"]["history_edits"][0], expected);
        assert_eq!(state["b"].get("history_edits"), None);
    }
}

#[test]
fn block_that_the_provider_dropped_is_an_edit() {
    let report =
        |kind: &str| json!({ "type": kind, "path": "messages.1.content.0", "reason": "model_binding_mismatch" });
    let mut case = Case::new();
    case.request_body("a", chat(json!([{ "role": "user", "content": "1" }])));
    case.response_body(
        "a",
        json!({ "content": [{ "type": "text", "text": "One" }],
            "input_transformations": [report("thinking_mismatch_allowed"), report("thinking_dropped")] }),
    );
    let graph = case.check(&[Code::HistoryEdited]);
    assert_eq!(edits(&graph, "a"), [("thinking_dropped".into(), true)]);
    let message = &graph.diagnostics[0].message;
    assert!(message.contains("path: messages.1.content.0, reason: model_binding_mismatch"), "{message}");
}

#[test]
fn edits_at_the_end_of_a_stream_are_reported() {
    let events = [
        json!({ "type": "message_start", "message": { "id": "m", "role": "assistant", "content": [] } }),
        json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" }, "context_management": applied() }),
        json!({ "type": "message_stop" }),
    ];
    let stream: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    let edits_of = |bytes: &str| {
        let mut case = Case::new();
        let strategies = json!({ "edits": [{ "type": "clear_tool_uses_20250919" }] });
        case.request_body(
            "a",
            json!({ "messages": [{ "role": "user", "content": "1" }], "context_management": strategies }),
        );
        case.received("a", bytes.as_bytes());
        edits(&case.try_reduce(&Default::default()).unwrap().graph, "a")
    };
    let applied = |name: &str| (name.to_owned(), true);
    assert_eq!(edits_of(&stream), [applied("clear_tool_uses_20250919"), applied("clear_thinking_20251015")]);
    // Without its end, a response does not report whether the provider used the strategy.
    let cut = &stream[..stream.find("data: {\"type\":\"message_delta\"").unwrap_or(0)];
    let cut = if cut.is_empty() { stream.split_inclusive("\n\n").next().unwrap() } else { cut };
    assert_eq!(edits_of(cut), [("context_management: clear_tool_uses_20250919".to_owned(), false)]);
}

#[test]
fn edits_without_content_are_none() {
    let responses = [
        json!({ "content": [], "context_management": { "applied_edits": [] } }),
        json!({ "content": [], "context_management": null }),
        json!({ "content": [], "context_management": { "applied_edits": "none" } }),
        json!({ "output": [assistant("One")], "context_management": [{ "type": "compaction" }], "truncation": "disabled" }),
    ];
    for response in responses {
        let mut case = Case::new();
        case.request_body("a", chat(json!([])));
        case.response_body("a", &response);
        assert_eq!(edits(&case.check(&[]), "a"), [], "{response}");
    }
}

#[test]
fn permitted_edits_are_reported_once_for_a_thread() {
    let messages = |settings: &Value| merged(chat(json!([{ "role": "user", "content": "1" }])), settings);
    let items = |settings: &Value| merged(json!({ "input": [user("1")] }), settings);
    let table: [(Value, Option<&str>); 15] = [
        (items(&json!({ "truncation": "auto" })), Some("truncation: auto")),
        (items(&json!({ "truncation": { "type": "auto" } })), Some("truncation: auto")),
        (items(&json!({ "truncation": "disabled" })), None),
        (items(&json!({ "truncation": null })), None),
        (items(&json!({ "context_management": [{ "type": "compaction", "compact_threshold": 1000 }] })), None),
        (items(&json!({ "plugins": [{ "id": "context-compression" }] })), Some("plugins: context-compression")),
        (
            messages(&json!({ "plugins": [{ "id": "web" }, { "id": "context-compression", "enabled": true }] })),
            Some("plugins: context-compression"),
        ),
        (messages(&json!({ "plugins": [{ "id": "context-compression", "enabled": false }] })), None),
        (messages(&json!({ "transforms": ["middle-out"] })), Some("transforms: middle-out")),
        (messages(&json!({ "transforms": [] })), None),
        (messages(&json!({ "truncate_prompt_tokens": 4096 })), Some("truncate_prompt_tokens: 4096")),
        (messages(&json!({ "prompt_truncate_len": 1500 })), Some("prompt_truncate_len: 1500")),
        (messages(&json!({ "truncate": true, "options": {} })), Some("truncate: true")),
        (messages(&json!({ "truncate": false, "options": {} })), None),
        (messages(&json!({ "context_management": { "edits": [{ "type": "clear_tool_uses_20250919" }] } })), None),
    ];
    for (body, expected) in table {
        let mut case = Case::new();
        case.thread("other", "/root/other");
        case.turn("v", "other");
        case.request_body("a", &body);
        case.request_body("b", &body);
        case.request_in("c", "other", "v", &body);
        let graph = case.try_reduce(&Default::default()).unwrap().graph;
        let notices = codes(&graph).iter().filter(|code| **code == Code::HistoryEdited).count();
        assert_eq!(notices, expected.map_or(0, |_| 2), "{body}: {:?}", graph.diagnostics);
        for id in ["a", "b", "c"] {
            let expected: Vec<_> = expected.into_iter().map(|name| (name.to_owned(), false)).collect();
            assert_eq!(edits(&graph, id), expected, "{body}");
        }
    }
}

#[test]
fn setting_that_the_response_repeats_is_one_edit() {
    for request in [json!({ "input": [user("1")], "truncation": "auto" }), json!({ "input": [user("1")] })] {
        let mut case = Case::new();
        case.request_body("a", &request);
        case.response_body("a", json!({ "id": "r", "output": [assistant("One")], "truncation": "auto" }));
        assert_eq!(edits(&case.check(&[Code::HistoryEdited]), "a"), [("truncation: auto".to_owned(), false)]);
    }
}

fn compaction() -> Value {
    json!({ "type": "compaction", "id": "cmp_1", "encrypted_content": "e1" })
}

#[test]
fn compaction_is_continued_by_the_id_of_its_response() {
    let respond = |case: &mut Case, id: &str, items: Value| {
        case.response_body(id, json!({ "id": format!("resp-{id}"), "output": items }));
    };
    let after = |previous: &str, text: &str| json!({ "previous_response_id": previous, "input": [user(text)] });
    let mut case = Case::new();
    case.request_body("a", json!({ "input": [user("1")] }));
    respond(&mut case, "a", json!([assistant("One"), compaction(), assistant("Two")]));
    case.request_body("b", after("resp-a", "2"));
    respond(&mut case, "b", json!([assistant("Three")]));
    case.request_body("c", after("resp-b", "3"));
    let graph = case.check(&[Code::HistoryEdited]);
    assert!(graph.diagnostics[0].message.contains("conversation_item:3"), "{}", graph.diagnostics[0]);
    assert_eq!(edits(&graph, "a"), [("compaction".to_owned(), true)]);
    let compacted = |id: &str| call(&graph, id).compacted_before.map(|item| item.number());
    assert_eq!((compacted("a"), compacted("b"), compacted("c")), (None, Some(3), Some(3)));
    use Visibility::{Dropped, MayBeCleared, NotSent, Shown};
    assert_eq!(visibility(&graph, "a")[..2], [MayBeCleared, NotSent]);
    assert_eq!(visibility(&graph, "c"), [Dropped, Dropped, Shown, Shown, Shown, Shown, Shown]);
}

#[test]
fn compaction_is_continued_in_a_conversation_and_in_retries() {
    let mut case = Case::new();
    case.request_body("a", json!({ "conversation": "conv_1", "input": [user("1")] }));
    case.response_body("a", json!({ "id": "r1", "output": [compaction()] }));
    let body = case.body("inference_request", json!({ "conversation": "conv_1", "input": [user("2")] }));
    for id in ["b", "retry"] {
        case.event(json!({ "type": "inference_started", "inference_call_id": id, "thread_id": "t",
            "codex_turn_id": "u", "model": "m", "provider_name": "p", "request_payload": body }));
        case.response_body(id, json!({ "id": "r2", "output": [compaction()] }));
    }
    let graph = case.try_reduce(&Default::default()).unwrap().graph;
    for id in ["b", "retry"] {
        assert_eq!(call(&graph, id).compacted_before.map(|item| item.number()), Some(2), "{id}");
    }
}

#[test]
fn compaction_that_a_client_sends_with_what_it_replaces_is_possible() {
    let sent = |input: Value| {
        let mut case = Case::new();
        case.request_body("a", json!({ "input": [user("1")] }));
        case.response_body("a", json!({ "id": "r1", "output": [compaction()] }));
        case.request_body("b", json!({ "input": input }));
        let graph = case.try_reduce(&Default::default()).unwrap().graph;
        assert_eq!(call(&graph, "b").compacted_before, None);
        edits(&graph, "b")
    };
    assert_eq!(sent(json!([user("1"), compaction(), user("2")])), [("compaction".to_owned(), false)]);
    assert_eq!(sent(json!([compaction(), user("2")])), []);
    // The history of another session: nothing shows who shortened it.
    let other = json!({ "type": "compaction", "encrypted_content": "e2" });
    assert_eq!(sent(json!([user("1"), other, user("2")])), []);
}
