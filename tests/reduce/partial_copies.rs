//! Items that clients repeat without members that are null or empty, or that only describe the item, at any depth.

use serde_json::{Value, json};

use crate::case::{Case, request_items};

/// Members of the answers of this file that only describe an item.
const DESCRIPTIONS: [&str; 5] = ["annotations", "caller", "logprobs", "page_age", "sources"];

/// Returns a value without the members, at any depth, for which `is_left_out` returns `true`.
fn without(value: &Value, is_left_out: &dyn Fn(&str, &Value) -> bool) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.iter().filter(|(name, value)| !is_left_out(name, value));
            kept.map(|(name, value)| (name.clone(), without(value, is_left_out))).collect()
        }
        Value::Array(values) => values.iter().map(|value| without(value, is_left_out)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// Returns a value in which the members that describe it are null.
fn with_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let null = |name: &String, value| {
                if DESCRIPTIONS.contains(&name.as_str()) { Value::Null } else { with_nulls(value) }
            };
            members.iter().map(|(name, value)| (name.clone(), null(name, value))).collect()
        }
        Value::Array(values) => values.iter().map(with_nulls).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn is_empty(value: &Value) -> bool {
    [json!(null), json!([]), json!({}), json!("")].contains(value)
}

/// Returns the copies of a value that clients send.
fn copies(value: &Value) -> [Value; 4] {
    let is_null = |_: &str, value: &Value| value.is_null();
    let is_unneeded = |name: &str, value: &Value| is_empty(value) || DESCRIPTIONS.contains(&name);
    [value.clone(), without(value, &is_null), without(value, &is_unneeded), with_nulls(value)]
}

fn responses_output() -> Value {
    json!([
        { "type": "web_search_call", "id": "ws_1", "status": "completed", "action": { "type": "search",
            "query": "bern", "sources": [{ "type": "url", "url": "https://example.org" }], "queries": [] } },
        { "type": "web_search_call", "id": "ws_2", "status": "completed", "action": { "type": "open_page",
            "url": "https://example.org", "sources": null } },
        { "type": "file_search_call", "id": "fs_1", "status": "completed", "queries": ["q"],
            "results": [{ "file_id": "f", "filename": "a", "score": 0.5, "text": "t", "attributes": {} }] },
        { "type": "code_interpreter_call", "id": "ci_1", "status": "completed", "code": "1", "container_id": "c",
            "outputs": [{ "type": "logs", "logs": "" }] },
        { "type": "shell_call", "id": "sh_1", "call_id": "c", "status": "completed", "caller": { "type": "direct" },
            "action": { "commands": ["ls"], "timeout_ms": null, "max_output_length": null } },
        { "type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [
            { "type": "output_text", "text": "Sunny.", "annotations": [], "logprobs": [] },
            { "type": "output_image", "image": { "url": "u", "detail": null } }] },
    ])
}

fn anthropic_content() -> Value {
    json!([
        { "type": "server_tool_use", "id": "s1", "name": "web_search", "input": { "query": "bern" },
            "caller": { "type": "direct" } },
        { "type": "web_search_tool_result", "tool_use_id": "s1", "caller": { "type": "direct" }, "content": [
            { "type": "web_search_result", "url": "https://example.org", "title": "t", "encrypted_content": "ZQ==",
                "page_age": "1 day" }] },
        { "type": "bash_code_execution_tool_result", "tool_use_id": "s2", "content":
            { "type": "bash_code_execution_result", "stdout": "a", "stderr": "", "return_code": 0, "content": [] } },
        { "type": "text", "text": "Sunny.", "citations": null },
    ])
}

#[test]
fn copies_without_what_clients_leave_out_are_found() {
    let output = responses_output();
    let content = anthropic_content();
    for copy in copies(&output) {
        let mut case = Case::new();
        case.request_body("a", json!({ "input": [] }));
        case.response_body("a", json!({ "id": "r", "output": output }));
        case.request_body("b", json!({ "input": copy }));
        assert_eq!(request_items(&case.check(&[]), "b"), [1, 2, 3, 4, 5, 6], "{copy}");
    }
    for copy in copies(&content) {
        let mut case = Case::new();
        case.request_body("a", json!({ "messages": [] }));
        case.response_body("a", json!({ "id": "m", "type": "message", "role": "assistant", "content": content }));
        case.request_body("b", json!({ "messages": [{ "role": "assistant", "content": copy }] }));
        assert_eq!(request_items(&case.check(&[]), "b"), [1], "{copy}");
    }
}

