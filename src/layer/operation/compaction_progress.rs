//! The recorded parts of a compaction request, and the outcome that follows from them.

use super::end::{ENDED_EARLY, End, SHUT_DOWN, UNANSWERED};
use super::inference_progress::Unanswered;
use super::thread_recording::pointer_to;
use crate::event::PayloadRef;

/// Parts of a compaction request that have been recorded so far.
#[derive(Debug, Default)]
pub(super) struct CompactionProgress {
    /// A response in JSON: a body of the program, or one that its client received whole.
    pub(super) response: Option<PayloadRef>,
    /// Exact bytes of the response, if they are not JSON.
    pub(super) wire_response: Option<PayloadRef>,
    /// The HTTP status of the response.
    pub(super) http_status: Option<u16>,
    /// What the client observed of a response that is no answer.
    pub(super) unanswered: Option<Unanswered>,
    pub(super) error: Option<String>,
}

/// The outcome of a compaction request, which determines its end event.
#[derive(Debug)]
pub(super) enum CompactionOutcome {
    Completed(PayloadRef),
    Failed {
        error: String,
        /// A response that arrived nevertheless, whole or in part.
        response: Option<PayloadRef>,
    },
}

impl CompactionProgress {
    /// Returns `true` if the model answered: there was a response, and not only a part of one. A response that the program
    /// has put together counts, whatever the client observed.
    pub(super) fn is_answered(&self) -> bool {
        self.response.is_some() || self.wire_response.is_some() && self.unanswered.is_none()
    }

    /// Returns `true` if a response was stored, whole or in part.
    pub(super) fn has_response(&self) -> bool {
        self.response.is_some() || self.wire_response.is_some()
    }

    /// Returns the body that stands for the response of a request that completes without one in JSON. Returns `None` if
    /// there is one, or if the request does not complete.
    pub(super) fn missing_response(&self, end: &End) -> Option<serde_json::Value> {
        if self.response.is_some() {
            return None;
        }
        let is_completed = match end {
            End::Completed => true,
            End::ClosedOk => self.wire_response.is_some(),
            End::Closed => self.error.is_none() && self.is_answered(),
            End::Failed(_) | End::Cancelled(_) | End::Shutdown => false,
        };
        let body = || self.wire_response.as_ref().map_or_else(|| serde_json::json!({}), pointer_to);
        is_completed.then(body)
    }

    /// Takes the outcome of a request that ends with `end`. If its span closed, the outcome follows as that of an inference
    /// call does. `unwound` is the error of a panic that unwinds through it.
    pub(super) fn take_outcome(&mut self, end: &End, unwound: Option<&str>) -> CompactionOutcome {
        let error = match end {
            End::Failed(error) | End::Cancelled(error) => Some(error.clone()),
            End::Shutdown => Some(SHUT_DOWN.to_owned()),
            End::Closed if self.error.is_none() && !self.is_answered() => Some(self.missing_answer(unwound)),
            End::Closed => self.error.take(),
            End::ClosedOk | End::Completed => None,
        };
        match (error, self.response.take()) {
            (None, Some(response)) => CompactionOutcome::Completed(response),
            (Some(error), response) => CompactionOutcome::Failed { error, response },
            (None, None) => CompactionOutcome::Failed { error: self.missing_answer(unwound), response: None },
        }
    }

    /// Returns why there is no answer.
    fn missing_answer(&self, unwound: Option<&str>) -> String {
        let error = self.unanswered.as_ref().and_then(|unanswered| unanswered.provider_error(self.http_status));
        error.unwrap_or_else(|| match unwound {
            Some(unwound) => unwound.to_owned(),
            None if self.unanswered == Some(Unanswered::EndedEarly) => ENDED_EARLY.to_owned(),
            None => UNANSWERED.to_owned(),
        })
    }

    /// Returns the HTTP status of a request that the provider refused, as the type of its error.
    pub(super) fn refused_status(&self) -> Option<String> {
        self.unanswered.as_ref()?.refused_status(self.http_status)
    }
}
