//! The one writer of a bundle.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_128;

use super::body::message_of;
use super::durability::SyncEvery;
use super::in_use::Claim;
use super::log::{Log, NotWritten};
use super::log_file::LogFile;
use super::loss::Gap;
use super::open_logs::Rests;
use super::prepared::Prepared;
use super::quota::{Fill, Held};
use super::syncs::Unsynced;
use super::{
    Body, BodyBuf, BundleError, Durability, Location, Lost, Manifest, PayloadStore, ReadyBody, WriterOptions,
    event_text,
};
use crate::event::{
    Event, EventContext, EventKind, Other, PayloadKind, PayloadRef, RawJson, RawPayloadId, RecordBody, Seq, ThreadId,
    Timestamp,
};

/// A body that is in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// How events name it.
    pub reference: PayloadRef,
    /// Whether what was given is one JSON value, as all but an event's `wire_payload` must be.
    pub is_json: bool,
}

/// Writes a bundle. Every method works from any number of threads at once and never panics.
///
/// What could not be written is counted in [`WriterOptions::tally`], told to [`WriterOptions::on_loss`], and said in
/// the log, as an `other` event of kind `recording_gap`, with the next line that can be written.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    manifest: Manifest,
    log: Arc<Log<LogFile>>,
    store: Arc<dyn PayloadStore>,
    unsynced: Arc<Unsynced>,
    fill: Option<Fill>,
    _claim: Option<Claim>,
    last_payload: AtomicU64,
    options: WriterOptions,
    gap: Mutex<Gap>,
    has_gap: AtomicBool,
    /// Whether the log says that the bundle is full.
    said_full: AtomicBool,
}

impl Writer {
    /// Makes the bundle's directory under `root` (made where missing) and opens it for writing.
    ///
    /// The directory appears under its name with its manifest and an empty log already in it.
    ///
    /// # Errors
    /// [`ErrorKind::Exists`](super::ErrorKind::Exists) where that directory is there already,
    /// [`ErrorKind::Io`](super::ErrorKind::Io) where the file system refuses.
    pub fn create(root: &Path, manifest: Manifest, options: WriterOptions) -> Result<Self, BundleError> {
        // A program may change its directory while it is recorded.
        let root = std::path::absolute(root).map_err(|error| BundleError::io(root, "is no usable path", error))?;
        let path = root.join(manifest.directory_name());
        let disk = &options.disk;
        let cant = |error| BundleError::io(&root, "the directory of bundles can't be made", error);
        let missing: Vec<_> = root.ancestors().take_while(|path| disk.identity(path).is_err()).collect();
        disk.create_dirs(&root).map_err(cant)?;
        let syncs = options.durability.syncs();
        let claim = options.in_use.claim(&root, &manifest.directory_name());
        let log = Prepared::make(disk, &root, &manifest, syncs)?.publish(&path)?;
        if syncs {
            let mut holders = missing.into_iter().filter_map(Path::parent).chain([&*root]);
            holders.try_for_each(|path| disk.sync_dir(path)).map_err(cant)?;
        }
        let log = Arc::new(Log::new(LogFile::new(Arc::clone(disk), log, path.join(Manifest::LOG))));
        options.open_logs.opened(open_log(&log));
        let store = options.store.open(&path, &options);
        options.pruning.wake(&path, options.limits.root, &options.tally);
        Ok(Self {
            _claim: claim,
            unsynced: Arc::new(Unsynced::new(&path, &log, &store)),
            fill: Fill::of(options.limits.bundle),
            log,
            store,
            last_payload: AtomicU64::new(0),
            gap: Mutex::default(),
            has_gap: AtomicBool::new(false),
            said_full: AtomicBool::new(false),
            path,
            manifest,
            options,
        })
    }

