//! An inference call: one request to a model, with its response.

use std::io::Write as _;
use std::sync::{Arc, Mutex, OnceLock, Weak};

use super::attempts::{Attempt, AttemptPlace};
use super::end::End;
use super::inference_progress::{InferenceOutcome, InferenceProgress, Unanswered};
use super::lifecycle::Lifecycle;
use super::settled::{SettledSlot, SettledSpan};
use super::span_end::SpanEnd;
use super::thread_recording::{SpanRecording, ThreadRecording};
use super::turn::{TurnOperation, TurnScope};
use crate::bundle::{Body, BodyBuf, BodyError, Json, Lost, ReadyBody, Stored};
use crate::event::{Event, EventKind, InferenceId, PayloadKind, PayloadRef, Timestamp};
use crate::layer::session::Session;
use crate::layer::session::live::{Live, end_live};
use crate::layer::session::open_operations::OpenOperation;
use crate::layer::session::reentrancy::lock;
use crate::layer::session::unwritten::Unwritten;
use crate::semconv;

/// Attributes of an inference call that are known before it starts.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(in crate::layer) struct InferenceFacts {
    pub(in crate::layer) model: String,
    pub(in crate::layer) provider_name: String,
    /// Settings of the request, which are recorded in place of a request that is not known.
    pub(in crate::layer) settings: serde_json::Map<String, serde_json::Value>,
}

/// An inference call that a span or a handle opened.
#[derive(Debug)]
pub(in crate::layer) struct InferenceOperation {
    /// The turn in which the call was opened.
    pub(super) turn: Arc<TurnOperation>,
    /// The turn of the question in its request, if the turn in which it was opened was over by then.
    pub(super) asked_in: OnceLock<Arc<TurnOperation>>,
    pub(super) live: Live,
    pub(super) opened_at: Timestamp,
    pub(super) facts: Mutex<InferenceFacts>,
    pub(super) id: OnceLock<InferenceId>,
    pub(super) lifecycle: Lifecycle,
    pub(super) progress: Mutex<InferenceProgress>,
    pub(super) settled: SettledSlot,
    place: AttemptPlace<InferenceOperation>,
}

/// The body `{}`, which stands for a request or response that was not recorded.
struct EmptyObject;

impl Body for EmptyObject {
    fn encode(&self, out: &mut BodyBuf) -> Result<(), BodyError> {
        out.write_all(b"{}").map_err(BodyError::new)
    }
}

/// Returns the body that stands for a response which could not be stored.
fn lost_response_body() -> serde_json::Value {
    serde_json::json!({ (semconv::LOST): "the response could not be stored" })
}

impl InferenceOperation {
    pub(in crate::layer) fn new(
        turn: Arc<TurnOperation>,
        opened_at: Timestamp,
        facts: InferenceFacts,
        live: Live,
    ) -> Arc<Self> {
        let operation = Arc::new(Self {
            turn,
            asked_in: OnceLock::new(),
            live,
            opened_at,
            facts: Mutex::new(facts),
            id: OnceLock::new(),
            lifecycle: Lifecycle::new(),
            progress: Mutex::default(),
            settled: SettledSlot::default(),
            place: AttemptPlace::default(),
        });
        operation.session().add_unwritten(&operation);
        operation
    }

    /// Returns the recording of the span and the scope of the turn, which is started if it is pending. Returns `None` if
    /// the thread cannot be recorded.
    pub(super) fn recording(&self, at: Timestamp) -> Option<(SpanRecording<'_>, &TurnScope)> {
        let (recording, scope) = self.turn().ensure_started(at)?;
        Some((recording.of(&self.live), scope))
    }

    pub(super) fn session(&self) -> &Arc<Session> {
        self.turn().session()
    }

    /// Returns the turn of the call.
    pub(in crate::layer) fn turn(&self) -> &Arc<TurnOperation> {
        self.asked_in.get().unwrap_or(&self.turn)
    }

