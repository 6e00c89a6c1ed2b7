//! The one writer of a bundle.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_128;

use super::body::message_of;
use super::disk::{Disk, RealDisk};
use super::durability::SyncEvery;
use super::log::{Log, NotWritten};
use super::log_file::LogFile;
use super::loss::Gap;
use super::open_logs::{OpenLogs, Rests};
use super::prepared::Prepared;
use super::queue::Queue;
use super::store::{Files, KeptBodies, Store};
use super::syncs::{Syncs, Unsynced};
use super::{Body, BodyBuf, Durability, Error, Limits, Location, Loss, Lost, Manifest, PayloadStore, Redact, Tally};
use crate::event::{
    Event, EventContext, Other, PayloadKind, PayloadRef, RawJson, RawPayloadId, RecordBody, Seq, ThreadId, Truncated,
    UnixMillis,
};

/// A listener that is told of each loss.
pub type OnLoss = Arc<dyn Fn(&Loss) + Send + Sync>;

/// How a writer treats what it is given.
#[derive(Clone)]
#[non_exhaustive]
pub struct WriterOptions {
    /// Masks bodies.
    pub redact: Option<Arc<dyn Redact>>,
    /// How large bodies may be.
    pub limits: Limits,
    /// What is forced to the disk.
    pub durability: Durability,
    /// How bodies are kept.
    pub store: Store,
    /// Where writes and losses are counted.
    pub tally: Arc<Tally>,
    /// Told of each loss, outside every lock.
    pub on_loss: Option<OnLoss>,
    /// The logs whose files are open. All writers of a program should share it.
    pub(crate) open_logs: Arc<OpenLogs>,
    /// What is to be forced to the disk later. All writers of a program should share it.
    pub(crate) syncs: Arc<Syncs>,
    /// What is to be written later. All writers of a program should share it.
    pub(crate) queue: Arc<Queue>,
    /// Where bundles are written to.
    pub(crate) disk: Arc<dyn Disk>,
    /// Bodies that the next ones are compared with. All writers of a program should share it.
    pub(crate) kept: Arc<KeptBodies>,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            redact: None,
            limits: Limits::default(),
            durability: Durability::default(),
            store: Store::default(),
            tally: Arc::default(),
            on_loss: None,
            open_logs: Arc::default(),
            syncs: Arc::default(),
            queue: Arc::default(),
            disk: Arc::new(RealDisk),
            kept: Arc::default(),
        }
    }
}

impl fmt::Debug for WriterOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limits, durability, store, .. } = self;
        let mut shown = f.debug_struct("WriterOptions");
        shown.field("limits", limits).field("durability", durability).field("store", store).finish_non_exhaustive()
    }
}

impl WriterOptions {
    /// Counts one loss and tells of it. A listener that panics is not the host's problem.
    pub fn lose(&self, what: Lost, reason: impl Into<String>) {
        self.tally.lost(what);
        if let Some(on_loss) = &self.on_loss {
            let loss = Loss { what, reason: reason.into() };
            let _ = catch_unwind(AssertUnwindSafe(|| on_loss(&loss)));
        }
    }

    /// All steps of a body's way to the disk but the last: encode, mask, limit. What of them is the program's own code
    /// runs here.
    pub(crate) fn ready(&self, kind: PayloadKind, body: &dyn Body) -> ReadyBody {
        let mut buffer = BodyBuf::take(self.limits);
        if let Err(error) = buffer.encode(body) {
            self.lose(Lost::Body(kind), error.to_string());
        }
        self.mask(kind, &mut buffer);
        // What stands for bytes that are too large is JSON, and still not what they were.
        let is_json = buffer.is_json();
        let truncated = self.limits.apply(&mut buffer);
        ReadyBody { kind, body: buffer, is_json, truncated }
    }

    fn mask(&self, kind: PayloadKind, body: &mut BodyBuf) {
        let Some(redact) = &self.redact else { return };
        let is_json = body.is_json;
        let masked = catch_unwind(AssertUnwindSafe(|| {
            let Some(oversize) = &mut body.oversize else { return redact.redact(kind, &mut body.bytes, is_json) };
            // Both ends of what was JSON are none.
            redact.redact(kind, &mut body.bytes, false);
            redact.redact(kind, &mut oversize.tail, false);
        }));
        if let Err(panic) = masked {
            let reason = format!("its redaction panicked: {}", message_of(&*panic));
            body.replace_by_loss(&reason);
            self.lose(Lost::Body(kind), reason);
        }
    }
}

