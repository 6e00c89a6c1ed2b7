//! The bodies that operations are given before they end: answers of models and results of tools.

use std::borrow::Cow;
use std::sync::Arc;

use crate::bundle::{PayloadError, StoredBody};
use crate::event::{CallId, PayloadKind};
use crate::provider::Object;
use crate::reduce::decode::item_cache::ItemCache;
use crate::reduce::decode::payloads::{PayloadShape, text_of};
use crate::reduce::decode::response::{ResponseBody, ResponseItems};
use crate::reduce::decode::tool_result::{StdinResult, ToolResult};
use crate::semconv;

/// A body that an operation is given before it ends.
pub(super) struct Body {
    pub(super) kind: PayloadKind,
    pub(super) content: Content,
}

/// The content of a body.
pub(super) enum Content {
    /// The response of a model.
    Answer(Arc<ResponseBody>),
    /// The result of a tool.
    Result {
        /// The id that the model sees. `None` if the result has none.
        call_id: Option<CallId>,
        any: Arc<ToolResult>,
        stdin: Arc<StdinResult>,
    },
}

impl Content {
    /// Returns the name of the content in messages.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Answer(_) => "response",
            Self::Result { .. } => "result",
        }
    }
}

/// The reason why a payload is neither the answer nor the result of an operation, as a sentence.
pub(super) struct OtherBody(pub(super) String);

impl From<PayloadError> for OtherBody {
    fn from(error: PayloadError) -> Self {
        Self(error.to_string())
    }
}

impl Body {
    /// Parses a payload. Its kind is not known if its store does not record it. Then it must have the shape that the
    /// layer makes of the fields of a span.
    ///
    /// # Errors
    /// Returns the reason if the payload is not the answer or the result of an operation.
    pub(super) fn parse(kind: Option<PayloadKind>, payload: &StoredBody, cache: &ItemCache) -> Result<Self, OtherBody> {
        let other = |reason: &str| OtherBody(format!("its content {reason}"));
        let text = text_of(&payload.bytes).map_err(other)?;
        let object = Object::parse(text).ok_or_else(|| other("is not a JSON object"))?;
        if object.get(semconv::TRUNCATED).is_some() {
            return Err(other("is only the head and the tail of a body"));
        }
        let kind = kind.or_else(|| kind_of(&object)).ok_or_else(|| other("is no answer and no result of a tool"))?;
        let content = match kind {
            PayloadKind::InferenceResponse => answer(text, cache),
            PayloadKind::ToolResult => result(text, &object, cache),
            PayloadKind::InferenceRequest
            | PayloadKind::CompactionRequest
            | PayloadKind::CompactionCheckpoint
            | PayloadKind::CompactionResponse
            | PayloadKind::ToolInvocation
            | PayloadKind::ToolRuntimeEvent
            | PayloadKind::TerminalRuntimeEvent
            | PayloadKind::ProtocolEvent
            | PayloadKind::SessionMetadata
            | PayloadKind::AgentResult => Err(format!("is of kind {}", kind.name())),
        };
        let content = content.map_err(|reason| other(&reason))?;
        Ok(Self { kind, content })
    }
}

/// Parses the response of a model.
///
/// # Errors
/// Returns the reason as a clause if it has no output.
fn answer(text: &str, cache: &ItemCache) -> Result<Content, String> {
    let answer = ResponseBody::parse(text, cache)?;
    match answer.items {
        ResponseItems::Listed(_) | ResponseItems::NotRecorded => Ok(Content::Answer(Arc::new(answer))),
        ResponseItems::Encoded(_)
        | ResponseItems::Unrecognized
        | ResponseItems::UnknownShape
        | ResponseItems::Text
        | ResponseItems::Truncated(_) => Err("has no list of output items".to_owned()),
    }
}

/// Parses the result of a tool.
///
/// # Errors
/// Returns the reason as a clause if it is not a JSON object.
fn result(text: &str, object: &Object<'_>, cache: &ItemCache) -> Result<Content, String> {
    let (any, stdin) = (ToolResult::parse(text, cache)?, StdinResult::parse(text, cache)?);
    let call_id = result_call_id(object).map(|id| CallId::from(&*id));
    Ok(Content::Result { call_id, any: Arc::new(any), stdin: Arc::new(stdin) })
}

/// Returns the kind of a body that the layer made of the fields of a span. Returns `None` for other bodies.
fn kind_of(body: &Object<'_>) -> Option<PayloadKind> {
    if body.fields().any(|(name, _)| is_response_attribute(name)) {
        Some(PayloadKind::InferenceResponse)
    } else {
        result_call_id(body).map(|_| PayloadKind::ToolResult)
    }
}

/// Returns `true` if the attribute with this name belongs to the response of a model.
fn is_response_attribute(name: &str) -> bool {
    let is_usage = || name.starts_with(semconv::USAGE_NAMESPACE);
    let is_response = [semconv::RESPONSE_ID, semconv::RESPONSE_MODEL, semconv::RESPONSE_FINISH_REASONS].contains(&name);
    name == semconv::OUTPUT_MESSAGES || is_response || is_usage()
}

/// Returns the call id in the result of a tool. Returns `None` for other bodies, and for a result without one.
fn result_call_id<'a>(body: &Object<'a>) -> Option<Cow<'a, str>> {
    let item = body.text("type").filter(|kind| kind == "direct_response").and(body.object("response_item"))?;
    item.text("call_id").filter(|id| !id.is_empty())
}
