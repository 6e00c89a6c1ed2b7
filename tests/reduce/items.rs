//! Conversation items in the shape of the Responses API.

use otel_trace::graph::{Code, Graph, Part};
use serde_json::{Value, json};

use crate::case::{Case, item, parts, request_items, state};

/// Reduces a request with one item and checks the codes of the diagnostics.
#[track_caller]
fn reduced(item: Value, codes: &[Code]) -> Graph {
    let mut case = Case::new();
    case.request("i", json!([item]));
    case.check(codes)
}

/// Checks role, channel, kind, call id, tool name and parts of one item in the state.
#[track_caller]
fn check(item: Value, codes: &[Code], expected: Value) {
    let state = state(&reduced(item, codes));
    let item = &state["conversation_items"]["conversation_item:1"];
    let fields = ["role", "channel", "kind", "call_id", "name"].map(|field| item[field].clone());
    assert_eq!(json!([fields, item["body"]["parts"]]), expected);
}

fn text(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

fn json_part(summary: &str) -> Value {
    json!({ "type": "json", "summary": summary, "raw_payload_id": "raw_payload:1" })
}

fn payload_ref(label: &str) -> Value {
    json!({ "type": "payload_ref", "label": label, "raw_payload_id": "raw_payload:1" })
}

fn encoded_part(value: &str) -> Value {
    json!({ "type": "encoded", "label": "encrypted_content", "value": value })
}

#[test]
fn message_has_its_role_and_the_channel_of_its_phase() {
    for (phase, channel) in [
        (json!("commentary"), json!("commentary")),
        (json!("final_answer"), json!("final")),
        (json!("summary"), json!("summary")),
        (json!("other"), Value::Null),
        (Value::Null, Value::Null),
    ] {
        let message = json!({ "type": "message", "role": "assistant", "phase": phase, "content": "hi" });
        check(message, &[], json!([["assistant", channel, "message", null, null], [text("hi")]]));
    }
    for role in ["system", "developer", "user", "assistant", "tool"] {
        let message = json!({ "role": role, "content": "hi", "call_id": "no call" });
        check(message, &[Code::UnreadField], json!([[role, null, "message", null, null], [text("hi")]]));
    }
}

#[test]
fn content_parts_are_text_or_payload_references() {
    let message = |content: Value| json!({ "type": "message", "role": "user", "content": content });
    let check_item = |content: Value, parts: Value| {
        check(message(content), &[], json!([["user", null, "message", null, null], parts]))
    };
    check_item(
        json!([{ "type": "input_text", "text": "a" }, { "type": "text", "text": "b" }]),
        json!([text("a"), text("b")]),
    );
    check_item(json!([{ "type": "input_text", "text": "a" }, { "type": "output_text" }]), json!([text("a")]));
    check_item(
        json!([{ "type": "input_image", "image_url": "data:" }, {}, 7]),
        json!([payload_ref("input_image"), payload_ref("content"), payload_ref("content")]),
    );
    check_item(json!([]), json!([payload_ref("empty_content")]));
    check_item(Value::Null, json!([payload_ref("empty_content")]));
    check_item(json!({ "odd": true }), json!([payload_ref("content")]));
    check(json!({ "role": "user" }), &[], json!([["user", null, "message", null, null], [payload_ref("content")]]));
}

#[test]
fn refusal_is_a_labelled_text() {
    let content = json!([{ "type": "output_text", "text": "Well." }, { "type": "refusal", "refusal": "No." }]);
    let refusal = json!({ "type": "text", "text": "No.", "label": "refusal" });
    let message = json!({ "type": "message", "role": "assistant", "content": content });
    check(message, &[], json!([["assistant", null, "message", null, null], [text("Well."), refusal]]));
    let message = json!({ "role": "assistant", "content": [{ "type": "refusal", "refusal": null }] });
    check(message, &[], json!([["assistant", null, "message", null, null], [payload_ref("empty_content")]]));
}

#[test]
fn reasoning_parts_are_texts_summaries_and_encrypted_content() {
    let head = ["assistant", "analysis", "reasoning"];
    let check_item =
        |item: Value, parts: Value| check(item, &[], json!([[head[0], head[1], head[2], null, null], parts]));
    let summary = json!({ "type": "summary", "text": "s" });
    check_item(
        json!({ "type": "reasoning", "encrypted_content": "e", "summary": [{ "type": "summary_text", "text": "s" }],
            "content": [{ "type": "reasoning_text", "text": "a" }, { "type": "text", "text": "b" }] }),
        json!([text("a"), text("b"), summary, encoded_part("e")]),
    );
    check_item(json!({ "type": "reasoning", "summary": [], "content": null }), json!([payload_ref("empty_content")]));
}

#[test]
fn function_call_arguments_are_json_or_text() {
    let check_item = |item: Value, part: Value| {
        check(item, &[], json!([["assistant", "commentary", "function_call", "c", "f"], [part]]));
    };
    let call =
        |arguments: Value| json!({ "type": "function_call", "call_id": "c", "name": "f", "arguments": arguments });
    check_item(call(json!(r#"{ "b": 1e3, "a": [ 1, 2.50 ] }"#)), json_part(r#"{"a":[1,2.5],"b":1000.0}"#));
    check_item(call(json!("no json")), text("no json"));
    check_item(call(json!({ "z": 1, "y": "é" })), json_part(r#"{"y":"é","z":1}"#));
    check_item(json!({ "type": "function_call", "call_id": "c", "name": "f" }), payload_ref("payload"));
}

#[test]
fn custom_tool_call_is_text_or_a_script_of_exec() {
    let check_item = |item: Value, name: &str, part: Value| {
        check(item, &[], json!([["assistant", "commentary", "custom_tool_call", "c", name], [part]]));
    };
    let call =
        |name: &str, input: Value| json!({ "type": "custom_tool_call", "call_id": "c", "name": name, "input": input });
    check_item(call("apply_patch", json!("*** Begin")), "apply_patch", text("*** Begin"));
    check_item(
        call("exec", json!("text(1)")),
        "exec",
        json!({ "type": "code", "language": "javascript", "source": "text(1)" }),
    );
    check_item(
        call("odd", json!(1)),
        "odd",
        json_part(r#"{"call_id":"c","input":1,"name":"odd","type":"custom_tool_call"}"#),
    );
}

#[test]
fn output_is_text_parts_or_json() {
    for kind in ["function_call_output", "custom_tool_call_output"] {
        let check_item = |output: Value, part: Value| {
            let item = json!({ "type": kind, "call_id": "c", "output": output });
            check(item, &[], json!([["tool", "commentary", kind, "c", null], [part]]));
        };
        check_item(json!("done"), text("done"));
        check_item(json!([{ "type": "input_text", "text": "done" }]), text("done"));
        check_item(json!({ "ok": true }), json_part(r#"{"ok":true}"#));
        check_item(Value::Null, payload_ref("tool_output"));
    }
}

#[test]
fn calls_and_outputs_of_hosted_tools_are_kept_as_json() {
    for kind in ["tool_search_call", "web_search_call", "image_generation_call", "local_shell_call"] {
        let item = json!({ "type": kind, "call_id": "c", "name": "n" });
        let part = json_part(&format!(r#"{{"call_id":"c","name":"n","type":"{kind}"}}"#));
        check(item, &[], json!([["assistant", "commentary", "function_call", "c", null], [part]]));
    }
    for kind in ["tool_search_output", "mcp_tool_call_output"] {
        let part = json_part(&format!(r#"{{"call_id":"c","type":"{kind}"}}"#));
        let item = json!({ "type": kind, "call_id": "c" });
        check(item, &[], json!([["tool", "commentary", "function_call_output", "c", null], [part]]));
    }
}

#[test]
fn compactions_in_the_conversation_are_summaries() {
    for kind in ["compaction", "compaction_summary", "context_compaction"] {
        let item = json!({ "type": kind, "encrypted_content": "e" });
        check(item, &[], json!([["assistant", "summary", "message", null, null], [encoded_part("e")]]));
    }
}

#[test]
fn agent_message_has_author_and_recipient() {
    let item = json!({ "type": "agent_message", "author": "/root/w", "recipient": "/root",
        "content": [{ "type": "input_text", "text": "done" }, { "type": "encrypted_content", "encrypted_content": "e" }] });
    check(
        item.clone(),
        &[],
        json!([["assistant", "analysis", "message", null, null], [text("done"), encoded_part("e")]]),
    );
    let state = state(&reduced(item, &[]));
    let agent_message = &state["conversation_items"]["conversation_item:1"]["agent_message"];
    assert_eq!(agent_message, &json!({ "author": "/root/w", "recipient": "/root" }));
}

#[test]
fn item_of_unknown_type_is_kept_as_json() {
    for (kind, fields) in [
        ("robot_call", json!(["assistant", null, "function_call", "c", null])),
        ("robot_output", json!(["tool", null, "function_call_output", "c", null])),
        ("robot", json!(["assistant", null, "message", null, null])),
    ] {
        let part = json_part(&format!(r#"{{"call_id":"c","type":"{kind}"}}"#));
        let mut fields = fields;
        if kind != "robot" {
            fields[1] = json!("commentary");
        }
        check(json!({ "type": kind, "call_id": "c" }), &[Code::UnknownItemType], json!([fields, [part]]));
    }
}

#[test]
fn unreadable_item_is_left_out() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    for bad in ["7", "{}", r#"{"role":"king"}"#, r#"{"type":"message"}"#, r#"{"role":"user","content":"\ud800"}"#] {
        let mut case = Case::new();
        case.request_body("i", format!(r#"{{"input":[{bad},{{"role":"user","content":"ok"}}]}}"#));
        assert_eq!(request_items(&case.check(&[Code::BadItem]), "i"), [1], "{bad}");
    }
    let mut case = Case::new();
    let item = format!(r#"{{"type":"web_search_call","action":{deep}}}"#);
    case.request_body("i", format!(r#"{{"input":[{item},{{"role":"user","content":"ok"}}]}}"#));
    assert_eq!(request_items(&case.check(&[Code::BadItem]), "i"), [1]);
}

#[test]
fn repeated_unreadable_item_is_reported_once() {
    let mut case = Case::new();
    for call in ["a", "b", "c"] {
        case.request(call, json!([7, { "role": "user", "content": "ok" }]));
    }
    let graph = case.check(&[Code::BadItem]);
    assert_eq!((request_items(&graph, "a"), request_items(&graph, "c")), (vec![1], vec![1]));
}

#[test]
fn long_json_value_is_summarized() {
    let long = "é".repeat(200);
    let call = json!({ "type": "function_call", "call_id": "c", "arguments": json!({ "long": long }).to_string() });
    let graph = reduced(call, &[]);
    let [Part::Json { summary }] = &parts(&graph, 1)[..] else { panic!() };
    assert_eq!(**summary, format!("{{\"long\":\"{}...", "é".repeat(115)));
}

#[test]
fn text_input_is_a_user_message() {
    let mut case = Case::new();
    case.request_body("i", json!({ "input": "hello" }));
    case.request_body("j", json!({ "input": [{ "role": "user", "content": "hello" }] }));
    let graph = case.check(&[]);
    assert_eq!(item(&graph, 1).content.text(), "hello");
    assert_eq!(request_items(&graph, "j"), [1], "both forms are one message");
}

#[test]
fn reasoning_of_any_form_is_kept() {
    let reasoning =
        |content: Value, summary: Value| json!({ "type": "reasoning", "content": content, "summary": summary });
    let summary = |text: &str| json!({ "type": "summary", "text": text });
    for (item, parts) in [
        (reasoning(json!("a"), json!("b")), json!([text("a"), summary("b")])),
        (reasoning(json!(["a"]), json!(["b"])), json!([text("a"), summary("b")])),
        (reasoning(Value::Null, json!([{ "type": "text", "text": "b" }])), json!([summary("b")])),
        (
            reasoning(json!([{ "type": "redacted_reasoning", "data": "x" }]), json!([])),
            json!([payload_ref("redacted_reasoning")]),
        ),
    ] {
        check(item, &[], json!([["assistant", "analysis", "reasoning", null, null], parts]));
    }
}