/// Returns the copies of a value in which one text or number is another one. What the program's tools are given and what
/// describes the item stay, as do ids, which clients replace.
fn changed_copies(value: &Value) -> Vec<Value> {
    let same = [&DESCRIPTIONS[..], &["id", "status", "metadata"]].concat();
    match value {
        Value::Object(members) => {
            let changed = members.iter().filter(|(name, _)| !same.contains(&name.as_str()));
            let copies = changed.flat_map(|(name, value)| {
                changed_copies(value).into_iter().map(move |changed| (name.clone(), changed))
            });
            let with = |(name, changed)| {
                let mut copy = members.clone();
                copy.insert(name, changed);
                Value::Object(copy)
            };
            copies.map(with).collect()
        }
        Value::Array(values) => {
            let copies = (0..values.len())
                .flat_map(|index| changed_copies(&values[index]).into_iter().map(move |changed| (index, changed)));
            let with = |(index, changed)| {
                let mut copy = values.clone();
                copy[index] = changed;
                Value::Array(copy)
            };
            copies.map(with).collect()
        }
        Value::String(text) => vec![json!(format!("{text}+"))],
        Value::Number(_) => vec![json!(77)],
        Value::Null | Value::Bool(_) => Vec::new(),
    }
}

#[test]
fn items_with_any_other_text_or_number_are_told_apart() {
    let types = ["type", "role"];
    for item in responses_output().as_array().unwrap() {
        let changed = changed_copies(item);
        assert!(!changed.is_empty());
        // Another type or role is another kind of item, or no item.
        for copy in changed.into_iter().filter(|copy| types.iter().all(|name| copy.get(name) == item.get(name))) {
            let mut case = Case::new();
            case.request_body("a", json!({ "input": [] }));
            case.response_body("a", json!({ "id": "r", "output": [item] }));
            case.request_body("b", json!({ "input": [copy] }));
            let graph = case.try_reduce(&otel_trace::reduce::Options::default()).unwrap().graph;
            assert_eq!(request_items(&graph, "b"), [2], "{item} then {copy}");
        }
    }
    for copy in changed_copies(&anthropic_content()) {
        let mut case = Case::new();
        case.request_body("a", json!({ "messages": [] }));
        case.response_body("a", json!({ "id": "m", "role": "assistant", "content": anthropic_content() }));
        case.request_body("b", json!({ "messages": [{ "role": "assistant", "content": copy }] }));
        let graph = case.try_reduce(&otel_trace::reduce::Options::default()).unwrap().graph;
        assert!(!request_items(&graph, "b").contains(&1), "{copy}");
    }
}

#[test]
fn data_of_the_program_is_compared_as_it_is() {
    let tools = |properties: Value| {
        json!({ "type": "tool_search_output", "call_id": "c", "tools": [
        { "type": "function", "name": "f", "parameters": { "type": "object", "properties": properties } }] })
    };
    let arguments = |arguments: Value| json!({ "type": "tool_search_call", "call_id": "c", "arguments": arguments });
    let pairs = [
        [tools(json!({ "caller": { "type": "string" } })), tools(json!({}))],
        [tools(json!({ "a": { "default": null } })), tools(json!({ "a": {} }))],
        [arguments(json!({ "sources": ["a"] })), arguments(json!({}))],
        [arguments(json!({ "query": "" })), arguments(json!({}))],
        [arguments(json!({ "cache_control": { "type": "ephemeral" } })), arguments(json!({}))],
    ];
    for [first, second] in pairs {
        let mut case = Case::new();
        case.request_body("a", json!({ "input": [first] }));
        case.request_body("b", json!({ "input": [second] }));
        case.request_body("c", json!({ "input": [second] }));
        let graph = case.check(&[]);
        assert_eq!((request_items(&graph, "b"), request_items(&graph, "c")), (vec![2], vec![2]), "{first}");
    }
}

