//! Arbitrary JSON in place of every shape.

use otel_trace::graph::Snapshots;
use otel_trace::reduce::{Options, Work};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::case::Case;

const NAMES: [&str; 75] = [
    "executed_tools",
    "search_results",
    "documents",
    "context",
    "provider_specific_fields",
    "reasoning_opaque",
    "groundingMetadata",
    "transcript",
    "prompt",
    "toolUse",
    "toolUseId",
    "toolResult",
    "json",
    "reasoningContent",
    "reasoningText",
    "redactedContent",
    "citationsContent",
    "citations",
    "guardContent",
    "cachePoint",
    "toolConfig",
    "tool_plan",
    "document",
    "images",
    "annotations",
    "reasoning_details",
    "thinking_blocks",
    "index",
    "summary",
    "extra_content",
    "role",
    "content",
    "parts",
    "type",
    "text",
    "id",
    "name",
    "tool_calls",
    "tool_call_id",
    "function",
    "function_call",
    "arguments",
    "custom",
    "input",
    "refusal",
    "audio",
    "reasoning_content",
    "thinking",
    "signature",
    "data",
    "tool_use_id",
    "cache_control",
    "source",
    "thought",
    "thoughtSignature",
    "functionCall",
    "functionResponse",
    "args",
    "response",
    "result",
    "inlineData",
    "messages",
    "conversation",
    "contents",
    "system",
    "systemInstruction",
    "choices",
    "message",
    "candidates",
    "output",
    "usage",
    "prompt_tokens",
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.system_instructions",
];

const WORDS: [&str; 23] = [
    "item_reference",
    "image_generation_call",
    "reasoning.text",
    "user",
    "assistant",
    "model",
    "tool",
    "function",
    "system",
    "king",
    "text",
    "thinking",
    "redacted_thinking",
    "reasoning",
    "tool_use",
    "tool_result",
    "tool_call",
    "tool_call_response",
    "refusal",
    "image",
    "",
    "c1",
    "{\"a\":1}",
];

/// Generates JSON that often looks like messages.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        6 => select(WORDS.to_vec()).prop_map(Value::from),
        1 => any::<String>().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    leaf.prop_recursive(6, 80, 6, |inner| {
        let object = prop::collection::vec((select(NAMES.to_vec()), inner.clone()), 0..6).prop_map(|fields| {
            Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
        });
        prop_oneof![3 => object, 2 => prop::collection::vec(inner, 0..6).prop_map(Value::from)]
    })
}

fn reduce_bodies(bodies: &[Value], field: &str) -> (Vec<u8>, Work) {
    let mut case = Case::new();
    for (n, body) in bodies.iter().enumerate() {
        let call = n.to_string();
        case.request_body(&call, json!({ field: [body, body], "system": body, "systemInstruction": body }));
        case.request_body(&format!("{n} alone"), json!({ field: body }));
        case.request_body(&format!("{n} bare"), body);
        case.response_body(&call, json!({ "content": body, "usage": body }));
        case.response_body(&format!("{n} alone"), json!({ "choices": [{ "message": body }], "usageMetadata": body }));
        case.response_body(&format!("{n} bare"), json!({ "candidates": [{ "content": body }] }));
        case.request_body(&format!("{n} of Converse"), json!({ "messages": [{ "role": "user", "content": [body] }] }));
        case.response_body(&format!("{n} of Converse"), json!({ "output": { "message": body }, "usage": body }));
        case.request_body(
            &format!("{n} of others"),
            json!({ "messages": [body], "toolConfig": body, "options": body }),
        );
        case.response_body(&format!("{n} of others"), json!({ "message": body, "finish_reason": body, "usage": body }));
    }
    let reduction = case.try_reduce(&Options::default()).unwrap();
    let mut state = Vec::new();
    reduction.graph.write_state(&mut state, Snapshots::Shared).unwrap();
    (state, reduction.work)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn any_json_in_any_shape_reduces(
        bodies in prop::collection::vec(any_json(), 1..4),
        field in select(vec!["input", "messages", "contents", "gen_ai.input.messages"]),
    ) {
        prop_assert_eq!(reduce_bodies(&bodies, field), reduce_bodies(&bodies, field), "reduction is deterministic");
    }
}

#[test]
fn session_that_repeats_its_messages_keeps_each_item_once() {
    let mut case = Case::new();
    let mut history = Vec::new();
    for n in 1..=60 {
        let call = format!("c{n}");
        history.push(json!({ "role": "assistant", "content": format!("{n}"),
            "tool_calls": [{ "id": call, "function": { "name": "f", "arguments": "{}" } }] }));
        history.push(json!({ "role": "tool", "tool_call_id": call, "content": "done" }));
        case.request_body(&format!("{n}"), json!({ "messages": history }));
    }
    let Work { items_listed, items_kept, conversation_steps, .. } = case.try_reduce(&Options::default()).unwrap().work;
    assert_eq!((items_listed, items_kept), (3 * 60 * 61 / 2, 180));
    assert!(conversation_steps < items_listed * 6, "{conversation_steps}");
}

#[test]
fn part_with_many_fields_takes_linear_time() {
    let fields: Vec<String> = (0..200_000).map(|n| format!("\"{n}\":null")).collect();
    let part = format!("{{{}}}", fields.join(","));
    let mut case = Case::new();
    // Quadratic work in the number of fields would take hours.
    case.request_body("a", format!(r#"{{"contents":[{{"parts":[{part},{{"text":"hi"}}]}}]}}"#));
    assert_eq!(case.check(&[]).items().count(), 1);
}
