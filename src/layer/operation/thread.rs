//! A thread: one agent's conversation. A root thread is a bundle of its own; a spawned one is in its parent's.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use super::bundle::Bundle;
use super::identity::Identity;
use super::life::Life;
use super::recording::{AsJson, Recording};
use super::{CodeCellOperation, End, OpenOperation, SHUT_DOWN, SessionMetadata, TurnOperation};
use crate::bundle::{Body, Json, Lost, ReadyBody};
use crate::event::{
    EventContext, EventKind, Other, PayloadKind, PayloadRef, ProtocolEventObserved, RawJson, RolloutEnded,
    RolloutStarted, RolloutStatus, ThreadEnded, ThreadId, ThreadStarted, Timestamp, ToolCallId, TurnId,
};
use crate::layer::live::Live;
use crate::layer::recorder::{Inner, locked};

/// What is known of a thread before it starts.
#[derive(Debug, Default)]
pub(in crate::layer) struct ThreadFacts {
    pub(in crate::layer) id: Option<String>,
    pub(in crate::layer) agent_path: Option<String>,
    pub(in crate::layer) metadata: SessionMetadata,
    pub(in crate::layer) orphan: Option<Orphan>,
    /// The tool call that spawns it.
    pub(in crate::layer) spawned_by: Option<ToolCallId>,
}

/// A window that had lost its surroundings, for which a thread was supplied.
#[derive(Debug, Clone, Copy)]
pub(in crate::layer) struct Orphan {
    /// The name of its span.
    pub(in crate::layer) span: &'static str,
}

impl Orphan {
    fn notice(self) -> Other {
        let Self { span } = self;
        Other {
            kind: "orphan_span".to_owned(),
            summary: format!("span `{span}` had no thread above it; one was supplied"),
            payloads: Vec::new(),
            metadata: RawJson::of(&serde_json::json!({ "span": span })),
        }
    }
}

#[derive(Debug)]
pub(in crate::layer) struct ThreadOperation {
    recorder: Arc<Inner>,
    parent: Option<Arc<ThreadOperation>>,
    live: Live,
    facts: ThreadFacts,
    /// The id that spans may name it by, though it may have another.
    asked_id: Option<String>,
    identity: OnceLock<Identity>,
    /// Where it is written, before its start is.
    prepared: OnceLock<Recording>,
    has_started: OnceLock<()>,
    life: Life,
    error: Mutex<Option<String>>,
    /// Whether a panic was unwinding when it was opened.
    opened_unwinding: bool,
    /// Whether nothing was going on in it when recording ended.
    is_idle: AtomicBool,
    turns: Mutex<HashMap<TurnId, Weak<TurnOperation>>>,
    /// Scripts that may still run.
    cells: Mutex<Vec<Weak<CodeCellOperation>>>,
}

impl ThreadOperation {
    /// A spawned thread that is named like one above it, because a framework passes the conversation's id on, gets
    /// an id of its own.
    pub(in crate::layer) fn new(
        recorder: Arc<Inner>,
        parent: Option<Arc<Self>>,
        mut facts: ThreadFacts,
        live: Live,
    ) -> Arc<Self> {
        let asked_id = facts.id.clone();
        let above = || std::iter::successors(parent.as_ref(), |thread| thread.parent.as_ref());
        facts.id = facts.id.filter(|id| !above().any(|thread| thread.is_named(id)));
        Arc::new(Self {
            recorder,
            parent,
            live,
            facts,
            asked_id,
            identity: OnceLock::new(),
            prepared: OnceLock::new(),
            has_started: OnceLock::new(),
            life: Life::default(),
            error: Mutex::default(),
            opened_unwinding: std::thread::panicking(),
            is_idle: AtomicBool::new(false),
            turns: Mutex::default(),
            cells: Mutex::default(),
        })
    }

    pub(super) fn recorder(&self) -> &Arc<Inner> {
        &self.recorder
    }

    /// Whether spans mean this thread by that id.
    pub(in crate::layer) fn is_named(&self, id: &str) -> bool {
        self.asked_id.as_deref() == Some(id) || self.started().is_some_and(|recording| recording.id.as_str() == id)
    }

