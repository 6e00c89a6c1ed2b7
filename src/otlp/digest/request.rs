//! `inference_request` bodies.

use super::RequestDigest;
use crate::otlp::ContentPolicy;
use crate::reduce::Object;

impl RequestDigest {
    /// Of the bytes of a body; of anything that can't be read, the default.
    pub(crate) fn of(bytes: &[u8], content: ContentPolicy) -> Self {
        let Some(body) = str::from_utf8(bytes).ok().and_then(Object::parse) else { return Self::default() };
        Self { ..parameters(&body) }
    }
}

fn parameters(body: &Object<'_>) -> RequestDigest {
    let gemini = ["generationConfig", "generation_config", "config"].iter().find_map(|name| body.object(name));
    let number = |names: &[&str]| {
        let inside = gemini.as_ref().map(|config| config.first(names));
        body.first(names).or(inside.flatten()).and_then(|value| serde_json::from_str::<f64>(value.get()).ok())
    };
    #[expect(clippy::cast_possible_truncation, reason = "`as` stays within i64's bounds")]
    let count = |names: &[&str]| number(names).map(|count| count as i64);
    const MAX_TOKENS: [&str; 6] = [
        "max_output_tokens",
        "max_completion_tokens",
        "max_tokens",
        "maxOutputTokens",
        "gen_ai.request.max_tokens",
        "max_tokens_to_sample",
    ];
    RequestDigest {
        temperature: number(&["temperature", "gen_ai.request.temperature"]),
        top_p: number(&["top_p", "topP", "gen_ai.request.top_p"]),
        max_tokens: count(&MAX_TOKENS),
        stream: body.number("stream").or_else(|| body.number("gen_ai.request.stream")),
        previous_response_id: body.string("previous_response_id"),
        reasoning_level: reasoning_level(body),
        ..RequestDigest::default()
    }
}

fn reasoning_level(body: &Object<'_>) -> Option<String> {
    let inside = |of: &str, name: &str| body.object(of)?.string(name);
    inside("reasoning", "effort")
        .or_else(|| body.string("reasoning_effort"))
        .or_else(|| inside("output_config", "effort"))
        .or_else(|| body.object("generationConfig")?.object("thinkingConfig")?.string("thinkingLevel"))
}
