//! A code cell: a script that a model wrote and a runtime runs, which may give control back before it is done.

use std::sync::{Arc, Mutex, OnceLock};

use super::life::Life;
use super::recording::{AsJson, Recording};
use super::turn::{Place, TurnOperation};
use super::{End, OpenOperation};
use crate::bundle::Body;
use crate::event::{
    CallId, CellStatus, CodeCellEnded, CodeCellInitialResponse, CodeCellStarted, EventKind, PayloadKind, PayloadRef,
    RuntimeCellId, Timestamp,
};
use crate::layer::live::Live;
use crate::layer::recorder::{Inner, locked};

/// What is known of a cell before it starts.
#[derive(Debug, Default)]
pub(in crate::layer) struct CellFacts {
    /// The cell, as its runtime numbered it.
    pub(in crate::layer) runtime_id: Option<String>,
    /// The provider's id of the call that brought the script.
    pub(in crate::layer) call_id: Option<String>,
    pub(in crate::layer) source: String,
}

#[derive(Debug)]
pub(in crate::layer) struct CodeCellOperation {
    turn: Arc<TurnOperation>,
    live: Live,
    facts: CellFacts,
    id: OnceLock<RuntimeCellId>,
    life: Life,
    seen: Mutex<Seen>,
}

/// What was seen of a cell so far.
#[derive(Debug, Default)]
struct Seen {
    /// Its first response, once there was one.
    responded: Option<CellStatus>,
    error: Option<String>,
}

/// Whether a script that says so runs on.
fn runs_on(status: CellStatus) -> bool {
    match status {
        CellStatus::Starting | CellStatus::Running | CellStatus::Yielded => true,
        CellStatus::Completed | CellStatus::Failed | CellStatus::Terminated => false,
    }
}

impl CodeCellOperation {
    pub(in crate::layer) fn new(turn: Arc<TurnOperation>, facts: CellFacts, live: Live) -> Arc<Self> {
        Arc::new(Self { turn, live, facts, id: OnceLock::new(), life: Life::default(), seen: Mutex::default() })
    }

    fn recorder(&self) -> &Arc<Inner> {
        self.turn.recorder()
    }

    pub(in crate::layer) fn turn(&self) -> &Arc<TurnOperation> {
        &self.turn
    }

    /// What its runtime calls it, once it started.
    pub(super) fn id(&self) -> Option<&RuntimeCellId> {
        self.id.get()
    }

    /// Starts the cell if it has not started: before its script runs.
    pub(in crate::layer) fn start(self: &Arc<Self>, at: Timestamp) -> bool {
        self.started(at).is_some()
    }

    fn started(self: &Arc<Self>, at: Timestamp) -> Option<(&Recording, &Place, &RuntimeCellId)> {
        let (recording, place) = self.turn.place(at)?;
        if self.life.is_pending() {
            if self.recorder().is_off("a code cell") {
                return None;
            }
            let operation = || OpenOperation::Cell(Arc::clone(self));
            let source = self.recorder().options.text(EventKind::CodeCellStarted, &self.facts.source);
            self.life.start(self.recorder(), operation, || {
                let CellFacts { runtime_id, call_id, source: _ } = &self.facts;
                let runtime_cell_id = self.id.get_or_init(|| match runtime_id {
                    Some(id) => recording.bundle.cell_id(&recording.id, id),
                    None => recording.bundle.unique("cell"),
                });
                let call_id = call_id.as_deref().unwrap_or(runtime_cell_id.as_str());
                let started = CodeCellStarted {
                    runtime_cell_id: runtime_cell_id.clone(),
                    model_visible_call_id: CallId::from(call_id),
                    source_js: source.into_owned(),
                };
                recording.append(&self.live, &place.context, started, at)?;
                self.turn.thread().cell_started(self);
                Ok(())
            });
        }
        self.life.has_started().then_some(())?;
        Some((recording, place, self.id.get()?))
    }

