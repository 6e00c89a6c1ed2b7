//! Items of the Responses API.

use otel_trace::graph::{Code, Graph, Part};
use serde_json::{Value, json};

use crate::case::{Case, item, parts, seen, state};

/// What becomes of one item, and what is told.
#[track_caller]
fn reduced(item: Value, codes: &[Code]) -> Graph {
    let mut case = Case::new();
    case.request("i", json!([item]));
    case.check(codes)
}

/// Role, channel, kind, call id, tool name and parts of one item, as they are on the wire.
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

fn whole(summary: &str) -> Value {
    json!({ "type": "json", "summary": summary, "raw_payload_id": "raw_payload:1" })
}

fn reference(label: &str) -> Value {
    json!({ "type": "payload_ref", "label": label, "raw_payload_id": "raw_payload:1" })
}

fn encoded(value: &str) -> Value {
    json!({ "type": "encoded", "label": "encrypted_content", "value": value })
}

#[test]
fn a_message_has_its_role_and_the_channel_of_its_phase() {
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
        check(message, &[], json!([[role, null, "message", null, null], [text("hi")]]));
    }
}

#[test]
fn content_parts_are_text_or_point_at_the_payload() {
    let message = |content: Value| json!({ "type": "message", "role": "user", "content": content });
    let is = |content: Value, parts: Value| {
        check(message(content), &[], json!([["user", null, "message", null, null], parts]))
    };
    is(json!([{ "type": "input_text", "text": "a" }, { "type": "text", "text": "b" }]), json!([text("a"), text("b")]));
    is(json!([{ "type": "input_text", "text": "a" }, { "type": "output_text" }]), json!([text("a")]));
    is(
        json!([{ "type": "input_image", "image_url": "data:" }, {}, 7]),
        json!([reference("input_image"), reference("content"), reference("content")]),
    );
    is(json!([]), json!([reference("empty_content")]));
    is(Value::Null, json!([reference("empty_content")]));
    is(json!({ "odd": true }), json!([reference("content")]));
    check(json!({ "role": "user" }), &[], json!([["user", null, "message", null, null], [reference("content")]]));
}

#[test]
fn reasoning_is_texts_then_summaries_then_what_is_encrypted() {
    let head = ["assistant", "analysis", "reasoning"];
    let is = |item: Value, parts: Value| check(item, &[], json!([[head[0], head[1], head[2], null, null], parts]));
    let summary = json!({ "type": "summary", "text": "s" });
    is(
        json!({ "type": "reasoning", "encrypted_content": "e", "summary": [{ "type": "summary_text", "text": "s" }],
            "content": [{ "type": "reasoning_text", "text": "a" }, { "type": "text", "text": "b" }] }),
        json!([text("a"), text("b"), summary, encoded("e")]),
    );
    is(json!({ "type": "reasoning", "summary": [], "content": null }), json!([reference("empty_content")]));
}

