//! Converts the three end events of inference calls to one fact.

use super::facts::{InferenceEnd, Outcome};
use super::responses::{DecodedResponses, ResponsePayloads};
use crate::event::{InferenceCancelled, InferenceCompleted, InferenceFailed};

impl InferenceEnd {
    /// Converts an `inference_completed` event, with its decoded response.
    pub(super) fn completed(event: InferenceCompleted, responses: &DecodedResponses) -> Self {
        let detail = event.detail().boxed();
        let InferenceCompleted {
            inference_call_id,
            response_id,
            response_payload,
            upstream_request_id,
            first_token_at_unix_ms,
            usage,
            wire_payload,
            ..
        } = event;
        let (call, wire) = (&inference_call_id, wire_payload.as_deref());
        let response = responses.of_end(ResponsePayloads { call, response: Some(&response_payload), wire });
        Self {
            inference_call_id,
            outcome: Outcome::Completed,
            response_id,
            upstream_request_id,
            first_token_at: first_token_at_unix_ms,
            usage,
            response_payload: Some(response_payload.raw_payload_id),
            response,
            detail,
        }
    }

    /// Converts an `inference_failed` event, with the part of the response that arrived.
    pub(super) fn failed(event: InferenceFailed, responses: &DecodedResponses) -> Self {
        let detail = event.detail().boxed();
        let InferenceFailed {
            inference_call_id,
            error,
            partial_response_payload,
            upstream_request_id,
            first_token_at_unix_ms,
            usage,
            wire_payload,
            ..
        } = event;
        let (call, wire) = (&inference_call_id, wire_payload.as_deref());
        let response = responses.of_end(ResponsePayloads { call, response: partial_response_payload.as_ref(), wire });
        Self {
            inference_call_id,
            outcome: Outcome::Failed(error),
            response_id: None,
            upstream_request_id,
            first_token_at: first_token_at_unix_ms,
            usage,
            response_payload: partial_response_payload.map(|payload| payload.raw_payload_id),
            response,
            detail,
        }
    }

    /// Converts an `inference_cancelled` event, with the part of the response that arrived.
    pub(super) fn cancelled(event: InferenceCancelled, responses: &DecodedResponses) -> Self {
        let detail = event.detail().boxed();
        let InferenceCancelled {
            inference_call_id,
            reason,
            partial_response_payload,
            upstream_request_id,
            first_token_at_unix_ms,
            usage,
            wire_payload,
            ..
        } = event;
        let failed = InferenceFailed {
            inference_call_id,
            error: String::new(),
            partial_response_payload,
            upstream_request_id,
            first_token_at_unix_ms,
            usage,
            wire_payload,
            ended_by: None,
            error_type: None,
            attributes: None,
        };
        Self { outcome: Outcome::Cancelled(reason), detail, ..Self::failed(failed, responses) }
    }
}
