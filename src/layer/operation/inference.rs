//! An inference call: one attempt to have a model answer.

use std::io::Write as _;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use super::inference_seen::{How, Seen};
use super::life::Life;
use super::recording::Recording;
use super::turn::TurnOperation;
use super::{End, OpenOperation};
use crate::bundle::{Body, BodyBuf, BodyError, Json, Lost, ReadyBody, Stored};
use crate::event::{
    Event, EventKind, InferenceId, InferenceStarted, PayloadKind, PayloadRef, RawJson, Timestamp, UnixMillis, Usage,
};
use crate::layer::live::Live;
use crate::layer::recorder::{Inner, locked};

/// What is known of a call before it starts.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(in crate::layer) struct InferenceFacts {
    pub(in crate::layer) model: String,
    pub(in crate::layer) provider_name: String,
}

#[derive(Debug)]
pub(in crate::layer) struct InferenceOperation {
    turn: Arc<TurnOperation>,
    live: Live,
    opened_at: Timestamp,
    facts: Mutex<InferenceFacts>,
    id: OnceLock<InferenceId>,
    life: Life,
    seen: Mutex<Seen>,
}

/// The body of a request or a response that is not known: `{}`.
struct Unknown;

impl Body for Unknown {
    fn encode(&self, out: &mut BodyBuf) -> Result<(), BodyError> {
        out.write_all(b"{}").map_err(BodyError::new)
    }
}

/// The body of a response that could not be stored.
fn lost_response() -> serde_json::Value {
    serde_json::json!({ "otel_trace.lost": "the response could not be stored" })
}

impl InferenceOperation {
    pub(in crate::layer) fn new(
        turn: Arc<TurnOperation>,
        opened_at: Timestamp,
        facts: InferenceFacts,
        live: Live,
    ) -> Arc<Self> {
        let (facts, seen) = (Mutex::new(facts), Mutex::default());
        let operation =
            Arc::new(Self { turn, live, opened_at, facts, id: OnceLock::new(), life: Life::default(), seen });
        operation.recorder().waits_for_request(&operation);
        operation
    }

    fn recorder(&self) -> &Arc<Inner> {
        self.turn.recorder()
    }

    pub(in crate::layer) fn turn(&self) -> &Arc<TurnOperation> {
        &self.turn
    }

    /// What is known by now of a call that has not started.
    pub(in crate::layer) fn know(&self, facts: InferenceFacts) {
        *locked(&self.facts) = facts;
    }

    /// Whether the request is still to come.
    pub(in crate::layer) fn is_pending(&self) -> bool {
        self.life.is_pending()
    }

    /// The request, which starts the call. Bytes that are not one JSON value are kept beside it and start nothing.
    pub(in crate::layer) fn request(self: &Arc<Self>, body: &dyn Body) {
        self.request_at(body, Timestamp::now());
    }

    /// The request, which became known at this time.
    pub(in crate::layer) fn request_at(self: &Arc<Self>, body: &dyn Body, at: Timestamp) {
        if self.recorder().is_off("an inference request") {
            return;
        }
        let Some((recording, _)) = self.turn.place(at) else { return };
        let beside = match recording.put(&self.live, PayloadKind::InferenceRequest, body) {
            Ok(Stored { reference, .. }) if !self.life.is_pending() => {
                // One that a shutdown overtook.
                Some(reference).filter(|_| !self.recorder().is_off("an inference request"))
            }
            Ok(Stored { reference, is_json: false }) => locked(&self.seen).wire_request.replace(reference),
            Ok(Stored { reference, is_json: true }) => self.start(reference, at),
            Err(_told) => {
                self.give_up("its request could not be stored");
                None
            }
        };
        // One that a shutdown overtook is counted already.
        if let Some(reference) = beside.filter(|_| !self.recorder().is_shut()) {
            self.keep_reference_beside(reference, at);
        }
    }

    fn id(&self, recording: &Recording) -> &InferenceId {
        self.id.get_or_init(|| recording.bundle.unique("inference"))
    }

    /// Gives the request back where the call started, or ended, without it meanwhile.
    fn start(self: &Arc<Self>, request_payload: PayloadRef, at: Timestamp) -> Option<PayloadRef> {
        let (recording, place) = self.turn.place(at)?;
        let InferenceFacts { model, provider_name } = locked(&self.facts).clone();
        let started = InferenceStarted {
            inference_call_id: self.id(recording).clone(),
            thread_id: recording.id.clone(),
            turn_id: place.turn_id.clone(),
            model,
            provider_name,
            request_payload: request_payload.clone(),
            request_input_mode: None,
            wire_payload: locked(&self.seen).wire_request.clone().map(Box::new),
        };
        let operation = || OpenOperation::Inference(Arc::clone(self));
        let mut unnamed = Some(request_payload);
        let write = || {
            unnamed = None;
            recording.append(&self.live, &place.context, started, at)
        };
        self.life.start(self.recorder(), operation, write);
        self.recorder().waits_no_more(self);
        unnamed
    }

