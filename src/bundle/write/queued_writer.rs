//! A writer that enqueues events and payloads for the writer thread ([`Durability::Buffered`](crate::bundle::Durability)).

use std::mem;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::loss::{Gap, Lost};
use super::on_create::OnCreate;
use super::pending_payloads::PendingPayloads;
use super::quota::{Quota, QuotaUsage};
use super::writer::{Stored, Writer};
use super::writer_options::WriterOptions;
use crate::bundle::bounds::Bounds;
use crate::bundle::manifest::Manifest;
use crate::bundle::payload::{Limits, ReadyBody};
use crate::bundle::store::Files;
use crate::event::{Event, EventContext, EventKind, PayloadRef, ThreadId, Timestamp};
use crate::mask::Masked;
use crate::worker::{Discarded, Job, PushError, QueueBounds};

/// A writer of one bundle that never waits for the disk: its jobs are run by the writer thread, in the order in which
/// they were enqueued.
#[derive(Debug)]
pub(crate) struct QueuedWriter(Arc<QueuedBundle>);

#[derive(Debug)]
struct QueuedBundle {
    root: PathBuf,
    path: PathBuf,
    manifest: Manifest,
    options: WriterOptions,
    on_create: Option<Arc<dyn OnCreate>>,
    /// The writer of the bundle, set by the writer thread: `None` if the bundle cannot be created. In that case only
    /// the loss of the bundle is reported, not those of its events and payloads.
    writer: OnceLock<Option<Writer>>,
    last_payload: AtomicU64,
    pending_payloads: PendingPayloads,
    gap: Mutex<Gap>,
    has_gap: AtomicBool,
    quota: Option<Quota>,
    /// `true` if a gap event, which lists losses in the log, has been enqueued since the bundle became full.
    is_full_reported: AtomicBool,
    /// Number of enqueued events, for the quota.
    events: AtomicU64,
    /// Approximate size of the enqueued events and payloads in bytes, for the quota.
    bytes: AtomicU64,
}

impl QueuedWriter {
    /// Enqueues the creation of the bundle.
    pub(super) fn create(
        root: &Path,
        manifest: Manifest,
        options: WriterOptions,
        on_create: Option<Arc<dyn OnCreate>>,
    ) -> Self {
        let shared = Arc::new(QueuedBundle {
            root: root.to_owned(),
            path: root.join(manifest.directory_name()),
            manifest,
            quota: Quota::from_bounds(options.limits.bundle),
            options,
            on_create,
            writer: OnceLock::new(),
            last_payload: AtomicU64::new(0),
            pending_payloads: PendingPayloads::default(),
            gap: Mutex::default(),
            has_gap: AtomicBool::new(false),
            is_full_reported: AtomicBool::new(false),
            events: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        });
        let _ = shared.push(Task::Create, 0);
        Self(shared)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0.path
    }

    pub(super) fn manifest(&self) -> &Manifest {
        &self.0.manifest
    }

    pub(super) fn options(&self) -> &WriterOptions {
        &self.0.options
    }

    /// Enqueues a payload. The returned reference is provisional: if the payload is stored elsewhere,
    /// [`PendingPayloads`] replaces the reference when the event is written.
    pub(super) fn store(&self, thread: &ThreadId, mut ready: ReadyBody) -> Result<Stored, Lost> {
        if let Some(quota) = &self.0.quota
            && let Err(exceeded) = quota.fit_payload(&mut ready, self.0.usage())
        {
            return Err(self.report_dependent_loss(Lost::Payload(ready.kind()), &exceeded.to_string()));
        }
        let ready = ready.into_compact();
        let number = self.0.last_payload.fetch_add(1, Ordering::Relaxed) + 1;
        let stored = Stored { reference: Files::reference(number, &ready), is_json: ready.is_json() };
        let bytes = ready.bytes().len();
        let (thread, reference) = (thread.clone(), stored.reference.clone());
        let id = &stored.reference.raw_payload_id;
        self.0.pending_payloads.insert(id);
        let pushed = self.0.push(Task::Store { number, thread, ready, reference }, bytes);
        pushed.inspect_err(|_| self.0.pending_payloads.remove(id))?;
        Ok(stored)
    }

    /// Enqueues an event whose texts are masked.
    pub(super) fn append_masked(
        &self,
        at: Timestamp,
        context: &EventContext,
        event: &Masked<Event>,
    ) -> Result<(), Lost> {
        if let Some(quota) = &self.0.quota
            && let Err(exceeded) = quota.check_event(event.kind(), self.0.usage())
        {
            self.0.pending_payloads.drop_event(event);
            return Err(self.report_dependent_loss(Lost::Event(event.kind()), &exceeded.to_string()));
        }
        self.0.events.fetch_add(1, Ordering::Relaxed);
        let bytes = mem::size_of::<Task>() + text_bytes(event);
        let pushed = self.0.push(Task::Append { at, context: context.clone(), event: event.clone() }, bytes);
        pushed.inspect_err(|_| self.0.pending_payloads.drop_event(event))
    }

