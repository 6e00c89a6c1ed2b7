//! Digests `inference_response` payloads.

use std::borrow::Cow;

use super::{ResponseDigest, response_output};
use crate::event::CallId;
use crate::otlp::ContentPolicy;
use crate::provider::Response;

impl ResponseDigest {
    /// Digests the body of a model's response. Returns the default for bytes that can't be parsed.
    pub(crate) fn parse(bytes: &[u8], content: ContentPolicy) -> Self {
        let Some(body) = str::from_utf8(bytes).ok().and_then(Response::parse) else { return Self::default() };
        Self {
            response_id: body.id().map(Cow::into_owned),
            model: body.model().map(Cow::into_owned),
            finish_reasons: body.finish_reasons(),
            usage: body.usage().usage,
            call_ids: body.call_ids().into_iter().map(CallId::from).collect(),
            // A payload of unknown shape requests nothing that could be recognized, but it was recorded.
            has_known_items: body.is_recorded(),
            output_messages: content.captures().then(|| response_output::messages(&body)).flatten(),
        }
    }
}