    /// Returns the live span that opened this thread.
    pub(super) fn live(&self) -> &Live {
        &self.live
    }

    /// Starts the thread if it has not started. None where it can't be recorded.
    pub(super) fn recording(self: &Arc<Self>, at: Timestamp) -> Option<&Recording> {
        // Waits for the start that is being written.
        if self.started().is_none() && self.life.is_pending() {
            self.begin(at);
        }
        self.started()
    }

    fn begin(self: &Arc<Self>, at: Timestamp) -> Option<()> {
        if self.recorder.is_off("a thread") {
            return None;
        }
        let parent = match &self.parent {
            // A spawned thread whose parent is not recorded is not recorded.
            Some(parent) => Some(parent.recording(at)?),
            None => None,
        };
        let identity = self.identity.get_or_init(|| self.new_identity(parent));
        // Outside every lock: it may be masked by code of the program's.
        let metadata = self.ready_metadata(identity);
        let operation = || OpenOperation::Thread(Arc::clone(self));
        self.life.prepare(&self.recorder, operation, || self.prepare(identity, parent, at));
        // Without the lock that everyone takes who opens something below. Two threads may come here at once: each waits
        // for its own body then, and one of the two is named. Lost or not, the start stands.
        let store = |body| self.prepared.get()?.store(&self.live, body).ok();
        let metadata = metadata.and_then(store).map(|stored| stored.reference);
        self.life.start_prepared(&self.recorder, || {
            self.write_start(metadata, at);
            self.recorder.thread_started(identity.id.clone(), self);
            Ok(())
        });
        Some(())
    }

    /// Says where the thread is written, and makes the bundle of a root thread, which is not recorded without.
    fn prepare(&self, identity: &Identity, parent: Option<&Recording>, at: Timestamp) -> Result<(), Lost> {
        let Identity { id, agent_path, depth, .. } = identity.clone();
        let bundle = match parent {
            Some(parent) => Arc::clone(&parent.bundle),
            None => Arc::new(self.begin_bundle(&id, at)?),
        };
        let _ = self.prepared.set(Recording { id, bundle, agent_path, depth });
        Ok(())
    }

    /// The directory of the thread's bundle, where it started.
    pub(in crate::layer) fn bundle(&self) -> Option<PathBuf> {
        let recording = self.started().filter(|recording| !recording.bundle.writer.is_unwritten());
        recording.map(|recording| recording.bundle.writer.path().to_owned())
    }

    /// The thread, where it started.
    pub(super) fn started(&self) -> Option<&Recording> {
        self.has_started.get().and_then(|()| self.prepared.get())
    }

    /// Starts the thread if it has not started.
    pub(in crate::layer) fn start(self: &Arc<Self>, at: Timestamp) -> bool {
        self.recording(at).is_some() && self.life.is_open()
    }

    fn new_identity(&self, parent: Option<&Recording>) -> Identity {
        match parent {
            Some(parent) => Identity::in_bundle_of(parent, &self.facts, &self.recorder.options.masking),
            None => Identity::of_root(self.recorder.parent.as_ref(), &self.facts),
        }
    }

    fn begin_bundle(&self, id: &ThreadId, at: Timestamp) -> Result<Bundle, Lost> {
        let above = self.recorder.parent.as_ref().map(|above| above.process().clone());
        let made = Bundle::create(&self.recorder.root, id, at, above, self.recorder.options.clone());
        let bundle = made.map_err(|error| {
            self.recorder.options.lose(Lost::Bundle, error.full_message());
            Lost::Bundle
        })?;
        self.recorder.bundle_began(&bundle.writer.manifest().trace_id);
        Ok(bundle)
    }

    fn ready_metadata(&self, identity: &Identity) -> Option<ReadyBody> {
        let Identity { id, agent_path, spawned, .. } = identity;
        if spawned.is_none() && self.facts.metadata.is_empty() {
            return None;
        }
        let body = self.facts.metadata.body(id, agent_path, spawned.as_ref());
        Some(self.recorder.options.ready(PayloadKind::SessionMetadata, &Json(&body)))
    }

