//! `inference_response` bodies.

use super::ResponseDigest;
use super::answer::{Answer, said_reasons};
use crate::otlp::ContentPolicy;
use crate::reduce::{Object, RESPONSE_IDS, is_bare_response, usage};

impl ResponseDigest {
    /// Of the bytes of a body; of anything that can't be read, the default.
    pub(crate) fn of(bytes: &[u8], content: ContentPolicy) -> Self {
        let Some(body) = str::from_utf8(bytes).ok().and_then(Object::parse) else { return Self::default() };
        let answer = Answer::of(&body);
        Self {
            response_id: text(&body, &RESPONSE_IDS),
            model: text(&body, &["model", "modelVersion", "model_version", "gen_ai.response.model"]),
            finish_reasons: match &answer {
                Some(answer) => answer.finish_reasons(&body),
                None => said_reasons(&body),
            },
            usage: usage(&body),
            cache_write_tokens: cache_write_tokens(&body),
            call_ids: answer.as_ref().map(Answer::call_ids).unwrap_or_default(),
            // A body of no known shape is no evidence of anything, but it is there.
            is_known: answer.is_some() || !is_bare_response(&body),
            output_messages: answer.filter(|_| content.captures()).and_then(|answer| answer.messages(&body)),
        }
    }
}

fn text(body: &Object<'_>, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| body.string(name))
}

/// What went into a cache. Only Anthropic counts that, and writers of the conventions' fields.
fn cache_write_tokens(body: &Object<'_>) -> Option<u64> {
    const FIELDS: [&str; 2] = ["gen_ai.usage.cache_write.input_tokens", "gen_ai.usage.cache_creation.input_tokens"];
    let usage = body.object("usage").and_then(|usage| usage.number("cache_creation_input_tokens"));
    usage.or_else(|| FIELDS.iter().find_map(|name| body.number(name)))
}
