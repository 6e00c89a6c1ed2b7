//! Conversations in the shapes of providers other than the Responses API. The bodies follow the providers' public
//! documentation.

use otel_trace::event::Usage;
use otel_trace::graph::{Code, Graph, Item, Part, Producer};
use serde_json::{Value, json};

use crate::case::{Case, call, item, request_items, response_items, tool};

/// A request and its response.
pub(crate) type Round = (Value, Value);

/// Reduces two rounds of a conversation, the second of which repeats the first, with tool calls in between.
///
/// Checks that the graph has the expected items, each once, and that every tool call is linked to the requesting call
/// and to its output item.
#[track_caller]
pub(crate) fn check([first, second]: [Round; 2], calls: &[&str], codes: &[Code], expected: &[&str]) -> Graph {
    let mut case = Case::new();
    case.request_body("a", first.0);
    case.response_body("a", first.1);
    for id in calls {
        case.tool(&format!("tool of {id}"), Some(id), json!({ "type": "web" }), None);
        case.end_tool(&format!("tool of {id}"), "completed", None);
    }
    case.request_body("b", second.0);
    case.response_body("b", second.1);
    let graph = case.check(codes);
    assert_eq!(graph.items().map(render_item).collect::<Vec<_>>(), expected);
    let before_the_end = expected.len() - response_items(&graph, "b").len();
    assert_eq!(
        request_items(&graph, "b"),
        (1..=before_the_end as u64).collect::<Vec<_>>(),
        "the whole history, in order"
    );
    for id in calls {
        let name = format!("tool of {id}");
        let tool = tool(&graph, &name);
        assert_eq!((tool.call_item_ids.len(), tool.output_item_ids.len()), (1, 1), "{id}");
        assert_eq!(tool.requested_by, Some("a".into()));
        assert!(call(&graph, "a").tool_call_ids.contains(&tool.tool_call_id));
        let output = item(&graph, tool.output_item_ids[0].number());
        assert_eq!(output.produced_by, [Producer::Tool { tool_call_id: name.as_str().into() }]);
    }
    graph
}

/// Checks the items of a request with this body.
#[track_caller]
pub(crate) fn check_request(body: Value, codes: &[Code], expected: &[&str]) {
    let mut case = Case::new();
    case.request_body("a", body);
    assert_eq!(case.check(codes).items().map(render_item).collect::<Vec<_>>(), expected);
}

/// Checks the items of a response with this body.
#[track_caller]
pub(crate) fn check_response(body: Value, codes: &[Code], expected: &[&str]) -> Graph {
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [] }));
    case.response_body("a", body);
    let graph = case.check(codes);
    assert_eq!(graph.items().map(render_item).collect::<Vec<_>>(), expected);
    graph
}

/// Renders an item on one line: role, kind, call id, name, `error` if its tool failed, then the parts.
pub(crate) fn render_item(item: &Item) -> String {
    let content = &item.content;
    let word = |value: Value| value.as_str().unwrap().to_owned();
    let mut head = vec![word(json!(content.role)), word(json!(content.kind))];
    head.extend(content.call_id.as_ref().map(|id| id.as_str().to_owned()));
    head.extend(content.name.as_deref().map(str::to_owned));
    head.extend(content.is_error.then(|| "error".to_owned()));
    let parts: Vec<String> = content.parts.iter().map(part).collect();
    format!("{}: {}", head.join(" "), parts.join(" | "))
}

fn part(part: &Part) -> String {
    match part {
        Part::Text(text) => text.to_string(),
        Part::LabelledText { label, text } => format!("({label}) {text}"),
        Part::Summary(text) => format!("summary {text}"),
        Part::Encoded { label, value } => format!("<{label} {value}>"),
        Part::Json { summary } => format!("json {summary}"),
        Part::Code { language, source } => format!("{language} {source}"),
        Part::PayloadRef { label } => format!("[{label}]"),
    }
}

pub(crate) fn usage(graph: &Graph, id: &str) -> [u64; 4] {
    let Usage { input_tokens, cached_input_tokens, output_tokens, reasoning_output_tokens, .. } =
        call(graph, id).usage.unwrap();
    [input_tokens, cached_input_tokens, output_tokens, reasoning_output_tokens]
}

