//! The recorded parts of an inference call, and the end event made from them.

use super::end::{ENDED_EARLY, End, SHUT_DOWN, UNANSWERED};
use super::last_inside::Outcome;
use crate::bundle::{Body, Lost, Stored, WriterOptions};
use crate::event::{
    EndDetail, InferenceCancelled, InferenceCompleted, InferenceFailed, InferenceId, PayloadKind, PayloadRef,
    ResponseId, UnixMillis, UpstreamRequestId, Usage,
};
use crate::provider::{StreamFault, stream_fault};

/// Parts of an inference call that have been recorded so far.
#[derive(Debug, Default, Clone)]
pub(super) struct InferenceProgress {
    /// Exact bytes of the request, if they are not one JSON value.
    pub(super) wire_request: Option<PayloadRef>,
    pub(super) response: Option<PayloadRef>,
    /// `true` if `response` was made from the fields of the span.
    pub(super) is_response_from_fields: bool,
    /// `true` if `response` is a body of the program, or one from the fields of the span that has the output.
    pub(super) has_output: bool,
    /// `true` if the response is known and asks for no tool.
    pub(super) is_final_answer: bool,
    /// Exact bytes of the response, if they are not one JSON value.
    pub(super) wire_response: Option<PayloadRef>,
    /// A response of the provider that is incomplete or reports an error.
    pub(super) failed_response: Option<PayloadRef>,
    /// The HTTP status of the response.
    pub(super) http_status: Option<u16>,
    /// What the client observed of a response that is no answer.
    pub(super) unanswered: Option<Unanswered>,
    pub(super) response_id: Option<ResponseId>,
    pub(super) upstream_request_id: UpstreamRequestId,
    pub(super) first_token_at: Option<UnixMillis>,
    /// `true` if a framework reported the delay of the first token, as it does of streams whose content it does not
    /// record. That a program has received a first token does not tell whether it received the last.
    pub(super) has_reported_delay: bool,
    pub(super) usage: Option<Usage>,
    pub(super) error: Option<String>,
    /// `true` if there was a response, whether it was stored or lost.
    pub(super) has_response: bool,
}

/// What a client observed of a response that is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// An HTTP error.
    Refused,
    /// A stream with an error of the provider.
    Error(String),
    /// A part of a response: the connection broke, or a stream ended without its last event.
    EndedEarly,
}

impl Unanswered {
    /// Returns what a response that is incomplete or an HTTP error tells: a stream may report an error of the provider before
    /// the connection breaks.
    pub(super) fn in_failed_response(options: &WriterOptions, body: &dyn Body, is_refusal: bool) -> Self {
        if is_refusal {
            return Self::Refused;
        }
        let ready = options.prepare_body(PayloadKind::InferenceResponse, body);
        match stream_fault(ready.bytes()) {
            Some(StreamFault::Error(error)) => Self::Error(error),
            Some(StreamFault::EndedEarly) | None => Self::EndedEarly,
        }
    }

    /// Returns the error of a call that the provider refused, or whose stream has an error of the provider. Returns `None`
    /// for any other call.
    pub(super) fn provider_error(&self, http_status: Option<u16>) -> Option<String> {
        match (self, http_status) {
            (Self::Refused, Some(status)) => Some(format!("the provider answered with HTTP status {status}")),
            (Self::Refused, None) => Some("the provider refused the request".to_owned()),
            (Self::Error(error), _) => Some(error.clone()),
            (Self::EndedEarly, _) => None,
        }
    }

    /// Returns the HTTP status of a call that the provider refused, as the type of its error.
    pub(super) fn refused_status(&self, http_status: Option<u16>) -> Option<String> {
        http_status.filter(|_| *self == Self::Refused).map(|status| status.to_string())
    }
}

impl From<StreamFault> for Unanswered {
    fn from(fault: StreamFault) -> Self {
        match fault {
            StreamFault::Error(error) => Self::Error(error),
            StreamFault::EndedEarly => Self::EndedEarly,
        }
    }
}

impl InferenceProgress {
    /// Returns `true` if the model answered: there was a response, and not only a part of one. A response that the program
    /// has put together counts, whatever the client observed.
    pub(super) fn is_answered(&self) -> bool {
        self.has_response && (self.unanswered.is_none() || self.has_output)
    }

    /// Returns the error of a call that the provider refused, or whose stream has an error of the provider. Returns `None`
    /// for any other call.
    fn provider_error(&self) -> Option<String> {
        self.unanswered.as_ref()?.provider_error(self.http_status)
    }

