//! Compaction: requests to a model to shorten a thread's history, and the installation of the shorter history.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use super::attempts::{Attempt, AttemptPlace};
use super::compaction_progress::{CompactionOutcome, CompactionProgress};
use super::end::End;
use super::inference::InferenceFacts;
use super::lifecycle::Lifecycle;
use super::settled::{SettledSlot, SettledSpan};
use super::span_end::SpanEnd;
use super::thread_recording::{JsonPayload, SpanRecording, ThreadRecording};
use super::turn::{TurnOperation, TurnScope};
use crate::bundle::{Body, Json, Lost};
use crate::event::{
    CompactionId, CompactionInstalled, CompactionRequestCompleted, CompactionRequestFailed, CompactionRequestId,
    CompactionRequestStarted, EndDetail, Event, EventKind, PayloadKind, PayloadRef, Timestamp,
};
use crate::layer::session::Session;
use crate::layer::session::live::{Live, end_live};
use crate::layer::session::open_operations::OpenOperation;
use crate::layer::session::reentrancy::lock;

/// The id of one compaction of a thread's history, shared by all its requests and its installation. Generated on first
/// use if the program gave none.
#[derive(Debug)]
pub(in crate::layer) struct SharedCompactionId {
    requested: Option<String>,
    id: OnceLock<CompactionId>,
}

impl SharedCompactionId {
    pub(in crate::layer) fn new(requested: Option<String>) -> Arc<Self> {
        Arc::new(Self { requested, id: OnceLock::new() })
    }

    fn id(&self, recording: &ThreadRecording) -> &CompactionId {
        self.id.get_or_init(|| match &self.requested {
            Some(requested) => requested.as_str().into(),
            None => recording.bundle.generate_id("compaction"),
        })
    }
}

/// Records that a shorter history was installed in place of the previous one. `body` is a `compaction_checkpoint` body.
pub(in crate::layer) fn record_compaction_installed(
    turn: &Arc<TurnOperation>,
    compaction_id: &SharedCompactionId,
    live: &Live,
    body: &dyn Body,
) {
    let at = Timestamp::now();
    if turn.session().is_off("a compaction") {
        return;
    }
    let Some((recording, scope)) = turn.ensure_started(at) else { return };
    match recording.of_no_span().store_json(PayloadKind::CompactionCheckpoint, body) {
        Ok(JsonPayload { reference, raw }) => {
            let id = compaction_id.id(recording).clone();
            let event = CompactionInstalled { compaction_id: id, checkpoint_payload: reference };
            recording.of(live).write_event(&scope.context, event, at);
            if let Some(raw) = raw {
                turn.write_payload_event(raw, &serde_json::json!({ "compaction_id": compaction_id.id(recording) }), at);
            }
        }
        Err(_counted) => {
            let lost = Lost::Event(EventKind::CompactionInstalled);
            recording.bundle.writer.report_dependent_loss(lost, "its checkpoint could not be stored");
        }
    }
}

/// A request to a model to compact a thread's history.
#[derive(Debug)]
pub(in crate::layer) struct CompactionOperation {
    turn: Arc<TurnOperation>,
    live: Live,
    compaction_id: Arc<SharedCompactionId>,
    facts: InferenceFacts,
    opened_at: Timestamp,
    pub(super) id: OnceLock<CompactionRequestId>,
    pub(super) lifecycle: Lifecycle,
    pub(super) progress: Mutex<CompactionProgress>,
    settled: SettledSlot,
    place: AttemptPlace<CompactionOperation>,
    /// `true` if a span inside that of the operation is a call of a model.
    has_call_inside: AtomicBool,
}

impl CompactionOperation {
    pub(in crate::layer) fn new(
        turn: Arc<TurnOperation>,
        compaction_id: Arc<SharedCompactionId>,
        facts: InferenceFacts,
        live: Live,
    ) -> Arc<Self> {
        let (opened_at, id) = (Timestamp::now(), OnceLock::new());
        Arc::new(Self {
            turn,
            live,
            compaction_id,
            facts,
            opened_at,
            id,
            lifecycle: Lifecycle::new(),
            progress: Mutex::default(),
            settled: SettledSlot::default(),
            place: AttemptPlace::default(),
            has_call_inside: AtomicBool::new(false),
        })
    }

    /// Returns the recording of the span and the scope of the turn, which is started if it is pending. Returns `None` if
    /// the thread cannot be recorded.
    pub(super) fn recording(&self, at: Timestamp) -> Option<(SpanRecording<'_>, &TurnScope)> {
        let (recording, scope) = self.turn.ensure_started(at)?;
        Some((recording.of(&self.live), scope))
    }

