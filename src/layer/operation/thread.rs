//! A thread: one agent's conversation. A root thread has its own bundle; a spawned thread is recorded in the bundle of
//! its parent.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use super::bundle::Bundle;
use super::code_cell::CodeCellOperation;
use super::end::{End, SHUT_DOWN};
use super::last_inside::{LastInside, Outcome};
use super::lifecycle::Lifecycle;
use super::open_operation::OpenOperation;
use super::thread_facts::ThreadFacts;
use super::thread_identity::ThreadIdentity;
use super::thread_recording::{JsonPayload, ThreadRecording};
use super::turn::TurnOperation;
use crate::bundle::{Body, Json, Lost, ReadyBody};
use crate::event::{
    EventContext, EventKind, Other, PayloadKind, PayloadRef, ProtocolEventObserved, RawJson, RolloutEnded,
    RolloutStarted, RolloutStatus, ThreadEnded, ThreadId, ThreadStarted, Timestamp, TurnId,
};
use crate::layer::recorder::inner::Inner;
use crate::layer::recorder::live::Live;
use crate::layer::recorder::reentrancy::lock;

/// A thread that a span or a handle opened, or that was opened implicitly.
#[derive(Debug)]
pub(in crate::layer) struct ThreadOperation {
    recorder: Arc<Inner>,
    parent: Option<Arc<ThreadOperation>>,
    live: Live,
    facts: ThreadFacts,
    /// The id by which spans refer to the thread. Its id in the log may be another one.
    requested_id: Option<String>,
    identity: OnceLock<ThreadIdentity>,
    /// The thread's recording, set before the start event is written.
    prepared: OnceLock<ThreadRecording>,
    /// Set once the start event has been written.
    has_started: OnceLock<()>,
    lifecycle: Lifecycle,
    error: Mutex<Option<String>>,
    /// The last turn.
    last_turn: LastInside,
    /// `true` if no turn was open in the thread when recording was shut down.
    is_idle: AtomicBool,
    /// Open turns, by the id by which spans refer to them.
    turns: Mutex<HashMap<TurnId, Weak<TurnOperation>>>,
    /// Code cells that may still run.
    cells: Mutex<Vec<Weak<CodeCellOperation>>>,
}

impl ThreadOperation {
    /// Creates a thread. If the requested id is that of a thread above it, because a framework passes the
    /// conversation's id on to its agents, the thread gets a generated id.
    pub(in crate::layer) fn new(
        recorder: Arc<Inner>,
        parent: Option<Arc<Self>>,
        mut facts: ThreadFacts,
        live: Live,
    ) -> Arc<Self> {
        let requested_id = facts.id.clone();
        let above = || std::iter::successors(parent.as_ref(), |thread| thread.parent.as_ref());
        facts.id = facts.id.filter(|id| !above().any(|thread| thread.has_id(id)));
        Arc::new(Self {
            recorder,
            parent,
            live,
            facts,
            requested_id,
            identity: OnceLock::new(),
            prepared: OnceLock::new(),
            has_started: OnceLock::new(),
            lifecycle: Lifecycle::new(),
            error: Mutex::default(),
            last_turn: LastInside::default(),
            is_idle: AtomicBool::new(false),
            turns: Mutex::default(),
            cells: Mutex::default(),
        })
    }

    pub(super) fn recorder(&self) -> &Arc<Inner> {
        &self.recorder
    }

    /// Returns `true` if spans refer to this thread by `id`.
    pub(in crate::layer) fn has_id(&self, id: &str) -> bool {
        self.requested_id.as_deref() == Some(id) || self.started().is_some_and(|recording| recording.id.as_str() == id)
    }

    /// Returns the last turn of this thread.
    pub(super) fn last_turn(&self) -> &LastInside {
        &self.last_turn
    }

    /// Returns the live span that opened this thread.
    pub(super) fn live(&self) -> &Live {
        &self.live
    }

    /// Starts the thread if it is pending. Returns `None` if the thread cannot be recorded.
    pub(super) fn ensure_started(self: &Arc<Self>, at: Timestamp) -> Option<&ThreadRecording> {
        // `is_pending` waits for a start event that another thread is writing.
        if self.started().is_none() && self.lifecycle.is_pending() {
            self.start_recording(at);
        }
        self.started()
    }