#[test]
fn searches_with_one_query_stay_two() {
    let search = |sources: Value| {
        json!({ "type": "web_search_call", "status": "completed",
        "action": { "type": "search", "query": "bern", "sources": sources } })
    };
    let searches = [search(json!([{ "url": "1" }])), search(json!([{ "url": "2" }]))];
    let mut case = Case::new();
    case.request_body("a", json!({ "input": [] }));
    case.response_body("a", json!({ "id": "r", "output": searches }));
    case.request_body("b", json!({ "input": searches }));
    case.request_body("c", json!({ "input": [search(json!(null)), search(json!(null)), search(json!(null))] }));
    let graph = case.check(&[]);
    assert_eq!((request_items(&graph, "b"), request_items(&graph, "c")), (vec![1, 2], vec![1, 2, 3]));
}

/// Types of the parts that may have a breakpoint of a cache.
const PARTS: [&str; 10] = [
    "document",
    "image",
    "input_file",
    "input_image",
    "input_text",
    "mcp_tool_result",
    "search_result",
    "text",
    "tool_result",
    "tool_use",
];

/// Returns a value in which each part, at any depth, has a breakpoint of a cache.
fn with_breakpoints(value: &Value, name: &str, breakpoint: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let inside = |(member, value): (&String, _)| (member.clone(), with_breakpoints(value, name, breakpoint));
            let mut marked: Value = members.iter().map(inside).collect();
            if members.get("type").and_then(Value::as_str).is_some_and(|kind| PARTS.contains(&kind)) {
                marked[name] = breakpoint.clone();
            }
            marked
        }
        Value::Array(values) => values.iter().map(|value| with_breakpoints(value, name, breakpoint)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

#[test]
fn breakpoint_of_a_cache_moves_inside_of_parts() {
    let image = json!({ "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "AAAA" } });
    let found =
        json!({ "type": "search_result", "source": "s", "title": "t", "content": [{ "type": "text", "text": "x" }] });
    let content = json!([{ "type": "text", "text": "y" }, image]);
    let document = json!({ "type": "document", "source": { "type": "content", "content": content } });
    let messages = json!({ "messages": [
        { "role": "user", "content": [{ "type": "text", "text": "a" }, document, found] },
        { "role": "assistant", "content": [{ "type": "tool_use", "id": "c", "name": "f", "input": {} },
            { "type": "mcp_tool_result", "tool_use_id": "d", "content": [{ "type": "text", "text": "z" }] }] },
        { "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "c", "content": [
            { "type": "text", "text": "b" }, image, found, document] }] },
    ] });
    let picture = json!({ "type": "input_image", "image_url": "u" });
    let input = json!({ "input": [
        { "type": "message", "role": "user", "content": [{ "type": "input_text", "text": "a" }, picture,
            { "type": "input_file", "file_id": "f" }] },
        { "type": "function_call", "call_id": "c", "name": "f", "arguments": "{}" },
        { "type": "function_call_output", "call_id": "c", "output": [{ "type": "input_text", "text": "b" }, picture] },
    ] });
    for (body, name) in [(messages, "cache_control"), (input, "prompt_cache_breakpoint")] {
        let marked = with_breakpoints(&body, name, &json!({ "type": "ephemeral" }));
        let moved = with_breakpoints(&body, name, &json!({ "type": "ephemeral", "ttl": "1h" }));
        assert_ne!(marked, body);
        let mut case = Case::new();
        for (call, body) in [("a", &marked), ("b", &body), ("c", &moved)] {
            case.request_body(call, body);
        }
        let graph = case.try_reduce(&otel_trace::reduce::Options::default()).unwrap().graph;
        let items = request_items(&graph, "a");
        assert_eq!((&items, &items), (&request_items(&graph, "b"), &request_items(&graph, "c")), "{name}");
    }
}