    /// The call can't be in the log: its start must name a request.
    fn give_up(self: &Arc<Self>, reason: &str) {
        let Some((recording, _)) = self.turn.place(self.opened_at) else { return };
        let give_up = || Err(recording.bundle.writer.lose_dependent(Lost::Event(EventKind::InferenceStarted), reason));
        self.life.start(self.recorder(), || OpenOperation::Inference(Arc::clone(self)), give_up);
        self.recorder().waits_no_more(self);
    }

    fn keep_reference_beside(&self, payload: PayloadRef, at: Timestamp) {
        let Some((recording, _)) = self.turn.place(at) else { return };
        self.turn.say_beside(payload, &serde_json::json!({ "inference_call_id": self.id(recording) }), at);
    }

    /// What the model answered, whole or in part: the end says which.
    pub(in crate::layer) fn response(self: &Arc<Self>, body: &dyn Body) {
        let at = Timestamp::now();
        if self.recorder().is_off("an inference response") {
            return;
        }
        self.start_unknown(self.opened_at);
        let Some((recording, _)) = self.turn.place(at) else { return };
        let stored = self.put_response(recording, body);
        let named = stored.as_ref().ok().map(|stored| stored.reference.clone());
        let answer = || locked(&self.seen).answer(stored);
        // What comes after the end is named by an event of its own, as is what another took the place of.
        let beside = self.life.before_end(answer).unwrap_or(named);
        if let Some(reference) = beside {
            self.keep_reference_beside(reference, at);
        }
    }

    fn put_response(&self, recording: &Recording, body: &dyn Body) -> Result<Stored, Lost> {
        match self.life.is_open() {
            true => recording.put(&self.live, PayloadKind::InferenceResponse, body),
            false => recording.put_beside(PayloadKind::InferenceResponse, body),
        }
    }

    /// The provider's answer as it came, to its end. What came before it was no answer.
    pub(in crate::layer) fn whole_response(self: &Arc<Self>, body: &dyn Body) {
        let refused = locked(&self.seen).refused_response.take();
        if let Some(reference) = refused {
            self.keep_reference_beside(reference, Timestamp::now());
        }
        self.response(body);
    }

    /// What came back from the provider that is no answer, or not a whole one.
    pub(in crate::layer) fn refused_response(self: &Arc<Self>, body: &dyn Body) {
        let at = Timestamp::now();
        if self.recorder().is_off("an inference response") {
            return;
        }
        self.start_unknown(self.opened_at);
        let Some((recording, _)) = self.turn.place(at) else { return };
        let Ok(Stored { reference, .. }) = self.put_response(recording, body) else { return };
        let named = || locked(&self.seen).refused_response.replace(reference.clone());
        if let Some(reference) = self.life.before_end(named).unwrap_or(Some(reference)) {
            self.keep_reference_beside(reference, at);
        }
    }

    /// A piece of the answer, as it came.
    pub(in crate::layer) fn chunk(self: &Arc<Self>, number: u64, body: &dyn Body) {
        self.start_unknown(self.opened_at);
        let Some((recording, _)) = self.turn.place(Timestamp::now()) else { return };
        let about = serde_json::json!({ "inference_call_id": self.id(recording), "chunk": number });
        self.turn.keep_beside(PayloadKind::InferenceResponse, body, &about);
    }

    /// What the span's fields say of the answer, where no body did.
    pub(in crate::layer) fn response_of_fields(self: &Arc<Self>, body: &dyn Body) {
        let is_known = locked(&self.seen).response.is_some();
        if !is_known {
            self.response(body);
        }
    }

    /// Whether nothing that is said of it now can be in its end.
    pub(in crate::layer) fn is_over(&self) -> bool {
        self.life.is_over()
    }

    /// A body of any kind.
    pub(in crate::layer) fn payload(self: &Arc<Self>, kind: PayloadKind, body: &dyn Body) {
        if kind == PayloadKind::InferenceRequest {
            return self.request(body);
        }
        if kind == PayloadKind::InferenceResponse {
            return self.response(body);
        }
        let Some((recording, _)) = self.turn.place(Timestamp::now()) else { return };
        self.turn.keep_beside(kind, body, &serde_json::json!({ "inference_call_id": self.id(recording) }));
    }

    pub(in crate::layer) fn first_token(&self) {
        let _ = self.note(|seen| seen.first_token_at = seen.first_token_at.or_else(|| Some(UnixMillis::now())));
    }

    /// The first piece of the answer came so long after the call was opened.
    pub(in crate::layer) fn first_token_after(&self, delay: Duration) {
        let at = self.opened_at.unix_ms().after(delay);
        locked(&self.seen).first_token_at.get_or_insert(at);
    }

    pub(in crate::layer) fn response_id(&self, id: &str) {
        let noted = self.note(|seen| seen.response_id = Some(id.into()));
        self.say_late(noted, || serde_json::json!({ "response_id": id }));
    }

    pub(in crate::layer) fn upstream_request_id(&self, id: &str) {
        let noted = self.note(|seen| seen.upstream_request_id = Some(id.into()));
        self.say_late(noted, || serde_json::json!({ "upstream_request_id": id }));
    }