    /// A thread whose own start is lost still is a place for what happens in it, and has an end.
    fn write_start(&self, metadata: Option<PayloadRef>, at: Timestamp) {
        let Some(recording) = self.prepared.get() else { return };
        let Recording { id, bundle, agent_path, .. } = recording;
        let none = EventContext::default();
        if self.parent.is_none() {
            let trace_id = bundle.writer.manifest().trace_id.clone();
            recording.say(&self.live, &none, RolloutStarted { trace_id, root_thread_id: id.clone() }, at);
        }
        let (thread_id, agent_path) = (id.clone(), agent_path.clone());
        recording.say(&self.live, &none, ThreadStarted { thread_id, agent_path, metadata_payload: metadata }, at);
        if let (Some(live), Some(parent), Some(tool)) = (&self.live, self.parent_id(), &self.facts.spawned_by) {
            live.spawned_by(parent, tool);
        }
        if let Some(orphan) = self.facts.orphan {
            recording.say(&None, &recording.context(), orphan.notice(), at);
        }
        // Only now, so that nobody goes on before the start is in the log.
        let _ = self.has_started.set(());
    }

    /// The thread that spawned this one.
    pub(super) fn parent_id(&self) -> Option<&ThreadId> {
        Some(&self.parent.as_ref()?.started()?.id)
    }

    /// What the program tells its own clients.
    pub(in crate::layer) fn protocol_event(self: &Arc<Self>, event_type: &str, body: &dyn Body) {
        let at = Timestamp::now();
        if self.recorder.is_off("a protocol event") {
            return;
        }
        let Some(recording) = self.recording(at) else { return };
        match recording.put_json(&None, PayloadKind::ProtocolEvent, body) {
            Ok(AsJson { reference, bytes }) => {
                let event_type = self.recorder.options.text(EventKind::ProtocolEventObserved, event_type).into_owned();
                let event = ProtocolEventObserved { event_type, event_payload: reference };
                recording.say(&self.live, &EventContext::default(), event, at);
                if let Some(bytes) = bytes {
                    recording.say_beside(&EventContext::default(), bytes, &serde_json::Value::Null, at);
                }
            }
            Err(_told) => {
                let what = Lost::Event(EventKind::ProtocolEventObserved);
                recording.bundle.writer.lose_dependent(what, "its body could not be stored");
            }
        }
    }

    /// What nothing else says.
    pub(in crate::layer) fn other(self: &Arc<Self>, kind: &str, summary: &str, metadata: RawJson) {
        let at = Timestamp::now();
        if self.recorder.is_off("another event") {
            return;
        }
        let Some(recording) = self.recording(at) else { return };
        let summary = self.recorder.options.text(EventKind::Other, summary).into_owned();
        let metadata = self.recorder.options.json(EventKind::Other, metadata);
        let other = Other { kind: kind.to_owned(), summary, payloads: Vec::new(), metadata };
        recording.say(&self.live, &recording.context(), other, at);
    }

    /// The value that tells a process of this thread, in which it is spawned.
    pub(in crate::layer) fn child_process(self: &Arc<Self>) -> Option<String> {
        let at = Timestamp::now();
        if self.recorder.is_off("a child process") {
            return None;
        }
        let recording = self.recording(at)?;
        recording.child_process(&recording.context(), None, at)
    }

    /// A body of any kind.
    pub(in crate::layer) fn payload(self: &Arc<Self>, kind: PayloadKind, body: &dyn Body) {
        let at = Timestamp::now();
        if self.recorder.is_off("a body") {
            return;
        }
        let Some(recording) = self.recording(at) else { return };
        if let Ok(stored) = recording.put(&None, kind, body) {
            recording.say_beside(&recording.context(), stored.reference, &serde_json::Value::Null, at);
        }
    }

    pub(super) fn turn_started(&self, id: TurnId, turn: &Arc<TurnOperation>) {
        locked(&self.turns).insert(id, Arc::downgrade(turn));
    }

    pub(super) fn cell_started(&self, cell: &Arc<CodeCellOperation>) {
        let mut cells = locked(&self.cells);
        // The start of one is being written: no look at another's state may wait for that.
        cells.retain(|cell| cell.strong_count() > 0);
        cells.push(Arc::downgrade(cell));
    }

