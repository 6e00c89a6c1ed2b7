//! A turn: from a user's message to the agent's answer.

use std::sync::{Arc, Mutex, OnceLock, Weak};

use super::end::{CALL_OPEN, End, SHUT_DOWN};
use super::handle_link::HandleLink;
use super::inside_thread::TurnInside;
use super::kept_handles::AnyHandle;
use super::last_inside::Outcome;
use super::lifecycle::Lifecycle;
use super::settled::SettledSpan;
use super::span_end::SpanEnd;
use super::thread::ThreadOperation;
use super::thread_recording::ThreadRecording;
use super::turn_progress::TurnProgress;
use crate::event::{EndDetail, EventContext, EventKind, ExecutionStatus, Timestamp, TurnEnded, TurnId, TurnStarted};
use crate::layer::session::Session;
use crate::layer::session::live::{Live, LiveSpan, end_live};
use crate::layer::session::open_operations::OpenOperation;
use crate::layer::session::reentrancy::lock;

/// A turn that a span or a handle opened, or that was opened implicitly.
#[derive(Debug)]
pub(in crate::layer) struct TurnOperation {
    thread: Arc<ThreadOperation>,
    live: Live,
    link: HandleLink,
    requested_id: Option<String>,
    origin: TurnOrigin,
    scope: OnceLock<TurnScope>,
    lifecycle: Lifecycle,
    error: Mutex<Option<String>>,
    progress: TurnProgress,
    /// The calls of tools that models asked for in the turn and that no tool call has started for.
    pub(super) requested_calls: Mutex<Vec<String>>,
    /// The turn of the user's next question, if no span of the program opened this one.
    next: OnceLock<Arc<TurnOperation>>,
}

/// What opened a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TurnOrigin {
    /// A span or a handle of a turn.
    Turn,
    /// A span of an agent.
    Agent,
    /// A span of a workflow, whose calls of models are those of the agents that they name.
    Workflow,
    /// The layer, for spans that stand in no turn.
    Supplied,
}

/// The id of a turn, and the context of the events in it.
#[derive(Debug)]
pub(super) struct TurnScope {
    pub(super) turn_id: TurnId,
    pub(super) context: EventContext,
}

impl TurnOperation {
    /// Creates a turn for a span or a handle.
    pub(in crate::layer) fn new(thread: Arc<ThreadOperation>, requested_id: Option<String>, live: Live) -> Arc<Self> {
        Self::with_origin(thread, requested_id, live, TurnOrigin::Turn)
    }

    /// Creates the turn of an agent for its span.
    pub(in crate::layer) fn new_of_agent(
        thread: Arc<ThreadOperation>,
        requested_id: Option<String>,
        live: Live,
    ) -> Arc<Self> {
        Self::with_origin(thread, requested_id, live, TurnOrigin::Agent)
    }

    /// Creates the turn of a workflow for its span.
    pub(in crate::layer) fn new_of_workflow(
        thread: Arc<ThreadOperation>,
        requested_id: Option<String>,
        live: Live,
    ) -> Arc<Self> {
        Self::with_origin(thread, requested_id, live, TurnOrigin::Workflow)
    }

    /// Creates a turn that no span of the program opened.
    pub(in crate::layer) fn new_implicit(thread: Arc<ThreadOperation>) -> Arc<Self> {
        Self::with_origin(thread, None, None, TurnOrigin::Supplied)
    }

    /// Returns `true` if a span of an agent or a workflow opened the turn, in a thread that is not of the agent `name`.
    pub(in crate::layer) fn is_of_another_agent(&self, name: &str) -> bool {
        matches!(self.origin, TurnOrigin::Agent | TurnOrigin::Workflow) && self.thread.agent_name() != Some(name)
    }

    /// Returns `true` if a call of a model in the turn that names the agent `name` is of a thread of its own. An agent whose
    /// span has no name has that of its calls. A workflow has none: its calls are those of its agents.
    pub(in crate::layer) fn is_call_of_another_agent(&self, name: &str) -> bool {
        (self.origin == TurnOrigin::Workflow && self.is_of_another_agent(name)) || self.thread.is_of_another_agent(name)
    }