    /// Enqueues the last event of the log, after which the log accepts no more events.
    pub(super) fn append_last(&self, at: Timestamp, event: &Masked<Event>) {
        let _ = self.0.push(Task::AppendLast { at, event: event.clone() }, mem::size_of::<Task>());
    }

    /// Returns `true` if the bundle has reached its quota, counting what is enqueued.
    pub(super) fn is_full(&self) -> bool {
        self.0.is_full()
    }

    /// Counts and reports the loss of an event that was not enqueued because a payload or event it depends on was lost.
    pub(super) fn report_dependent_loss(&self, what: Lost, reason: &str) -> Lost {
        self.0.report_loss(what, reason);
        // With the first loss of a full bundle, as in `Writer::report_dependent_loss`.
        if self.0.is_full() && !self.0.is_full_reported.swap(true, Ordering::Relaxed) {
            let _ = self.0.push(Task::ReportGap { at: Timestamp::now() }, 0);
        }
        what
    }

    /// Enqueues the end of the bundle. See [`Writer::finish`].
    pub(super) fn finish(&self, at: Timestamp) {
        let _ = self.0.push(Task::Finish { at }, 0);
    }
}

impl QueuedBundle {
    /// Enqueues a task of the given size. Counts and reports a loss if the queue rejects it.
    fn push(self: &Arc<Self>, task: Task, bytes: usize) -> Result<(), Lost> {
        if matches!(self.writer.get(), Some(None)) {
            return Err(Lost::Bundle);
        }
        let what = task.loss_kind();
        let job = BundleJob { bundle: Arc::clone(self), what, task: Some(task), bytes };
        match self.options.worker.push(job, queue_bounds(&self.options.limits)) {
            Ok(()) => {
                self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
                Ok(())
            }
            Err(PushError::Full(job)) => self.push_truncated(*job),
            Err(PushError::Closed) => Err(self.count_late(what)),
            Err(PushError::NoThread(error)) => {
                let what = what.unwrap_or(Lost::Bundle);
                Err(self.report_loss(what, &format!("cannot start the writer thread: {error}")))
            }
        }
    }

    /// Handles a job that a full queue rejected. A payload larger than the whole queue may be is truncated and enqueued
    /// again: it was rejected because another oversized payload is pending. Any other job is lost.
    fn push_truncated(self: &Arc<Self>, job: BundleJob) -> Result<(), Lost> {
        let max_bytes = self.options.limits.queue_bytes;
        let BundleJob { what, task, bytes, .. } = job;
        match task {
            Some(Task::Store { number, thread, mut ready, reference }) if bytes > max_bytes => {
                ready.truncate(self.options.limits.body_bytes(max_bytes));
                let bytes = ready.bytes().len();
                if bytes <= max_bytes {
                    return self.push(Task::Store { number, thread, ready, reference }, bytes);
                }
            }
            Some(Task::Create) => {
                // Without its creation nothing of the bundle can be written. Only the loss of the bundle is reported.
                let _ = self.writer.set(None);
                self.options.report_loss(Lost::Bundle, queue_full(&self.options.limits));
                return Err(Lost::Bundle);
            }
            Some(
                Task::Store { .. }
                | Task::Append { .. }
                | Task::AppendLast { .. }
                | Task::ReportGap { .. }
                | Task::Finish { .. },
            )
            | None => {}
        }
        Err(what.map_or(Lost::Bundle, |what| self.report_loss(what, &queue_full(&self.options.limits))))
    }

    /// Counts and reports an event or payload that was recorded after the shutdown. `what` is `None` for a task that
    /// carries neither, such as finishing a bundle that was finished before; it is not reported.
    fn count_late(&self, what: Option<Lost>) -> Lost {
        if let Some(what) = what {
            self.options.report_loss(Lost::Late, what.name());
        }
        Lost::Late
    }

    /// Counts and reports the loss of an event or payload, and adds it to the losses that are to be written to the log.
    fn report_loss(&self, what: Lost, reason: &str) -> Lost {
        locked(&self.gap).add(what);
        self.has_gap.store(true, Ordering::Relaxed);
        self.options.report_loss(what, reason);
        what
    }

    fn usage(&self) -> QuotaUsage {
        QuotaUsage { events: self.events.load(Ordering::Relaxed), bytes: self.bytes.load(Ordering::Relaxed) }
    }

