//! A turn: from the user's message to the agent's answer.

use std::sync::{Arc, Mutex, OnceLock};

use super::life::Life;
use super::recording::Recording;
use super::thread::ThreadOperation;
use super::{End, OpenOperation, SHUT_DOWN};
use crate::bundle::Body;
use crate::event::{
    AgentResultObserved, EventContext, EventKind, ExecutionStatus, PayloadKind, PayloadRef, Timestamp, TurnEnded,
    TurnId, TurnStarted,
};
use crate::layer::live::Live;
use crate::layer::recorder::{Inner, locked};

#[derive(Debug)]
pub(in crate::layer) struct TurnOperation {
    thread: Arc<ThreadOperation>,
    live: Live,
    given_id: Option<String>,
    is_supplied: bool,
    place: OnceLock<Place>,
    life: Life,
    error: Mutex<Option<String>>,
    /// Whether a panic was unwinding when it was opened.
    opened_unwinding: bool,
}

/// A turn that started, as its events name it.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) turn_id: TurnId,
    pub(super) context: EventContext,
}

impl TurnOperation {
    pub(in crate::layer) fn new(thread: Arc<ThreadOperation>, given_id: Option<String>, live: Live) -> Arc<Self> {
        Self::make(thread, given_id, live, false)
    }

    /// A turn that no span opened.
    pub(in crate::layer) fn supplied(thread: Arc<ThreadOperation>) -> Arc<Self> {
        Self::make(thread, None, None, true)
    }

    fn make(thread: Arc<ThreadOperation>, given_id: Option<String>, live: Live, is_supplied: bool) -> Arc<Self> {
        let (place, life, error) = (OnceLock::new(), Life::default(), Mutex::default());
        let opened_unwinding = std::thread::panicking();
        Arc::new(Self { thread, live, given_id, is_supplied, place, life, error, opened_unwinding })
    }

    /// The live span that it is.
    pub(in crate::layer) fn live(&self) -> &Live {
        &self.live
    }

    pub(in crate::layer) fn thread(&self) -> &Arc<ThreadOperation> {
        &self.thread
    }

    pub(super) fn recorder(&self) -> &Arc<Inner> {
        self.thread.recorder()
    }

    pub(super) fn is_supplied(&self) -> bool {
        self.is_supplied
    }

    /// Starts the turn if it has not started. None where it can't be recorded. A turn that ended still is a place:
    /// work may outlive its turn.
    pub(super) fn place(self: &Arc<Self>, at: Timestamp) -> Option<(&Recording, &Place)> {
        let recording = self.thread.recording(at)?;
        let place = self.place.get_or_init(|| self.new_place(recording));
        if self.life.is_pending() && !self.recorder().is_off("a turn") {
            let operation = || OpenOperation::Turn(Arc::clone(self));
            let started = TurnStarted { turn_id: place.turn_id.clone(), thread_id: recording.id.clone() };
            self.life.start(self.recorder(), operation, || {
                recording.append(&self.live, &place.context, started, at)?;
                self.thread.turn_started(self.name(place), self);
                Ok(())
            });
        }
        Some((recording, place))
    }

    /// What spans call it, though it may have another id.
    fn name(&self, place: &Place) -> TurnId {
        self.given_id.as_deref().map_or_else(|| place.turn_id.clone(), TurnId::from)
    }

    fn new_place(&self, recording: &Recording) -> Place {
        let turn_id = match &self.given_id {
            Some(id) => recording.bundle.turn_id(id),
            None => recording.bundle.unique("turn"),
        };
        let context =
            EventContext { thread_id: Some(recording.id.clone()), turn_id: Some(turn_id.clone()), span: None };
        Place { turn_id, context }
    }

    /// Keeps a body that has no place in an event of its own, and says what it belongs to.
    pub(super) fn keep_beside(self: &Arc<Self>, kind: PayloadKind, body: &dyn Body, about: &serde_json::Value) {
        let at = Timestamp::now();
        if self.recorder().is_off("a body") {
            return;
        }
        let Some((recording, _)) = self.place(at) else { return };
        if let Ok(stored) = recording.put_beside(kind, body) {
            self.say_beside(stored.reference, about, at);
        }
    }