    pub(super) fn session(&self) -> &Arc<Session> {
        self.turn.session()
    }

    pub(in crate::layer) fn turn(&self) -> &Arc<TurnOperation> {
        &self.turn
    }

    /// Returns the live span of the request.
    pub(in crate::layer) fn live(&self) -> &Live {
        &self.live
    }

    pub(in crate::layer) fn compaction_id(&self) -> &Arc<SharedCompactionId> {
        &self.compaction_id
    }

    /// Records the request that is about to be sent, a `compaction_request` body. Starts the operation.
    pub(in crate::layer) fn record_request(self: &Arc<Self>, body: &dyn Body) {
        self.record_request_at(body, Timestamp::now());
    }

    fn record_request_at(self: &Arc<Self>, body: &dyn Body, at: Timestamp) {
        if self.session().is_off("a compaction request") {
            return;
        }
        let Some((recording, scope)) = self.recording(at) else { return };
        let stored = recording.store_json(PayloadKind::CompactionRequest, body);
        if !self.lifecycle.is_pending() {
            if let Ok(JsonPayload { reference, raw }) = stored {
                std::iter::once(reference).chain(raw).for_each(|body| self.write_payload_event(body, at));
            }
            return;
        }
        // An answer that came before the next question is complete.
        self.turn.thread().inside().settled.release_all();
        let mut is_first = false;
        self.lifecycle.start(self.session(), self, || {
            is_first = true;
            let Ok(JsonPayload { reference, .. }) = &stored else {
                let lost = Lost::Event(EventKind::CompactionRequestStarted);
                return Err(recording.bundle.writer.report_dependent_loss(lost, "its request could not be stored"));
            };
            let InferenceFacts { model, provider_name, settings: _ } = self.facts.clone();
            let started = CompactionRequestStarted {
                compaction_id: self.compaction_id.id(&recording).clone(),
                compaction_request_id: self.request_id(&recording).clone(),
                thread_id: recording.id.clone(),
                turn_id: scope.turn_id.clone(),
                model,
                provider_name,
                request_payload: reference.clone(),
            };
            recording.try_write_event(&scope.context, started, at)?;
            self.turn.progress().start_inside();
            Ok(())
        });
        if let Ok(JsonPayload { reference, raw }) = stored {
            // Another thread may have started the operation with its request first.
            let separate = (!is_first).then_some(reference);
            separate.into_iter().chain(raw).for_each(|body| self.write_payload_event(body, at));
        }
    }

    /// Returns the ids of the compaction and of this request that the log has, or will have once the request has
    /// started. Returns `None` if the thread is not recorded.
    pub(in crate::layer) fn allocate_ids(&self) -> Option<(&CompactionId, &CompactionRequestId)> {
        let recording = self.turn.thread().started()?;
        Some((self.compaction_id.id(recording), self.request_id(recording)))
    }

    fn request_id(&self, recording: &ThreadRecording) -> &CompactionRequestId {
        self.id.get_or_init(|| recording.bundle.generate_id("compaction_request"))
    }

    /// Starts an operation whose request was not recorded, with `{}` as its request.
    pub(super) fn start_without_request(self: &Arc<Self>) {
        if self.lifecycle.is_pending() {
            self.record_request_at(&Json(&serde_json::json!({})), self.opened_at);
        }
    }

    /// Records that a span inside that of the operation is a call of a model.
    pub(in crate::layer) fn add_call_inside(&self) {
        self.has_call_inside.store(true, Ordering::Relaxed);
    }

    /// Returns `true` if the request is a call of a model that a framework records inside the span of the operation, which
    /// itself records nothing: the call is evidence of the request, and another request was not sent.
    fn is_call_inside(&self) -> bool {
        let progress = lock(&self.progress);
        self.has_call_inside.load(Ordering::Relaxed) && !progress.has_response() && progress.error.is_none()
    }

    /// Writes a payload event for a payload that belongs to this request.
    pub(super) fn write_payload_event(self: &Arc<Self>, payload: PayloadRef, at: Timestamp) {
        self.turn.write_payload_event(payload, &serde_json::json!({ "compaction_request_id": self.id.get() }), at);
    }