    fn is_full(&self) -> bool {
        self.quota.as_ref().is_some_and(|quota| quota.check(self.usage()).is_err())
    }

    fn create_writer(&self) {
        let mut options = self.options.clone();
        // The quota was checked when the job was enqueued. A second check, at another time, could reject an event that
        // was reported to its caller as recorded.
        options.limits.bundle = Bounds::new();
        let writer = Writer::create_for(&self.root, self.manifest.clone(), options, self.on_create.as_deref());
        let writer = writer.map_err(|error| self.options.report_loss(Lost::Bundle, error.full_message()));
        let _ = self.writer.set(writer.ok());
    }

    fn run(&self, task: Task) {
        if let Task::Create = task {
            return self.create_writer();
        }
        let Some(writer) = self.writer(task.reports_losses()) else { return };
        match task {
            Task::Create => {}
            Task::Store { number, thread, ready, reference } => {
                let stored = writer.store_as(number, &thread, ready);
                self.pending_payloads.resolve(&reference, stored.ok().map(|stored| stored.reference));
            }
            Task::Append { at, context, mut event } => {
                self.pending_payloads.fix_references(event.references_mut());
                // `Writer` has reported the loss, if any.
                let _ = writer.append_masked(at, &context, &event);
            }
            Task::AppendLast { at, event } => writer.append_last(at, &event),
            Task::ReportGap { at } => writer.report_gap(at),
            Task::Finish { at } => writer.finish(at),
        }
    }

    /// Returns the writer of the bundle, after handing it the losses that it is to write to the log: immediately if
    /// `report_losses` is set, else once the queue has room again, so that one gap event lists all losses of a full
    /// queue. Returns `None` if the bundle could not be created.
    fn writer(&self, report_losses: bool) -> Option<&Writer> {
        let writer = self.writer.get()?.as_ref()?;
        let has_recovered = || !self.is_full() && self.options.worker.has_room(queue_bounds(&self.options.limits));
        if self.has_gap.load(Ordering::Relaxed) && (report_losses || has_recovered()) {
            self.has_gap.store(false, Ordering::Relaxed);
            writer.merge_gap(mem::take(&mut *locked(&self.gap)));
        }
        Some(writer)
    }
}

fn queue_bounds(limits: &Limits) -> QueueBounds {
    QueueBounds { jobs: limits.queue_events, bytes: limits.queue_bytes }
}

fn queue_full(limits: &Limits) -> String {
    format!(
        "the write queue is full ({} entries, {} bytes): the disk cannot keep up; raise `Limits::queue_events` or \
         `Limits::queue_bytes`, or use `Durability::PageCache`",
        limits.queue_events, limits.queue_bytes
    )
}

/// A task of the writer thread, with the bundle that it belongs to.
#[derive(Debug)]
pub(crate) struct BundleJob {
    bundle: Arc<QueuedBundle>,
    /// The loss to report if the task is not done.
    what: Option<Lost>,
    /// `None` once the task is running.
    task: Option<Task>,
    bytes: usize,
}

#[derive(Debug)]
enum Task {
    Create,
    Store { number: u64, thread: ThreadId, ready: ReadyBody, reference: PayloadRef },
    Append { at: Timestamp, context: EventContext, event: Masked<Event> },
    AppendLast { at: Timestamp, event: Masked<Event> },
    ReportGap { at: Timestamp },
    Finish { at: Timestamp },
}

impl Task {
    /// Returns the loss to report if the task is not done. Returns `None` for tasks that carry no event or payload.
    fn loss_kind(&self) -> Option<Lost> {
        match self {
            Self::Create => Some(Lost::Bundle),
            Self::Store { ready, .. } => Some(Lost::Payload(ready.kind())),
            Self::Append { event, .. } | Self::AppendLast { event, .. } => Some(Lost::Event(event.kind())),
            Self::ReportGap { .. } | Self::Finish { .. } => None,
        }
    }

    /// Returns `true` if unreported losses must be handed to the writer before the task is done, because the task
    /// writes them or ends the log.
    fn reports_losses(&self) -> bool {
        match self {
            Self::AppendLast { .. } | Self::ReportGap { .. } | Self::Finish { .. } => true,
            Self::Append { event, .. } => event.kind() == EventKind::RolloutEnded,
            Self::Create | Self::Store { .. } => false,
        }
    }
}

impl Job for BundleJob {
    fn size(&self) -> usize {
        self.bytes
    }