    /// Names a stored body that has no place in an event of its own.
    pub(super) fn say_beside(self: &Arc<Self>, payload: PayloadRef, about: &serde_json::Value, at: Timestamp) {
        if self.recorder().is_off("a body") {
            return;
        }
        if let Some((recording, place)) = self.place(at) {
            recording.say_beside(&place.context, payload, about, at);
        }
    }

    /// The value that tells a process of this turn, in which it is spawned.
    pub(in crate::layer) fn child_process(self: &Arc<Self>) -> Option<String> {
        let at = Timestamp::now();
        if self.recorder().is_off("a child process") {
            return None;
        }
        let (recording, place) = self.place(at)?;
        recording.child_process(&place.context, None, at)
    }

    /// What came of the turn reached the thread that spawned this one. Where none did, it is kept all the same.
    pub(in crate::layer) fn agent_result(self: &Arc<Self>, message: &str, body: &dyn Body) {
        let at = Timestamp::now();
        if self.recorder().is_off("an agent's result") {
            return;
        }
        let Some((recording, place)) = self.place(at) else { return };
        let message = self.recorder().options.text(EventKind::AgentResultObserved, message);
        // Lost or not, the event stands.
        let carried = recording.put_json(&self.live, PayloadKind::AgentResult, body).ok();
        let (carried_payload, bytes) = carried.map_or((None, None), |body| (Some(body.reference), body.bytes));
        let Some(parent) = self.thread.parent_id() else {
            let about = serde_json::json!({ "message": message });
            carried_payload.into_iter().chain(bytes).for_each(|body| self.say_beside(body, &about, at));
            return;
        };
        let event = AgentResultObserved {
            edge_id: format!("edge:agent_result:{}:{}:{parent}", recording.id, place.turn_id).into(),
            child_thread_id: recording.id.clone(),
            child_turn_id: place.turn_id.clone(),
            parent_thread_id: parent.clone(),
            message: message.into_owned(),
            carried_payload,
        };
        // A supplied turn is no span: its thread reports.
        let live = if self.live.is_some() { &self.live } else { self.thread.live() };
        recording.say(live, &place.context, event, at);
        bytes.into_iter().for_each(|bytes| self.say_beside(bytes, &serde_json::Value::Null, at));
    }

    /// A body of any kind.
    pub(in crate::layer) fn payload(self: &Arc<Self>, kind: PayloadKind, body: &dyn Body) {
        self.keep_beside(kind, body, &serde_json::Value::Null);
    }

    /// Starts the turn if it has not started.
    pub(in crate::layer) fn start(self: &Arc<Self>, at: Timestamp) -> bool {
        self.place(at).is_some() && self.life.is_open()
    }

    /// What the span reported before it closed.
    pub(in crate::layer) fn note_error(&self, error: Option<String>) {
        if let Some(error) = error {
            let error = self.recorder().options.text(EventKind::TurnEnded, &error).into_owned();
            *locked(&self.error) = Some(error);
        }
    }

    pub(in crate::layer) fn end(self: &Arc<Self>, end: End) {
        let error = end.error_of(locked(&self.error).clone(), self.opened_unwinding);
        let (status, error) = match (end, error) {
            (End::Closed, None) | (End::Completed, _) => (ExecutionStatus::Completed, None),
            (End::Closed, Some(error)) | (End::Failed(error), _) => (ExecutionStatus::Failed, Some(error)),
            (End::Cancelled(reason), _) => (ExecutionStatus::Cancelled, Some(reason)),
            (End::Shutdown, _) => (ExecutionStatus::Aborted, Some(SHUT_DOWN.to_owned())),
        };
        // A turn that did not complete ends the scripts that run in it; else one may be waited for later.
        match status {
            ExecutionStatus::Failed => self.thread.end_cells(Some(self), &End::Failed(String::new())),
            ExecutionStatus::Cancelled | ExecutionStatus::Aborted => {
                self.thread.end_cells(Some(self), &End::Cancelled(String::new()));
            }
            ExecutionStatus::Completed | ExecutionStatus::Running => {}
        }
        self.life.end(self.recorder(), || {
            let at = Timestamp::now();
            let Some((recording, place)) = self.started() else { return };
            let ended = TurnEnded { turn_id: place.turn_id.clone(), status, error };
            recording.say(&self.live, &place.context, ended, at);
            self.thread.turn_ended(&self.name(place), self);
        });
    }

    fn started(self: &Arc<Self>) -> Option<(&Recording, &Place)> {
        Some((self.thread.started()?, self.place.get()?))
    }
}
