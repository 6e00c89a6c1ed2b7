//! Digests `inference_request` payloads.

use serde::Serialize;
use serde_json::value::RawValue;

use super::message::{self, USER};
use super::{RequestDigest, items, parts};
use crate::otlp::ContentPolicy;
use crate::reduce::{Object, RequestShape, list, text};

impl RequestDigest {
    /// Digests the body of a request to a model. Returns the default for bytes that can't be parsed.
    pub(crate) fn parse(bytes: &[u8], content: ContentPolicy) -> Self {
        let Some(body) = str::from_utf8(bytes).ok().and_then(Object::parse) else { return Self::default() };
        let digest = parameters(&body);
        if !content.captures() {
            return digest;
        }
        let shape = RequestShape::detect(|name| body.non_null(name).is_some());
        Self {
            input_messages: shape.and_then(|shape| input_messages(shape, body.non_null(shape.list_field())?)),
            system_instructions: system_instructions(&body),
            tool_definitions: tool_definitions(&body),
            ..digest
        }
    }
}

/// Returns the parameters of a request, without content.
fn parameters(body: &Object<'_>) -> RequestDigest {
    const MAX_TOKENS: [&str; 5] =
        ["max_output_tokens", "max_completion_tokens", "max_tokens", "maxOutputTokens", "gen_ai.request.max_tokens"];
    let config = ["generationConfig", "generation_config"].iter().find_map(|name| body.object(name));
    let number = |names: &[&str]| {
        let value = body.first(names).or_else(|| config.as_ref()?.first(names))?;
        serde_json::from_str::<f64>(value.get()).ok()
    };
    RequestDigest {
        temperature: number(&["temperature", "gen_ai.request.temperature"]),
        top_p: number(&["top_p", "topP", "gen_ai.request.top_p"]),
        #[expect(clippy::cast_possible_truncation, reason = "`as` stays within i64's bounds")]
        max_tokens: number(&MAX_TOKENS).map(|count| count as i64),
        stream: body.number("stream").or_else(|| body.number("gen_ai.request.stream")),
        previous_response_id: body.string("previous_response_id"),
        reasoning_level: reasoning_level(body, config.as_ref()),
        ..RequestDigest::default()
    }
}

fn reasoning_level(body: &Object<'_>, config: Option<&Object<'_>>) -> Option<String> {
    let effort_in = |field: &str| body.object(field)?.string("effort");
    effort_in("reasoning")
        .or_else(|| body.string("reasoning_effort"))
        .or_else(|| effort_in("output_config"))
        .or_else(|| config?.object("thinkingConfig")?.string("thinkingLevel"))
        .or_else(|| body.string("gen_ai.request.reasoning.level"))
}

fn input_messages(shape: RequestShape, value: &RawValue) -> Option<String> {
    match shape {
        RequestShape::Responses => match list(value) {
            Some(list) => json(&items::to_messages(list)),
            None => json(&items::to_messages([value])),
        },
        RequestShape::GenAi => in_schema(value).or_else(|| json(&message::parse_messages(value, USER))),
        RequestShape::Gemini | RequestShape::Messages => json(&message::parse_messages(value, USER)),
    }
}

fn system_instructions(body: &Object<'_>) -> Option<String> {
    const NAMES: [&str; 5] =
        ["gen_ai.system_instructions", "instructions", "system", "systemInstruction", "system_instruction"];
    let value = body.first(&NAMES)?;
    let given = body.non_null(NAMES[0]).and_then(in_schema);
    given.or_else(|| json(&parts::parse_content(value)))
}

fn tool_definitions(body: &Object<'_>) -> Option<String> {
    let tools = body.first(&["tools", "functions", "gen_ai.tool.definitions"])?;
    Some(in_schema(tools).unwrap_or_else(|| tools.get().to_owned()))
}

/// Returns a list as JSON text, as it is or as it is embedded in a text, as mostly in fields of spans. Returns `None`
/// if the value is not a list.
pub(super) fn in_schema(value: &RawValue) -> Option<String> {
    let json = match text(value) {
        Some(text) => text,
        None => value.get().into(),
    };
    let is_list = json.trim_start().starts_with('[') && serde_json::from_str::<&RawValue>(&json).is_ok();
    is_list.then(|| json.into_owned())
}

/// Serializes a value to JSON text.
pub(super) fn json(value: &impl Serialize) -> Option<String> {
    serde_json::to_string(value).ok()
}
