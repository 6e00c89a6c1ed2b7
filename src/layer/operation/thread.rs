//! A thread: one agent's conversation. A root thread has its own bundle; a spawned thread is recorded in the bundle of
//! its parent.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use super::bundle::Bundle;
use super::end::{End, SHUT_DOWN};
use super::handle_link::HandleLink;
use super::inside_thread::InsideThread;
use super::kept_handles::{AnyHandle, KeptHandles};
use super::last_inside::Outcome;
use super::lifecycle::Lifecycle;
use super::span_end::SpanEnd;
use super::thread_facts::ThreadFacts;
use super::thread_identity::ThreadIdentity;
use super::thread_recording::ThreadRecording;
use crate::bundle::{Json, Lost, ReadyBody};
use crate::event::{
    EndDetail, EventContext, EventKind, PayloadKind, PayloadRef, RawJson, RolloutEnded, RolloutStarted, RolloutStatus,
    ThreadEnded, ThreadId, ThreadStarted, Timestamp,
};
use crate::layer::session::Session;
use crate::layer::session::live::{Live, end_live};
use crate::layer::session::open_operations::OpenOperation;
use crate::layer::session::reentrancy::lock;
use crate::mask::Masked;

/// A thread that a span or a handle opened, or that was opened implicitly.
#[derive(Debug)]
pub(in crate::layer) struct ThreadOperation {
    session: Arc<Session>,
    parent: Option<Arc<ThreadOperation>>,
    live: Live,
    link: HandleLink,
    pub(super) facts: ThreadFacts,
    /// The id by which spans refer to the thread. Its id in the log may be another one.
    requested_id: Option<String>,
    identity: OnceLock<ThreadIdentity>,
    /// The thread's recording, set before the start event is written.
    prepared: OnceLock<ThreadRecording>,
    /// Set once the start event has been written.
    has_started: OnceLock<()>,
    pub(super) lifecycle: Lifecycle,
    error: Mutex<Option<String>>,
    /// What is open inside of the thread.
    inside: InsideThread,
    /// The threads of the other agents that spans in this thread name, by name.
    pub(super) agents: Mutex<BTreeMap<String, Vec<Weak<ThreadOperation>>>>,
    /// `true` once the shutdown has interrupted a turn of the thread.
    is_interrupted: AtomicBool,
}

impl ThreadOperation {
    /// Creates a thread. If the requested id is that of a thread above it, because a framework passes the
    /// conversation's id on to its agents, the thread gets a generated id.
    pub(in crate::layer) fn new(
        session: Arc<Session>,
        parent: Option<Arc<Self>>,
        mut facts: ThreadFacts,
        live: Live,
    ) -> Arc<Self> {
        let requested_id = facts.id.clone();
        let above = || std::iter::successors(parent.as_ref(), |thread| thread.parent.as_ref());
        facts.id = facts.id.filter(|id| !above().any(|thread| thread.has_id(id)));
        Arc::new(Self {
            session,
            parent,
            live,
            link: HandleLink::default(),
            facts,
            requested_id,
            identity: OnceLock::new(),
            prepared: OnceLock::new(),
            has_started: OnceLock::new(),
            lifecycle: Lifecycle::new(),
            error: Mutex::default(),
            inside: InsideThread::default(),
            agents: Mutex::default(),
            is_interrupted: AtomicBool::new(false),
        })
    }

    pub(in crate::layer) fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// Returns `true` if spans refer to this thread by `id`.
    pub(in crate::layer) fn has_id(&self, id: &str) -> bool {
        self.requested_id.as_deref() == Some(id) || self.started().is_some_and(|recording| recording.id.as_str() == id)
    }

    /// Returns the thread's id in the log. Returns `None` before the thread has started.
    pub(in crate::layer) fn id(&self) -> Option<&ThreadId> {
        Some(&self.started()?.id)
    }

