//! A bundle that another thread writes.

use std::mem;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::loss::Gap;
use super::pending_payloads::Told;
use super::queue::NotTaken;
use super::quota::{Fill, Held};
use super::writer::Stored;
use super::{Bounds, Lost, Manifest, ReadyBody, Writer, WriterOptions};
use crate::event::{Event, EventContext, EventKind, PayloadRef, ThreadId, Timestamp};

/// A bundle that another thread writes, in the order in which it is told.
#[derive(Debug)]
pub(crate) struct QueuedWriter(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    root: PathBuf,
    path: PathBuf,
    manifest: Manifest,
    options: WriterOptions,
    /// Nothing where the bundle could not be made: that is told, and what was to be in it is not.
    writer: OnceLock<Option<Writer>>,
    last_payload: AtomicU64,
    told: Told,
    gap: Mutex<Gap>,
    has_gap: AtomicBool,
    fill: Option<Fill>,
    /// Whether the log is told that the bundle is full.
    said_full: AtomicBool,
    /// What was taken, about.
    events: AtomicU64,
    bytes: AtomicU64,
}

impl QueuedWriter {
    /// Has the bundle made.
    pub(super) fn create(root: &Path, manifest: Manifest, options: WriterOptions) -> Self {
        let shared = Arc::new(Shared {
            root: root.to_owned(),
            path: root.join(manifest.directory_name()),
            manifest,
            fill: Fill::of(options.limits.bundle),
            options,
            writer: OnceLock::new(),
            last_payload: AtomicU64::new(0),
            told: Told::default(),
            gap: Mutex::default(),
            has_gap: AtomicBool::new(false),
            said_full: AtomicBool::new(false),
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

    /// Has a body stored, and says how it will be named.
    pub(super) fn store(&self, thread: &ThreadId, mut ready: ReadyBody) -> Result<Stored, Lost> {
        if let Some(fill) = &self.0.fill
            && let Err(full) = fill.fit(&mut ready, self.0.held())
        {
            return Err(self.lose_dependent(Lost::Payload(ready.kind()), &full.to_string()));
        }
        let ready = ready.into_compact();
        let number = self.0.last_payload.fetch_add(1, Ordering::Relaxed) + 1;
        let stored = Stored { reference: ready.reference(number), is_json: ready.is_json() };
        let bytes = ready.bytes().len();
        let (thread, reference) = (thread.clone(), stored.reference.clone());
        let id = &stored.reference.raw_payload_id;
        self.0.told.waits(id);
        let pushed = self.0.push(Task::Store { number, thread, ready, reference }, bytes);
        pushed.inspect_err(|_| self.0.told.is_lost(id))?;
        Ok(stored)
    }

    /// Has an event written, whose texts went through [`WriterOptions::text`].
    pub(super) fn append_redacted(&self, at: Timestamp, context: &EventContext, event: &Event) -> Result<(), Lost> {
        if let Some(fill) = &self.0.fill
            && let Err(full) = fill.takes(event.kind(), self.0.held())
        {
            self.0.told.are_unnamed(event);
            return Err(self.lose_dependent(Lost::Event(event.kind()), &full.to_string()));
        }
        self.0.events.fetch_add(1, Ordering::Relaxed);
        let bytes = mem::size_of::<Task>() + text_bytes(event);
        let pushed = self.0.push(Task::Append { at, context: context.clone(), event: event.clone() }, bytes);
        pushed.inspect_err(|_| self.0.told.are_unnamed(event))
    }

    /// Has the event written that is the last.
    pub(super) fn append_last(&self, at: Timestamp, event: &Event) {
        let _ = self.0.push(Task::AppendLast { at, event: event.clone() }, mem::size_of::<Task>());
    }

    pub(super) fn is_full(&self) -> bool {
        self.0.is_full()
    }

    /// Counts the loss of what rests on something that was lost.
    pub(super) fn lose_dependent(&self, what: Lost, reason: &str) -> Lost {
        self.0.lose(what, reason);
        // As in `Writer`: with the first that was not taken.
        if self.0.is_full() && !self.0.said_full.swap(true, Ordering::Relaxed) {
            let _ = self.0.push(Task::SayLost { at: Timestamp::now() }, 0);
        }
        what
    }

    pub(super) fn finish(&self, at: Timestamp) {
        let _ = self.0.push(Task::Finish { at }, 0);
    }
}

impl Shared {
    fn push(self: &Arc<Self>, task: Task, bytes: usize) -> Result<(), Lost> {
        if matches!(self.writer.get(), Some(None)) {
            return Err(Lost::Bundle);
        }
        let what = task.what();
        let job = Job { bundle: Arc::clone(self), task };
        match self.options.queue.push(job, bytes, &self.options.limits) {
            Ok(()) => {
                self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
                Ok(())
            }
            Err(NotTaken::Full(job)) => self.push_less(*job, bytes),
            Err(NotTaken::Over) => Err(self.lose_late(what)),
            Err(NotTaken::NoThread(error)) => {
                let what = what.unwrap_or(Lost::Bundle);
                Err(self.lose(what, &format!("no thread can be started to write it: {error}")))
            }
        }
    }

    /// What there is no room for is lost; of a body that never has room beside another like it, the ends are not.
    fn push_less(self: &Arc<Self>, job: Job, bytes: usize) -> Result<(), Lost> {
        let most = self.options.limits.queue_bytes;
        let what = job.task.what();
        match job.task {
            Task::Store { number, thread, mut ready, reference } if bytes > most => {
                ready.cut(self.options.limits.body_bytes(most));
                let bytes = ready.bytes().len();
                if bytes <= most {
                    return self.push(Task::Store { number, thread, ready, reference }, bytes);
                }
            }
            Task::Create => {
                // Nothing else of the bundle can be written then, and nothing is told of it.
                let _ = self.writer.set(None);
                self.options.lose(Lost::Bundle, FULL);
                return Err(Lost::Bundle);
            }
            Task::Store { .. }
            | Task::Append { .. }
            | Task::AppendLast { .. }
            | Task::SayLost { .. }
            | Task::Finish { .. } => {}
        }
        Err(what.map_or(Lost::Bundle, |what| self.lose(what, FULL)))
    }

    /// Nothing is to be said of a bundle that was finished before.
    fn lose_late(&self, what: Option<Lost>) -> Lost {
        if let Some(what) = what {
            self.options.lose(Lost::Late, what.name());
        }
        Lost::Late
    }

    /// Counts a loss, tells of it, and keeps it for the log.
    fn lose(&self, what: Lost, reason: &str) -> Lost {
        locked(&self.gap).add(what);
        self.has_gap.store(true, Ordering::Relaxed);
        self.options.lose(what, reason);
        what
    }

    fn held(&self) -> Held {
        Held { events: self.events.load(Ordering::Relaxed), bytes: self.bytes.load(Ordering::Relaxed) }
    }

    fn is_full(&self) -> bool {
        self.fill.as_ref().is_some_and(|fill| fill.has_room(self.held()).is_err())
    }

    fn make(&self) {
        let mut options = self.options.clone();
        // What is taken here is written: who began something was told so.
        options.limits.bundle = Bounds::new();
        let made = Writer::create(&self.root, self.manifest.clone(), options);
        let made = made.map_err(|error| self.options.lose(Lost::Bundle, error.full_message()));
        let _ = self.writer.set(made.ok());
    }

    /// The writer, which will say what was not taken: when there is room again, so that one gap says all of it, or at
    /// once.
    fn writer(&self, at_once: bool) -> Option<&Writer> {
        let writer = self.writer.get()?.as_ref()?;
        let is_time = || !self.is_full() && self.options.queue.has_room(&self.options.limits);
        if self.has_gap.load(Ordering::Relaxed) && (at_once || is_time()) {
            self.has_gap.store(false, Ordering::Relaxed);
            writer.remember_all(mem::take(&mut *locked(&self.gap)));
        }
        Some(writer)
    }
}

const FULL: &str = "more waits to be written than may; the disk is too slow for what is recorded";

/// Something to be written.
#[derive(Debug)]
pub(super) struct Job {
    bundle: Arc<Shared>,
    task: Task,
}

/// What a job was about.
pub(super) struct About {
    bundle: Arc<Shared>,
    what: Option<Lost>,
}

impl About {
    /// Counts the loss of it.
    pub(super) fn lose(self, reason: &str) {
        if let Some(what) = self.what {
            self.bundle.lose(what, reason);
        }
    }
}

#[derive(Debug)]
enum Task {
    Create,
    Store { number: u64, thread: ThreadId, ready: ReadyBody, reference: PayloadRef },
    Append { at: Timestamp, context: EventContext, event: Event },
    AppendLast { at: Timestamp, event: Event },
    SayLost { at: Timestamp },
    Finish { at: Timestamp },
}

impl Task {
    /// What is lost with it.
    fn what(&self) -> Option<Lost> {
        match self {
            Self::Create => Some(Lost::Bundle),
            Self::Store { ready, .. } => Some(Lost::Payload(ready.kind())),
            Self::Append { event, .. } | Self::AppendLast { event, .. } => Some(Lost::Event(event.kind())),
            Self::SayLost { .. } | Self::Finish { .. } => None,
        }
    }

    /// Whether all is to be said before it, or by it, that is not in the bundle.
    fn says_all(&self) -> bool {
        match self {
            Self::AppendLast { .. } | Self::SayLost { .. } | Self::Finish { .. } => true,
            Self::Append { event, .. } => event.kind() == EventKind::RolloutEnded,
            Self::Create | Self::Store { .. } => false,
        }
    }
}

impl Job {
    /// Whether a bundle can't do without it. The queue holds as many of these as of all others.
    pub(super) fn frames_a_bundle(&self) -> bool {
        match &self.task {
            Task::Create | Task::AppendLast { .. } | Task::SayLost { .. } | Task::Finish { .. } => true,
            Task::Append { event, .. } => matches!(event.kind(), EventKind::RolloutEnded | EventKind::RolloutStarted),
            Task::Store { .. } => false,
        }
    }

    pub(super) fn about(&self) -> About {
        About { bundle: Arc::clone(&self.bundle), what: self.task.what() }
    }

    /// Counts the loss of it.
    pub(super) fn lose(self, reason: &str) {
        // Of what was to be in a bundle that was not made nothing is told.
        if !matches!(self.bundle.writer.get(), Some(None)) {
            self.about().lose(reason);
        }
    }

    /// Writes it. What can't be written is the writer's to tell.
    pub(super) fn run(self) {
        let Self { bundle, task } = self;
        if let Task::Create = task {
            return bundle.make();
        }
        let Some(writer) = bundle.writer(task.says_all()) else { return };
        match task {
            Task::Create => {}
            Task::Store { number, thread, ready, reference } => {
                let stored = writer.store_as(number, &thread, ready);
                bundle.told.is_stored(&reference, stored.ok().map(|stored| stored.reference));
            }
            Task::Append { at, context, mut event } => {
                bundle.told.name(&mut event);
                // What is lost of it, the writer has told.
                let _ = writer.append_redacted(at, &context, &event);
            }
            Task::AppendLast { at, event } => writer.append_last(at, &event),
            Task::SayLost { at } => writer.say_lost(at),
            Task::Finish { at } => writer.finish(at),
        }
    }
}

/// What an event holds beside itself and its ids, about, in bytes.
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
    use crate::bundle::mem_disk::MemDisk;
    use crate::bundle::{Durability, Json, Limits, Store};
    use crate::event::{PayloadKind, ProtocolEventObserved, UnixMillis};

    #[test]
    fn nothing_is_held_of_bodies_whose_events_did_not_fit() {
        let disk = MemDisk::default();
        let limits = Limits::default().queue_events(5);
        let (durability, store) = (Durability::Buffered, Store::Pack);
        let options =
            WriterOptions { durability, store, limits, disk: Arc::new(disk.clone()), ..WriterOptions::default() };
        // Nothing is written until this end is dropped.
        let (door, opened) = mpsc::channel::<()>();
        let (reached, is_reached) = mpsc::channel();
        let opened = Mutex::new(opened);
        disk.plant(move |_, _| {
            let _ = reached.send(());
            let _ = locked(&opened).recv();
            Ok(())
        });
        let manifest = Manifest::new("trace".into(), "rollout".into(), "thread".into(), UnixMillis(5));
        let writer = QueuedWriter::create(Path::new("/traces"), manifest, options.clone());
        // The bundle is being made, and waits no more. So the third event is the first that does not fit.
        is_reached.recv().expect("stalled");
        for _ in 0..20 {
            let body = options.ready(PayloadKind::ProtocolEvent, &Json("said"));
            let Ok(stored) = writer.store(&"t".into(), body) else { continue };
            let event = ProtocolEventObserved { event_type: "e".to_owned(), event_payload: stored.reference };
            let _ = writer.append_redacted(UnixMillis(6).into(), &EventContext::default(), &event.into());
        }
        drop(door);
        options.queue.finish(Duration::from_secs(600));
        let stats = options.tally.stats();
        assert!(stats.payloads["protocol_event"] > stats.events["protocol_event_observed"], "{stats:?}");
        assert_eq!(writer.0.told.len(), 0);
    }
}
