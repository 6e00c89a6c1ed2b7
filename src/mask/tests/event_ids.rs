use serde_json::{Value, json};

use super::*;
use crate::event::Record;

/// Returns a token that no id has by chance.
fn credential(number: usize) -> String {
    format!("{}{number:036}", "ghp_")
}

/// Returns an event of each kind, with the fields of all variants, in which each id is `id`.
fn events(id: &str) -> Vec<Value> {
    let payload =
        json!({ "raw_payload_id": "raw_payload:1", "kind": { "type": "protocol_event" }, "path": "payloads/1" });
    let ids = json!({
        "trace_id": "t", "root_thread_id": id, "thread_id": id, "conversation_id": id, "codex_turn_id": id,
        "inference_call_id": id, "response_id": id, "upstream_request_id": id, "tool_call_id": id,
        "model_visible_call_id": id, "code_mode_runtime_tool_id": id, "mcp_call_id": id, "runtime_cell_id": id,
        "compaction_id": id, "compaction_request_id": id, "edge_id": id, "child_thread_id": id,
        "child_codex_turn_id": id, "parent_thread_id": id,
        "agent_path": "/root", "status": "completed", "model": "m", "provider_name": "p", "request_payload": payload,
        "response_payload": payload, "error": "e", "reason": "r", "runtime_payload": payload, "source_js": "s",
        "checkpoint_payload": payload, "message": "m", "event_type": "e", "event_payload": payload, "summary": "s",
        "payloads": [],
        "request_input_mode": { "type": "incremental_with_untraced_prefix", "previous_response_id": id, "prefix_payload": payload },
        "requester": { "type": "code_cell", "runtime_cell_id": id },
    });
    let event = |name: &str, more: Value| {
        let mut event = ids.clone();
        event["type"] = name.into();
        event.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        event
    };
    let names = crate::event::EventKind::ALL.iter().map(|kind| kind.name());
    let tool = json!({ "kind": { "type": "exec_command" }, "summary": { "type": "terminal", "operation_id": id } });
    names
        .map(|name| match name {
            "tool_call_started" => event(name, tool.clone()),
            "other" => event(name, json!({ "kind": "k" })),
            _ => event(name, json!({})),
        })
        .collect()
}

fn parse(event: Value) -> Event {
    let line = json!({ "schema_version": 1, "seq": 1, "wall_time_unix_ms": 1, "rollout_id": "r", "payload": event });
    Record::parse(line.to_string().as_bytes()).unwrap_or_else(|error| panic!("{line}: {error}")).event
}

#[test]
fn each_id_of_each_event_is_masked() {
    let masking = Masking::new();
    let mut kinds = 0;
    for event in events(&credential(7)) {
        let event = parse(event);
        let text = serde_json::to_string(&mask_ids(Cow::Borrowed(&event), &masking)).expect("JSON");
        assert!(!text.contains("ghp_"), "{text}");
        kinds += usize::from(text.contains("masked-github-"));
    }
    // The end of a run, a protocol event and other events have no ids.
    assert_eq!(kinds, events("").len() - 3);
}

#[test]
fn events_without_secrets_are_borrowed() {
    for event in events("call_password") {
        let event = parse(event);
        assert!(matches!(mask_ids(Cow::Borrowed(&event), &Masking::new()), Cow::Borrowed(_)));
    }
}

#[test]
fn an_id_is_masked_in_an_event_as_in_a_body() {
    let masking = Masking::new();
    for id in [credential(1), format!("{}#2", credential(2)), format!("user:{}", credential(3))] {
        let masked = masking.id(&id).expect("a secret");
        assert!(masked.starts_with("masked-github-") || masked.starts_with("user:masked-github-"), "{masked}");
        let nested = json!({ "call_id": id }).to_string();
        for body in [
            json!({ "id": id }),
            json!({ "toolUseId": id, "a": 1 }),
            json!({ "receiver_thread_ids": [id] }),
            json!({ "arguments": nested }),
            json!({ "a": { "b": json!({ "arguments": nested }).to_string() } }),
        ] {
            let mut text = body.to_string().into_bytes();
            assert!(masking.body(&mut text, true));
            assert_eq!(String::from_utf8_lossy(&text), body.to_string().replace(&id, &masked));
        }
    }
    // The value of a sensitive name, and text that has a credential, have the placeholders of texts.
    let mut text = json!({ "api_key": credential(1), "text": credential(1) }).to_string().into_bytes();
    masking.body(&mut text, true);
    assert!(!String::from_utf8_lossy(&text).contains("masked-"), "{}", String::from_utf8_lossy(&text));
}

#[test]
fn directory_of_a_parent_is_masked_behind_the_id_of_its_recording() {
    let name = format!("trace-0190a0b0-0000-7000-8000-000000000001-{}", credential(1));
    let masked = Masking::new().directory(&name).expect("a secret");
    assert!(masked.starts_with("trace-0190a0b0-0000-7000-8000-000000000001-masked-github-"), "{masked}");
    assert_eq!(Masking::new().directory("trace-0190a0b0-0000-7000-8000-000000000001-thread"), None);
    assert_eq!(Masking::new().directory(""), None);
}