    /// Returns the thread that spawned this one. Returns `None` for a root thread.
    pub(super) fn parent(&self) -> Option<&Arc<Self>> {
        self.parent.as_ref()
    }

    /// Returns what is open inside of the thread.
    pub(super) fn inside(&self) -> &InsideThread {
        &self.inside
    }

    /// Records that the shutdown has interrupted a turn of the thread: the thread is then aborted too.
    pub(super) fn set_interrupted(&self) {
        self.is_interrupted.store(true, Ordering::Relaxed);
    }

    /// Removes what events find of the thread if it has ended and no turn has outlived it.
    pub(super) fn forget_if_over(&self) {
        if self.lifecycle.is_ended() && !self.inside.has_open_turn() {
            self.inside.forget_ended_turn();
            if let Some(recording) = self.started() {
                self.session.open_bundles().remove(recording.bundle_address(), self);
            }
        }
    }

    /// Returns the span of the thread, for handles that are found.
    pub(in crate::layer) fn link(&self) -> &HandleLink {
        &self.link
    }

    /// Keeps a handle of the thread, so that the thread stays open although the program drops its own.
    pub(in crate::layer) fn keep(self: &Arc<Self>, handle: AnyHandle) {
        let inside = self.parent.as_ref().map_or(0, |parent| Arc::as_ptr(parent).addr());
        self.kept_with().add(Arc::as_ptr(self).addr(), inside, handle);
        if self.lifecycle.is_ended() {
            self.release_kept();
        }
    }

    /// Returns the handles among which that of this thread is kept: with the thread that spawned it, if one did.
    pub(super) fn kept_with(&self) -> &KeptHandles {
        &self.parent.as_deref().unwrap_or(self).inside.kept
    }

    /// Drops the handle of the thread that is kept, because the thread has ended.
    fn release_kept(&self) {
        self.kept_with().release(std::ptr::from_ref(self).addr());
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
        if self.session.is_off("a thread") {
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
        let resource = self.session.resource();
        self.lifecycle.prepare(&self.session, self, || self.prepare(identity, parent, resource, at));
        // Stored without the lifecycle's lock, which every thread takes that opens an operation below this one. If two
        // threads get here at once, each stores its own body, and the start event references one of them. The start
        // event is written even if the body is lost.
        let store = |body| self.prepared.get()?.of(&self.live).store_ready(body).ok();
        let metadata = metadata.and_then(store).map(|stored| stored.reference);
        self.lifecycle.start_prepared(&self.session, || {
            self.write_start(metadata, at);
            self.lookup_ids(&identity.id).for_each(|id| self.session.threads().add(id, self));
            if let Some(recording) = self.started() {
                self.session.open_bundles().add(recording.bundle_address(), self, self.parent.is_none());
            }
            Ok(())
        });
        Some(())
    }

    /// Returns the ids by which the thread is found: the one in the log, and the one that the program gave it.
    fn lookup_ids(&self, id: &ThreadId) -> impl Iterator<Item = ThreadId> {
        let given = self.facts.id.as_deref().filter(|given| *given != id.as_str()).map(ThreadId::from);
        given.into_iter().chain([id.clone()])
    }

    /// Creates the thread's recording, and the bundle of a root thread. Fails if the bundle cannot be created.
    fn prepare(
        &self,
        identity: &ThreadIdentity,
        parent: Option<&ThreadRecording>,
        resource: Option<&RawJson>,
        at: Timestamp,
    ) -> Result<(), Lost> {
        let ThreadIdentity { id, agent_path, depth, .. } = identity.clone();
        let bundle = match parent {
            Some(parent) => Arc::clone(&parent.bundle),
            None => Arc::new(self.create_bundle(&id, resource, at)?),
        };
        let conversation_id = self.requested_id.as_deref().map(ThreadId::from);
        let _ = self.prepared.set(ThreadRecording { id, bundle, agent_path, conversation_id, depth });
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
            Some(parent) => ThreadIdentity::for_spawned(parent, &self.facts, &self.session.options.masking),
            None => ThreadIdentity::for_root(self.session.parent.as_ref(), &self.facts),
        }
    }

