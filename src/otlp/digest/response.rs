//! Digests `inference_response` payloads.

use super::ResponseDigest;
use super::response_output::{ResponseOutput, finish_reasons_field};
use crate::otlp::ContentPolicy;
use crate::reduce::{Object, RESPONSE_IDS, is_bare_response, usage};

impl ResponseDigest {
    /// Digests the body of a model's response. Returns the default for bytes that can't be parsed.
    pub(crate) fn parse(bytes: &[u8], content: ContentPolicy) -> Self {
        let Some(body) = str::from_utf8(bytes).ok().and_then(Object::parse) else { return Self::default() };
        let output = ResponseOutput::from_body(&body);
        Self {
            response_id: text(&body, &RESPONSE_IDS),
            model: text(&body, &["model", "modelVersion", "model_version", "gen_ai.response.model"]),
            finish_reasons: match &output {
                Some(output) => output.finish_reasons(&body),
                None => finish_reasons_field(&body),
            },
            usage: usage(&body),
            cache_write_tokens: cache_write_tokens(&body),
            call_ids: output.as_ref().map(ResponseOutput::call_ids).unwrap_or_default(),
            // A payload of unknown shape requests nothing that could be recognized, but it was recorded.
            has_known_items: output.is_some() || !is_bare_response(&body),
            output_messages: output.filter(|_| content.captures()).and_then(|output| output.messages(&body)),
        }
    }
}

fn text(body: &Object<'_>, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| body.string(name))
}

/// Returns the number of tokens written to a cache. Only Anthropic reports it, and fields of the conventions.
fn cache_write_tokens(body: &Object<'_>) -> Option<u64> {
    const FIELDS: [&str; 2] = ["gen_ai.usage.cache_write.input_tokens", "gen_ai.usage.cache_creation.input_tokens"];
    let usage = body.object("usage").and_then(|usage| usage.number("cache_creation_input_tokens"));
    usage.or_else(|| FIELDS.iter().find_map(|name| body.number(name)))
}
