//! Decodes `inference_response` payloads.

use std::sync::Arc;

use serde::Deserialize;

use super::chunks::{ChunkedBody, joined_clauses};
use super::item_cache::ItemCache;
use super::items;
use super::listed_item::ListedItem;
use super::payloads::{NOT_AN_OBJECT, PayloadShape, UnusablePayload};
use super::provider_conversation_id::ProviderConversationId;
use super::unread_fields::UnreadMember;
use crate::event::{InferenceId, PayloadKind, ResponseId};
use crate::graph::Role;
use crate::provider::{
    self, ApiSet, AppliedEdit, Assembled, NotAStream, Output, PermittedEdit, ReportedUsage, TruncatedStream,
};

/// The decoded body of an inference response.
#[derive(Debug)]
pub(in crate::reduce) struct ResponseBody {
    pub(in crate::reduce) response_id: Option<ResponseId>,
    /// Id of the conversation, kept by the provider, to which the output was added. `None` if the response names none.
    pub(in crate::reduce) conversation_id: Option<ProviderConversationId>,
    pub(in crate::reduce) items: ResponseItems,
    /// JSON Pointer (RFC 6901) to the instructions that the provider made of a stored prompt. `None` if there are none.
    pub(in crate::reduce) instructions: Option<&'static str>,
    pub(in crate::reduce) usage: ReportedUsage,
    /// The error that the provider reports in the body. `None` if it reports none.
    pub(in crate::reduce) error: Option<String>,
    /// Changes of the conversation that the provider reports.
    pub(in crate::reduce) applied_edits: Vec<AppliedEdit>,
    /// Changes of the conversation that the request permitted the provider, as far as the response repeats the request.
    pub(in crate::reduce) permitted_edits: Vec<PermittedEdit>,
    /// Members of the body that no rule reads.
    pub(in crate::reduce) unread: Vec<UnreadMember>,
    /// The APIs to which the body may belong.
    pub(super) apis: ApiSet,
    /// The reason why the response is only a part of what the provider sent or would have sent, as clauses about it:
    /// "it ends before its last event". `None` if it is whole.
    pub(in crate::reduce) partial: Option<String>,
    /// Number of events of a stream from which the body was put together.
    pub(super) stream_events: u64,
}

/// The items of an inference response.
#[derive(Debug)]
pub(in crate::reduce) enum ResponseItems {
    /// The items that the body lists.
    Listed(Vec<ListedItem>),
    /// The body is `{}`, or has only span attributes other than the output: the response was recorded without its
    /// content.
    NotRecorded,
    /// The bytes of the response have an encoding that is not decoded. Contains its name.
    Encoded(&'static str),
    /// The program recorded a text in place of a body, such as the page of a proxy.
    Text,
    /// The bytes of the response are neither a stream nor a body of a known API, such as the page of a proxy.
    Unrecognized,
    /// The body has no list of items in a known field.
    UnknownShape,
    /// Only head and tail of the body were stored.
    Truncated(UnusablePayload),
}

impl PayloadShape for ResponseBody {
    fn parse(text: &str, cache: &ItemCache) -> Result<Self, String> {
        match provider::Response::parse(text) {
            Some(body) => Ok(Self::from_response(&body, cache)),
            // A stream may be one JSON list.
            None => match Self::from_stream(text.as_bytes(), cache) {
                Err(NotAStream::Error(error)) => Ok(Self::with_error_alone(error)),
                Err(_) if is_text(text) => {
                    Ok(Self { error: provider::error_text(text), ..Self::without_items(ResponseItems::Text) })
                }
                body => body.map_err(|_| NOT_AN_OBJECT.to_owned()),
            },
        }
    }

    /// Reads the token usage alone, if the head or the tail of the body contains it.
    fn parse_truncated(text: &str, _: &ItemCache, unusable: UnusablePayload) -> Result<Self, UnusablePayload> {
        let Some(body) = provider::Response::parse(text) else { return Err(unusable) };
        Ok(Self { usage: body.usage(), ..Self::without_items(ResponseItems::Truncated(unusable)) })
    }
}

impl ResponseBody {
    /// Creates the body of a response whose items are not known.
    fn without_items(items: ResponseItems) -> Self {
        Self {
            response_id: None,
            conversation_id: None,
            items,
            instructions: None,
            usage: ReportedUsage::default(),
            error: None,
            applied_edits: Vec::new(),
            permitted_edits: Vec::new(),
            unread: Vec::new(),
            apis: ApiSet::default(),
            partial: None,
            stream_events: 0,
        }
    }