    /// Returns `true` if a bundle is useless or incomplete without the job.
    fn is_essential(&self) -> bool {
        match &self.task {
            Some(Task::Create | Task::AppendLast { .. } | Task::ReportGap { .. } | Task::Finish { .. }) => true,
            Some(Task::Append { event, .. }) => {
                matches!(event.kind(), EventKind::RolloutEnded | EventKind::RolloutStarted)
            }
            Some(Task::Store { .. }) | None => false,
        }
    }

    /// Does the task, in the writer thread. Losses are counted and reported by [`Writer`].
    fn run(&mut self) {
        if let Some(task) = self.task.take() {
            self.bundle.run(task);
        }
    }

    /// Counts and reports the loss. If the bundle could not be created, only that is reported.
    fn discard(self, reason: Discarded) {
        let Some(what) = self.what else { return };
        if matches!(self.bundle.writer.get(), Some(None)) {
            return;
        }
        match reason {
            Discarded::Panicked => self.bundle.report_loss(what, "writing panicked"),
            Discarded::TimedOut(within) => {
                let reason = format!("not written within {} ms of the end of the recording", within.as_millis());
                self.bundle.report_loss(what, &reason)
            }
        };
    }
}

/// Returns the approximate size of the texts of an event on the heap, in bytes, ids aside.
fn text_bytes(event: &Event) -> usize {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    match event {
        Event::CodeCellStarted(event) => event.source_js.len(),
        Event::AgentResultObserved(event) => event.message.len(),
        Event::Other(event) => event.summary.len() + event.metadata.as_str().len(),
        Event::InferenceFailed(event) => event.error.len(),
        Event::InferenceCancelled(event) => event.reason.len(),
        Event::CompactionRequestFailed(event) => event.error.len(),
        Event::ToolCallEnded(event) => text(&event.error),
        Event::TurnEnded(event) => text(&event.error),
        Event::ThreadEnded(event) => text(&event.error),
        Event::RolloutStarted(_)
        | Event::RolloutEnded(_)
        | Event::ThreadStarted(_)
        | Event::TurnStarted(_)
        | Event::InferenceStarted(_)
        | Event::InferenceCompleted(_)
        | Event::ToolCallStarted(_)
        | Event::McpToolCallCorrelationAssigned(_)
        | Event::ToolCallRuntimeStarted(_)
        | Event::ToolCallRuntimeEnded(_)
        | Event::CodeCellInitialResponse(_)
        | Event::CodeCellEnded(_)
        | Event::CompactionRequestStarted(_)
        | Event::CompactionRequestCompleted(_)
        | Event::CompactionInstalled(_)
        | Event::ProtocolEventObserved(_) => 0,
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::bundle::durability::Durability;
    use crate::bundle::payload::Json;
    use crate::bundle::store::Store;
    use crate::bundle::tests::mem_disk::MemDisk;
    use crate::event::{PayloadKind, ProtocolEventObserved, UnixMillis};

    #[test]
    fn payloads_of_rejected_events_are_not_kept_pending() {
        let disk = MemDisk::default();
        let limits = Limits::default().queue_events(5);
        let (durability, store) = (Durability::Buffered, Store::Pack);
        let options =
            WriterOptions { durability, store, limits, disk: Arc::new(disk.clone()), ..WriterOptions::default() };
        // The disk stalls until the sender is dropped.
        let (stall, stalled) = mpsc::channel::<()>();
        let (reached, is_reached) = mpsc::channel();
        let stalled = Mutex::new(stalled);
        disk.inject_fault(move |_, _| {
            let _ = reached.send(());
            let _ = locked(&stalled).recv();
            Ok(())
        });
        let manifest = Manifest::new("trace".into(), "rollout".into(), "thread".into(), UnixMillis(5));
        let writer = QueuedWriter::create(Path::new("/traces"), manifest, options.clone(), None);
        // The creation of the bundle is running, and no longer in the queue. So the third event is the first that does
        // not fit.
        is_reached.recv().expect("stalled");
        for _ in 0..20 {
            let body = options.prepare_body(PayloadKind::ProtocolEvent, &Json("said"));
            let Ok(stored) = writer.store(&"t".into(), body) else { continue };
            let event = ProtocolEventObserved { event_type: "e".to_owned(), event_payload: stored.reference };
            let _ = writer.append_masked(
                UnixMillis(6).into(),
                &EventContext::default(),
                &Masked::new(event.into(), &crate::mask::Masking::new()),
            );
        }
        drop(stall);
        options.worker.finish(Duration::from_secs(600));
        let stats = options.tally.stats();
        assert!(stats.payloads["protocol_event"] > stats.events["protocol_event_observed"], "{stats:?}");
        assert_eq!(writer.0.pending_payloads.len(), 0);
    }
}