    /// Starts the thread. Returns `None` if the recorder is off, or if the parent thread is not recorded.
    fn start_recording(self: &Arc<Self>, at: Timestamp) -> Option<()> {
        if self.recorder.is_off("a thread") {
            return None;
        }
        let parent = match &self.parent {
            // A spawned thread is recorded only if its parent is.
            Some(parent) => Some(parent.ensure_started(at)?),
            None => None,
        };
        let identity = self.identity.get_or_init(|| self.new_identity(parent));
        // No lock is held here: the program's own redactor may run.
        let metadata = self.encode_metadata(identity);
        let operation = || OpenOperation::Thread(Arc::clone(self));
        self.lifecycle.prepare(&self.recorder, operation, || self.prepare(identity, parent, at));
        // Stored without the lifecycle's lock, which every thread takes that opens an operation below this one. If two
        // threads get here at once, each stores its own body, and the start event references one of them. The start
        // event is written even if the body is lost.
        let store = |body| self.prepared.get()?.store_ready(&self.live, body).ok();
        let metadata = metadata.and_then(store).map(|stored| stored.reference);
        self.lifecycle.start_prepared(&self.recorder, || {
            self.write_start(metadata, at);
            self.recorder.register_thread(identity.id.clone(), self);
            Ok(())
        });
        Some(())
    }

    /// Creates the thread's recording, and the bundle of a root thread. Fails if the bundle cannot be created.
    fn prepare(&self, identity: &ThreadIdentity, parent: Option<&ThreadRecording>, at: Timestamp) -> Result<(), Lost> {
        let ThreadIdentity { id, agent_path, depth, .. } = identity.clone();
        let bundle = match parent {
            Some(parent) => Arc::clone(&parent.bundle),
            None => Arc::new(self.create_bundle(&id, at)?),
        };
        let _ = self.prepared.set(ThreadRecording { id, bundle, agent_path, depth });
        Ok(())
    }

    /// Returns the directory of the thread's bundle. Returns `None` if the thread has not started, or if nothing is
    /// written to disk.
    pub(in crate::layer) fn bundle_path(&self) -> Option<PathBuf> {
        let recording = self.started().filter(|recording| !recording.bundle.writer.is_noop());
        recording.map(|recording| recording.bundle.writer.path().to_owned())
    }

    /// Returns the thread's recording. Returns `None` if the thread has not started.
    pub(super) fn started(&self) -> Option<&ThreadRecording> {
        self.has_started.get().and_then(|()| self.prepared.get())
    }

    /// Starts the thread if it is pending. Returns `true` if the thread is open afterwards.
    pub(in crate::layer) fn start(self: &Arc<Self>, at: Timestamp) -> bool {
        self.ensure_started(at).is_some() && self.lifecycle.is_open()
    }

    fn new_identity(&self, parent: Option<&ThreadRecording>) -> ThreadIdentity {
        match parent {
            Some(parent) => ThreadIdentity::for_spawned(parent, &self.facts, &self.recorder.options.masking),
            None => ThreadIdentity::for_root(self.recorder.parent.as_ref(), &self.facts),
        }
    }

    /// Creates the bundle of a root thread. A failure is reported as a loss.
    fn create_bundle(&self, id: &ThreadId, at: Timestamp) -> Result<Bundle, Lost> {
        let parent = self.recorder.parent.as_ref().map(|parent| parent.process().clone());
        let Inner { root, options, retention, .. } = &*self.recorder;
        let created = Bundle::create(root, id, at, parent, options.clone(), Arc::clone(retention));
        let bundle = created.map_err(|error| {
            self.recorder.options.report_loss(Lost::Bundle, error.full_message());
            Lost::Bundle
        })?;
        self.recorder.on_bundle_start(&bundle.writer.manifest().trace_id);
        Ok(bundle)
    }

    /// Encodes the `session_metadata` body. Returns `None` if there is nothing to record in it.
    fn encode_metadata(&self, identity: &ThreadIdentity) -> Option<ReadyBody> {
        let ThreadIdentity { id, agent_path, spawned, .. } = identity;
        if spawned.is_none() && self.facts.metadata.is_empty() {
            return None;
        }
        let body = self.facts.metadata.body(id, agent_path, spawned.as_ref());
        Some(self.recorder.options.prepare_body(PayloadKind::SessionMetadata, &Json(&body)))
    }

    /// Writes the start events. A thread whose start event is lost still records its operations, and has an end.
    fn write_start(&self, metadata: Option<PayloadRef>, at: Timestamp) {
        let Some(recording) = self.prepared.get() else { return };
        let ThreadRecording { id, bundle, agent_path, .. } = recording;
        let no_context = EventContext::default();
        if self.parent.is_none() {
            let trace_id = bundle.writer.manifest().trace_id.clone();
            recording.write_event(&self.live, &no_context, RolloutStarted { trace_id, root_thread_id: id.clone() }, at);
        }
        let (thread_id, agent_path) = (id.clone(), agent_path.clone());
        recording.write_event(
            &self.live,
            &no_context,
            ThreadStarted { thread_id, agent_path, metadata_payload: metadata },
            at,
        );
        if let (Some(live), Some(parent), Some(tool)) = (&self.live, self.parent_id(), &self.facts.spawned_by) {
            live.set_spawner(parent, tool);
        }
        if let Some(orphan) = self.facts.orphan {
            recording.write_event(&None, &recording.context(), orphan.to_event(), at);
        }
        // Set last, so that no other thread proceeds before the start event is in the log.
        let _ = self.has_started.set(());
    }

