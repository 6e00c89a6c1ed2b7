//! Converts the three end events of inference calls to one fact.

use super::facts::{InferenceEnd, Outcome};
use super::payloads::PayloadSet;
use super::response::ResponseBody;
use crate::event::{InferenceCancelled, InferenceCompleted, InferenceFailed};

impl InferenceEnd {
    /// Converts an `inference_completed` event, with its decoded response.
    pub(super) fn completed(event: InferenceCompleted, responses: &PayloadSet<ResponseBody>) -> Self {
        let InferenceCompleted {
            inference_call_id,
            response_id,
            response_payload,
            upstream_request_id,
            first_token_at_unix_ms,
            usage,
            wire_payload: _,
        } = event;
        let response = (response_payload.raw_payload_id.clone(), responses.get(&response_payload));
        Self {
            inference_call_id,
            outcome: Outcome::Completed,
            response_id,
            upstream_request_id,
            first_token_at: first_token_at_unix_ms,
            usage,
            response: Some(response),
        }
    }

    /// Converts an `inference_failed` event, with the part of the response that arrived.
    pub(super) fn failed(event: InferenceFailed, responses: &PayloadSet<ResponseBody>) -> Self {
        let InferenceFailed {
            inference_call_id,
            error,
            partial_response_payload,
            upstream_request_id,
            first_token_at_unix_ms,
            usage,
            wire_payload: _,
        } = event;
        Self {
            inference_call_id,
            outcome: Outcome::Failed(error),
            response_id: None,
            upstream_request_id,
            first_token_at: first_token_at_unix_ms,
            usage,
            response: partial_response_payload.map(|body| (body.raw_payload_id.clone(), responses.get(&body))),
        }
    }

    /// Converts an `inference_cancelled` event, with the part of the response that arrived.
    pub(super) fn cancelled(event: InferenceCancelled, responses: &PayloadSet<ResponseBody>) -> Self {
        let InferenceCancelled {
            inference_call_id,
            reason,
            partial_response_payload,
            upstream_request_id,
            first_token_at_unix_ms,
            usage,
            wire_payload,
        } = event;
        let failed = InferenceFailed {
            inference_call_id,
            error: String::new(),
            partial_response_payload,
            upstream_request_id,
            first_token_at_unix_ms,
            usage,
            wire_payload,
        };
        Self { outcome: Outcome::Cancelled(reason), ..Self::failed(failed, responses) }
    }
}