    fn with_origin(
        thread: Arc<ThreadOperation>,
        requested_id: Option<String>,
        live: Live,
        origin: TurnOrigin,
    ) -> Arc<Self> {
        let (scope, lifecycle, error) = (OnceLock::new(), Lifecycle::new(), Mutex::default());
        Arc::new(Self {
            thread,
            live,
            link: HandleLink::default(),
            requested_id,
            origin,
            scope,
            lifecycle,
            error,
            progress: TurnProgress::default(),
            requested_calls: Mutex::default(),
            next: OnceLock::new(),
        })
    }

    /// Returns the span of the turn, for handles that are found.
    pub(in crate::layer) fn link(&self) -> &HandleLink {
        &self.link
    }

    /// Keeps a handle of the turn, so that the turn stays open although the program drops its own.
    pub(in crate::layer) fn keep(self: &Arc<Self>, handle: AnyHandle) {
        self.keep_inside(self, Arc::as_ptr(&self.thread).addr(), handle, &self.lifecycle);
    }

    /// Keeps a handle of an operation of this turn, until the operation or the turn ends.
    pub(super) fn keep_child<T>(&self, operation: &T, lifecycle: &Lifecycle, handle: AnyHandle) {
        self.keep_inside(operation, std::ptr::from_ref(self).addr(), handle, lifecycle);
    }

    fn keep_inside<T>(&self, operation: &T, inside: usize, handle: AnyHandle, lifecycle: &Lifecycle) {
        let operation = std::ptr::from_ref(operation).addr();
        let kept = &self.thread.inside().kept;
        kept.add(operation, inside, handle);
        // The operation, or what is around it, may have ended meanwhile.
        if lifecycle.is_ended() || self.lifecycle.is_ended() {
            kept.release(operation);
        }
    }

    /// Drops the kept handle of an operation of this turn that has ended.
    pub(super) fn release_child<T>(&self, operation: &T) {
        self.thread.inside().kept.release(std::ptr::from_ref(operation).addr());
    }

    /// Returns the live span of the turn.
    pub(in crate::layer) fn live(&self) -> &Live {
        &self.live
    }

    pub(in crate::layer) fn thread(&self) -> &Arc<ThreadOperation> {
        &self.thread
    }

    pub(super) fn session(&self) -> &Arc<Session> {
        self.thread.session()
    }

    /// Returns the turn's id in the log. Returns `None` before the turn has started.
    pub(in crate::layer) fn id(&self) -> Option<&TurnId> {
        self.scope.get().map(|scope| &scope.turn_id)
    }

    /// Returns what has happened inside of the turn.
    pub(super) fn progress(&self) -> &TurnProgress {
        &self.progress
    }

    /// Returns the open turn of `thread` to which spans refer by `id`. Returns `None` if there is none.
    pub(in crate::layer) fn find(thread: &ThreadOperation, id: &str) -> Option<Arc<Self>> {
        thread.inside().turn(id)
    }

    /// Starts the turn if it is pending. Returns `None` if the thread cannot be recorded. A turn that has ended is
    /// returned too: operations may outlive their turn.
    pub(super) fn ensure_started(self: &Arc<Self>, at: Timestamp) -> Option<(&ThreadRecording, &TurnScope)> {
        let recording = self.thread.ensure_started(at)?;
        let scope = self.scope.get_or_init(|| self.new_scope(recording));
        if self.lifecycle.is_pending() && !self.session().is_off("a turn") {
            let started = TurnStarted { turn_id: scope.turn_id.clone(), thread_id: recording.id.clone() };
            self.lifecycle.start(self.session(), self, || {
                recording.of(&self.live).try_write_event(&scope.context, started, at)?;
                self.thread.inside().add_turn(self.lookup_id(scope), self);
                recording.bundle.add_open_turn();
                Ok(())
            });
        }
        Some((recording, scope))
    }

    /// Returns the id by which spans refer to the turn. Its id in the log may be another one.
    fn lookup_id(&self, scope: &TurnScope) -> TurnId {
        self.requested_id.as_deref().map_or_else(|| scope.turn_id.clone(), TurnId::from)
    }