/// A body that is ready to be stored.
#[derive(Debug)]
pub(crate) struct ReadyBody {
    kind: PayloadKind,
    body: BodyBuf,
    is_json: bool,
    truncated: Option<Truncated>,
}

impl ReadyBody {
    pub(super) fn kind(&self) -> PayloadKind {
        self.kind
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.body.bytes()
    }

    /// Whether what was given is one JSON value.
    pub(super) fn is_json(&self) -> bool {
        self.is_json
    }

    /// How it is named where a file is one body.
    pub(super) fn reference(&self, number: u64) -> PayloadRef {
        let raw_payload_id = RawPayloadId::numbered(number);
        let path = Files::path(number, &self.body);
        let truncated = self.truncated.clone().map(Box::new);
        PayloadRef { raw_payload_id, kind: self.kind, path, offset: None, length: None, hash: None, truncated }
    }

    /// The same body, in no more memory than it needs.
    pub(super) fn into_compact(self) -> Self {
        Self { body: self.body.into_compact(), ..self }
    }
}

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
    last_payload: AtomicU64,
    options: WriterOptions,
    gap: Mutex<Gap>,
    has_gap: AtomicBool,
}

impl Writer {
    /// Makes the bundle's directory under `root` (made where missing) and opens it for writing.
    ///
    /// The directory appears under its name with its manifest and an empty log already in it.
    ///
    /// # Errors
    /// [`ErrorKind::Exists`](super::ErrorKind::Exists) where that directory is there already,
    /// [`ErrorKind::Io`](super::ErrorKind::Io) where the file system refuses.
    pub fn create(root: &Path, manifest: Manifest, options: WriterOptions) -> Result<Self, Error> {
        // A program may change its directory while it is recorded.
        let root = std::path::absolute(root).map_err(|error| Error::io(root, "is no usable path", error))?;
        let path = root.join(manifest.directory_name());
        let disk = &options.disk;
        let cant = |error| Error::io(&root, "the directory of bundles can't be made", error);
        let missing: Vec<_> = root.ancestors().take_while(|path| disk.identity(path).is_err()).collect();
        disk.create_dirs(&root).map_err(cant)?;
        let syncs = options.durability.syncs();
        let log = Prepared::make(disk, &root, &manifest, syncs)?.publish(&path)?;
        if syncs {
            let mut holders = missing.into_iter().filter_map(Path::parent).chain([&*root]);
            holders.try_for_each(|path| disk.sync_dir(path)).map_err(cant)?;
        }
        let log = Arc::new(Log::new(LogFile::new(Arc::clone(disk), log, path.join(Manifest::LOG))));
        options.open_logs.opened(open_log(&log));
        let store = options.store.open(&path, &options);
        Ok(Self {
            unsynced: Arc::new(Unsynced::new(&path, &log, &store)),
            log,
            store,
            last_payload: AtomicU64::new(0),
            gap: Mutex::default(),
            has_gap: AtomicBool::new(false),
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
    fn next_payload(&self) -> u64 {
        self.last_payload.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The same, as the body of this number, which no other has.
    pub(super) fn store_as(&self, number: u64, thread: &ThreadId, ready: ReadyBody) -> Result<Stored, Lost> {
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
            Durability::Kernel | Durability::Buffered => {}
            Durability::Fsync(SyncEvery::Event) => {
                self.unsynced.sync_body(place.clone()).unwrap_or_else(|refused| refused.tell(&self.options));
            }
            Durability::Fsync(SyncEvery::Millis(every)) => {
                self.unsynced.add(place.clone());
                self.options.syncs.wait(&self.unsynced, &self.options, Duration::from_millis(every));
            }
        }
    }

    fn wrote_line(&self, seq: Seq) {
        match self.options.durability {
            Durability::Kernel | Durability::Buffered => {}
            Durability::Fsync(SyncEvery::Event) => {
                self.unsynced.sync_log(seq).unwrap_or_else(|refused| refused.tell(&self.options));
            }
            Durability::Fsync(SyncEvery::Millis(every)) => {
                self.options.syncs.wait(&self.unsynced, &self.options, Duration::from_millis(every));
            }
        }
    }

    /// Appends one event. What it says is in the kernel's hands when this returns.
    ///
    /// # Errors
    /// [`Lost`] where it could not be written. It has been counted and told.
    pub fn append(&self, at: UnixMillis, context: &EventContext, event: &Event) -> Result<Seq, Lost> {
        let seq = self.append_line(at, context, event)?;
        if self.has_gap.load(Ordering::Relaxed) {
            self.say_gap(at);
        }
        Ok(seq)
    }

    fn append_line(&self, at: UnixMillis, context: &EventContext, event: &Event) -> Result<Seq, Lost> {
        self.wake_log();
        let line = RecordBody::new(at, &self.manifest.rollout_id, context, event);
        match unpanicked(|| self.log.append(&line)) {
            Ok(seq) => {
                self.options.tally.wrote_event(event.kind());
                self.wrote_line(seq);
                Ok(seq)
            }
            Err(not_written) => Err(self.lose_event(event, not_written)),
        }
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
    /// before is said before it.
    pub(crate) fn append_last(&self, at: UnixMillis, event: &Event) {
        if self.has_gap.load(Ordering::Relaxed) {
            self.say_gap(at);
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
        self.has_gap.store(false, Ordering::Relaxed);
    }

    /// Counts the loss of an event that was never tried, because what it rests on was lost.
    pub fn lose_dependent(&self, what: Lost, reason: &str) -> Lost {
        self.remember(what);
        self.options.lose(what, reason);
        what
    }

    fn lose(&self, what: Lost, error: &io::Error) -> Lost {
        self.lose_dependent(what, &format!("{}: {error}", self.path.display()))
    }

    fn remember(&self, what: Lost) {
        self.gap.lock().unwrap_or_else(PoisonError::into_inner).add(what);
        self.has_gap.store(true, Ordering::Relaxed);
    }

    /// What was counted and told elsewhere is still to be said in the log.
    pub(super) fn remember_all(&self, gap: Gap) {
        self.gap.lock().unwrap_or_else(PoisonError::into_inner).merge(gap);
        self.has_gap.store(true, Ordering::Relaxed);
    }

    /// Writes down what could not be written before.
    fn say_gap(&self, at: UnixMillis) {
        let gap = {
            let mut gap = self.gap.lock().unwrap_or_else(PoisonError::into_inner);
            self.has_gap.store(false, Ordering::Relaxed);
            std::mem::take(&mut *gap)
        };
        if gap.lost() == 0 {
            return;
        }
        let event = Event::from(Other {
            kind: "recording_gap".to_owned(),
            summary: format!("{} events and bodies could not be written", gap.lost()),
            payloads: Vec::new(),
            metadata: RawJson::of(&serde_json::json!({ "lost": gap.lost(), "by": gap.by_kind() })),
        });
        if self.append_line(at, &EventContext::default(), &event).is_err() {
            self.gap.lock().unwrap_or_else(PoisonError::into_inner).merge(gap);
            self.has_gap.store(true, Ordering::Relaxed);
        }
    }

    /// Says what can still be said, and whether the bundle is still where it was made: lines written to a log that
    /// was deleted go nowhere, and nothing but a look tells.
    pub fn finish(&self, at: UnixMillis) {
        if self.has_gap.load(Ordering::Relaxed) {
            self.say_gap(at);
        }
        if !self.log.is_linked() {
            let reason = format!("{} was deleted while it was written", self.path.display());
            self.options.lose(Lost::Bundle, reason);
        }
        if self.options.durability.syncs() {
            self.unsynced.sync().unwrap_or_else(|refused| refused.tell(&self.options));
        }
        self.log.rest();
        self.store.rest();
    }
}

/// What panics while it is written is lost, and the host goes on.
fn unpanicked<T, E: From<io::Error>>(write: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    catch_unwind(AssertUnwindSafe(write))
        .unwrap_or_else(|panic| Err(io::Error::other(format!("its writing panicked: {}", message_of(&*panic))).into()))
}

fn open_log(log: &Arc<Log<LogFile>>) -> Weak<dyn Rests> {
    let log: Arc<dyn Rests> = Arc::<Log<LogFile>>::clone(log);
    Arc::downgrade(&log)
}