    /// Creates the bundle of a root thread. A failure is reported as a loss.
    fn create_bundle(&self, id: &ThreadId, resource: Option<&RawJson>, at: Timestamp) -> Result<Bundle, Lost> {
        let parent = self.session.parent.as_ref().map(|parent| parent.process().clone());
        let Session { root, options, retention, .. } = &*self.session;
        let created = Bundle::create(root, id, at, parent, resource.cloned(), options.clone(), Arc::clone(retention));
        let bundle = created.map_err(|error| {
            self.session.options.report_loss(Lost::Bundle, error.full_message());
            Lost::Bundle
        })?;
        self.session.on_bundle_start(&bundle.writer.manifest().trace_id);
        Ok(bundle)
    }

    /// Encodes the `session_metadata` body. Returns `None` if there is nothing to record in it.
    fn encode_metadata(&self, identity: &ThreadIdentity) -> Option<ReadyBody> {
        let ThreadIdentity { id, agent_path, spawned, .. } = identity;
        if spawned.is_none() && self.facts.metadata.is_empty() {
            return None;
        }
        let body = self.facts.metadata.body(id, agent_path, spawned.as_ref());
        Some(self.session.options.prepare_body(PayloadKind::SessionMetadata, &Json(&body)))
    }

    /// Writes the start events. A thread whose start event is lost still records its operations, and has an end.
    fn write_start(&self, metadata: Option<PayloadRef>, at: Timestamp) {
        let Some(recording) = self.prepared.get() else { return };
        let ThreadRecording { id, bundle, agent_path, conversation_id, depth: _ } = recording;
        let no_context = EventContext::default();
        if self.parent.is_none() {
            let trace_id = bundle.writer.manifest().trace_id.clone();
            recording.of(&self.live).write_event(
                &no_context,
                RolloutStarted { trace_id, root_thread_id: id.clone() },
                at,
            );
        }
        let (thread_id, agent_path, conversation_id) = (id.clone(), agent_path.clone(), conversation_id.clone());
        recording.of(&self.live).write_event(
            &no_context,
            ThreadStarted { thread_id, agent_path, metadata_payload: metadata, conversation_id },
            at,
        );
        if let (Some(live), Some(parent), Some(tool)) = (&self.live, self.parent_id(), &self.facts.spawned_by) {
            // The live span knows both from events.
            let masking = &self.session.options.masking;
            live.set_spawner(&masking.masked_id(parent), &masking.masked_id(tool));
        }
        if let Some(orphan) = self.facts.orphan {
            recording.of_no_span().write_event(&recording.context(), orphan.to_event(), at);
        }
        // Set last, so that no other thread proceeds before the start event is in the log.
        let _ = self.has_started.set(());
    }

    /// Returns the id of the thread that spawned this one. Returns `None` for a root thread.
    pub(super) fn parent_id(&self) -> Option<&ThreadId> {
        Some(&self.parent.as_ref()?.started()?.id)
    }

    /// Sets what the span of the thread tells of its end.
    pub(in crate::layer) fn set_span_end(&self, span_end: SpanEnd) {
        self.lifecycle.set_span_end(span_end);
    }

    /// Sets the error that the end event reports if the span closes without another end.
    pub(in crate::layer) fn set_error(&self, error: Option<String>) {
        if let Some(error) = error {
            let error = self.session.options.redact_text(EventKind::ThreadEnded, &error).into_owned();
            *lock(&self.error) = Some(error);
        }
    }