    fn new_scope(&self, recording: &ThreadRecording) -> TurnScope {
        let turn_id = match &self.requested_id {
            Some(id) => recording.bundle.unique_turn_id(id),
            None => recording.bundle.generate_id("turn"),
        };
        let context =
            EventContext { thread_id: Some(recording.id.clone()), turn_id: Some(turn_id.clone()), span: None };
        TurnScope { turn_id, context }
    }

    /// Starts the turn if it is pending. Returns `true` if the turn is open afterwards.
    pub(in crate::layer) fn start(self: &Arc<Self>, at: Timestamp) -> bool {
        self.ensure_started(at).is_some() && self.lifecycle.is_open()
    }

    /// Sets the error that the end event reports if the span closes without another end.
    pub(in crate::layer) fn set_error(&self, error: Option<String>) {
        if let Some(error) = error {
            let error = self.session().options.redact_text(EventKind::TurnEnded, &error).into_owned();
            *lock(&self.error) = Some(error);
        }
    }

    /// Sets what the span of the turn tells of its end.
    pub(in crate::layer) fn set_span_end(&self, span_end: SpanEnd) {
        self.lifecycle.set_span_end(span_end);
    }

    /// Sets the error that the end event reports, unless the last call of a model was answered: what the program does with
    /// an answer is not the turn's.
    pub(in crate::layer) fn fail_unanswered(&self, error: &str) {
        if self.progress.is_unanswered() {
            self.set_error(Some(error.to_owned()));
        }
    }

    /// Adds the span of an operation of this turn that has settled.
    pub(in crate::layer) fn add_settled(self: &Arc<Self>, span: &Weak<dyn SettledSpan>) {
        self.thread.inside().settled.add(Arc::as_ptr(self).addr(), span);
    }

    /// Removes the span of an operation of this turn that has ended.
    pub(in crate::layer) fn remove_settled(&self, span: &Weak<dyn SettledSpan>) {
        self.thread.inside().settled.remove(span);
    }

    /// Ends the turn.
    pub(in crate::layer) fn end(self: &Arc<Self>, end: End, at: Timestamp) {
        self.thread.inside().settled.release_turn(Arc::as_ptr(self).addr());
        self.thread.inside().kept.release_inside(Arc::as_ptr(self).addr());
        let error = lock(&self.error).clone().or_else(|| self.lifecycle.unwound(&end).map(str::to_owned));
        let (status, error) = match (end.clone(), error) {
            (End::Closed, None) => self.outcome_of_last_call(),
            (End::Completed | End::ClosedOk, _) => (ExecutionStatus::Completed, None),
            (End::Closed, Some(error)) | (End::Failed(error), _) => (ExecutionStatus::Failed, Some(error)),
            (End::Cancelled(reason), _) => (ExecutionStatus::Cancelled, Some(reason)),
            (End::Shutdown, None) if self.progress.is_over() => (ExecutionStatus::Completed, None),
            (End::Shutdown, _) => {
                self.thread.set_interrupted();
                (ExecutionStatus::Aborted, Some(SHUT_DOWN.to_owned()))
            }
        };
        // A turn that did not complete ends the code cells that run in it. If it completed, a later turn may wait for
        // them.
        match status {
            ExecutionStatus::Failed => self.thread.inside().end_cells_of(&**self, &End::Failed(String::new()), at),
            ExecutionStatus::Cancelled | ExecutionStatus::Aborted => {
                self.thread.inside().end_cells_of(&**self, &End::Cancelled(String::new()), at);
            }
            ExecutionStatus::Completed | ExecutionStatus::Running => {}
        }
        let mut ended = None;
        self.lifecycle.end(self.session(), || {
            let Some((recording, scope)) = self.started() else { return };
            ended = Some(self.lookup_id(scope));
            self.thread.inside().last_turn.end(&**self, outcome(status, error.as_deref()));
            let EndDetail { ended_by, error_type, attributes } =
                self.lifecycle.take_span_end().detail(&end, status == ExecutionStatus::Failed);
            let turn_id = scope.turn_id.clone();
            let ended = TurnEnded { turn_id, status, error, ended_by, error_type, attributes };
            recording.of(&self.live).write_event(&scope.context, ended, at);
            recording.bundle.remove_open_turn();
            self.forget_requested_calls();
        });
        if let Some(id) = ended {
            self.thread.inside().end_turn(&id, self);
            // A turn may outlive its thread.
            self.thread.forget_if_over();
        }
        self.release_child(&**self);
    }

