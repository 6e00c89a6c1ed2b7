//! A code cell: a script that a model wrote and a runtime runs. It may yield before it is done.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, OnceLock};

use super::end::End;
use super::findable::Findable;
use super::handle_link::HandleLink;
use super::inside_thread::CellInside;
use super::kept_handles::AnyHandle;
use super::lifecycle::Lifecycle;
use super::span_end::SpanEnd;
use super::thread::ThreadOperation;
use super::thread_recording::{JsonPayload, SpanRecording};
use super::turn::{TurnOperation, TurnScope};
use crate::bundle::Body;
use crate::event::{
    CallId, CellStatus, CodeCellEnded, CodeCellInitialResponse, CodeCellStarted, EndDetail, EventKind, PayloadKind,
    PayloadRef, RuntimeCellId, Timestamp,
};
use crate::layer::session::Session;
use crate::layer::session::live::{Live, end_live};
use crate::layer::session::open_operations::OpenOperation;
use crate::layer::session::reentrancy::lock;

/// Name of the tool that runs scripts, unless the program names another one.
const DEFAULT_TOOL: &str = "exec";

/// Attributes of a code cell that are known before it starts.
#[derive(Debug, Default)]
pub(in crate::layer) struct CodeCellFacts {
    /// Id that the script's runtime gave the cell.
    pub(in crate::layer) runtime_id: Option<String>,
    /// The provider's id of the tool call that submitted the script.
    pub(in crate::layer) call_id: Option<String>,
    /// Source code of the script.
    pub(in crate::layer) source: String,
    /// Name of the tool that runs the script.
    pub(in crate::layer) tool_name: Option<String>,
}

/// A code cell that a span or a handle opened.
#[derive(Debug)]
pub(in crate::layer) struct CodeCellOperation {
    turn: Arc<TurnOperation>,
    live: Live,
    link: HandleLink,
    facts: CodeCellFacts,
    id: OnceLock<RuntimeCellId>,
    lifecycle: Lifecycle,
    progress: Mutex<CodeCellProgress>,
}

/// Parts of a code cell that have been recorded so far.
#[derive(Debug, Default)]
struct CodeCellProgress {
    /// Status of the last recorded response. `None` before the first response.
    response_status: Option<CellStatus>,
    error: Option<String>,
}

/// Returns `true` if a script with this status still runs.
fn keeps_running(status: CellStatus) -> bool {
    match status {
        CellStatus::Starting | CellStatus::Running | CellStatus::Yielded => true,
        CellStatus::Completed | CellStatus::Failed | CellStatus::Terminated => false,
    }
}

impl CodeCellOperation {
    pub(in crate::layer) fn new(turn: Arc<TurnOperation>, facts: CodeCellFacts, live: Live) -> Arc<Self> {
        Arc::new(Self {
            turn,
            live,
            link: HandleLink::default(),
            facts,
            id: OnceLock::new(),
            lifecycle: Lifecycle::new(),
            progress: Mutex::default(),
        })
    }

    /// Returns the recording of the span and the scope of the turn, which is started if it is pending. Returns `None` if
    /// the thread cannot be recorded.
    fn recording(&self, at: Timestamp) -> Option<(SpanRecording<'_>, &TurnScope)> {
        let (recording, scope) = self.turn.ensure_started(at)?;
        Some((recording.of(&self.live), scope))
    }

    fn session(&self) -> &Arc<Session> {
        self.turn.session()
    }

    pub(in crate::layer) fn turn(&self) -> &Arc<TurnOperation> {
        &self.turn
    }

    /// Returns the code cell of `thread` with this id: an open one before those that have ended, the latest first.
    pub(in crate::layer) fn find(thread: &ThreadOperation, id: &str) -> Option<Arc<Self>> {
        Some(thread.inside().cells_by_id.find(id)?.operation)
    }

    /// Returns the span of the cell, for handles that are found.
    pub(in crate::layer) fn link(&self) -> &HandleLink {
        &self.link
    }

    /// Keeps a handle of the cell, so that the cell stays open although the program drops its own.
    pub(in crate::layer) fn keep(&self, handle: AnyHandle) {
        self.turn.keep_child(self, &self.lifecycle, handle);
    }

    /// Returns the cell's id in the log. Returns `None` before the cell has started.
    pub(in crate::layer) fn id(&self) -> Option<&RuntimeCellId> {
        self.id.get()
    }

    /// Returns the ids by which events refer to the cell: that in the log, and that of the program if it is another one.
    fn ids(&self) -> impl Iterator<Item = Arc<str>> + use<> {
        let own = self.id.get().map(|id| Arc::clone(id.as_arc()));
        let given = self.facts.runtime_id.as_deref().filter(|given| own.as_deref() != Some(*given));
        let given = given.map(Arc::from);
        own.into_iter().chain(given)
    }