    /// Ends the thread, after its running code cells and its implicit turns.
    pub(in crate::layer) fn end(&self, end: End, at: Timestamp) {
        self.inside.settled.release_all();
        self.inside.end_cells(&End::Cancelled(THREAD_ENDED.to_owned()), at);
        self.inside.end_implicit_turns(&end, at);
        self.inside.kept.release_all_but(std::ptr::from_ref(self).addr());
        let agents = std::mem::take(&mut *lock(&self.agents));
        agents.into_values().flatten().filter_map(|agent| agent.upgrade()).for_each(|agent| agent.end(end.clone(), at));
        let error = lock(&self.error).clone().or_else(|| self.lifecycle.unwound(&end).map(str::to_owned));
        let (status, error) = match (end.clone(), error) {
            (End::Closed, None) => self.outcome_of_last_turn(),
            (End::Completed | End::ClosedOk, _) => (RolloutStatus::Completed, None),
            (End::Closed, Some(error)) | (End::Failed(error), _) => (RolloutStatus::Failed, Some(error)),
            (End::Cancelled(reason), _) => (RolloutStatus::Aborted, Some(reason)),
            (End::Shutdown, None) if !self.is_interrupted.load(Ordering::Relaxed) => (RolloutStatus::Completed, None),
            (End::Shutdown, _) => (RolloutStatus::Aborted, Some(SHUT_DOWN.to_owned())),
        };
        // The thread may be prepared, with its metadata still on the way to the disk.
        self.lifecycle.start_prepared(&self.session, || {
            self.write_start(None, at);
            Ok(())
        });
        self.lifecycle.end(&self.session, || {
            if let Some(recording) = self.started() {
                self.write_end(recording, status, error, &end, at);
            }
        });
        self.forget_if_over();
        if let Some(id) = &self.requested_id {
            self.session.conversations().remove(id, self);
        }
        self.release_kept();
    }

    /// Returns how the thread ended if nobody ended it: as its last turn did. A turn that is open may outlive its thread.
    fn outcome_of_last_turn(&self) -> (RolloutStatus, Option<String>) {
        let redact = |text: &str| self.session.options.redact_text(EventKind::ThreadEnded, text).into_owned();
        match self.inside.last_turn.outcome() {
            Some(Outcome::Completed) | None => (RolloutStatus::Completed, None),
            Some(Outcome::Failed(error)) => (RolloutStatus::Failed, Some(redact(&error))),
            Some(Outcome::Cancelled(reason)) => (RolloutStatus::Aborted, Some(redact(&reason))),
        }
    }

    fn write_end(
        &self,
        recording: &ThreadRecording,
        status: RolloutStatus,
        error: Option<String>,
        end: &End,
        at: Timestamp,
    ) {
        let writer = &recording.bundle.writer;
        let no_context = EventContext::default();
        let EndDetail { ended_by, error_type, attributes } =
            self.lifecycle.take_span_end().detail(end, status == RolloutStatus::Failed);
        let thread_id = recording.id.clone();
        recording.of(&self.live).write_event(
            &no_context,
            ThreadEnded { thread_id, status, error, ended_by, error_type, attributes },
            at,
        );
        self.lookup_ids(&recording.id).for_each(|id| self.session.threads().remove(id.as_str(), self));
        if self.parent.is_none() {
            let ended = RolloutEnded { status };
            if matches!(end, End::Shutdown) {
                // No event follows the shutdown, not even one that is being recorded now.
                writer.append_last(at, &Masked::new(ended.into(), &self.session.options.masking));
            } else {
                recording.of(&self.live).write_event(&no_context, ended, at);
            }
            writer.finish(at);
            self.session.on_bundle_end(&writer.manifest().trace_id);
        }
    }
}

/// Reason for the end of a code cell that still ran when its thread ended.
const THREAD_ENDED: &str = "its thread ended";

impl OpenOperation for ThreadOperation {
    fn end_at_shutdown(self: Arc<Self>) {
        let at = Timestamp::now();
        self.end(End::Shutdown, at);
        end_live(&self.live, at);
    }
}