    /// Returns `true` if the turn has ended or will never start.
    pub(super) fn is_ended(&self) -> bool {
        self.lifecycle.is_ended()
    }

    /// Returns `true` if the turn may be over although nobody has ended it: no span of the program opened it, a model has
    /// given its answer, and nothing is open in it.
    pub(super) fn may_be_over(&self) -> bool {
        self.origin == TurnOrigin::Supplied && self.progress.has_final_answer()
    }

    /// Ends a turn that [may be over](Self::may_be_over), because the user asks the next question, and returns the turn of
    /// that question.
    pub(super) fn ask_next(self: &Arc<Self>, at: Timestamp) -> Arc<Self> {
        self.end(End::Closed, at);
        Arc::clone(self.next.get_or_init(|| Self::new_implicit(Arc::clone(&self.thread))))
    }

    /// Returns the turn of the latest question that the user asked: this turn, unless it ended for another one.
    pub(in crate::layer) fn latest(self: &Arc<Self>) -> Arc<Self> {
        let mut latest = self;
        while let Some(next) = latest.next.get() {
            latest = next;
        }
        Arc::clone(latest)
    }

    /// Returns how the turn ended if nobody ended it: as its last call of a model did.
    fn outcome_of_last_call(&self) -> (ExecutionStatus, Option<String>) {
        let redact = |text: &str| self.session().options.redact_text(EventKind::TurnEnded, text).into_owned();
        match self.progress.last_call().outcome() {
            Some(Outcome::Completed) => (ExecutionStatus::Completed, None),
            Some(Outcome::Failed(error)) => (ExecutionStatus::Failed, Some(redact(&error))),
            Some(Outcome::Cancelled(reason)) => (ExecutionStatus::Cancelled, Some(redact(&reason))),
            None => (ExecutionStatus::Cancelled, Some(CALL_OPEN.to_owned())),
        }
    }

    /// Returns the thread's recording and the scope of the turn. Returns `None` if either has not started.
    fn started(self: &Arc<Self>) -> Option<(&ThreadRecording, &TurnScope)> {
        Some((self.thread.started()?, self.scope.get()?))
    }
}

impl TurnInside for TurnOperation {
    fn is_implicit(&self) -> bool {
        self.origin == TurnOrigin::Supplied
    }

    fn is_agent_at_work(&self) -> bool {
        let is_agent = matches!(self.origin, TurnOrigin::Agent | TurnOrigin::Workflow);
        is_agent && (self.progress.is_at_work() || !lock(&self.requested_calls).is_empty())
    }

    fn end_with_thread(self: Arc<Self>, end: End, at: Timestamp) {
        self.end(end, at);
    }
}

impl OpenOperation for TurnOperation {
    fn end_at_shutdown(self: Arc<Self>) {
        let at = Timestamp::now();
        self.end(End::Shutdown, at);
        // A span of an agent opens its thread too, which ends later.
        let is_shared =
            |live: &Arc<dyn LiveSpan>| self.thread.live().as_ref().is_some_and(|other| Arc::ptr_eq(other, live));
        if !self.live.as_ref().is_some_and(is_shared) {
            end_live(&self.live, at);
        }
    }
}

/// Returns the outcome of a turn that ended with this status.
fn outcome(status: ExecutionStatus, error: Option<&str>) -> Outcome {
    let error = error.unwrap_or_default().to_owned();
    match status {
        ExecutionStatus::Completed | ExecutionStatus::Running => Outcome::Completed,
        ExecutionStatus::Failed => Outcome::Failed(error),
        ExecutionStatus::Cancelled | ExecutionStatus::Aborted => Outcome::Cancelled(error),
    }
}
