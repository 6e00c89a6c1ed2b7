//! Digests `inference_response` payloads.

use std::borrow::Cow;

use super::{ERROR_CHARS, ResponseDigest, response_output};
use crate::otlp::ContentPolicy;
use crate::provider::{Assembled, NotAStream, Response, assemble, error_text, outline};

impl ResponseDigest {
    /// Digests a model's response: its body, or the bytes of a stream. Returns the default for bytes that can't be
    /// read.
    pub(crate) fn parse(bytes: &[u8], content: ContentPolicy) -> Self {
        let from_stream = || Self::from_stream(bytes, assemble(bytes), content);
        Self::from_body(bytes, content).unwrap_or_else(from_stream)
    }

    /// Digests a model's response in the recorded program. Puts a stream together only if its content is captured:
    /// otherwise reads its first and its last events, which have everything but the tool calls that it requests.
    pub(crate) fn parse_live(bytes: &[u8], content: ContentPolicy) -> Self {
        if content.captures() {
            return Self::parse(bytes, content);
        }
        let from_outline = || Self { has_known_items: false, ..Self::from_stream(bytes, outline(bytes), content) };
        Self::from_body(bytes, content).unwrap_or_else(from_outline)
    }

    fn from_body(bytes: &[u8], content: ContentPolicy) -> Option<Self> {
        let body = str::from_utf8(bytes).ok().and_then(Response::parse)?;
        Some(Self::from_response(&body, content))
    }

    /// Digests a stream that was put together, or bytes that are none.
    fn from_stream(bytes: &[u8], stream: Result<Assembled, NotAStream>, content: ContentPolicy) -> Self {
        match stream {
            Ok(assembled) => {
                let digest = Self::from_body(assembled.body.as_bytes(), content).unwrap_or_default();
                // An error that is an event of the stream says more than the reason why the answer ended.
                let error = assembled.error.as_deref().map(beginning).or(digest.error);
                Self { has_known_items: true, is_response: true, error, ..digest }
            }
            Err(NotAStream::Encoded(_)) => Self { is_response: true, ..Self::default() },
            Err(NotAStream::Error(error)) => Self { error: Some(beginning(&error)), ..Self::default() },
            Err(NotAStream::Unknown) => {
                let error = str::from_utf8(bytes).ok().and_then(error_text);
                Self { error: error.as_deref().map(beginning), ..Self::default() }
            }
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
            error: body.error().as_deref().map(beginning),
            output_messages: content.captures().then(|| response_output::messages(body)).flatten(),
        }
    }
}

/// Returns the first line of an error, cut after [`ERROR_CHARS`] characters.
fn beginning(error: &str) -> String {
    error.trim_start().lines().next().unwrap_or_default().chars().take(ERROR_CHARS).collect()
}
