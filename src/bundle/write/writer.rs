//! The writer of a bundle, in the thread that records.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_128;

use super::log::{AppendError, Log};
use super::log_file::LogFile;
use super::long_line::{line_too_long, shorten_texts};
use super::loss::{Gap, Lost};
use super::on_create::OnCreate;
use super::quota::{Quota, QuotaUsage};
use super::staged_bundle::StagedBundle;
use super::sync_scheduler::PendingSync;
use super::writer_options::WriterOptions;
use crate::bundle::durability::{Durability, SyncEvery};
use crate::bundle::error::BundleError;
use crate::bundle::fs::ReleaseFile;
use crate::bundle::manifest::Manifest;
use crate::bundle::payload::{Body, BodyBuf, ReadyBody, panic_message};
use crate::bundle::store::{Location, PayloadStore};
use crate::event::{
    Event, EventContext, EventKind, Other, PayloadKind, PayloadRef, RawJson, RawPayloadId, RecordBody, Seq, ThreadId,
    Timestamp,
};
use crate::mask::{self, Masked};

/// A payload that has been stored, and can be referenced by events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The reference to put into events.
    pub reference: PayloadRef,
    /// `true` if the body was one JSON value before it was truncated. Every payload of an event but its `wire_payload`
    /// must be one.
    pub is_json: bool,
}

/// The writer of one bundle. Every method can be called from any number of threads at once, and never panics.
///
/// An event or payload that cannot be written is counted in [`WriterOptions::tally`], reported to
/// [`WriterOptions::on_loss`], and noted in the log by an `other` event of kind `recording_gap` as soon as a line can
/// be written again.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    manifest: Manifest,
    log: Arc<Log<LogFile>>,
    store: Arc<dyn PayloadStore>,
    pending_sync: Arc<PendingSync>,
    quota: Option<Quota>,
    /// What the recorder keeps while the bundle is written to.
    _held: Option<Box<dyn Any + Send + Sync>>,
    last_payload: AtomicU64,
    options: WriterOptions,
    gap: Mutex<Gap>,
    has_gap: AtomicBool,
    /// `true` if a gap event, which lists losses in the log, has been written since the bundle became full.
    is_full_reported: AtomicBool,
}

impl Writer {
    /// Creates the directory of the bundle under `root`, and opens the bundle for writing. Creates `root` if it is
    /// missing.
    ///
    /// The directory appears atomically, with its manifest and an empty log in it.
    ///
    /// # Errors
    /// Returns [`ErrorKind::Exists`](crate::bundle::ErrorKind::Exists) if the directory exists already, and
    /// [`ErrorKind::Io`](crate::bundle::ErrorKind::Io) if it cannot be created.
    pub fn create(root: &Path, manifest: Manifest, options: WriterOptions) -> Result<Self, BundleError> {
        Self::create_for(root, manifest.masked_by(&options.masking), options, None)
    }

    /// Creates a bundle, whose manifest is masked, for a recorder, which is called when it is created. See
    /// [`create`](Self::create).
    ///
    /// # Errors
    /// Returns the errors of [`create`](Self::create).
    pub(super) fn create_for(
        root: &Path,
        manifest: Manifest,
        options: WriterOptions,
        on_create: Option<&dyn OnCreate>,
    ) -> Result<Self, BundleError> {
        // Absolute, because the program may change its working directory while it is recorded.
        let root = std::path::absolute(root)
            .map_err(|error| BundleError::io(root, "cannot make the path of the root directory absolute", error))?;
        let path = root.join(manifest.directory_name());
        let disk = &options.disk;
        let failed = |error| BundleError::io(&root, "cannot create the root directory of the bundles", error);
        let missing: Vec<_> = root.ancestors().take_while(|path| disk.identity(path).is_err()).collect();
        disk.create_dirs(&root).map_err(failed)?;
        let is_fsync = options.durability.is_fsync();
        let held = on_create.and_then(|it| it.before(&root, &manifest.directory_name()));
        let log = StagedBundle::create(disk, &root, &manifest, is_fsync)?.publish(&path)?;
        if is_fsync {
            // A new directory survives a crash of the machine only if its parent is synced, too.
            let mut changed = missing.into_iter().filter_map(Path::parent).chain([&*root]);
            changed.try_for_each(|path| disk.sync_dir(path)).map_err(failed)?;
        }
        let log = Arc::new(Log::new(LogFile::new(Arc::clone(disk), log, path.join(Manifest::LOG))));
        options.open_files.register(release_file_of(&log));
        let store = options.open_store(&path);
        if let Some(on_create) = on_create {
            on_create.after(&path);
        }
        Ok(Self {
            _held: held,
            pending_sync: Arc::new(PendingSync::new(&path, &log, &store)),
            quota: Quota::from_bounds(options.limits.bundle),
            log,
            store,
            last_payload: AtomicU64::new(0),
            gap: Mutex::default(),
            has_gap: AtomicBool::new(false),
            is_full_reported: AtomicBool::new(false),
            path,
            manifest,
            options,
        })
    }

