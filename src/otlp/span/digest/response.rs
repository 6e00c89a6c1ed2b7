//! Digests `inference_response` payloads.

use std::borrow::Cow;

use super::{ResponseDigest, response_output};
use crate::otlp::ContentPolicy;
use crate::provider::{Assembled, NotAStream, Response, assemble, outline};

impl ResponseDigest {
    /// Digests a model's response: its body, or the bytes of a stream. Returns the default for bytes that can't be
    /// read.
    pub(crate) fn parse(bytes: &[u8], content: ContentPolicy) -> Self {
        Self::from_body(bytes, content).unwrap_or_else(|| Self::from_stream(assemble(bytes), content))
    }

    /// Digests a model's response in the recorded program. Puts a stream together only if its content is captured:
    /// otherwise reads its first and its last events, which have everything but the tool calls that it requests.
    pub(crate) fn parse_live(bytes: &[u8], content: ContentPolicy) -> Self {
        if content.captures() {
            return Self::parse(bytes, content);
        }
        let from_outline = || Self { has_known_items: false, ..Self::from_stream(outline(bytes), content) };
        Self::from_body(bytes, content).unwrap_or_else(from_outline)
    }

    fn from_body(bytes: &[u8], content: ContentPolicy) -> Option<Self> {
        let body = str::from_utf8(bytes).ok().and_then(Response::parse)?;
        Some(Self::from_response(&body, content))
    }

    fn from_stream(stream: Result<Assembled, NotAStream>, content: ContentPolicy) -> Self {
        match stream {
            Ok(assembled) => {
                let digest = Self::from_body(assembled.body.as_bytes(), content).unwrap_or_default();
                Self { has_known_items: true, is_response: true, ..digest }
            }
            Err(NotAStream::Encoded(_)) => Self { is_response: true, ..Self::default() },
            Err(NotAStream::Error(_) | NotAStream::Unknown) => Self::default(),
        }
    }

    fn from_response(body: &Response<'_>, content: ContentPolicy) -> Self {
        Self {
            response_id: body.id().map(Cow::into_owned),
            model: body.model().map(Cow::into_owned),
            finish_reasons: body.finish_reasons(),
            usage: body.usage().usage,
            calls: body.calls(),
            // A payload of unknown shape requests nothing that could be recognized, but it was recorded.
            has_known_items: body.is_recorded(),
            is_response: body.has_output(),
            output_messages: content.captures().then(|| response_output::messages(body)).flatten(),
        }
    }
}