    /// The bundle's directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Who the bundle is.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Stores a body: encode, mask, limit, store. It is complete when this returns. A body that can't be encoded
    /// or masked is stored as `{"otel_trace.lost": reason}`, so that its event still stands.
    ///
    /// # Errors
    /// [`Lost`] where it could not be stored. It has been counted and told.
    pub fn put(&self, thread: &ThreadId, kind: PayloadKind, body: &dyn Body) -> Result<Stored, Lost> {
        self.store(thread, self.options.ready(kind, body))
    }

    /// The last step of [`put`](Self::put) alone: it runs nothing of the program's.
    ///
    /// # Errors
    /// [`Lost`] where the body could not be stored. It has been counted and told.
    pub(crate) fn store(&self, thread: &ThreadId, ready: ReadyBody) -> Result<Stored, Lost> {
        self.store_as(self.next_payload(), thread, ready)
    }

    /// A number that no body of the bundle has.
    pub(super) fn options(&self) -> &WriterOptions {
        &self.options
    }

    fn next_payload(&self) -> u64 {
        self.last_payload.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The same, as the body of this number, which no other has.
    pub(super) fn store_as(&self, number: u64, thread: &ThreadId, mut ready: ReadyBody) -> Result<Stored, Lost> {
        if let Some(fill) = &self.fill
            && let Err(full) = fill.fit(&mut ready, self.held())
        {
            return Err(self.lose(Lost::Payload(ready.kind()), &full.into()));
        }
        let ReadyBody { kind, mut body, is_json, truncated } = ready;
        let kept = unpanicked(|| self.store.put(number, thread, kind, &mut body));
        let kept = kept.map(|place| self.identified(place, &body));
        body.give_back();
        match kept {
            Ok(place) => {
                self.options.tally.wrote_payload(kind);
                self.stored_body(&place);
                let Location { path, offset, length, hash } = place;
                let raw_payload_id = RawPayloadId::numbered(number);
                let truncated = truncated.map(Box::new);
                let reference = PayloadRef { raw_payload_id, kind, path, offset, length, hash, truncated };
                Ok(Stored { reference, is_json })
            }
            Err(error) => Err(self.lose(Lost::Payload(kind), &error)),
        }
    }

    /// A body that may not survive is named with what tells whether it did.
    fn identified(&self, mut place: Location, body: &BodyBuf) -> Location {
        if self.options.durability.syncs() {
            place.length = place.length.or(Some(body.bytes().len() as u64));
            place.hash = place.hash.or_else(|| Some(format!("{:032x}", xxh3_128(body.bytes())).into()));
        }
        place
    }

    fn stored_body(&self, place: &Location) {
        match self.options.durability {
            Durability::PageCache | Durability::Buffered => {}
            Durability::Fsync(SyncEvery::Event) => {
                self.unsynced.sync_body(place.clone()).unwrap_or_else(|refused| refused.tell(&self.options));
            }
            Durability::Fsync(SyncEvery::Millis(_)) => {
                self.unsynced.add(place.clone());
                self.sync_later();
            }
        }
    }

    fn sync_later(&self) {
        if let Durability::Fsync(SyncEvery::Millis(every)) = self.options.durability {
            self.options.syncs.wait(&self.unsynced, &self.options, Duration::from_millis(every));
        }
    }

    fn wrote_line(&self, seq: Seq) {
        match self.options.durability {
            Durability::PageCache | Durability::Buffered => {}
            Durability::Fsync(SyncEvery::Event) => {
                self.unsynced.sync_log(seq).unwrap_or_else(|refused| refused.tell(&self.options));
            }
            Durability::Fsync(SyncEvery::Millis(_)) => self.sync_later(),
        }
    }

    /// Appends one event: mask its text, write. What it says is in the kernel's hands when this returns.
    ///
    /// # Errors
    /// [`Lost`] where it could not be written. It has been counted and told.
    pub fn append(&self, at: Timestamp, context: &EventContext, event: &Event) -> Result<Seq, Lost> {
        let kind = event.kind();
        let redacted = event_text::changed(event, |said| self.options.redacted(kind, said.as_str()));
        self.append_redacted(at, context, &redacted)
    }

    /// The same, of an event whose texts went through [`WriterOptions::text`]: it runs nothing of the program's. What
    /// is built in is looked for here once more, so that no event can do without.
    ///
    /// # Errors
    /// [`Lost`] where it could not be written. It has been counted and told.
    pub(crate) fn append_redacted(&self, at: Timestamp, context: &EventContext, event: &Event) -> Result<Seq, Lost> {
        if let Some(fill) = &self.fill
            && let Err(full) = fill.takes(event.kind(), self.held())
        {
            return Err(self.lose(Lost::Event(event.kind()), &full.into()));
        }
        let event = &*event_text::changed(event, |said| self.options.masking.said(said));
        if event.kind() == EventKind::RolloutEnded {
            self.say_all(at).map_err(|unsaid| self.lose(Lost::Event(event.kind()), &unsaid))?;
        }
        let written = self.append_line(at, context, event);
        if let Event::ThreadEnded(ended) = event {
            self.store.thread_ended(&ended.thread_id);
        }
        let seq = written?;
        if self.has_gap.load(Ordering::Relaxed) && !(self.is_full() && self.said_full.load(Ordering::Relaxed)) {
            self.say_gap(at);
        }
        Ok(seq)
    }

    /// Says what could not be written. Without that the log must not say that the run has ended: it would be taken for
    /// all of it.
    fn say_all(&self, at: Timestamp) -> io::Result<()> {
        if self.log.is_linked() && !self.store.is_there() {
            self.lose(Lost::Bundle, &io::Error::other("its bodies were deleted while they were written"));
        }
        if self.has_gap.load(Ordering::Relaxed) {
            self.say_gap(at);
        }
        if self.has_gap.load(Ordering::Relaxed) { Err(io::Error::other(UNSAID)) } else { Ok(()) }
    }

    fn held(&self) -> Held {
        Held { events: self.log.last().0, bytes: self.log.length() + self.store.bytes() }
    }

    /// Whether it takes nothing but how things end. What is missing from it is said when it ends.
    pub(crate) fn is_full(&self) -> bool {
        self.fill.as_ref().is_some_and(|fill| fill.has_room(self.held()).is_err())
    }

    fn append_line(&self, at: Timestamp, context: &EventContext, event: &Event) -> Result<Seq, Lost> {
        self.try_line(at, context, event).map_err(|not_written| self.lose_event(event, not_written))
    }

    fn try_line(&self, at: Timestamp, context: &EventContext, event: &Event) -> Result<Seq, NotWritten> {
        self.wake_log();
        let line = RecordBody::new(at, &self.manifest.rollout_id, context, event);
        let seq = unpanicked(|| self.log.append(&line))?;
        self.options.tally.wrote_event(event.kind());
        self.wrote_line(seq);
        Ok(seq)
    }

    /// A log that let go of its file is about to open it again.
    fn wake_log(&self) {
        if self.log.wakes() {
            self.options.open_logs.opened(open_log(&self.log));
        }
    }

    fn lose_event(&self, event: &Event, why: NotWritten) -> Lost {
        match why {
            NotWritten::Io(error) => self.lose(Lost::Event(event.kind()), &error),
            NotWritten::Closed => {
                self.options.lose(Lost::Late, event.kind().name());
                Lost::Late
            }
        }
    }

    /// Appends the event after which the log takes no other: those are counted as late. What could not be written
    /// before is said before it; where it can't be, the log is closed without an end.
    pub(crate) fn append_last(&self, at: Timestamp, event: &Event) {
        if let Err(unsaid) = self.say_all(at) {
            self.log.close();
            self.lose(Lost::Event(event.kind()), &unsaid);
            return;
        }
        let context = EventContext::default();
        self.wake_log();
        let line = RecordBody::new(at, &self.manifest.rollout_id, &context, event);
        match unpanicked(|| self.log.append_last(&line)) {
            Ok(seq) => {
                self.options.tally.wrote_event(event.kind());
                self.wrote_line(seq);
            }
            Err(not_written) => drop(self.lose_event(event, not_written)),
        }
    }

    /// Counts the loss of an event that was never tried, because what it rests on was lost.
    pub fn lose_dependent(&self, what: Lost, reason: &str) -> Lost {
        self.remember(what);
        self.options.lose(what, reason);
        self.say_full();
        what
    }

    /// Once it is full, the log says so with the first that was not taken: it may be long before the rest can be said,
    /// and the process may not live to see it.
    fn say_full(&self) {
        if self.is_full() && !self.said_full.load(Ordering::Relaxed) {
            self.say_gap(Timestamp::now());
        }
    }

    fn lose(&self, what: Lost, error: &io::Error) -> Lost {
        self.lose_dependent(what, &format!("{}: {error}", self.path.display()))
    }

    fn remember(&self, what: Lost) {
        self.gap.lock().unwrap_or_else(PoisonError::into_inner).add(what);
        self.has_gap.store(true, Ordering::Relaxed);
    }

    /// Says what could not be written, where that can be said.
    pub(super) fn say_lost(&self, at: Timestamp) {
        if self.has_gap.load(Ordering::Relaxed) && !self.log.is_closed() {
            self.say_gap(at);
        }
    }

    /// What was counted and told elsewhere is still to be said in the log.
    pub(super) fn remember_all(&self, gap: Gap) {
        self.gap.lock().unwrap_or_else(PoisonError::into_inner).merge(gap);
        self.has_gap.store(true, Ordering::Relaxed);
    }

    /// Writes down what could not be written before.
    fn say_gap(&self, at: Timestamp) {
        let gap = {
            let mut gap = self.gap.lock().unwrap_or_else(PoisonError::into_inner);
            self.has_gap.store(false, Ordering::Relaxed);
            std::mem::take(&mut *gap)
        };
        if gap.lost() == 0 {
            return;
        }
        let is_full = self.is_full();
        let event = Event::from(Other {
            kind: "recording_gap".to_owned(),
            summary: format!("{} events and bodies could not be written", gap.lost()),
            payloads: Vec::new(),
            metadata: RawJson::of(&serde_json::json!({ "lost": gap.lost(), "by": gap.by_kind() })),
        });
        // Nothing that was observed is lost with it: it is said later.
        match self.try_line(at, &EventContext::default(), &event) {
            Ok(_) => self.said_full.store(is_full, Ordering::Relaxed),
            Err(_) => self.remember_all(gap),
        }
    }

    /// Says what can still be said, and whether the bundle is still where it was made: lines written to a log that
    /// was deleted go nowhere, and nothing but a look tells.
    pub fn finish(&self, at: Timestamp) {
        self.say_lost(at);
        if !self.log.is_linked() {
            let reason = format!("{} was deleted while it was written", self.path.display());
            self.options.lose(Lost::Bundle, reason);
        }
        if self.options.durability.syncs()
            && let Err(refused) = self.unsynced.sync()
        {
            refused.tell(&self.options);
            self.sync_later();
        }
        self.log.rest();
        self.store.rest();
    }
}

const UNSAID: &str = "what was lost before can't be said in the log, and an end would say that nothing was";

/// What panics while it is written is lost, and the host goes on.
fn unpanicked<T, E: From<io::Error>>(write: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    catch_unwind(AssertUnwindSafe(write))
        .unwrap_or_else(|panic| Err(io::Error::other(format!("its writing panicked: {}", message_of(&*panic))).into()))
}

fn open_log(log: &Arc<Log<LogFile>>) -> Weak<dyn Rests> {
    let log: Arc<dyn Rests> = Arc::<Log<LogFile>>::clone(log);
    Arc::downgrade(&log)
}