    /// Records a body of any kind.
    pub(in crate::layer) fn record_payload(self: &Arc<Self>, kind: PayloadKind, body: &dyn Body) {
        match kind {
            PayloadKind::CompactionRequest => self.record_request(body),
            PayloadKind::CompactionResponse => self.record_response(body),
            PayloadKind::CompactionCheckpoint => {
                record_compaction_installed(&self.turn, &self.compaction_id, &self.live, body)
            }
            PayloadKind::InferenceRequest
            | PayloadKind::InferenceResponse
            | PayloadKind::ToolInvocation
            | PayloadKind::ToolResult
            | PayloadKind::ToolRuntimeEvent
            | PayloadKind::TerminalRuntimeEvent
            | PayloadKind::ProtocolEvent
            | PayloadKind::SessionMetadata
            | PayloadKind::AgentResult => {
                self.turn.record_separate_payload(
                    kind,
                    body,
                    &serde_json::json!({ "compaction_request_id": self.id.get() }),
                );
            }
        }
    }

    /// Returns `true` if a response was stored, whole or in part.
    pub(in crate::layer) fn has_response(&self) -> bool {
        lock(&self.progress).has_response()
    }

    /// Sets the error that the end event reports if the span closes without another end.
    pub(in crate::layer) fn set_error(&self, error: Option<String>) {
        if let Some(error) = error {
            let error = self.session().options.redact_text(EventKind::CompactionRequestFailed, &error).into_owned();
            lock(&self.progress).error = Some(error);
        }
    }

    /// Sets what the span of the request tells of its end.
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

    /// Returns the end event, and the response if the event has no field for it. Format 1 has no event for a cancelled
    /// request, so it is recorded as failed.
    fn end_event(
        &self,
        end: &End,
        recording: SpanRecording<'_>,
        compaction_request_id: CompactionRequestId,
    ) -> (Event, Option<PayloadRef>) {
        let compaction_id = self.compaction_id.id(&recording).clone();
        let mut progress = lock(&self.progress);
        let outcome = progress.take_outcome(end, self.lifecycle.unwound(end));
        let mut span_end = self.lifecycle.take_span_end();
        span_end.error_type = span_end.error_type.or_else(|| progress.refused_status());
        let has_failed = matches!(outcome, CompactionOutcome::Failed { .. });
        let EndDetail { ended_by, error_type, attributes } = span_end.detail(end, has_failed);
        match outcome {
            CompactionOutcome::Completed(response_payload) => {
                let completed = CompactionRequestCompleted {
                    compaction_id,
                    compaction_request_id,
                    response_payload,
                    ended_by,
                    error_type,
                    attributes,
                };
                (completed.into(), None)
            }
            CompactionOutcome::Failed { error, response } => {
                let failed = CompactionRequestFailed {
                    compaction_id,
                    compaction_request_id,
                    error,
                    ended_by,
                    error_type,
                    attributes,
                };
                (failed.into(), response)
            }
        }
    }
}

impl Attempt for CompactionOperation {
    fn place(&self) -> &AttemptPlace<Self> {
        &self.place
    }

    fn another(&self) -> Arc<Self> {
        let (turn, compaction_id) = (Arc::clone(&self.turn), Arc::clone(&self.compaction_id));
        Self::new(turn, compaction_id, self.facts.clone(), self.live.clone())
    }

    fn is_open(&self) -> bool {
        self.lifecycle.is_open()
    }

    fn is_answered(&self) -> bool {
        lock(&self.progress).is_answered()
    }

    fn end(self: &Arc<Self>, end: End, at: Timestamp) {
        match end {
            End::Shutdown => {}
            End::Closed | End::ClosedOk if self.is_call_inside() => {}
            End::Closed | End::ClosedOk | End::Completed | End::Failed(_) | End::Cancelled(_) => {
                self.start_without_request();
            }
        }
        let store_missing =
            |recording: SpanRecording<'_>| self.missing_response(&end).map(|body| recording.store_ready(body));
        let prepare = || {
            let (recording, scope) = self.recording(at)?;
            Some((recording, scope, store_missing(recording)))
        };
        self.lifecycle.end_after(self.session(), prepare, |(recording, scope, stored)| {
            let Some(id) = self.id.get() else { return };
            // Bytes of a response may have arrived meanwhile.
            if let Some(Ok(stored)) = stored.or_else(|| store_missing(recording)) {
                lock(&self.progress).response.get_or_insert(stored.reference);
            }
            let (event, separate) = self.end_event(&end, recording, id.clone());
            recording.write_event(&scope.context, event, at);
            self.turn.progress().end_inside(false);
            if let Some(response) = separate {
                self.write_payload_event(response, at);
            }
        });
    }
}

impl OpenOperation for CompactionOperation {
    fn end_at_shutdown(self: Arc<Self>) {
        self.settled.release();
        if self.lifecycle.is_open() {
            self.turn.progress().set_interrupted();
        }
        let at = Timestamp::now();
        self.end(End::Shutdown, at);
        end_live(&self.live, at);
    }
}
