//! Calls of a model. Every attempt, a retry or a fallback too, is a call of its own.

use serde::{Deserialize, Serialize};

use super::{InferenceId, PayloadRef, RequestId, ResponseId, ThreadId, TurnId, UnixMillis};

/// A request was built and is about to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InferenceStarted {
    /// The call.
    pub inference_call_id: InferenceId,
    /// The thread that asks.
    pub thread_id: ThreadId,
    /// The turn that asks.
    #[serde(rename = "codex_turn_id")]
    pub turn_id: TurnId,
    /// The model asked for; empty where unknown.
    pub model: String,
    /// The provider asked, as in `gen_ai.provider.name`.
    pub provider_name: String,
    /// An `inference_request` body.
    pub request_payload: PayloadRef,
    /// How the request's items relate to earlier calls, where a producer said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_input_mode: Option<Box<RequestInputMode>>,
    /// The bytes of the request as they were sent, where they are not one JSON value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wire_payload: Option<Box<PayloadRef>>,
}

/// How the items of a request relate to earlier calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum RequestInputMode {
    /// The items are everything the model sees.
    FullSnapshot,
    /// The items follow the request and the response of an earlier call.
    Incremental {
        /// The earlier call's response.
        previous_response_id: ResponseId,
    },
    /// The items follow history that no recorded call holds.
    IncrementalWithUntracedPrefix {
        /// The response they follow.
        previous_response_id: ResponseId,
        /// The history, as the `input` of an `inference_request` body.
        prefix_payload: PayloadRef,
    },
}

/// The model's answer is complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InferenceCompleted {
    /// The call.
    pub inference_call_id: InferenceId,
    /// The provider's id of the answer.
    #[serde(default)]
    pub response_id: Option<ResponseId>,
    /// An `inference_response` body.
    pub response_payload: PayloadRef,
    /// The transport's id of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_request_id: Option<RequestId>,
    /// When the first token came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_token_at_unix_ms: Option<UnixMillis>,
    /// Usage as the span reported it, beside what the body says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// The bytes of the response as they came, where they are not one JSON value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wire_payload: Option<Box<PayloadRef>>,
}

/// The call ended with an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InferenceFailed {
    /// The call.
    pub inference_call_id: InferenceId,
    /// What went wrong.
    pub error: String,
    /// What had come by then, an `inference_response` body.
    #[serde(default)]
    pub partial_response_payload: Option<PayloadRef>,
    /// The transport's id of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_request_id: Option<RequestId>,
    /// When the first token came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_token_at_unix_ms: Option<UnixMillis>,
    /// The bytes of the response as they came, where they are not one JSON value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wire_payload: Option<Box<PayloadRef>>,
}

/// Nobody waited for the answer any more. A later addition to format 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InferenceCancelled {
    /// The call.
    pub inference_call_id: InferenceId,
    /// Why.
    pub reason: String,
    /// What had come by then, an `inference_response` body.
    #[serde(default)]
    pub partial_response_payload: Option<PayloadRef>,
    /// The transport's id of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_request_id: Option<RequestId>,
    /// When the first token came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_token_at_unix_ms: Option<UnixMillis>,
    /// The bytes of the response as they came, where they are not one JSON value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wire_payload: Option<Box<PayloadRef>>,
}

/// Tokens of one inference call, as the provider counted them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens the model read, those from a cache included.
    pub input_tokens: u64,
    /// Those of the input that came from a cache.
    pub cached_input_tokens: u64,
    /// Tokens the model wrote, reasoning included.
    pub output_tokens: u64,
    /// Those of the output that were reasoning.
    pub reasoning_output_tokens: u64,
}