    /// Sets what the span of the cell tells of its end.
    pub(in crate::layer) fn set_span_end(&self, span_end: SpanEnd) {
        self.lifecycle.set_span_end(span_end);
    }

    /// Returns `true` if events refer to the cell by `id`.
    pub(in crate::layer) fn has_id(&self, id: &str) -> bool {
        let own = self.id.get().is_some_and(|own| own.as_str() == id);
        own || self.facts.runtime_id.as_deref() == Some(id)
    }

    /// Starts the cell if it is pending. Called before the script runs. Returns `true` if the start event is in the
    /// log.
    pub(in crate::layer) fn start(self: &Arc<Self>, at: Timestamp) -> bool {
        self.ensure_started(at).is_some()
    }

    /// Starts the cell if it is pending. Returns `None` if its start event is not in the log.
    fn ensure_started(self: &Arc<Self>, at: Timestamp) -> Option<(SpanRecording<'_>, &TurnScope, &RuntimeCellId)> {
        let (recording, scope) = self.recording(at)?;
        if self.lifecycle.is_pending() {
            if self.session().is_off("a code cell") {
                return None;
            }
            let source = self.session().options.redact_text(EventKind::CodeCellStarted, &self.facts.source);
            let redact = |name| self.session().options.redact_text(EventKind::CodeCellStarted, name);
            let tool_name = self.facts.tool_name.as_deref().filter(|name| *name != DEFAULT_TOOL).map(redact);
            self.lifecycle.start(self.session(), self, || {
                let CodeCellFacts { runtime_id, call_id, source: _, tool_name: _ } = &self.facts;
                let runtime_cell_id = self.id.get_or_init(|| match runtime_id {
                    Some(id) => recording.bundle.unique_cell_id(&recording.id, id),
                    None => recording.bundle.generate_id("cell"),
                });
                let call_id = call_id.as_deref().unwrap_or(runtime_cell_id.as_str());
                let started = CodeCellStarted {
                    runtime_cell_id: runtime_cell_id.clone(),
                    model_visible_call_id: CallId::from(call_id),
                    source_js: source.into_owned(),
                    tool_name: tool_name.map(Cow::into_owned),
                };
                recording.try_write_event(&scope.context, started, at)?;
                self.turn.progress().start_inside();
                self.turn.thread().inside().add_cell(self);
                self.ids().for_each(|id| self.turn.thread().inside().cells_by_id.add(id, self));
                Ok(())
            });
        }
        self.lifecycle.has_started().then_some(())?;
        Some((recording, scope, self.id.get()?))
    }

    /// Records the return of the tool call that submitted the script, with a `tool_result` body. If the script no
    /// longer runs, the cell ends too, and its end event references a second payload with the same body.
    pub(in crate::layer) fn record_response(self: &Arc<Self>, status: CellStatus, body: &dyn Body) {
        let at = Timestamp::now();
        if self.session().is_off("a code cell's response") {
            return;
        }
        let Some((recording, scope, id)) = self.ensure_started(at) else { return };
        let response_payload = self.store_result(recording, body, at);
        let ended_with = (!keeps_running(status)).then(|| self.store_result(recording, body, at)).flatten();
        let is_first = self.lifecycle.unless_ended(|| {
            let mut progress = lock(&self.progress);
            let is_first = progress.response_status.is_none();
            if is_first {
                progress.response_status = Some(status);
                let runtime_cell_id = id.clone();
                let event =
                    CodeCellInitialResponse { runtime_cell_id, status, response_payload: response_payload.clone() };
                recording.write_event(&scope.context, event, at);
            }
            is_first
        });
        match is_first {
            Some(true) if keeps_running(status) => {}
            Some(true) => self.write_end(status, ended_with, &End::Completed, at),
            // A response after the first one, or after the end, is still evidence: it is referenced by a separate
            // payload event.
            Some(false) | None => {
                for body in response_payload.into_iter().chain(ended_with) {
                    self.write_payload_event(body, at);
                }
            }
        }
    }

    /// Records the end of the script, with a `tool_result` body.
    pub(in crate::layer) fn record_end(self: &Arc<Self>, status: CellStatus, body: &dyn Body) {
        let at = Timestamp::now();
        if self.session().is_off("a code cell's end") {
            return;
        }
        let Some((recording, ..)) = self.ensure_started(at) else { return };
        let payload = self.store_result(recording, body, at);
        self.write_end(status, payload, &End::Completed, at);
    }

    /// Ends the cell with this payload. If the cell has already ended, the payload is referenced by a separate payload
    /// event.
    fn write_end(self: &Arc<Self>, status: CellStatus, payload: Option<PayloadRef>, end: &End, at: Timestamp) {
        if let Some(unreferenced) = self.try_write_end(status, payload, end, at) {
            self.write_payload_event(unreferenced, at);
        }
    }