    /// Replaces the attributes of a call that has not started.
    pub(in crate::layer) fn set_facts(&self, facts: InferenceFacts) {
        *lock(&self.facts) = facts;
    }

    /// Returns `true` if the call has neither started nor ended: its request is still to come.
    pub(in crate::layer) fn is_pending(&self) -> bool {
        self.lifecycle.is_pending()
    }

    /// Returns the id that the call has in the log, or will have there once it has started. Returns `None` if its thread
    /// is not recorded.
    pub(in crate::layer) fn allocate_id(&self) -> Option<&InferenceId> {
        self.turn().thread().started().map(|recording| self.id(recording))
    }

    pub(super) fn id(&self, recording: &ThreadRecording) -> &InferenceId {
        self.id.get_or_init(|| recording.bundle.generate_id("inference"))
    }

    /// Writes a payload event for a payload that belongs to this call.
    pub(super) fn write_payload_event(&self, payload: PayloadRef, at: Timestamp) {
        let Some((recording, _)) = self.recording(at) else { return };
        self.turn().write_payload_event(payload, &serde_json::json!({ "inference_call_id": self.id(&recording) }), at);
    }

    /// Returns `true` if the call has ended or will never start: its end event takes no further data.
    pub(in crate::layer) fn is_ended(&self) -> bool {
        self.lifecycle.is_ended()
    }

    /// Records a body of any kind.
    pub(in crate::layer) fn record_payload(self: &Arc<Self>, kind: PayloadKind, body: &dyn Body) {
        if kind == PayloadKind::InferenceRequest {
            return self.record_request(body);
        }
        if kind == PayloadKind::InferenceResponse {
            return self.record_response(body);
        }
        let Some((recording, _)) = self.recording(Timestamp::now()) else { return };
        self.turn().record_separate_payload(
            kind,
            body,
            &serde_json::json!({ "inference_call_id": self.id(&recording) }),
        );
    }

    /// Sets the error that the end event reports if the span closes without another end.
    pub(in crate::layer) fn set_error(&self, error: Option<String>) {
        if let Some(error) = error {
            let error = self.session().options.redact_text(EventKind::InferenceFailed, &error).into_owned();
            lock(&self.progress).error = Some(error);
        }
    }

    /// Sets the error if none has been set.
    pub(in crate::layer) fn set_error_if_none(&self, error: impl FnOnce() -> String) {
        lock(&self.progress).error.get_or_insert_with(error);
    }

    /// Returns `true` if there was a response, whether it was stored or lost.
    pub(in crate::layer) fn has_response(&self) -> bool {
        lock(&self.progress).has_response
    }

    /// Returns `true` if the client received an HTTP error.
    pub(in crate::layer) fn is_refused(&self) -> bool {
        lock(&self.progress).unanswered == Some(Unanswered::Refused)
    }

    /// Sets what the span of the call tells of its end.
    pub(in crate::layer) fn set_span_end(&self, span_end: SpanEnd) {
        self.lifecycle.set_span_end(span_end);
    }

    /// Records that the operation had settled, and ends while its span stays open.
    pub(in crate::layer) fn set_settled(&self) {
        self.lifecycle.set_settled();
    }

    /// Sets the span, which has settled: the shutdown ends the call at that time.
    pub(in crate::layer) fn settle(&self, span: &Weak<dyn SettledSpan>) {
        self.settled.set(Weak::clone(span));
    }

    /// Returns a placeholder for the response of a call that completes without one: its end event must reference a
    /// response. Returns `None` if no placeholder is needed.
    fn missing_response(&self, end: &End) -> Option<ReadyBody> {
        let progress = lock(&self.progress).clone();
        let outcome = InferenceOutcome::from_end(end.clone(), &progress, self.lifecycle.unwound(end));
        let is_completed = matches!(outcome, InferenceOutcome::Completed);
        (is_completed && progress.response.is_none()).then(|| self.placeholder(&progress))
    }