    /// Ends the scripts that still run in the thread, or in this turn of it.
    pub(super) fn end_cells(&self, turn: Option<&Arc<TurnOperation>>, end: &End) {
        let running: Vec<_> = locked(&self.cells).iter().filter_map(Weak::upgrade).collect();
        let ended = running.iter().filter(|cell| turn.is_none_or(|turn| Arc::ptr_eq(cell.turn(), turn)));
        ended.for_each(|cell| cell.end(end));
    }

    /// Another turn may have taken the id by now.
    pub(super) fn turn_ended(&self, id: &TurnId, turn: &TurnOperation) {
        let mut turns = locked(&self.turns);
        if turns.get(id).is_some_and(|named| std::ptr::eq(named.as_ptr(), turn)) {
            turns.remove(id);
        }
    }

    /// Recording ends, and nothing goes on in this conversation: it is over, and was not cut short.
    pub(in crate::layer) fn note_idle(&self) {
        self.is_idle.store(true, Ordering::Relaxed);
    }

    /// Whether it can never be recorded: its bundle could not be made.
    pub(in crate::layer) fn is_lost(&self) -> bool {
        self.started().is_none() && self.life.is_over()
    }

    /// The open turn with this id.
    pub(in crate::layer) fn turn(&self, id: &str) -> Option<Arc<TurnOperation>> {
        locked(&self.turns).get(id).and_then(Weak::upgrade)
    }

    /// What the span reported before it closed.
    pub(in crate::layer) fn note_error(&self, error: Option<String>) {
        if let Some(error) = error {
            let error = self.recorder.options.text(EventKind::ThreadEnded, &error).into_owned();
            *locked(&self.error) = Some(error);
        }
    }

    pub(in crate::layer) fn end(&self, end: End) {
        self.end_cells(None, &End::Cancelled(THREAD_ENDED.to_owned()));
        let supplied: Vec<_> = locked(&self.turns).values().filter_map(Weak::upgrade).collect();
        for turn in supplied.iter().filter(|turn| turn.is_supplied()) {
            turn.end(end.clone());
        }
        let error = end.error_of(locked(&self.error).clone(), self.opened_unwinding);
        let is_shutdown = matches!(end, End::Shutdown);
        let (status, error) = match (end, error) {
            (End::Closed, None) | (End::Completed, _) => (RolloutStatus::Completed, None),
            (End::Closed, Some(error)) | (End::Failed(error), _) => (RolloutStatus::Failed, Some(error)),
            (End::Cancelled(reason), _) => (RolloutStatus::Aborted, Some(reason)),
            (End::Shutdown, None) if self.is_idle.load(Ordering::Relaxed) => (RolloutStatus::Completed, None),
            (End::Shutdown, _) => (RolloutStatus::Aborted, Some(SHUT_DOWN.to_owned())),
        };
        // Its metadata may still be on its way to the disk.
        self.life.start_prepared(&self.recorder, || {
            self.write_start(None, Timestamp::now());
            Ok(())
        });
        self.life.end(&self.recorder, || {
            if let Some(recording) = self.started() {
                self.write_end(recording, status, error, is_shutdown);
            }
        });
    }

    fn write_end(&self, recording: &Recording, status: RolloutStatus, error: Option<String>, is_shutdown: bool) {
        let at = Timestamp::now();
        let writer = &recording.bundle.writer;
        let none = EventContext::default();
        recording.say(&self.live, &none, ThreadEnded { thread_id: recording.id.clone(), status, error }, at);
        self.recorder.thread_ended(&recording.id, self);
        if self.parent.is_none() {
            let ended = RolloutEnded { status };
            if is_shutdown {
                // Nothing follows a shutdown, not even what was on its way.
                writer.append_last(at, &ended.into());
            } else {
                recording.say(&self.live, &none, ended, at);
            }
            writer.finish(at);
            self.recorder.bundle_ended(&writer.manifest().trace_id);
        }
    }
}

/// Why a script ended that nobody ended.
const THREAD_ENDED: &str = "its thread ended";