#[test]
fn shape_is_detected_by_its_first_distinctive_field() {
    let gen_ai = json!([{ "role": "user", "parts": [{ "type": "text", "content": "gen_ai" }] }]);
    let gemini = json!([{ "role": "user", "parts": [{ "text": "gemini" }] }]);
    let chat = json!([{ "role": "user", "content": "chat" }]);
    let mut body = json!({ "messages": chat });
    check_request(body.clone(), &[], &["user message: chat"]);
    body["contents"] = gemini;
    // The fields of the other shapes are read by no rule.
    check_request(body.clone(), &[Code::UnreadField; 1], &["user message: gemini"]);
    body["gen_ai.input.messages"] = gen_ai;
    check_request(body.clone(), &[Code::UnreadField; 2], &["user message: gen_ai"]);
    body["input"] = json!("responses");
    check_request(body.clone(), &[Code::UnreadField; 3], &["user message: responses"]);
    body["input"] = Value::Null;
    check_request(body, &[Code::UnreadField; 2], &["user message: gen_ai"]);
}

#[test]
fn equal_text_in_another_shape_is_the_same_item() {
    let system = "Be brief.";
    let mut case = Case::new();
    case.request_body(
        "chat",
        json!({ "messages": [
        { "role": "system", "content": system }, { "role": "user", "content": [{ "type": "text", "text": "hi" }] }] }),
    );
    case.request_body(
        "anthropic",
        json!({ "system": [{ "type": "text", "text": system }],
        "messages": [{ "role": "user", "content": "hi" }] }),
    );
    case.request_body(
        "gemini",
        json!({ "systemInstruction": { "parts": [{ "text": system }] },
        "contents": [{ "parts": [{ "text": "hi" }] }] }),
    );
    case.request_body(
        "spelled",
        json!({ "system_instruction": { "parts": [{ "text": system }] },
        "contents": [{ "role": "user", "parts": [{ "text": "hi" }] }] }),
    );
    case.request_body(
        "gen_ai",
        json!({ "gen_ai.system_instructions": [{ "type": "text", "content": system }],
        "gen_ai.input.messages": [{ "role": "user", "parts": [{ "type": "text", "content": "hi" }] }] }),
    );
    case.request("responses", json!([{ "role": "system", "content": system }, { "role": "user", "content": "hi" }]));
    let graph = case.check(&[]);
    for call in ["anthropic", "gemini", "spelled", "gen_ai", "responses"] {
        assert_eq!(request_items(&graph, call), [1, 2], "{call}");
    }
}

#[test]
fn instructions_and_tools_have_pointers() {
    for (body, instructions, tools) in [
        (json!({ "messages": [], "system": "s", "tools": [] }), Some("/system"), Some("/tools")),
        (json!({ "messages": [], "functions": [] }), None, Some("/functions")),
        (json!({ "contents": [], "systemInstruction": { "parts": [] } }), Some("/systemInstruction"), None),
        (
            json!({ "gen_ai.input.messages": [], "gen_ai.system_instructions": [], "gen_ai.tool.definitions": [] }),
            Some("/gen_ai.system_instructions"),
            Some("/gen_ai.tool.definitions"),
        ),
    ] {
        let mut case = Case::new();
        case.request_body("a", body);
        let graph = case.try_reduce(&otel_trace::reduce::Options::default()).unwrap().graph;
        let call = call(&graph, "a");
        let pointers = [&call.instructions, &call.tools].map(|found| found.as_ref().map(|found| &*found.pointer));
        assert_eq!(pointers, [instructions, tools]);
    }
}

#[test]
fn turn_input_is_the_user_message() {
    let mut case = Case::new();
    case.request_body("a", json!({ "system": "Be brief.", "messages": [{ "role": "user", "content": "hi" }] }));
    let graph = case.check(&[]);
    let input = &graph.turns.get("u").unwrap().input_item_ids;
    assert_eq!(input.iter().map(|item| item.number()).collect::<Vec<_>>(), [2]);
}