    /// Stores a `tool_result` body. Returns `None` if the payload is lost.
    fn store_result(
        self: &Arc<Self>,
        recording: SpanRecording<'_>,
        body: &dyn Body,
        at: Timestamp,
    ) -> Option<PayloadRef> {
        // The event is written even if its payload is lost.
        let JsonPayload { reference, raw } = recording.store_json(PayloadKind::ToolResult, body).ok()?;
        if let Some(raw) = raw {
            self.write_payload_event(raw, at);
        }
        Some(reference)
    }

    fn write_payload_event(self: &Arc<Self>, payload: PayloadRef, at: Timestamp) {
        self.turn.write_payload_event(payload, &serde_json::json!({ "runtime_cell_id": self.id.get() }), at);
    }

    /// Records a body of any kind. The first `tool_result` is the response, the next one ends the cell.
    pub(in crate::layer) fn record_payload(self: &Arc<Self>, kind: PayloadKind, body: &dyn Body) {
        if kind == PayloadKind::ToolResult {
            let has_responded = lock(&self.progress).response_status.is_some();
            let record = if has_responded { Self::record_end } else { Self::record_response };
            return record(self, CellStatus::Completed, body);
        }
        self.start(Timestamp::now());
        self.turn.record_separate_payload(kind, body, &serde_json::json!({ "runtime_cell_id": self.id.get() }));
    }

    /// Records that the script failed, if `error` is present.
    pub(in crate::layer) fn set_error(&self, error: Option<String>) {
        if error.is_some() {
            lock(&self.progress).error = error;
        }
    }

    /// Ends the cell with this payload. Returns the payload if the cell is not open and no event references it.
    fn try_write_end(
        self: &Arc<Self>,
        status: CellStatus,
        payload: Option<PayloadRef>,
        end: &End,
        at: Timestamp,
    ) -> Option<PayloadRef> {
        let mut payload = payload;
        let mut has_ended = false;
        self.lifecycle.end(self.session(), || {
            has_ended = true;
            let response_payload = payload.take();
            let (Some((recording, scope)), Some(id)) = (self.recording(at), self.id.get()) else { return };
            if lock(&self.progress).response_status.replace(status).is_none() {
                let first = CodeCellInitialResponse { runtime_cell_id: id.clone(), status, response_payload: None };
                recording.write_event(&scope.context, first, at);
            }
            let EndDetail { ended_by, error_type, attributes } =
                self.lifecycle.take_span_end().detail(end, status == CellStatus::Failed);
            let runtime_cell_id = id.clone();
            let ended = CodeCellEnded { runtime_cell_id, status, response_payload, ended_by, error_type, attributes };
            recording.write_event(&scope.context, ended, at);
            self.turn.progress().end_inside(false);
        });
        if has_ended {
            let cells = &self.turn.thread().inside().cells_by_id;
            self.ids().for_each(|id| cells.end(&id, self, || self.turn.is_ended()));
        }
        self.turn.release_child(&**self);
        payload
    }

    /// Ends the cell. The end of its span does not end a script that has yielded and still runs: the program may wait
    /// for it in a later turn.
    pub(in crate::layer) fn end(self: &Arc<Self>, end: &End, at: Timestamp) {
        if !self.lifecycle.is_open() {
            self.lifecycle.end(self.session(), || {});
            return;
        }
        let (response_status, failed) = {
            let progress = lock(&self.progress);
            (progress.response_status, progress.error.is_some())
        };
        let status = match end {
            End::Completed | End::ClosedOk => CellStatus::Completed,
            End::Failed(_) => CellStatus::Failed,
            End::Cancelled(_) | End::Shutdown => CellStatus::Terminated,
            End::Closed if response_status == Some(CellStatus::Yielded) => return,
            End::Closed if failed || self.lifecycle.unwound(end).is_some() => CellStatus::Failed,
            End::Closed => CellStatus::Terminated,
        };
        self.write_end(status, None, end, at);
    }
}

impl Findable for CodeCellOperation {
    fn turn_address(&self) -> usize {
        Arc::as_ptr(&self.turn).addr()
    }
}

impl CellInside for CodeCellOperation {
    fn turn_address(&self) -> usize {
        Arc::as_ptr(&self.turn).addr()
    }

    fn end_with_turn(self: Arc<Self>, end: &End, at: Timestamp) {
        if !self.lifecycle.is_open() {
            return self.end(end, at);
        }
        let status = match end {
            End::Failed(_) => CellStatus::Failed,
            End::Closed | End::ClosedOk | End::Completed | End::Cancelled(_) | End::Shutdown => CellStatus::Terminated,
        };
        // Not the program has ended the cell, but what encloses it.
        self.write_end(status, None, &End::Closed, at);
    }
}

impl OpenOperation for CodeCellOperation {
    fn end_at_shutdown(self: Arc<Self>) {
        if self.lifecycle.is_open() {
            self.turn.progress().set_interrupted();
        }
        let at = Timestamp::now();
        self.end(&End::Shutdown, at);
        end_live(&self.live, at);
    }
}