#[test]
fn a_function_call_has_its_arguments_as_json_where_they_are() {
    let is = |item: Value, part: Value| {
        check(item, &[], json!([["assistant", "commentary", "function_call", "c", "f"], [part]]));
    };
    let call =
        |arguments: Value| json!({ "type": "function_call", "call_id": "c", "name": "f", "arguments": arguments });
    is(call(json!(r#"{ "b": 1e3, "a": [ 1, 2.50 ] }"#)), whole(r#"{"a":[1,2.5],"b":1000.0}"#));
    is(call(json!("no json")), text("no json"));
    is(call(json!({ "z": 1, "y": "é" })), whole(r#"{"y":"é","z":1}"#));
    is(json!({ "type": "function_call", "call_id": "c", "name": "f" }), reference("payload"));
}

#[test]
fn a_custom_tool_call_is_its_input_and_a_script_where_it_is_exec() {
    let is = |item: Value, name: &str, part: Value| {
        check(item, &[], json!([["assistant", "commentary", "custom_tool_call", "c", name], [part]]));
    };
    let call =
        |name: &str, input: Value| json!({ "type": "custom_tool_call", "call_id": "c", "name": name, "input": input });
    is(call("apply_patch", json!("*** Begin")), "apply_patch", text("*** Begin"));
    is(
        call("exec", json!("text(1)")),
        "exec",
        json!({ "type": "code", "language": "javascript", "source": "text(1)" }),
    );
    is(call("odd", json!(1)), "odd", whole(r#"{"call_id":"c","input":1,"name":"odd","type":"custom_tool_call"}"#));
}

#[test]
fn an_output_is_text_or_parts_or_json() {
    for kind in ["function_call_output", "custom_tool_call_output"] {
        let is = |output: Value, part: Value| {
            let item = json!({ "type": kind, "call_id": "c", "output": output });
            check(item, &[], json!([["tool", "commentary", kind, "c", null], [part]]));
        };
        is(json!("done"), text("done"));
        is(json!([{ "type": "input_text", "text": "done" }]), text("done"));
        is(json!({ "ok": true }), whole(r#"{"ok":true}"#));
        is(Value::Null, reference("tool_output"));
    }
}

#[test]
fn calls_and_outputs_of_hosted_tools_are_kept_whole() {
    for kind in ["tool_search_call", "web_search_call", "image_generation_call", "local_shell_call"] {
        let item = json!({ "type": kind, "call_id": "c", "name": "n" });
        let part = whole(&format!(r#"{{"call_id":"c","name":"n","type":"{kind}"}}"#));
        check(item, &[], json!([["assistant", "commentary", "function_call", "c", null], [part]]));
    }
    for kind in ["tool_search_output", "mcp_tool_call_output"] {
        let part = whole(&format!(r#"{{"call_id":"c","type":"{kind}"}}"#));
        let item = json!({ "type": kind, "call_id": "c" });
        check(item, &[], json!([["tool", "commentary", "function_call_output", "c", null], [part]]));
    }
}

#[test]
fn compactions_in_the_conversation_are_summaries() {
    for kind in ["compaction", "compaction_summary", "context_compaction"] {
        let item = json!({ "type": kind, "encrypted_content": "e" });
        check(item, &[], json!([["assistant", "summary", "message", null, null], [encoded("e")]]));
    }
}

#[test]
fn an_agent_message_says_who_tells_whom() {
    let item = json!({ "type": "agent_message", "author": "/root/w", "recipient": "/root",
        "content": [{ "type": "input_text", "text": "done" }, { "type": "encrypted_content", "encrypted_content": "e" }] });
    check(item.clone(), &[], json!([["assistant", "analysis", "message", null, null], [text("done"), encoded("e")]]));
    let state = state(&reduced(item, &[]));
    let said = &state["conversation_items"]["conversation_item:1"]["agent_message"];
    assert_eq!(said, &json!({ "author": "/root/w", "recipient": "/root" }));
}

#[test]
fn an_unknown_type_keeps_its_evidence() {
    for (kind, fields) in [
        ("robot_call", json!(["assistant", null, "function_call", "c", null])),
        ("robot_output", json!(["tool", null, "function_call_output", "c", null])),
        ("robot", json!(["assistant", null, "message", null, null])),
    ] {
        let part = whole(&format!(r#"{{"call_id":"c","type":"{kind}"}}"#));
        let mut fields = fields;
        if kind != "robot" {
            fields[1] = json!("commentary");
        }
        check(json!({ "type": kind, "call_id": "c" }), &[Code::UnknownItemType], json!([fields, [part]]));
    }
}

#[test]
fn what_can_not_be_read_is_left_out_alone() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    for bad in ["7", "{}", r#"{"role":"king"}"#, r#"{"type":"message"}"#, r#"{"role":"user","content":"\ud800"}"#] {
        let mut case = Case::new();
        case.request_body("i", format!(r#"{{"input":[{bad},{{"role":"user","content":"ok"}}]}}"#));
        assert_eq!(seen(&case.check(&[Code::BadItem]), "i"), [1], "{bad}");
    }
    let mut case = Case::new();
    let item = format!(r#"{{"type":"web_search_call","action":{deep}}}"#);
    case.request_body("i", format!(r#"{{"input":[{item},{{"role":"user","content":"ok"}}]}}"#));
    assert_eq!(seen(&case.check(&[Code::BadItem]), "i"), [1]);
}

#[test]
fn an_item_that_can_not_be_read_is_told_once_however_often_it_is_repeated() {
    let mut case = Case::new();
    for call in ["a", "b", "c"] {
        case.request(call, json!([7, { "role": "user", "content": "ok" }]));
    }
    let graph = case.check(&[Code::BadItem]);
    assert_eq!((seen(&graph, "a"), seen(&graph, "c")), (vec![1], vec![1]));
}

#[test]
fn a_long_json_value_is_summed_up() {
    let long = "é".repeat(200);
    let call = json!({ "type": "function_call", "call_id": "c", "arguments": json!({ "long": long }).to_string() });
    let graph = reduced(call, &[]);
    let [Part::Json { summary }] = &parts(&graph, 1)[..] else { panic!() };
    assert_eq!(**summary, format!("{{\"long\":\"{}...", "é".repeat(115)));
}

#[test]
fn input_that_is_text_is_what_the_user_says() {
    let mut case = Case::new();
    case.request_body("i", json!({ "input": "hello" }));
    case.request_body("j", json!({ "input": [{ "role": "user", "content": "hello" }] }));
    let graph = case.check(&[]);
    assert_eq!(item(&graph, 1).content.text(), "hello");
    assert_eq!(seen(&graph, "j"), [1], "it is the same message");
}
