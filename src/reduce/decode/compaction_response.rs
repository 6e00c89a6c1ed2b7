//! Decodes `compaction_response` payloads.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::chunks::{ChunkedBody, joined_clauses};
use super::item_cache::ItemCache;
use super::payloads::{PayloadShape, UnusablePayload};
use super::unread_fields::UnreadMember;
use crate::event::{CompactionRequestId, PayloadKind, RawPayloadId};
use crate::provider::{self, Assembled, NotAStream, Object, ReportedUsage, TruncatedStream};
use crate::semconv;

/// The decoded body of the response to a compaction request. Its items count only once they are installed.
#[derive(Debug, Default)]
pub(in crate::reduce) struct CompactionResponse {
    pub(in crate::reduce) usage: ReportedUsage,
    /// The error that the provider reports in the body. `None` if it reports none.
    pub(in crate::reduce) error: Option<String>,
    /// Members of the body that no rule reads.
    pub(in crate::reduce) unread: Vec<UnreadMember>,
    /// The reason why the response is only a part of what the provider sent, as clauses about it. `None` if it is whole.
    pub(in crate::reduce) partial: Option<String>,
    /// The reason why the output of the model is unknown, as a predicate of the response. `None` if it is known.
    pub(in crate::reduce) unknown: Option<String>,
    /// The payload with the bytes of the response, if the body only names it.
    pub(super) bytes: Option<RawPayloadId>,
    /// Number of events of a stream from which the body was put together.
    pub(super) stream_events: u64,
}

impl CompactionResponse {
    /// Creates a response whose output is unknown. `reason` is a predicate of the response.
    pub(super) fn unknown(reason: String) -> Self {
        Self { unknown: Some(reason), ..Self::default() }
    }

    fn from_response(body: &provider::Response<'_>, cache: &ItemCache) -> Self {
        let (usage, error) = (body.usage(), body.error());
        let is_known = body.has_output() || !body.is_recorded() || (usage.usage.is_some() && error.is_none());
        let unknown = (!is_known).then(|| match &error {
            Some(error) => format!("is an error of the provider: {error}"),
            None => "has no list of output items, so the output of the model is unknown".to_owned(),
        });
        let unread = if is_known { cache.unread.of_response(body) } else { Vec::new() };
        let partial = body.unfinished_status().map(|status| format!("its status is {status}"));
        Self { usage, error, unread, partial, unknown, bytes: None, stream_events: 0 }
    }

    /// Reads a response that was put together from a stream. Returns `None` if it is not a JSON object.
    fn from_assembled(assembled: &Assembled, cache: &ItemCache) -> Option<Self> {
        let response = Self::from_response(&provider::Response::parse(&assembled.body)?, cache);
        let unread = assembled.unread.iter().map(|field| UnreadMember { field: field.clone(), list: "" });
        let unread = response.unread.into_iter().chain(unread).collect();
        let error = assembled.error.clone().or(response.error);
        // A stream without output was cut before its first output.
        let (partial, unknown) = (assembled.problem(), None);
        Some(Self { unread, error, partial, unknown, stream_events: assembled.events, ..response })
    }
}

impl PayloadShape for CompactionResponse {
    /// A response that is no object, but for example a text, has no usage.
    fn parse(text: &str, cache: &ItemCache) -> Result<Self, String> {
        let bytes = Object::parse(text).and_then(|body| body.string(semconv::BYTES));
        if let Some(bytes) = bytes {
            return Ok(Self { bytes: Some(RawPayloadId::from(bytes)), ..Self::default() });
        }
        if let Some(body) = provider::Response::parse(text) {
            return Ok(Self::from_response(&body, cache));
        }
        if let Ok(stream) = provider::assemble(text.as_bytes()) {
            return Self::from_assembled(&stream, cache).ok_or_else(|| "is not JSON".to_owned());
        }
        let json = serde_json::from_str::<IgnoredAny>(text);
        json.map(|_| Self::default()).map_err(|error| format!("is not JSON: {error}"))
    }

    fn parse_truncated(text: &str, cache: &ItemCache, unusable: UnusablePayload) -> Result<Self, UnusablePayload> {
        Self::parse(text, cache).map(|response| Self { unknown: None, ..response }).map_err(|_| unusable)
    }
}

impl ChunkedBody for CompactionResponse {
    type Id = CompactionRequestId;

    const KIND: PayloadKind = PayloadKind::CompactionResponse;

    fn chunk(metadata: &str) -> Option<(CompactionRequestId, u64)> {
        /// The metadata in the event of a chunk.
        #[derive(Deserialize)]
        struct Metadata {
            compaction_request_id: CompactionRequestId,
            chunk: u64,
        }

        let Metadata { compaction_request_id, chunk } = serde_json::from_str(metadata).ok()?;
        Some((compaction_request_id, chunk))
    }

    fn unread(reason: String) -> Self {
        Self { partial: Some(reason), ..Self::default() }
    }

    fn from_received(bytes: &[u8], cache: &ItemCache) -> Option<Self> {
        let not_a_stream = match provider::assemble(bytes) {
            Ok(stream) => return Self::from_assembled(&stream, cache),
            Err(not_a_stream) => not_a_stream,
        };
        if let Some(body) = str::from_utf8(bytes).ok().and_then(provider::Response::parse) {
            return Some(Self::from_response(&body, cache));
        }
        match not_a_stream {
            NotAStream::Encoded(encoding) => Some(Self::unknown(format!(
                "was recorded as {encoding}, which is not decoded, so the output of the model is unknown"
            ))),
            NotAStream::Error(error) => {
                let partial = Some(format!("the provider reported an error in it: {error}"));
                Some(Self { error: Some(error), partial, ..Self::default() })
            }
            NotAStream::Unknown => (!provider::is_empty_stream(bytes)).then(|| {
                let reason = "was recorded as bytes that are no response of a known API, so the output of the model is \
                    unknown; see the payload";
                Self::unknown(reason.to_owned())
            }),
        }
    }

    fn with_gap(self, gap: Option<String>) -> Self {
        Self { partial: joined_clauses(gap, self.partial), ..self }
    }
}

/// The response to a compaction request as a client received it, byte for byte. A part of a response of which nothing
/// arrived is empty.
#[derive(Debug)]
pub(super) struct ReceivedCompactionResponse(pub(super) std::sync::Arc<CompactionResponse>);

impl PayloadShape for ReceivedCompactionResponse {
    fn parse(text: &str, cache: &ItemCache) -> Result<Self, String> {
        Self::parse_bytes(text.as_bytes(), cache)
    }

    fn parse_bytes(bytes: &[u8], cache: &ItemCache) -> Result<Self, String> {
        Ok(Self(CompactionResponse::from_received(bytes, cache).unwrap_or_default().into()))
    }

    /// Reads the head like a stream that was cut, and the token usage from the tail if the tail contains it.
    fn parse_truncated(text: &str, cache: &ItemCache, unusable: UnusablePayload) -> Result<Self, UnusablePayload> {
        let Some(TruncatedStream { head, usage }) = TruncatedStream::read(text) else { return Err(unusable) };
        let body = CompactionResponse::from_assembled(&head, cache).ok_or_else(|| unusable.clone())?;
        let partial = Some(unusable.reason.as_ref().into());
        Ok(Self(CompactionResponse { usage, partial, ..body }.into()))
    }
}
