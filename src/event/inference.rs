//! Inference calls. Every attempt is a separate call, including retries and fallbacks.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    EndedBy, InferenceId, PayloadRef, RawJson, RequestId, ResponseId, ThreadId, TurnId, UnixMillis, Usage, added_field,
};

/// An inference request was built and is about to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InferenceStarted {
    /// Id of the inference call.
    pub inference_call_id: InferenceId,
    /// Thread that makes the call.
    pub thread_id: ThreadId,
    /// Turn that makes the call.
    #[serde(rename = "codex_turn_id")]
    pub turn_id: TurnId,
    /// Name of the requested model; empty if unknown.
    pub model: String,
    /// Name of the provider, as in `gen_ai.provider.name`.
    pub provider_name: String,
    /// Payload of kind `inference_request`: the body of the request.
    pub request_payload: PayloadRef,
    /// Relation of the request's items to earlier calls, if the producer recorded it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_input_mode: Option<Box<RequestInputMode>>,
    /// Payload with the bytes of the request as they were sent. `None` if they are one JSON value, which is in
    /// `request_payload`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wire_payload: Option<Box<PayloadRef>>,
}

/// Relation of the items of a request to earlier calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum RequestInputMode {
    /// The items are everything that the model sees.
    FullSnapshot,
    /// The items continue the request and the response of an earlier call.
    Incremental {
        /// Id of the response of the earlier call.
        previous_response_id: ResponseId,
    },
    /// The items continue a history that no recorded call contains.
    IncrementalWithUntracedPrefix {
        /// Id of the response that the items continue.
        previous_response_id: ResponseId,
        /// Payload of kind `inference_request`, whose `input` is the unrecorded history.
        prefix_payload: PayloadRef,
    },
}

/// The response of the model is complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InferenceCompleted {
    /// Id of the inference call.
    pub inference_call_id: InferenceId,
    /// Id that the provider gave the response.
    #[serde(default)]
    pub response_id: Option<ResponseId>,
    /// Payload of kind `inference_response`: the body of the response.
    pub response_payload: PayloadRef,
    /// Id that the provider gave the HTTP request.
    #[serde(default, skip_serializing_if = "UpstreamRequestId::is_unrecorded")]
    pub upstream_request_id: UpstreamRequestId,
    /// Time at which the first token arrived, in milliseconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_token_at_unix_ms: Option<UnixMillis>,
    /// Token usage that the span reported, in addition to the usage in the payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Payload with the bytes of the response as they were received. `None` if they are one JSON value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wire_payload: Option<Box<PayloadRef>>,
    /// What ended the operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<EndedBy>,
    /// Type of the error: the span's `error.type`, or the HTTP status of the response.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "added_field::parse")]
    pub error_type: Option<Box<str>>,
    /// Fields of the span that only the program knows, a JSON object by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<RawJson>,
}

/// The inference call ended with an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InferenceFailed {
    /// Id of the inference call.
    pub inference_call_id: InferenceId,
    /// Error message.
    pub error: String,
    /// Payload of kind `inference_response`: the part of the response that had arrived.
    #[serde(default)]
    pub partial_response_payload: Option<PayloadRef>,
    /// Id that the provider gave the HTTP request.
    #[serde(default, skip_serializing_if = "UpstreamRequestId::is_unrecorded")]
    pub upstream_request_id: UpstreamRequestId,
    /// Time at which the first token arrived, in milliseconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_token_at_unix_ms: Option<UnixMillis>,
    /// Token usage that the span reported, in addition to the usage in the payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Payload with the bytes of the response as they were received. `None` if they are one JSON value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wire_payload: Option<Box<PayloadRef>>,
    /// What ended the operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<EndedBy>,
    /// Type of the error: the span's `error.type`, or the HTTP status of the response.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "added_field::parse")]
    pub error_type: Option<Box<str>>,
    /// Fields of the span that only the program knows, a JSON object by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<RawJson>,
}

/// The inference call was cancelled before its response was complete. This event is a later addition to format 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InferenceCancelled {
    /// Id of the inference call.
    pub inference_call_id: InferenceId,
    /// Reason for the cancellation.
    pub reason: String,
    /// Payload of kind `inference_response`: the part of the response that had arrived.
    #[serde(default)]
    pub partial_response_payload: Option<PayloadRef>,
    /// Id that the provider gave the HTTP request.
    #[serde(default, skip_serializing_if = "UpstreamRequestId::is_unrecorded")]
    pub upstream_request_id: UpstreamRequestId,
    /// Time at which the first token arrived, in milliseconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_token_at_unix_ms: Option<UnixMillis>,
    /// Token usage that the span reported, in addition to the usage in the payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Payload with the bytes of the response as they were received. `None` if they are one JSON value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wire_payload: Option<Box<PayloadRef>>,
    /// What ended the operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<EndedBy>,
    /// Type of the error: the span's `error.type`, or the HTTP status of the response.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "added_field::parse")]
    pub error_type: Option<Box<str>>,
    /// Fields of the span that only the program knows, a JSON object by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<RawJson>,
}

/// The id that the provider gave an HTTP request, as far as it was recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum UpstreamRequestId {
    /// It was not recorded if the provider gave an id. The field is absent.
    #[default]
    Unrecorded,
    /// The provider gave no id. The field is `null`.
    None,
    /// The id that the provider gave.
    Given(RequestId),
}

impl UpstreamRequestId {
    /// Returns the id that the provider gave. Returns `None` if it gave none, or if that was not recorded.
    pub fn given(&self) -> Option<&RequestId> {
        match self {
            Self::Given(id) => Some(id),
            Self::Unrecorded | Self::None => None,
        }
    }

    /// Returns `true` if it was not recorded if the provider gave an id.
    pub fn is_unrecorded(&self) -> bool {
        *self == Self::Unrecorded
    }
}

/// Converts the id of a request whose response was observed. `None` means that the provider gave no id.
impl From<Option<RequestId>> for UpstreamRequestId {
    fn from(id: Option<RequestId>) -> Self {
        id.map_or(Self::None, Self::Given)
    }
}

impl Serialize for UpstreamRequestId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unrecorded | Self::None => serializer.serialize_none(),
            Self::Given(id) => id.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for UpstreamRequestId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(Self::from)
    }
}
