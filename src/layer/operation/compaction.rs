//! Compaction: requests to make a long history shorter, and what is installed in its place.

use std::sync::{Arc, Mutex, OnceLock};

use super::life::Life;
use super::recording::{AsJson, Recording};
use super::turn::TurnOperation;
use super::{DROPPED, End, InferenceFacts, OpenOperation, SHUT_DOWN};
use crate::bundle::{Body, Json, Lost, ReadyBody};
use crate::event::{
    CompactionId, CompactionInstalled, CompactionRequestCompleted, CompactionRequestFailed, CompactionRequestId,
    CompactionRequestStarted, Event, EventKind, PayloadKind, PayloadRef, Timestamp,
};
use crate::layer::live::Live;
use crate::layer::recorder::{Inner, locked};

/// One compaction of a thread's history: all requests for it and its installation share the id.
#[derive(Debug)]
pub(in crate::layer) struct CompactionName {
    given: Option<String>,
    id: OnceLock<CompactionId>,
}

impl CompactionName {
    pub(in crate::layer) fn new(given: Option<String>) -> Arc<Self> {
        Arc::new(Self { given, id: OnceLock::new() })
    }

    fn id(&self, recording: &Recording) -> &CompactionId {
        self.id.get_or_init(|| match &self.given {
            Some(given) => given.as_str().into(),
            None => recording.bundle.unique("compaction"),
        })
    }
}

/// Puts a shorter history in place of the longer one, a `compaction_checkpoint` body.
pub(in crate::layer) fn install(turn: &Arc<TurnOperation>, name: &CompactionName, live: &Live, body: &dyn Body) {
    let at = Timestamp::now();
    if turn.recorder().is_off("a compaction") {
        return;
    }
    let Some((recording, place)) = turn.place(at) else { return };
    match recording.put_json(&None, PayloadKind::CompactionCheckpoint, body) {
        Ok(AsJson { reference, bytes }) => {
            let compaction_id = name.id(recording).clone();
            let event = CompactionInstalled { compaction_id, checkpoint_payload: reference };
            recording.say(live, &place.context, event, at);
            if let Some(bytes) = bytes {
                turn.say_beside(bytes, &serde_json::json!({ "compaction_id": name.id(recording) }), at);
            }
        }
        Err(_told) => {
            let what = Lost::Event(EventKind::CompactionInstalled);
            recording.bundle.writer.lose_dependent(what, "its checkpoint could not be stored");
        }
    }
}

/// One request to compact.
#[derive(Debug)]
pub(in crate::layer) struct CompactionOperation {
    turn: Arc<TurnOperation>,
    live: Live,
    name: Arc<CompactionName>,
    facts: InferenceFacts,
    opened_at: Timestamp,
    id: OnceLock<CompactionRequestId>,
    life: Life,
    seen: Mutex<Seen>,
}

/// What was seen of a request so far.
#[derive(Debug, Default)]
struct Seen {
    response: Option<PayloadRef>,
    error: Option<String>,
}

impl CompactionOperation {
    pub(in crate::layer) fn new(
        turn: Arc<TurnOperation>,
        name: Arc<CompactionName>,
        facts: InferenceFacts,
        live: Live,
    ) -> Arc<Self> {
        let (opened_at, id) = (Timestamp::now(), OnceLock::new());
        Arc::new(Self { turn, live, name, facts, opened_at, id, life: Life::default(), seen: Mutex::default() })
    }

    fn recorder(&self) -> &Arc<Inner> {
        self.turn.recorder()
    }

    pub(in crate::layer) fn turn(&self) -> &Arc<TurnOperation> {
        &self.turn
    }

    /// The live span that it is.
    pub(in crate::layer) fn live(&self) -> &Live {
        &self.live
    }

    pub(in crate::layer) fn name(&self) -> &Arc<CompactionName> {
        &self.name
    }

    /// The request as it is about to be sent, which starts the window.
    pub(in crate::layer) fn request(self: &Arc<Self>, body: &dyn Body) {
        self.request_at(body, Timestamp::now());
    }

    fn request_at(self: &Arc<Self>, body: &dyn Body, at: Timestamp) {
        if self.recorder().is_off("a compaction request") {
            return;
        }
        let Some((recording, place)) = self.turn.place(at) else { return };
        let stored = recording.put_json(&self.live, PayloadKind::CompactionRequest, body);
        if !self.life.is_pending() {
            if let Ok(AsJson { reference, bytes }) = stored {
                std::iter::once(reference).chain(bytes).for_each(|body| self.say_beside(body, at));
            }
            return;
        }
        let operation = || OpenOperation::Compaction(Arc::clone(self));
        let mut is_first = false;
        self.life.start(self.recorder(), operation, || {
            is_first = true;
            let Ok(AsJson { reference, .. }) = &stored else {
                let what = Lost::Event(EventKind::CompactionRequestStarted);
                return Err(recording.bundle.writer.lose_dependent(what, "its request could not be stored"));
            };
            let InferenceFacts { model, provider_name } = self.facts.clone();
            let started = CompactionRequestStarted {
                compaction_id: self.name.id(recording).clone(),
                compaction_request_id: self.request_id(recording).clone(),
                thread_id: recording.id.clone(),
                turn_id: place.turn_id.clone(),
                model,
                provider_name,
                request_payload: reference.clone(),
            };
            recording.append(&self.live, &place.context, started, at)
        });
        if let Ok(AsJson { reference, bytes }) = stored {
            // Another's may have come first.
            let beside = (!is_first).then_some(reference);
            beside.into_iter().chain(bytes).for_each(|body| self.say_beside(body, at));
        }
    }

