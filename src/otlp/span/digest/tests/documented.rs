//! Digests of the documented bodies of the model APIs, which the tests of the reducer have as data.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::otlp::ContentPolicy::Capture;
use crate::otlp::span::digest::{RequestDigest, ResponseDigest};

/// Returns the exchanges in the data of all APIs, with the path of each.
fn exchanges() -> Vec<(PathBuf, Value)> {
    let apis = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reduce/data/bodies");
    let entries =
        |directory: &Path| fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry"));
    let paths = entries(&apis).flat_map(|api| entries(&api.path()).map(|file| file.path()).collect::<Vec<_>>());
    let read = |path: PathBuf| {
        let json = fs::read_to_string(&path).expect("a file");
        (path, serde_json::from_str(&json).expect("JSON"))
    };
    paths.map(read).collect()
}

/// Returns the content that is exported of the bodies of an exchange, as JSON, and checks its shape.
fn exported(exchange: &Value) -> Vec<Value> {
    let bytes = |body: &Value| body.to_string().into_bytes();
    let mut contents = Vec::new();
    for body in [&exchange["request"], &exchange["next"]] {
        let digest = RequestDigest::parse(&bytes(body), Capture);
        contents.extend(digest.input_messages.map(|json| messages(&json)));
        contents.extend(digest.system_instructions.map(|json| parts(&parse(&json))));
    }
    for body in [&exchange["response"], &exchange["failed_response"]] {
        let messages = ResponseDigest::parse(&bytes(body), Capture).output_messages.map(|json| messages(&json));
        for message in messages.iter().flat_map(|messages| messages.as_array().expect("a list")) {
            assert!(message["finish_reason"].is_string(), "{message}");
        }
        contents.extend(messages);
    }
    contents
}

fn parse(json: &str) -> Value {
    serde_json::from_str(json).expect("JSON")
}

/// Returns messages, after checking that each has a role and parts.
fn messages(json: &str) -> Value {
    let messages = parse(json);
    for message in messages.as_array().expect("a list of messages") {
        assert!(message["role"].is_string(), "{message}");
        parts(&message["parts"]);
    }
    messages
}

/// Returns parts, after checking that each has a type.
fn parts(parts: &Value) -> Value {
    for part in parts.as_array().expect("a list of parts") {
        assert!(part["type"].as_str().is_some_and(|kind| !kind.is_empty()), "{part}");
    }
    parts.clone()
}

/// Returns `true` if a value is `wanted`, or contains it. The type of a part may be the name of its member.
fn contains(value: &Value, wanted: &Value) -> bool {
    value == wanted
        || match value {
            Value::Object(members) => {
                members.iter().any(|(name, member)| wanted == name.as_str() || contains(member, wanted))
            }
            Value::Array(elements) => elements.iter().any(|element| contains(element, wanted)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        }
}

/// Returns what an exporter of a part must contain. `part` is rendered as the tests of the reducer do.
fn content(part: &str) -> Option<Value> {
    let between = |open: &str, close: &str| part.strip_prefix(open)?.strip_suffix(close);
    if let Some(json) = part.strip_prefix("json ") {
        // A long value is cut. An item that is kept whole is recognized by its type.
        let value: Value = serde_json::from_str(json).ok()?;
        return Some(value.get("type").cloned().unwrap_or(value));
    }
    if let Some(label) = between("[", "]") {
        return (!matches!(label, "empty_content" | "content" | "payload" | "tool_output")).then(|| label.into());
    }
    let encoded = between("<", ">").and_then(|encoded| encoded.split_once(' ')).map(|(_, value)| value);
    let labelled = part.strip_prefix('(').and_then(|part| part.split_once(") ")).map(|(_, text)| text);
    let prefixed = ["summary ", "javascript "].iter().find_map(|prefix| part.strip_prefix(prefix));
    Some(encoded.or(labelled).or(prefixed).unwrap_or(part).into())
}

#[test]
fn everything_in_the_graph_is_exported() {
    let mut missing = Vec::new();
    for (path, exchange) in exchanges() {
        let exported = Value::Array(exported(&exchange));
        let items = exchange["items"].as_array().expect("a list");
        for item in items.iter().map(|item| item.as_str().expect("a text")) {
            let (_, rendered) = item.split_once(": ").expect("a role and a kind");
            let wanted = rendered.split(" | ").filter_map(content);
            missing.extend(wanted.filter(|wanted| !contains(&exported, wanted)).map(|it| format!("{path:?}: {it}")));
        }
    }
    assert!(missing.is_empty(), "what is not exported:\n{}", missing.join("\n"));
}

#[test]
fn usage_is_that_of_the_graph() {
    let mut checked = 0;
    for (path, exchange) in exchanges().iter().filter(|(_, exchange)| exchange.get("response").is_some()) {
        let usage = ResponseDigest::parse(exchange["response"].to_string().as_bytes(), Capture).usage;
        let counts = usage.map(|usage| {
            [
                usage.input_tokens,
                usage.cached_input_tokens,
                usage.cache_write_input_tokens,
                usage.output_tokens,
                usage.reasoning_output_tokens,
            ]
        });
        assert_eq!(serde_json::json!(counts), exchange["usage"], "{path:?}");
        checked += usize::from(counts.is_some());
    }
    assert!(checked > 50, "{checked} exchanges");
}