    /// Records a response, stored or lost. Returns the response that it replaces, unless that was made from the fields of
    /// the span.
    pub(super) fn set_response(&mut self, stored: Result<Stored, Lost>) -> Option<PayloadRef> {
        self.has_response = true;
        match stored {
            Ok(Stored { reference, is_json: true }) => {
                let was_from_fields = std::mem::take(&mut self.is_response_from_fields);
                self.response.replace(reference).filter(|_| !was_from_fields)
            }
            Ok(Stored { reference, is_json: false }) => self.wire_response.replace(reference),
            Err(_counted) => None,
        }
    }

    /// Returns `true` if the model answered, even if the answer itself is not known: its id, its token usage or the delay
    /// of its first token was reported. A response that was cut short is no answer.
    fn has_sign_of_response(&self) -> bool {
        let is_reported = self.response_id.is_some() || self.usage.is_some() || self.has_reported_delay;
        is_reported && self.failed_response.is_none()
    }

    /// Returns the HTTP status of a call that the provider refused, as the type of its error.
    pub(super) fn refused_status(&self) -> Option<String> {
        self.unanswered.as_ref()?.refused_status(self.http_status)
    }

    /// Returns the end event of a completed call.
    pub(super) fn completed(
        self,
        id: &InferenceId,
        response_payload: PayloadRef,
        detail: EndDetail,
    ) -> InferenceCompleted {
        let EndDetail { ended_by, error_type, attributes } = detail;
        InferenceCompleted {
            inference_call_id: id.clone(),
            response_id: self.response_id,
            response_payload,
            upstream_request_id: self.upstream_request_id,
            first_token_at_unix_ms: self.first_token_at,
            usage: self.usage,
            wire_payload: self.wire_response.or(self.failed_response).map(Box::new),
            ended_by,
            error_type,
            attributes,
        }
    }

    /// Returns the end event of a failed call.
    pub(super) fn failed(
        self,
        id: &InferenceId,
        error: String,
        partial_response_payload: Option<PayloadRef>,
        detail: EndDetail,
    ) -> InferenceFailed {
        let EndDetail { ended_by, error_type, attributes } = detail;
        InferenceFailed {
            inference_call_id: id.clone(),
            error,
            partial_response_payload,
            upstream_request_id: self.upstream_request_id,
            first_token_at_unix_ms: self.first_token_at,
            usage: self.usage,
            wire_payload: self.wire_response.or(self.failed_response).map(Box::new),
            ended_by,
            error_type,
            attributes,
        }
    }

    /// Returns the end event of a cancelled call.
    pub(super) fn cancelled(
        self,
        id: &InferenceId,
        reason: String,
        partial_response_payload: Option<PayloadRef>,
        detail: EndDetail,
    ) -> InferenceCancelled {
        let EndDetail { ended_by, error_type, attributes } = detail;
        InferenceCancelled {
            inference_call_id: id.clone(),
            reason,
            partial_response_payload,
            upstream_request_id: self.upstream_request_id,
            first_token_at_unix_ms: self.first_token_at,
            usage: self.usage,
            wire_payload: self.wire_response.or(self.failed_response).map(Box::new),
            ended_by,
            error_type,
            attributes,
        }
    }
}

/// The outcome of an inference call, which determines its end event.
#[derive(Debug, Clone)]
pub(super) enum InferenceOutcome {
    Completed,
    Failed(String),
    Cancelled(String),
}

impl InferenceOutcome {
    /// Returns the outcome of a call that ends with `end`. If its span closed, an error fails the call; a response, or
    /// any sign of one, completes it; an HTTP error and a panic that unwinds through it fail it; and a call without any of
    /// these, or with a part of a response only, is cancelled. `unwound` is the error of such a panic.
    pub(super) fn from_end(end: End, progress: &InferenceProgress, unwound: Option<&str>) -> Self {
        match end {
            End::Completed | End::ClosedOk => Self::Completed,
            End::Failed(error) => Self::Failed(error),
            End::Cancelled(reason) => Self::Cancelled(reason),
            End::Shutdown => Self::Cancelled(SHUT_DOWN.to_owned()),
            End::Closed => match &progress.error {
                Some(error) => Self::Failed(error.clone()),
                None if progress.is_answered() => Self::Completed,
                None => match progress.provider_error().or_else(|| unwound.map(str::to_owned)) {
                    Some(error) => Self::Failed(error),
                    None if progress.unanswered == Some(Unanswered::EndedEarly) => {
                        Self::Cancelled(ENDED_EARLY.to_owned())
                    }
                    None if progress.has_sign_of_response() => Self::Completed,
                    None => Self::Cancelled(UNANSWERED.to_owned()),
                },
            },
        }
    }
}

impl From<InferenceOutcome> for Outcome {
    fn from(outcome: InferenceOutcome) -> Self {
        match outcome {
            InferenceOutcome::Completed => Self::Completed,
            InferenceOutcome::Failed(error) => Self::Failed(error),
            InferenceOutcome::Cancelled(reason) => Self::Cancelled(reason),
        }
    }
}