    fn request_id(&self, recording: &Recording) -> &CompactionRequestId {
        self.id.get_or_init(|| recording.bundle.unique("compaction_request"))
    }

    fn start_unknown(self: &Arc<Self>) {
        if self.life.is_pending() {
            self.request_at(&Json(&serde_json::json!({})), self.opened_at);
        }
    }

    /// What the model answered, a `compaction_response` body.
    pub(in crate::layer) fn response(self: &Arc<Self>, body: &dyn Body) {
        let at = Timestamp::now();
        if self.recorder().is_off("a compaction response") {
            return;
        }
        self.start_unknown();
        let Some((recording, _)) = self.turn.place(at) else { return };
        if !self.life.is_open() {
            return self.keep(body);
        }
        let Ok(AsJson { reference, bytes }) = recording.put_json(&self.live, PayloadKind::CompactionResponse, body)
        else {
            return;
        };
        let answer = || locked(&self.seen).response.replace(reference.clone());
        let beside = self.life.before_end(answer).unwrap_or(Some(reference.clone()));
        for body in beside.into_iter().chain(bytes) {
            self.say_beside(body, at);
        }
    }

    fn say_beside(self: &Arc<Self>, payload: PayloadRef, at: Timestamp) {
        self.turn.say_beside(payload, &serde_json::json!({ "compaction_request_id": self.id.get() }), at);
    }

    /// A piece of the answer, as it came.
    pub(in crate::layer) fn chunk(self: &Arc<Self>, number: u64, body: &dyn Body) {
        self.start_unknown();
        self.keep_about(body, &serde_json::json!({ "compaction_request_id": self.id.get(), "chunk": number }));
    }

    /// What came back from the provider that is no answer, or not a whole one.
    pub(in crate::layer) fn keep(self: &Arc<Self>, body: &dyn Body) {
        self.start_unknown();
        self.keep_about(body, &serde_json::json!({ "compaction_request_id": self.id.get() }));
    }

    fn keep_about(self: &Arc<Self>, body: &dyn Body, about: &serde_json::Value) {
        self.turn.keep_beside(PayloadKind::CompactionResponse, body, about);
    }

    /// A body of any kind.
    pub(in crate::layer) fn payload(self: &Arc<Self>, kind: PayloadKind, body: &dyn Body) {
        match kind {
            PayloadKind::CompactionRequest => self.request(body),
            PayloadKind::CompactionResponse => self.response(body),
            PayloadKind::CompactionCheckpoint => install(&self.turn, &self.name, &self.live, body),
            PayloadKind::InferenceRequest
            | PayloadKind::InferenceResponse
            | PayloadKind::ToolInvocation
            | PayloadKind::ToolResult
            | PayloadKind::ToolRuntimeEvent
            | PayloadKind::TerminalRuntimeEvent
            | PayloadKind::ProtocolEvent
            | PayloadKind::SessionMetadata
            | PayloadKind::AgentResult => {
                self.turn.keep_beside(kind, body, &serde_json::json!({ "compaction_request_id": self.id.get() }));
            }
        }
    }

    pub(in crate::layer) fn note_error(&self, error: Option<String>) {
        if let Some(error) = error {
            let error = self.recorder().options.text(EventKind::CompactionRequestFailed, &error).into_owned();
            locked(&self.seen).error = Some(error);
        }
    }

    pub(in crate::layer) fn end(self: &Arc<Self>, end: &End) {
        if !matches!(end, End::Shutdown) {
            self.start_unknown();
        }
        if !self.life.is_open() {
            self.life.end(self.recorder(), || {});
            return;
        }
        let at = Timestamp::now();
        let Some((recording, place)) = self.turn.place(at) else { return };
        // Before the lock of the end, for which nobody shall wait longer than a line takes.
        let stored = self.missing_response(end).and_then(|body| recording.store(&self.live, body).ok());
        self.life.end(self.recorder(), || {
            let Some(id) = self.id.get() else { return };
            if let Some(stored) = stored {
                locked(&self.seen).response.get_or_insert(stored.reference);
            }
            let (event, unnamed) = self.end_event(end, recording, id.clone());
            recording.say(&self.live, &place.context, event, at);
            if let Some(response) = unnamed {
                self.say_beside(response, at);
            }
        });
    }

    /// The body that a request which the program says is completed must name, where there is none.
    fn missing_response(&self, end: &End) -> Option<ReadyBody> {
        let is_missing = matches!(end, End::Completed) && locked(&self.seen).response.is_none();
        let body = || self.recorder().options.ready(PayloadKind::CompactionResponse, &Json(&serde_json::json!({})));
        is_missing.then(body)
    }

    /// The end, and the response where that has no place in it. A request that was cancelled failed: format 1 knows no
    /// other end than the two.
    fn end_event(
        &self,
        end: &End,
        recording: &Recording,
        compaction_request_id: CompactionRequestId,
    ) -> (Event, Option<PayloadRef>) {
        let compaction_id = self.name.id(recording).clone();
        let Seen { response, error } = std::mem::take(&mut *locked(&self.seen));
        let error = match (end, error) {
            (End::Failed(error), _) => Some(error.clone()),
            (End::Cancelled(reason), _) => Some(reason.clone()),
            (End::Shutdown, _) => Some(SHUT_DOWN.to_owned()),
            (End::Closed, error @ Some(_)) => error,
            (End::Closed | End::Completed, _) => None,
        };
        match (error, response) {
            (None, Some(response_payload)) => {
                (CompactionRequestCompleted { compaction_id, compaction_request_id, response_payload }.into(), None)
            }
            (error, response) => {
                let error = error.unwrap_or_else(|| DROPPED.to_owned());
                (CompactionRequestFailed { compaction_id, compaction_request_id, error }.into(), response)
            }
        }
    }
}
