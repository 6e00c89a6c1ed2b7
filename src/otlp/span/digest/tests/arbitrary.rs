use proptest::prelude::*;
use serde_json::Value;

use crate::otlp::ContentPolicy::Capture;
use crate::otlp::span::digest::{InvocationDigest, RequestDigest, ResponseDigest, ResultDigest, RuntimeDigest};

/// Generates JSON that partly resembles payloads.
fn any_json() -> impl Strategy<Value = Value> {
    let words = [
        "type",
        "role",
        "content",
        "parts",
        "text",
        "input",
        "messages",
        "contents",
        "output",
        "choices",
        "message",
        "candidates",
        "tool_calls",
        "function",
        "arguments",
        "reasoning",
        "summary",
        "functionCall",
        "payload",
        "command",
        "function_call",
        "tool_use",
        "tool_result",
        "assistant",
        "tool",
        "direct_response",
        "response_item",
        "usage",
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "gen_ai.system_instructions",
        "system",
        "tools",
        "{}",
        "[",
        "",
    ];
    let word = prop::sample::select(words.to_vec());
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from)
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..6)
                .prop_map(|fields| fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

/// Checks that all digests can be made, and that content in the conventions' schema is JSON.
fn digest_all(bytes: &[u8]) {
    let request = RequestDigest::parse(bytes, Capture);
    let response = ResponseDigest::parse(bytes, Capture);
    for json in [&request.input_messages, &request.system_instructions, &response.output_messages].into_iter().flatten()
    {
        assert!(serde_json::from_str::<serde::de::IgnoredAny>(json).is_ok(), "{json}");
    }
    InvocationDigest::parse(bytes, Capture);
    ResultDigest::parse(bytes, Capture);
    RuntimeDigest::parse(bytes);
}

proptest! {
    #[test]
    fn any_bytes_have_a_digest(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        digest_all(&bytes);
    }

    #[test]
    fn any_json_has_a_digest(body in any_json()) {
        digest_all(body.to_string().as_bytes());
    }
}

#[test]
fn any_depth_has_a_digest() {
    let nested = [
        ("[", "]"),
        (r#"{"content":["#, "]}"),
        (r#"{"parts":"#, "}"),
        (r#"{"content":[{"type":"thinking","thinking":["#, "]}]}"),
        (r#"{"reasoning_details":["#, "]}"),
        (r#"{"content":[{"citationsContent":{"content":["#, "]}}]}"),
    ];
    for (open, close) in nested {
        let deep = [open.repeat(20_000), "0".to_owned(), close.repeat(20_000)].concat();
        for body in [r#"{"messages":"#, r#"{"input":"#, r#"{"output":"#, r#"{"system":"#]
            .map(|field| [field, &deep, "}"].concat())
        {
            digest_all(body.as_bytes());
        }
    }
}