    /// Returns the id of the thread that spawned this one. Returns `None` for a root thread.
    pub(super) fn parent_id(&self) -> Option<&ThreadId> {
        Some(&self.parent.as_ref()?.started()?.id)
    }

    /// Records an event that the program sends to its own clients.
    pub(in crate::layer) fn record_protocol_event(self: &Arc<Self>, event_type: &str, body: &dyn Body) {
        let at = Timestamp::now();
        if self.recorder.is_off("a protocol event") {
            return;
        }
        let Some(recording) = self.ensure_started(at) else { return };
        match recording.store_json(&None, PayloadKind::ProtocolEvent, body) {
            Ok(JsonPayload { reference, raw }) => {
                let event_type =
                    self.recorder.options.redact_text(EventKind::ProtocolEventObserved, event_type).into_owned();
                let event = ProtocolEventObserved { event_type, event_payload: reference };
                recording.write_event(&self.live, &EventContext::default(), event, at);
                if let Some(raw) = raw {
                    recording.write_payload_event(&EventContext::default(), raw, &serde_json::Value::Null, at);
                }
            }
            Err(_counted) => {
                let lost = Lost::Event(EventKind::ProtocolEventObserved);
                recording.bundle.writer.report_dependent_loss(lost, "its body could not be stored");
            }
        }
    }

    /// Records an `other` event, for which format 1 defines no event type.
    pub(in crate::layer) fn record_other(self: &Arc<Self>, kind: &str, summary: &str, metadata: RawJson) {
        let at = Timestamp::now();
        if self.recorder.is_off("an `other` event") {
            return;
        }
        let Some(recording) = self.ensure_started(at) else { return };
        let summary = self.recorder.options.redact_text(EventKind::Other, summary).into_owned();
        let metadata = self.recorder.options.redact_json(EventKind::Other, metadata);
        let other = Other { kind: kind.to_owned(), summary, payloads: Vec::new(), metadata };
        recording.write_event(&self.live, &recording.context(), other, at);
    }

    /// Registers a child process of this thread and returns the value of `OTEL_TRACE_PARENT` for it. Returns `None` if
    /// the thread is not recorded.
    pub(in crate::layer) fn register_child_process(self: &Arc<Self>) -> Option<String> {
        let at = Timestamp::now();
        if self.recorder.is_off("a child process") {
            return None;
        }
        let recording = self.ensure_started(at)?;
        recording.register_child_process(&recording.context(), None, at)
    }

    /// Records a body of any kind in a payload event.
    pub(in crate::layer) fn record_payload(self: &Arc<Self>, kind: PayloadKind, body: &dyn Body) {
        let at = Timestamp::now();
        if self.recorder.is_off("a body") {
            return;
        }
        let Some(recording) = self.ensure_started(at) else { return };
        if let Ok(stored) = recording.store_payload(&None, kind, body) {
            recording.write_payload_event(&recording.context(), stored.reference, &serde_json::Value::Null, at);
        }
    }

    /// Adds a started turn to the open turns.
    pub(super) fn register_turn(&self, id: TurnId, turn: &Arc<TurnOperation>) {
        lock(&self.turns).insert(id, Arc::downgrade(turn));
    }

    /// Adds a started code cell to the running ones.
    pub(super) fn register_cell(&self, cell: &Arc<CodeCellOperation>) {
        let mut cells = lock(&self.cells);
        // Checks the reference count only. A look at a cell's state would wait for a start event that is being written.
        cells.retain(|cell| cell.strong_count() > 0);
        cells.push(Arc::downgrade(cell));
    }

    /// Ends the code cells that still run in the thread, or in `turn` if it is given.
    pub(super) fn end_cells(&self, turn: Option<&Arc<TurnOperation>>, end: &End) {
        let running: Vec<_> = lock(&self.cells).iter().filter_map(Weak::upgrade).collect();
        let ended = running.iter().filter(|cell| turn.is_none_or(|turn| Arc::ptr_eq(cell.turn(), turn)));
        ended.for_each(|cell| cell.end(end));
    }