    /// The call that brought the script returned, with a `tool_result` body. A script that does not run on has ended,
    /// which its end says with a body of its own.
    pub(in crate::layer) fn respond(self: &Arc<Self>, status: CellStatus, body: &dyn Body) {
        let at = Timestamp::now();
        if self.recorder().is_off("a code cell's response") {
            return;
        }
        let Some((recording, place, id)) = self.started(at) else { return };
        let response_payload = self.keep(recording, body, at);
        let ended_with = (!runs_on(status)).then(|| self.keep(recording, body, at)).flatten();
        let is_first = self.life.before_end(|| {
            let mut seen = locked(&self.seen);
            let is_first = seen.responded.is_none();
            if is_first {
                seen.responded = Some(status);
                let runtime_cell_id = id.clone();
                let event =
                    CodeCellInitialResponse { runtime_cell_id, status, response_payload: response_payload.clone() };
                recording.say(&self.live, &place.context, event, at);
            }
            is_first
        });
        match is_first {
            Some(true) if runs_on(status) => {}
            Some(true) => self.finish_with(status, ended_with, at),
            // What came after the first response, or after the end, is evidence still.
            Some(false) | None => {
                for body in response_payload.into_iter().chain(ended_with) {
                    self.say_beside(body, at);
                }
            }
        }
    }

    /// The script ended, with a `tool_result` body.
    pub(in crate::layer) fn ended(self: &Arc<Self>, status: CellStatus, body: &dyn Body) {
        let at = Timestamp::now();
        if self.recorder().is_off("a code cell's end") {
            return;
        }
        let Some((recording, ..)) = self.started(at) else { return };
        let payload = self.keep(recording, body, at);
        self.finish_with(status, payload, at);
    }

    /// Ends the cell with this body. After its end that is evidence still.
    fn finish_with(self: &Arc<Self>, status: CellStatus, payload: Option<PayloadRef>, at: Timestamp) {
        if let Some(unnamed) = self.finish(status, payload, at) {
            self.say_beside(unnamed, at);
        }
    }

    fn keep(self: &Arc<Self>, recording: &Recording, body: &dyn Body, at: Timestamp) -> Option<PayloadRef> {
        // Lost or not, the event stands.
        let AsJson { reference, bytes } = recording.put_json(&self.live, PayloadKind::ToolResult, body).ok()?;
        if let Some(bytes) = bytes {
            self.say_beside(bytes, at);
        }
        Some(reference)
    }

    fn say_beside(self: &Arc<Self>, payload: PayloadRef, at: Timestamp) {
        self.turn.say_beside(payload, &serde_json::json!({ "runtime_cell_id": self.id.get() }), at);
    }

    /// A body of any kind.
    pub(in crate::layer) fn payload(self: &Arc<Self>, kind: PayloadKind, body: &dyn Body) {
        if kind == PayloadKind::ToolResult {
            let has_responded = locked(&self.seen).responded.is_some();
            let say = if has_responded { Self::ended } else { Self::respond };
            return say(self, CellStatus::Completed, body);
        }
        self.start(Timestamp::now());
        self.turn.keep_beside(kind, body, &serde_json::json!({ "runtime_cell_id": self.id.get() }));
    }

    pub(in crate::layer) fn note_error(&self, error: Option<String>) {
        if error.is_some() {
            locked(&self.seen).error = error;
        }
    }

    /// Gives the body back where the cell had ended before.
    fn finish(self: &Arc<Self>, status: CellStatus, payload: Option<PayloadRef>, at: Timestamp) -> Option<PayloadRef> {
        let mut payload = payload;
        self.life.end(self.recorder(), || {
            let response_payload = payload.take();
            let (Some((recording, place)), Some(id)) = (self.turn.place(at), self.id.get()) else { return };
            if locked(&self.seen).responded.replace(status).is_none() {
                let first = CodeCellInitialResponse { runtime_cell_id: id.clone(), status, response_payload: None };
                recording.say(&self.live, &place.context, first, at);
            }
            let ended = CodeCellEnded { runtime_cell_id: id.clone(), status, response_payload };
            recording.say(&self.live, &place.context, ended, at);
        });
        payload
    }

    /// Ends the cell. A script that runs on after it gave control back is not ended by a span that closes: somebody may
    /// wait for it.
    pub(in crate::layer) fn end(self: &Arc<Self>, end: &End) {
        if !self.life.is_open() {
            self.life.end(self.recorder(), || {});
            return;
        }
        let (responded, failed) = {
            let seen = locked(&self.seen);
            (seen.responded, seen.error.is_some())
        };
        let status = match end {
            End::Completed => CellStatus::Completed,
            End::Failed(_) => CellStatus::Failed,
            End::Cancelled(_) | End::Shutdown => CellStatus::Terminated,
            End::Closed if responded == Some(CellStatus::Yielded) => return,
            End::Closed if failed => CellStatus::Failed,
            End::Closed => CellStatus::Terminated,
        };
        self.finish_with(status, None, Timestamp::now());
    }
}
