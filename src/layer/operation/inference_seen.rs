//! What was seen of an inference call, and the end that comes of it.

use super::{DROPPED, End, SHUT_DOWN};
use crate::bundle::{Lost, Stored};
use crate::event::{
    InferenceCancelled, InferenceCompleted, InferenceFailed, InferenceId, PayloadRef, RequestId, ResponseId,
    UnixMillis, Usage,
};

/// What was seen of a call so far.
#[derive(Debug, Default, Clone)]
pub(super) struct Seen {
    pub(super) wire_request: Option<PayloadRef>,
    pub(super) response: Option<PayloadRef>,
    pub(super) wire_response: Option<PayloadRef>,
    /// What came that was no answer, or not all of one.
    pub(super) refused_response: Option<PayloadRef>,
    pub(super) response_id: Option<ResponseId>,
    pub(super) upstream_request_id: Option<RequestId>,
    pub(super) first_token_at: Option<UnixMillis>,
    pub(super) usage: Option<Usage>,
    pub(super) error: Option<String>,
    /// Whether there was an answer, be it stored or lost.
    pub(super) is_answered: bool,
}

impl Seen {
    /// Takes note of an answer, and gives the one that it takes the place of.
    pub(super) fn answer(&mut self, stored: Result<Stored, Lost>) -> Option<PayloadRef> {
        self.is_answered = true;
        match stored {
            Ok(Stored { reference, is_json: true }) => self.response.replace(reference),
            Ok(Stored { reference, is_json: false }) => self.wire_response.replace(reference),
            Err(_told) => None,
        }
    }

    pub(super) fn completed(self, id: &InferenceId, response_payload: PayloadRef) -> InferenceCompleted {
        InferenceCompleted {
            inference_call_id: id.clone(),
            response_id: self.response_id,
            response_payload,
            upstream_request_id: self.upstream_request_id,
            first_token_at_unix_ms: self.first_token_at,
            usage: self.usage,
            wire_payload: self.wire_response.or(self.refused_response).map(Box::new),
        }
    }

    pub(super) fn failed(
        self,
        id: &InferenceId,
        error: String,
        partial_response_payload: Option<PayloadRef>,
    ) -> InferenceFailed {
        InferenceFailed {
            inference_call_id: id.clone(),
            error,
            partial_response_payload,
            upstream_request_id: self.upstream_request_id,
            first_token_at_unix_ms: self.first_token_at,
            wire_payload: self.wire_response.or(self.refused_response).map(Box::new),
        }
    }

    pub(super) fn cancelled(
        self,
        id: &InferenceId,
        reason: String,
        partial_response_payload: Option<PayloadRef>,
    ) -> InferenceCancelled {
        InferenceCancelled {
            inference_call_id: id.clone(),
            reason,
            partial_response_payload,
            upstream_request_id: self.upstream_request_id,
            first_token_at_unix_ms: self.first_token_at,
            wire_payload: self.wire_response.or(self.refused_response).map(Box::new),
        }
    }
}

/// How a call ended.
pub(super) enum How {
    Completed,
    Failed(String),
    Cancelled(String),
}

impl How {
    pub(super) fn of(end: End, seen: &Seen) -> Self {
        match end {
            End::Completed => Self::Completed,
            End::Failed(error) => Self::Failed(error),
            End::Cancelled(reason) => Self::Cancelled(reason),
            End::Shutdown => Self::Cancelled(SHUT_DOWN.to_owned()),
            End::Closed => match &seen.error {
                Some(error) => Self::Failed(error.clone()),
                None if seen.is_answered => Self::Completed,
                None => Self::Cancelled(DROPPED.to_owned()),
            },
        }
    }
}