    /// Removes a turn from the open turns, unless another turn has taken its id since.
    pub(super) fn unregister_turn(&self, id: &TurnId, turn: &TurnOperation) {
        let mut turns = lock(&self.turns);
        if turns.get(id).is_some_and(|open| std::ptr::eq(open.as_ptr(), turn)) {
            turns.remove(id);
        }
    }

    /// Marks a thread in which no turn was open at shutdown: the shutdown interrupted
    /// nothing, so its status is `completed` and not `aborted`.
    pub(in crate::layer) fn mark_idle(&self) {
        self.is_idle.store(true, Ordering::Relaxed);
    }

    /// Returns `true` if the thread can never be recorded, because its bundle could not be created.
    pub(in crate::layer) fn is_lost(&self) -> bool {
        self.started().is_none() && self.lifecycle.is_ended()
    }

    /// Returns the open turn to which spans refer by `id`. Returns `None` if there is none.
    pub(in crate::layer) fn open_turn(&self, id: &str) -> Option<Arc<TurnOperation>> {
        lock(&self.turns).get(id).and_then(Weak::upgrade)
    }

    /// Sets the error that the end event reports if the span closes without another end.
    pub(in crate::layer) fn set_error(&self, error: Option<String>) {
        if let Some(error) = error {
            let error = self.recorder.options.redact_text(EventKind::ThreadEnded, &error).into_owned();
            *lock(&self.error) = Some(error);
        }
    }

    /// Ends the thread, after its running code cells and its implicit turns.
    pub(in crate::layer) fn end(&self, end: End) {
        self.end_cells(None, &End::Cancelled(THREAD_ENDED.to_owned()));
        let implicit: Vec<_> = lock(&self.turns).values().filter_map(Weak::upgrade).collect();
        for turn in implicit.iter().filter(|turn| turn.is_implicit()) {
            turn.end(end.clone());
        }
        let error = lock(&self.error).clone().or_else(|| self.lifecycle.unwound(&end).map(str::to_owned));
        let is_shutdown = matches!(end, End::Shutdown);
        let (status, error) = match (end, error) {
            (End::Closed, None) => self.outcome_of_last_turn(),
            (End::Completed, _) => (RolloutStatus::Completed, None),
            (End::Closed, Some(error)) | (End::Failed(error), _) => (RolloutStatus::Failed, Some(error)),
            (End::Cancelled(reason), _) => (RolloutStatus::Aborted, Some(reason)),
            (End::Shutdown, None) if self.is_idle.load(Ordering::Relaxed) => (RolloutStatus::Completed, None),
            (End::Shutdown, _) => (RolloutStatus::Aborted, Some(SHUT_DOWN.to_owned())),
        };
        // The thread may be prepared, with its metadata still on the way to the disk.
        self.lifecycle.start_prepared(&self.recorder, || {
            self.write_start(None, Timestamp::now());
            Ok(())
        });
        self.lifecycle.end(&self.recorder, || {
            if let Some(recording) = self.started() {
                self.write_end(recording, status, error, is_shutdown);
            }
        });
    }

    /// Returns how the thread ended if nobody ended it: as its last turn did. A turn that is open may outlive its thread.
    fn outcome_of_last_turn(&self) -> (RolloutStatus, Option<String>) {
        let mask = |text: &str| self.recorder.options.redact_text(EventKind::ThreadEnded, text).into_owned();
        match self.last_turn.outcome() {
            Some(Outcome::Completed) | None => (RolloutStatus::Completed, None),
            Some(Outcome::Failed(error)) => (RolloutStatus::Failed, Some(mask(&error))),
            Some(Outcome::Cancelled(reason)) => (RolloutStatus::Aborted, Some(mask(&reason))),
        }
    }

    fn write_end(&self, recording: &ThreadRecording, status: RolloutStatus, error: Option<String>, is_shutdown: bool) {
        let at = Timestamp::now();
        let writer = &recording.bundle.writer;
        let no_context = EventContext::default();
        recording.write_event(
            &self.live,
            &no_context,
            ThreadEnded { thread_id: recording.id.clone(), status, error },
            at,
        );
        self.recorder.unregister_thread(&recording.id, self);
        if self.parent.is_none() {
            let ended = RolloutEnded { status };
            if is_shutdown {
                // No event follows the shutdown, not even one that is being recorded now.
                writer.append_last(at, &ended.into());
            } else {
                recording.write_event(&self.live, &no_context, ended, at);
            }
            writer.finish(at);
            self.recorder.on_bundle_end(&writer.manifest().trace_id);
        }
    }
}

/// Reason for the end of a code cell that still ran when its thread ended.
const THREAD_ENDED: &str = "its thread ended";