    pub(in crate::layer) fn usage(&self, usage: Usage) {
        let noted = self.note(|seen| seen.usage = Some(usage));
        self.say_late(noted, || serde_json::json!({ "usage": usage }));
    }

    /// What comes after the end is evidence still.
    fn say_late(&self, noted: Option<()>, what: impl FnOnce() -> serde_json::Value) {
        if noted.is_none() {
            let about = serde_json::json!({ "inference_call_id": self.id.get(), "said": what() });
            let summary = "said of an inference call after its end";
            self.turn.thread().other("late", summary, RawJson::of(&about));
        }
    }

    /// Something that the end shall say. None where that came first.
    fn note(&self, note: impl FnOnce(&mut Seen)) -> Option<()> {
        if self.recorder().is_off("what was seen of an inference call") {
            return Some(());
        }
        self.life.before_end(|| note(&mut locked(&self.seen)))
    }

    pub(in crate::layer) fn note_error(&self, error: Option<String>) {
        if let Some(error) = error {
            let error = self.recorder().options.text(EventKind::InferenceFailed, &error).into_owned();
            locked(&self.seen).error = Some(error);
        }
    }

    pub(in crate::layer) fn note_error_if_none(&self, error: impl FnOnce() -> String) {
        locked(&self.seen).error.get_or_insert_with(error);
    }

    /// Whether there was an answer, be it stored or lost.
    pub(in crate::layer) fn is_answered(&self) -> bool {
        locked(&self.seen).is_answered
    }

    /// Starts a call whose request never became known.
    fn start_unknown(self: &Arc<Self>, at: Timestamp) {
        if !self.life.is_pending() || self.recorder().is_off("an inference request") {
            return;
        }
        let Some((recording, _)) = self.turn.place(at) else { return };
        match recording.put(&self.live, PayloadKind::InferenceRequest, &Unknown) {
            // Where its request came in the meantime, this says nothing.
            Ok(stored) => drop(self.start(stored.reference, at)),
            Err(_told) => self.give_up("its request could not be stored"),
        }
    }

    /// Starts a call whose request will not become known any more.
    pub(in crate::layer) fn give_up_waiting(self: &Arc<Self>) {
        self.start_unknown(self.opened_at);
    }

    pub(in crate::layer) fn end(self: &Arc<Self>, end: End) {
        let at = Timestamp::now();
        if !matches!(end, End::Shutdown) {
            self.start_unknown(self.opened_at);
        }
        if !self.life.is_open() {
            return;
        }
        let Some((recording, _)) = self.turn.place(at) else { return };
        // Before the lock of the end, for which nobody shall wait longer than a line takes.
        let stand_in = self.missing_response(&end).map(|body| recording.store(&self.live, body));
        self.life.end(self.recorder(), || self.write_end(end, stand_in, at));
    }

    /// The body that a completed call must name, where there is none yet.
    fn missing_response(&self, end: &End) -> Option<ReadyBody> {
        let seen = locked(&self.seen).clone();
        let is_completed = matches!(How::of(end.clone(), &seen), How::Completed);
        (is_completed && seen.response.is_none()).then(|| self.stand_in(&seen))
    }

    fn stand_in(&self, seen: &Seen) -> ReadyBody {
        let is_lost = seen.is_answered && seen.wire_response.is_none();
        let body: &dyn Body = if is_lost { &Json(&lost_response()) } else { &Unknown };
        self.recorder().options.ready(PayloadKind::InferenceResponse, body)
    }

    fn write_end(self: &Arc<Self>, end: End, stand_in: Option<Result<Stored, Lost>>, at: Timestamp) {
        let (Some((recording, place)), Some(id)) = (self.turn.place(at), self.id.get()) else { return };
        // Only now: an answer may have come while the end was on its way.
        let mut seen = locked(&self.seen).clone();
        let how = How::of(end, &seen);
        let response = seen.response.take().or_else(|| match how {
            How::Completed => {
                // Where it has become known only now that there must be one, it is stored here.
                let stored = stand_in.unwrap_or_else(|| recording.store(&self.live, self.stand_in(&seen)));
                stored.ok().map(|stored| stored.reference)
            }
            How::Failed(_) | How::Cancelled(_) => None,
        });
        let event: Event = match (how, response) {
            (How::Completed, Some(response_payload)) => seen.completed(id, response_payload).into(),
            (How::Completed, None) => {
                let what = Lost::Event(EventKind::InferenceCompleted);
                recording.bundle.writer.lose_dependent(what, "its response could not be stored");
                return;
            }
            (How::Failed(error), partial) => seen.failed(id, error, partial).into(),
            (How::Cancelled(reason), partial) => seen.cancelled(id, reason, partial).into(),
        };
        recording.say(&self.live, &place.context, event, at);
    }
}

impl Drop for InferenceOperation {
    fn drop(&mut self) {
        self.recorder().waits_no_more(self);
    }
}