    /// Returns the directory of the bundle.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the manifest of the bundle.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Stores a payload: encodes, redacts and masks, truncates, and writes `body`. The payload is complete when this
    /// returns. A body that cannot be encoded or redacted is replaced by `{"otel_trace.lost": reason}`, so that its
    /// event can still be written.
    ///
    /// # Errors
    /// Returns [`Lost`] if the payload cannot be stored. The loss has been counted and reported.
    pub fn put(&self, thread: &ThreadId, kind: PayloadKind, body: &dyn Body) -> Result<Stored, Lost> {
        self.store(thread, self.options.prepare_body(kind, body))
    }

    /// Stores a payload that [`WriterOptions::prepare_body`] has prepared. This is the last step of [`put`](Self::put)
    /// alone, which runs no code of the host program.
    ///
    /// # Errors
    /// Returns [`Lost`] if the payload cannot be stored. The loss has been counted and reported.
    pub(crate) fn store(&self, thread: &ThreadId, ready: ReadyBody) -> Result<Stored, Lost> {
        self.store_as(self.next_payload_number(), thread, ready)
    }

    pub(super) fn options(&self) -> &WriterOptions {
        &self.options
    }

    /// Returns a number that no payload of the bundle has yet.
    fn next_payload_number(&self) -> u64 {
        self.last_payload.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Stores a prepared payload under the given number, which must be unique in the bundle. See
    /// [`store`](Self::store).
    pub(super) fn store_as(&self, number: u64, thread: &ThreadId, mut ready: ReadyBody) -> Result<Stored, Lost> {
        if let Some(quota) = &self.quota
            && let Err(exceeded) = quota.fit_payload(&mut ready, self.usage())
        {
            return Err(self.report_loss(Lost::Payload(ready.kind()), &exceeded.into()));
        }
        let ReadyBody { kind, mut body, is_json, truncated } = ready;
        // The log has the masked id, by which the store learns of the thread's end.
        let thread = self.options.masking.masked_id(thread);
        let stored = catch_panic(|| self.store.put(number, &thread, Some(kind), &mut body));
        let stored = stored.map(|location| self.with_checksum(location, &body));
        body.recycle();
        match stored {
            Ok(location) => {
                self.options.tally.count_payload(kind);
                self.sync_payload(&location);
                let Location { path, offset, length, hash } = location;
                let raw_payload_id = RawPayloadId::numbered(number);
                let truncated = truncated.map(Box::new);
                let reference = PayloadRef { raw_payload_id, kind: kind.into(), path, offset, length, hash, truncated };
                Ok(Stored { reference, is_json })
            }
            Err(error) => Err(self.report_loss(Lost::Payload(kind), &error)),
        }
    }

    /// Adds length and hash to the location of a payload if the bundle is synced to the disk: after a crash of the
    /// machine, a reader compares them to find out if the payload is whole.
    fn with_checksum(&self, mut location: Location, body: &BodyBuf) -> Location {
        if self.options.durability.is_fsync() {
            location.length = location.length.or(Some(body.bytes().len() as u64));
            location.hash = location.hash.or_else(|| Some(format!("{:032x}", xxh3_128(body.bytes())).into()));
        }
        location
    }

    fn sync_payload(&self, location: &Location) {
        match self.options.durability {
            Durability::PageCache | Durability::Buffered => {}
            Durability::Fsync(SyncEvery::Event) => {
                self.pending_sync.sync_payload(location.clone()).unwrap_or_else(|error| error.report(&self.options));
            }
            Durability::Fsync(SyncEvery::Millis(_)) => {
                self.pending_sync.add(location.clone());
                self.schedule_sync();
            }
        }
    }

    fn schedule_sync(&self) {
        if let Durability::Fsync(SyncEvery::Millis(every)) = self.options.durability {
            self.options.sync_scheduler.schedule(&self.pending_sync, &self.options, Duration::from_millis(every));
        }
    }

    fn sync_line(&self, seq: Seq) {
        match self.options.durability {
            Durability::PageCache | Durability::Buffered => {}
            Durability::Fsync(SyncEvery::Event) => {
                self.pending_sync.sync_log(seq).unwrap_or_else(|error| error.report(&self.options));
            }
            Durability::Fsync(SyncEvery::Millis(_)) => self.schedule_sync(),
        }
    }

    /// Appends one event to the log: redacts its texts, masks its texts and ids, and writes its line, which is in the page cache when
    /// this returns.
    ///
    /// # Errors
    /// Returns [`Lost`] if the event cannot be written. The loss has been counted and reported.
    pub fn append(&self, at: Timestamp, context: &EventContext, event: &Event) -> Result<Seq, Lost> {
        let kind = event.kind();
        let redacted = mask::map_texts(event, |text| self.options.redact_text(kind, text.as_str()));
        let masking = &self.options.masking;
        self.append_masked(at, &masking.masked_context(context), &Masked::new(redacted.into_owned(), masking))
    }

    /// Appends an event that is masked, with a masked context. Runs no code of the host program.
    ///
    /// # Errors
    /// Returns [`Lost`] if the event cannot be written. The loss has been counted and reported.
    pub(crate) fn append_masked(
        &self,
        at: Timestamp,
        context: &EventContext,
        event: &Masked<Event>,
    ) -> Result<Seq, Lost> {
        if let Some(quota) = &self.quota
            && let Err(exceeded) = quota.check_event(event.kind(), self.usage())
        {
            return Err(self.report_loss(Lost::Event(event.kind()), &exceeded.into()));
        }
        let event = &**event;
        if event.kind() == EventKind::RolloutEnded {
            self.flush_gap(at).map_err(|error| self.report_loss(Lost::Event(event.kind()), &error))?;
        }
        let written = self.append_line(at, context, event);
        if let Event::ThreadEnded(ended) = event {
            self.store.thread_ended(&ended.thread_id);
        }
        let seq = written?;
        if self.has_gap.load(Ordering::Relaxed) && !(self.is_full() && self.is_full_reported.load(Ordering::Relaxed)) {
            self.write_gap(at);
        }
        Ok(seq)
    }

    /// Writes all unreported losses to the log, before the event that ends the run. If this fails, the caller must not
    /// write the end either: readers take a log that has an end for complete, except for the gaps it notes.
    fn flush_gap(&self, at: Timestamp) -> io::Result<()> {
        if self.log.is_linked() && !self.store.is_there() {
            self.report_loss(
                Lost::Bundle,
                &io::Error::other("the payloads were deleted while the bundle was being written"),
            );
        }
        if self.has_gap.load(Ordering::Relaxed) {
            self.write_gap(at);
        }
        if self.has_gap.load(Ordering::Relaxed) { Err(io::Error::other(GAP_NOT_WRITTEN)) } else { Ok(()) }
    }

    fn usage(&self) -> QuotaUsage {
        QuotaUsage { events: self.log.last_seq().0, bytes: self.log.length() + self.store.bytes() }
    }

    /// Returns `true` if the bundle has reached its quota, so that it accepts only end events. The first loss because
    /// of the quota has been noted in the log; the others are noted when the bundle ends.
    pub(crate) fn is_full(&self) -> bool {
        self.quota.as_ref().is_some_and(|quota| quota.check(self.usage()).is_err())
    }

    fn append_line(&self, at: Timestamp, context: &EventContext, event: &Event) -> Result<Seq, Lost> {
        let appended = match self.try_line(at, context, event) {
            Err(AppendError::TooLong(bytes)) => {
                self.report_loss(Lost::Text(event.kind()), &line_too_long(bytes));
                self.try_line(at, context, &shorten_texts(event))
            }
            appended => appended,
        };
        appended.map_err(|error| self.report_lost_event(event, error))
    }

    fn try_line(&self, at: Timestamp, context: &EventContext, event: &Event) -> Result<Seq, AppendError> {
        self.register_reopened_log();
        let line = RecordBody::new(at, &self.manifest.rollout_id, context, event);
        let seq = catch_panic(|| self.log.append(&line))?;
        self.options.tally.count_event(event.kind());
        self.sync_line(seq);
        Ok(seq)
    }

    /// Registers the log as open again if its file was released: the next line reopens the file.
    fn register_reopened_log(&self) {
        if self.log.take_released() {
            self.options.open_files.register(release_file_of(&self.log));
        }
    }

    fn report_lost_event(&self, event: &Event, error: AppendError) -> Lost {
        match error {
            AppendError::Io(error) => self.report_loss(Lost::Event(event.kind()), &error),
            AppendError::TooLong(bytes) => self.report_loss(Lost::Event(event.kind()), &line_too_long(bytes)),
            AppendError::Closed => {
                self.options.report_loss(Lost::Late, event.kind().name());
                Lost::Late
            }
        }
    }

    /// Appends the last event of the log, and closes the log: later events are counted as late. Unreported losses are
    /// written first; if they cannot be written, the log is closed without its last event.
    pub(crate) fn append_last(&self, at: Timestamp, event: &Masked<Event>) {
        if let Err(error) = self.flush_gap(at) {
            self.log.close();
            self.report_loss(Lost::Event(event.kind()), &error);
            return;
        }
        let context = EventContext::default();
        self.register_reopened_log();
        let line = RecordBody::new(at, &self.manifest.rollout_id, &context, event);
        match catch_panic(|| self.log.append_last(&line)) {
            Ok(seq) => {
                self.options.tally.count_event(event.kind());
                self.sync_line(seq);
            }
            Err(error) => drop(self.report_lost_event(event, error)),
        }
    }

    /// Counts and reports the loss of an event that was not written because a payload or event it depends on was lost.
    /// Returns `what`.
    pub fn report_dependent_loss(&self, what: Lost, reason: &str) -> Lost {
        self.add_to_gap(what);
        self.options.report_loss(what, reason);
        self.report_full();
        what
    }

    /// Writes a gap event, which lists the losses so far, at the first loss of a full bundle. The other losses are
    /// written when the bundle ends, which may be long after, or never if the process crashes.
    fn report_full(&self) {
        if self.is_full() && !self.is_full_reported.load(Ordering::Relaxed) {
            self.write_gap(Timestamp::now());
        }
    }

    fn report_loss(&self, what: Lost, error: &io::Error) -> Lost {
        self.report_dependent_loss(what, &format!("{}: {error}", self.path.display()))
    }

    fn add_to_gap(&self, what: Lost) {
        self.gap.lock().unwrap_or_else(PoisonError::into_inner).add(what);
        self.has_gap.store(true, Ordering::Relaxed);
    }

    /// Writes the unreported losses to the log, unless there are none or the log is closed.
    pub(super) fn report_gap(&self, at: Timestamp) {
        if self.has_gap.load(Ordering::Relaxed) && !self.log.is_closed() {
            self.write_gap(at);
        }
    }

    /// Adds losses that have been counted and reported, but are not in the log yet.
    pub(super) fn merge_gap(&self, gap: Gap) {
        self.gap.lock().unwrap_or_else(PoisonError::into_inner).merge(gap);
        self.has_gap.store(true, Ordering::Relaxed);
    }

    /// Writes the unreported losses to the log, as an `other` event of kind `recording_gap`.
    fn write_gap(&self, at: Timestamp) {
        let gap = {
            let mut gap = self.gap.lock().unwrap_or_else(PoisonError::into_inner);
            self.has_gap.store(false, Ordering::Relaxed);
            std::mem::take(&mut *gap)
        };
        if gap.total() == 0 {
            return;
        }
        let is_full = self.is_full();
        let event = Event::from(Other {
            kind: "recording_gap".to_owned(),
            summary: format!("{} events and bodies could not be written", gap.total()),
            payloads: Vec::new(),
            metadata: RawJson::from_value(&serde_json::json!({ "lost": gap.total(), "by": gap.by_kind() })),
        });
        // A failed gap event is not counted as a loss: its losses stay unreported and are written later.
        match self.try_line(at, &EventContext::default(), &event) {
            Ok(_) => self.is_full_reported.store(is_full, Ordering::Relaxed),
            Err(_) => self.merge_gap(gap),
        }
    }

    /// Finishes the bundle: writes the losses that are not in the log yet, syncs the bundle if its durability requires
    /// it, and releases its files.
    ///
    /// Reports [`Lost::Bundle`] if the log has been deleted meanwhile: writes to a deleted file succeed, so that only
    /// this check detects it.
    pub fn finish(&self, at: Timestamp) {
        self.report_gap(at);
        if !self.log.is_linked() {
            let reason = format!("{} was deleted while the bundle was being written", self.path.display());
            self.options.report_loss(Lost::Bundle, reason);
        }
        if self.options.durability.is_fsync()
            && let Err(error) = self.pending_sync.sync()
        {
            error.report(&self.options);
            self.schedule_sync();
        }
        self.log.release_file();
        self.store.release();
    }
}

const GAP_NOT_WRITTEN: &str =
    "cannot write earlier losses to the log, and without them the end event would declare the log complete";

/// Calls `write` and turns a panic into an error, so that a bug in the recorder does not stop the host program.
fn catch_panic<T, E: From<io::Error>>(write: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    catch_unwind(AssertUnwindSafe(write))
        .unwrap_or_else(|panic| Err(io::Error::other(format!("writing panicked: {}", panic_message(&*panic))).into()))
}

fn release_file_of(log: &Arc<Log<LogFile>>) -> Weak<dyn ReleaseFile> {
    let log: Arc<dyn ReleaseFile> = Arc::<Log<LogFile>>::clone(log);
    Arc::downgrade(&log)
}
