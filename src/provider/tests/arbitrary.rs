use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

use crate::provider::fuzz::read_all;

/// Field names and words of every API.
const WORDS: [&str; 102] = [
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
    "compaction",
    "tokens",
    "cacheDetails",
    "options",
    "done_reason",
    "finish_reason",
    "reasoning_details",
    "index",
    "extra_content",
    "reasoning.summary",
    "type",
    "role",
    "content",
    "parts",
    "text",
    "id",
    "name",
    "input",
    "gen_ai.input.messages",
    "contents",
    "messages",
    "instructions",
    "system",
    "systemInstruction",
    "gen_ai.system_instructions",
    "tools",
    "output",
    "output_items",
    "choices",
    "message",
    "candidates",
    "gen_ai.output.messages",
    "promptFeedback",
    "usage",
    "usageMetadata",
    "input_tokens",
    "prompt_tokens",
    "promptTokenCount",
    "tool_calls",
    "function",
    "custom",
    "function_call",
    "arguments",
    "reasoning",
    "reasoning_content",
    "summary",
    "summary_text",
    "reasoning_text",
    "functionCall",
    "functionResponse",
    "response",
    "result",
    "args",
    "thought",
    "thoughtSignature",
    "refusal",
    "audio",
    "call_id",
    "custom_tool_call",
    "function_call_output",
    "agent_message",
    "item_reference",
    "image_generation_call",
    "conversation",
    "compaction",
    "new_call",
    "thinking",
    "tool_use",
    "tool_result",
    "tool_call",
    "tool_call_response",
    "generationConfig",
    "model",
    "tool",
    "[{\"role\":\"user\"}]",
    "{",
    "",
];

/// Generates JSON that often looks like a body.
pub(super) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        4 => select(WORDS.to_vec()).prop_map(Value::from),
        1 => any::<String>().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    leaf.prop_recursive(8, 96, 6, |inner| {
        let object = prop::collection::vec((select(WORDS.to_vec()), inner.clone()), 0..6).prop_map(|fields| {
            Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
        });
        prop_oneof![3 => object, 2 => prop::collection::vec(inner, 0..6).prop_map(Value::from)]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        read_all(&bytes);
    }

    #[test]
    fn any_json_is_read(body in any_json(), field in select(WORDS.to_vec())) {
        read_all(body.to_string().as_bytes());
        read_all(serde_json::json!({ field: [body] }).to_string().as_bytes());
    }

    #[test]
    fn json_cut_at_any_byte_is_read(body in any_json(), end in any::<prop::sample::Index>()) {
        let body = body.to_string();
        let bytes = body.as_bytes();
        read_all(&bytes[..end.index(bytes.len() + 1)]);
    }
}

#[test]
fn any_depth_is_read() {
    let nested = [
        ("[", "]"),
        (r#"{"content":["#, "]}"),
        (r#"{"parts":"#, "}"),
        (r#"{"type":"thinking","thinking":["#, "]}"),
        (r#"{"reasoning_details":["#, "]}"),
        (r#"{"citationsContent":{"content":["#, "]}}"),
    ];
    for (open, close) in nested {
        let deep = [open.repeat(20_000), "0".to_owned(), close.repeat(20_000)].concat();
        for field in ["messages", "input", "output", "system", "contents", "gen_ai.output.messages"] {
            read_all(format!(r#"{{"{field}":{deep}}}"#).as_bytes());
        }
    }
}