    /// Creates the body of a stream that has only an error of the provider.
    fn with_error_alone(error: String) -> Self {
        let partial = Some(format!("the provider reported an error in it: {error}"));
        Self { error: Some(error), partial, ..Self::without_items(ResponseItems::Listed(Vec::new())) }
    }

    fn from_response(body: &provider::Response<'_>, cache: &ItemCache) -> Self {
        Self {
            response_id: body.id().map(|id| ResponseId::from(&*id)),
            conversation_id: body.conversation_id().map(|id| ProviderConversationId::from(&*id)),
            items: match items(body, cache) {
                Some(items) => ResponseItems::Listed(items),
                None if !body.is_recorded() => ResponseItems::NotRecorded,
                None => ResponseItems::UnknownShape,
            },
            instructions: body.rendered_instructions(),
            usage: body.usage(),
            error: body.error(),
            applied_edits: body.applied_edits(),
            permitted_edits: body.permitted_edits(),
            unread: cache.unread.of_response(body),
            apis: body.api_set(),
            partial: body.unfinished_status().map(|status| format!("its status is {status}")),
            stream_events: 0,
        }
    }

    /// Puts a streamed response together.
    ///
    /// # Errors
    /// Returns [`NotAStream`] if the bytes are not a stream of a known API.
    fn from_stream(bytes: &[u8], cache: &ItemCache) -> Result<Self, NotAStream> {
        Self::from_assembled(&provider::assemble(bytes)?, cache).ok_or(NotAStream::Unknown)
    }

    /// Reads a response that was put together. Returns `None` if it is not a JSON object.
    fn from_assembled(assembled: &Assembled, cache: &ItemCache) -> Option<Self> {
        let response = Self::from_response(&provider::Response::parse(&assembled.body)?, cache);
        let items = match response.items {
            // A stream without output was cut before its first output.
            ResponseItems::NotRecorded | ResponseItems::UnknownShape => ResponseItems::Listed(Vec::new()),
            items @ (ResponseItems::Listed(_)
            | ResponseItems::Encoded(_)
            | ResponseItems::Text
            | ResponseItems::Unrecognized
            | ResponseItems::Truncated(_)) => items,
        };
        // An error that is an event of the stream says more than the reason why the answer ended.
        let error = assembled.error.clone().or(response.error);
        let unread = assembled.unread.iter().map(|field| UnreadMember { field: field.clone(), list: "" });
        let unread = response.unread.into_iter().chain(unread).collect();
        // There is no pointer into the bytes of a stream.
        let (partial, stream_events) = (assembled.problem(), assembled.events);
        Some(Self { partial, stream_events, items, error, unread, instructions: None, ..response })
    }

    /// Reads a whole body as a client received it. Returns `None` if it has no members.
    fn from_received_body(body: &provider::Response<'_>, cache: &ItemCache) -> Option<Self> {
        let response = Self::from_response(body, cache);
        let items = match response.items {
            ResponseItems::NotRecorded => return None,
            // An error stands in place of the output.
            ResponseItems::UnknownShape if response.error.is_some() => ResponseItems::Listed(Vec::new()),
            ResponseItems::UnknownShape => ResponseItems::Unrecognized,
            items @ (ResponseItems::Listed(_)
            | ResponseItems::Encoded(_)
            | ResponseItems::Text
            | ResponseItems::Unrecognized
            | ResponseItems::Truncated(_)) => items,
        };
        Some(Self { items, ..response })
    }

    /// Returns `true` if the response was recorded without its content, or a text was recorded in its place.
    pub(super) fn is_not_recorded(&self) -> bool {
        matches!(self.items, ResponseItems::NotRecorded | ResponseItems::Text)
    }
}

impl ChunkedBody for ResponseBody {
    type Id = InferenceId;

    const KIND: PayloadKind = PayloadKind::InferenceResponse;