#[test]
fn equal_text_in_two_fields_is_two_items() {
    let mut case = Case::new();
    case.request_body("list", json!({ "input": ["hi"] }));
    case.request_body("text", json!({ "input": "hi" }));
    case.request_body("system", json!({ "system": "hi", "messages": [] }));
    let graph = case.check(&[Code::BadItem]);
    assert_eq!(graph.items().map(render_item).collect::<Vec<_>>(), ["user message: hi", "system message: hi"]);
}

#[test]
fn invalid_message_is_left_out() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    for bad in [
        "7".to_owned(),
        "\"text\"".to_owned(),
        "{}".to_owned(),
        r#"{"role":"king","content":"x"}"#.to_owned(),
        r#"{"role":7,"content":"x"}"#.to_owned(),
        r#"{"role":"user","content":"\ud800"}"#.to_owned(),
        r#"{"role":"user","content":[{"type":"text","text":"\ud800"}]}"#.to_owned(),
        format!(r#"{{"role":"user","content":[{{"type":"image","source":{deep}}}]}}"#),
        format!(r#"{{"role":"assistant","tool_calls":[{{"id":"c","function":{{"name":"f","arguments":{deep}}}}}]}}"#),
        r#"{"role":"assistant","tool_calls":[7]}"#.to_owned(),
        r#"{"role":"assistant","tool_calls":"c"}"#.to_owned(),
        r#"{"role":"assistant","content":[{"functionCall":7}]}"#.to_owned(),
        r#"{"role":"assistant","content":[{"functionResponse":7}]}"#.to_owned(),
    ] {
        for list in ["messages", "gen_ai.input.messages"] {
            let mut case = Case::new();
            case.request_body("i", format!(r#"{{"{list}":[{bad},{{"role":"user","content":"ok"}}]}}"#));
            let graph = case.check(&[Code::BadItem]);
            assert_eq!(graph.items().map(render_item).collect::<Vec<_>>(), ["user message: ok"], "{bad}");
        }
    }
}

#[test]
fn unreadable_part_is_left_out() {
    let mut case = Case::new();
    let content = r#"[{"type":"text","text":"look"},{"type":"image","source":1e999},{"type":"text","text":"there"}]"#;
    for call in ["a", "b"] {
        case.request_body(call, format!(r#"{{"messages":[{{"role":"user","content":{content}}}]}}"#));
    }
    let graph = case.check(&[Code::BadItem]);
    assert_eq!(graph.items().map(render_item).collect::<Vec<_>>(), ["user message: look | there"]);
}

#[test]
fn request_without_messages_is_reported() {
    for body in [
        json!({ "messages": 7 }),
        json!({ "contents": true }),
        json!({ "gen_ai.input.messages": 1 }),
        json!({ "a": 1 }),
    ] {
        check_request(body, &[Code::BadPayload], &[]);
    }
    for body in [json!({ "messages": [] }), json!({ "messages": null }), json!({ "contents": null })] {
        check_request(body, &[], &[]);
    }
    check_request(json!({ "contents": null, "system": "s" }), &[Code::UnreadField], &[]);
}

#[test]
fn response_without_messages_is_reported() {
    for body in [json!({ "choices": [7] }), json!({ "gen_ai.output.messages": 7 }), json!({ "output": 7 })] {
        check_response(body, &[Code::BadPayload], &[]);
    }
    for body in [json!({}), json!({ "gen_ai.usage.input_tokens": 7 })] {
        check_response(body, &[Code::ResponseUnknown], &[]);
    }
    for body in [
        json!({ "choices": [] }),
        json!({ "content": [] }),
        json!({ "candidates": [] }),
        json!({ "candidates": [{ "finishReason": "SAFETY" }] }),
        json!({ "promptFeedback": { "blockReason": "SAFETY" } }),
        json!({ "error": { "message": "no such model", "type": "invalid_request_error", "param": null, "code": null } }),
        json!({ "type": "error", "error": { "type": "overloaded_error", "message": "busy" }, "request_id": "req_1" }),
        json!({ "error": { "code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED", "details": [] } }),
        json!({ "error": "model not found" }),
        json!({ "gen_ai.output.messages": [] }),
    ] {
        check_response(body, &[], &[]);
    }
}

#[test]
fn response_id_is_read_from_every_shape() {
    for (output, id) in [
        ("output_items", "response_id"),
        ("choices", "id"),
        ("content", "id"),
        ("candidates", "responseId"),
        ("gen_ai.output.messages", "gen_ai.response.id"),
    ] {
        let mut case = Case::new();
        case.request_body("a", json!({ "messages": [] }));
        let body = case.body("inference_response", json!({ output: [], id: "r1" }));
        case.event(json!({ "type": "inference_completed", "inference_call_id": "a", "response_payload": body }));
        assert_eq!(call(&case.check(&[]), "a").response_id, Some("r1".into()), "{id}");
    }
}

#[test]
fn usage_is_read_from_every_shape() {
    for (body, expected) in [
        (
            json!({ "choices": [], "usage": { "prompt_tokens": 9, "completion_tokens": 5,
                "prompt_tokens_details": { "cached_tokens": 4 }, "completion_tokens_details": { "reasoning_tokens": 3 } } }),
            [9, 4, 5, 3],
        ),
        (json!({ "choices": [], "usage": { "prompt_tokens": 9, "completion_tokens": 5 } }), [9, 0, 5, 0]),
        (
            json!({ "content": [], "usage": { "input_tokens": 2, "cache_read_input_tokens": 30,
                "cache_creation_input_tokens": 400, "output_tokens": 5 } }),
            [432, 30, 5, 0],
        ),
        (
            json!({ "content": [], "usage": { "input_tokens": 2, "cache_read_input_tokens": null, "output_tokens": 5 } }),
            [2, 0, 5, 0],
        ),
        (
            json!({ "output": [], "usage": { "input_tokens": 9, "output_tokens": 5,
                "input_tokens_details": { "cached_tokens": 4 }, "output_tokens_details": { "reasoning_tokens": 3 } } }),
            [9, 4, 5, 3],
        ),
        (
            json!({ "candidates": [], "usageMetadata": { "promptTokenCount": 9, "cachedContentTokenCount": 4,
                "candidatesTokenCount": 5, "thoughtsTokenCount": 3, "totalTokenCount": 17 } }),
            [9, 4, 8, 3],
        ),
        (
            json!({ "candidates": [], "usage_metadata": { "prompt_token_count": 9, "thoughts_token_count": 3 } }),
            [9, 0, 3, 3],
        ),
        (
            json!({ "gen_ai.output.messages": [], "gen_ai.usage.input_tokens": 9, "gen_ai.usage.cache_read.input_tokens": 4,
                "gen_ai.usage.output_tokens": 5, "gen_ai.usage.reasoning.output_tokens": 3 }),
            [9, 4, 5, 3],
        ),
    ] {
        assert_eq!(usage(&check_response(body.clone(), &[], &[]), "a"), expected, "{body}");
    }
    let graph = check_response(json!({ "content": [], "usage": { "service_tier": "standard" } }), &[], &[]);
    assert_eq!(call(&graph, "a").usage, None);
}

#[test]
fn error_in_a_response_is_the_error_of_the_call() {
    for (body, expected) in [
        (json!({ "error": { "message": "rate limited", "code": 429 } }), "rate limited"),
        (json!({ "type": "error", "error": { "type": "overloaded_error", "message": "busy" } }), "busy"),
        (json!({ "error": "model not found" }), "model not found"),
        (json!({ "output": [], "status": "failed", "error": { "code": "server_error", "message": "oops" } }), "oops"),
        (json!({ "error": { "code": 500 } }), r#"{"code":500}"#),
        (json!({ "promptFeedback": { "blockReason": "SAFETY" } }), "the prompt was blocked: SAFETY"),
        (json!({ "prompt_feedback": { "block_reason": "OTHER" } }), "the prompt was blocked: OTHER"),
    ] {
        let graph = check_response(body, &[], &[]);
        assert_eq!(call(&graph, "a").error.as_deref(), Some(expected));
    }
    let mut case = Case::new();
    case.request_body("a", json!({ "messages": [] }));
    let body = case.body("inference_response", json!({ "error": "of the body" }));
    case.event(json!({
        "type": "inference_failed", "inference_call_id": "a", "error": "of the event", "partial_response_payload": body,
    }));
    assert_eq!(call(&case.check(&[]), "a").error.as_deref(), Some("of the event"));
}