    /// Returns the body that stands for a response that was not recorded or could not be stored.
    fn placeholder(&self, progress: &InferenceProgress) -> ReadyBody {
        let is_lost = progress.has_response && progress.wire_response.is_none();
        let body: &dyn Body = if is_lost { &Json(&lost_response_body()) } else { &EmptyObject };
        self.session().options.prepare_body(PayloadKind::InferenceResponse, body)
    }

    fn write_end(self: &Arc<Self>, end: &End, placeholder: Option<Result<Stored, Lost>>, at: Timestamp) {
        let (Some((recording, scope)), Some(id)) = (self.recording(at), self.id.get()) else { return };
        // Read under the lifecycle's lock: a response may have arrived after `end` was called.
        let mut progress = lock(&self.progress).clone();
        let unwound = self.lifecycle.unwound(end);
        let outcome = InferenceOutcome::from_end(end.clone(), &progress, unwound);
        let has_failed = matches!(outcome, InferenceOutcome::Failed(_));
        let mut span_end = self.lifecycle.take_span_end();
        span_end.error_type = span_end.error_type.or_else(|| progress.refused_status());
        let detail = span_end.detail(end, has_failed);
        let is_answered = matches!(outcome, InferenceOutcome::Completed) && progress.is_final_answer;
        self.turn().progress().end_inside(is_answered);
        self.turn().progress().last_call().end(&**self, outcome.clone().into());
        let response = progress.response.take().or_else(|| match outcome {
            InferenceOutcome::Completed => {
                // The response may have turned out to be missing only under the lock. Then the placeholder is stored
                // here.
                let stored = placeholder.unwrap_or_else(|| recording.store_ready(self.placeholder(&progress)));
                stored.ok().map(|stored| stored.reference)
            }
            InferenceOutcome::Failed(_) | InferenceOutcome::Cancelled(_) => None,
        });
        let event: Event = match (outcome, response) {
            (InferenceOutcome::Completed, Some(response_payload)) => {
                progress.completed(id, response_payload, detail).into()
            }
            (InferenceOutcome::Completed, None) => {
                let lost = Lost::Event(EventKind::InferenceCompleted);
                recording.bundle.writer.report_dependent_loss(lost, "its response could not be stored");
                return;
            }
            (InferenceOutcome::Failed(error), partial) => progress.failed(id, error, partial, detail).into(),
            (InferenceOutcome::Cancelled(reason), partial) => progress.cancelled(id, reason, partial, detail).into(),
        };
        recording.write_event(&scope.context, event, at);
    }
}

impl Attempt for InferenceOperation {
    fn place(&self) -> &AttemptPlace<Self> {
        &self.place
    }

    fn another(&self) -> Arc<Self> {
        let (turn, facts) = (Arc::clone(self.turn()), lock(&self.facts).clone());
        Self::new(turn, Timestamp::now(), facts, self.live.clone())
    }

    fn is_open(&self) -> bool {
        self.lifecycle.is_open()
    }

    fn is_answered(&self) -> bool {
        lock(&self.progress).is_answered()
    }

    fn end(self: &Arc<Self>, end: End, at: Timestamp) {
        if !matches!(end, End::Shutdown) {
            self.start_without_request(self.opened_at);
        }
        if !self.lifecycle.is_open() {
            return;
        }
        let prepare = || {
            let (recording, _) = self.recording(at)?;
            Some(self.missing_response(&end).map(|body| recording.store_ready(body)))
        };
        self.lifecycle.end_after(self.session(), prepare, |placeholder| self.write_end(&end, placeholder, at));
    }
}

impl OpenOperation for InferenceOperation {
    fn end_at_shutdown(self: Arc<Self>) {
        self.settled.release();
        if self.is_open() {
            self.turn().progress().set_interrupted();
        }
        let at = Timestamp::now();
        self.end(End::Shutdown, at);
        end_live(&self.live, at);
    }
}

impl Unwritten for InferenceOperation {
    fn write(self: Arc<Self>) {
        self.start_without_request(self.opened_at);
    }
}

impl Drop for InferenceOperation {
    fn drop(&mut self) {
        self.session().remove_unwritten(self);
    }
}