    fn chunk(metadata: &str) -> Option<(InferenceId, u64)> {
        /// The metadata in the event of a chunk.
        #[derive(Deserialize)]
        struct Metadata {
            inference_call_id: InferenceId,
            chunk: u64,
        }

        let Metadata { inference_call_id, chunk } = serde_json::from_str(metadata).ok()?;
        Some((inference_call_id, chunk))
    }

    fn unread(reason: String) -> Self {
        Self { partial: Some(reason), ..Self::without_items(ResponseItems::Listed(Vec::new())) }
    }

    /// Reads a stream, a whole body, or the error that the provider returned in its place.
    fn from_received(bytes: &[u8], cache: &ItemCache) -> Option<Self> {
        let not_a_stream = match Self::from_stream(bytes, cache) {
            Ok(body) => return Some(body),
            Err(not_a_stream) => not_a_stream,
        };
        if let NotAStream::Encoded(encoding) = not_a_stream {
            return Some(Self::without_items(ResponseItems::Encoded(encoding)));
        }
        if let Some(body) = str::from_utf8(bytes).ok().and_then(provider::Response::parse) {
            return Self::from_received_body(&body, cache);
        }
        match not_a_stream {
            NotAStream::Error(error) => Some(Self::with_error_alone(error)),
            NotAStream::Encoded(_) | NotAStream::Unknown => {
                let error = str::from_utf8(bytes).ok().and_then(provider::error_text);
                let unrecognized = || Self { error, ..Self::without_items(ResponseItems::Unrecognized) };
                (!provider::is_empty_stream(bytes)).then(unrecognized)
            }
        }
    }

    fn with_gap(self, gap: Option<String>) -> Self {
        Self { partial: joined_clauses(gap, self.partial), ..self }
    }
}

/// A response as a client received it, byte for byte. `None` if the bytes contain nothing.
#[derive(Debug)]
pub(super) struct ReceivedResponse(pub(super) Option<Arc<ResponseBody>>);

impl PayloadShape for ReceivedResponse {
    fn parse(text: &str, cache: &ItemCache) -> Result<Self, String> {
        Self::parse_bytes(text.as_bytes(), cache)
    }

    fn parse_bytes(bytes: &[u8], cache: &ItemCache) -> Result<Self, String> {
        Ok(Self(ResponseBody::from_received(bytes, cache).map(Arc::new)))
    }

    /// Reads the head like a stream that was cut, and the token usage from the tail if the tail contains it.
    fn parse_truncated(text: &str, cache: &ItemCache, unusable: UnusablePayload) -> Result<Self, UnusablePayload> {
        let Some(TruncatedStream { head, usage }) = TruncatedStream::read(text) else { return Err(unusable) };
        let body = ResponseBody::from_assembled(&head, cache).ok_or_else(|| unusable.clone())?;
        let partial = Some(unusable.reason.as_ref().into());
        Ok(Self(Some(Arc::new(ResponseBody { usage, partial, ..body }))))
    }
}

/// Returns `true` for a text that is no part of a JSON object or list.
fn is_text(text: &str) -> bool {
    let text = text.trim_ascii();
    !text.is_empty() && !text.starts_with(['{', '[', '\0'])
}

/// Returns the items of the output. Of several alternative messages only the first is taken, because the conversation
/// continues with it. Returns `None` for output of an unknown type.
fn items(body: &provider::Response<'_>, cache: &ItemCache) -> Option<Vec<ListedItem>> {
    match body.output() {
        Output::Items(items) => Some(items::answer_items(items, &body.sources(), cache)),
        Output::Choices(choices) => {
            let first = choices.first();
            let message = first.and_then(|choice| choice.message);
            let reasoning = first.and_then(|choice| choice.reasoning);
            Some(match message.zip(reasoning) {
                Some((text, reasoning)) => items::reasoned_answer(text, reasoning, cache),
                None => items::answer(message, &body.sources(), cache),
            })
        }
        Output::Content(content) => Some(items::content(*content, Role::Assistant, cache)),
        Output::AttributeMessages(messages) => {
            items::attribute(messages, Some(Role::Assistant), Role::Assistant, cache)
        }
        Output::Empty => Some(Vec::new()),
        Output::Unknown => None,
    }
}
