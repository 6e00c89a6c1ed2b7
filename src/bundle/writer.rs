//! The one writer of a bundle.

use std::borrow::Cow;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::body::message_of;
use super::log::{Log, NotWritten};
use super::log_file::LogFile;
use super::loss::Gap;
use super::open_logs::{OpenLogs, Rests};
use super::store::Files;
use super::{
    Body, BodyBuf, Error, ErrorKind, Limits, Location, Loss, Lost, Manifest, Masking, PayloadStore, Redact, Tally,
    event_text, file,
};
use crate::event::{
    Event, EventContext, EventKind, Other, PayloadKind, PayloadRef, RawJson, RawPayloadId, RecordBody, Seq, ThreadId,
    Truncated, UnixMillis,
};

/// A listener that is told of each loss.
pub type OnLoss = Arc<dyn Fn(&Loss) + Send + Sync>;

/// How a writer treats what it is given.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct WriterOptions {
    /// What the program itself takes out of bodies and event text, before the rest is masked.
    pub redact: Option<Arc<dyn Redact>>,
    /// What is masked in bodies and event text. Authorization headers and their like unless set.
    pub masking: Arc<Masking>,
    /// How large bodies may be.
    pub limits: Limits,
    /// Where writes and losses are counted.
    pub tally: Arc<Tally>,
    /// Told of each loss, outside every lock.
    pub on_loss: Option<OnLoss>,
    /// The logs whose files are open. All writers of a program should share it.
    pub(crate) open_logs: Arc<OpenLogs>,
}

impl fmt::Debug for WriterOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriterOptions").field("limits", &self.limits).finish_non_exhaustive()
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
        let mut buffer = BodyBuf::take();
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
        if let Some(redact) = &self.redact {
            self.redact(&**redact, kind, body);
        }
        let is_json = body.is_json;
        self.masking.body(&mut body.bytes, is_json);
    }

    fn redact(&self, redact: &dyn Redact, kind: PayloadKind, body: &mut BodyBuf) {
        let is_json = body.is_json;
        let masked = catch_unwind(AssertUnwindSafe(|| redact.redact(kind, &mut body.bytes, is_json)));
        if let Err(panic) = masked {
            let reason = format!("its redaction panicked: {}", message_of(&*panic));
            body.replace_by_loss(&reason);
            self.lose(Lost::Body(kind), reason);
        }
    }

    /// A text as an event of this kind may hold it. What of masking is the program's own code runs here.
    pub(crate) fn text<'a>(&self, kind: EventKind, text: &'a str) -> Cow<'a, str> {
        match self.redacted(kind, text) {
            Cow::Borrowed(text) => self.masking.text(text),
            Cow::Owned(text) => Cow::Owned(self.masking.text(&text).into_owned()),
        }
    }

    fn redacted<'a>(&self, kind: EventKind, text: &'a str) -> Cow<'a, str> {
        let Some(redact) = &self.redact else { return Cow::Borrowed(text) };
        let redacted = catch_unwind(AssertUnwindSafe(|| redact.redact_text(text)));
        redacted.unwrap_or_else(|panic| {
            let reason = format!("its redaction panicked: {}", message_of(&*panic));
            let lost = format!("otel_trace.lost: {reason}");
            self.lose(Lost::Text(kind), reason);
            Cow::Owned(lost)
        })
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
    store: Box<dyn PayloadStore>,
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
    /// [`ErrorKind::Exists`] where that directory is there already, [`ErrorKind::Io`] where the file system refuses.
    pub fn create(root: &Path, manifest: Manifest, options: WriterOptions) -> Result<Self, Error> {
        // A program may change its directory while it is recorded.
        let root = std::path::absolute(root).map_err(|error| Error::io(root, "is no usable path", error))?;
        let path = root.join(manifest.directory_name());
        file::create_dirs(&root).map_err(|error| Error::io(&root, "the directory of bundles can't be made", error))?;
        let prepared = Prepared::make(&root, &manifest)?;
        let log = LogFile::new(prepared.publish(&path)?, path.join(Manifest::LOG));
        let log = Arc::new(Log::new(log));
        options.open_logs.opened(open_log(&log));
        Ok(Self {
            log,
            store: Box::new(Files::new(&path)),
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
        let ReadyBody { kind, body, is_json, truncated } = ready;
        let number = self.last_payload.fetch_add(1, Ordering::Relaxed) + 1;
        let kept = self.store.put(number, thread, kind, &body);
        body.give_back();
        match kept {
            Ok(Location { path, offset, length, hash }) => {
                self.options.tally.wrote_payload(kind);
                let raw_payload_id = RawPayloadId::numbered(number);
                let truncated = truncated.map(Box::new);
                let reference = PayloadRef { raw_payload_id, kind, path, offset, length, hash, truncated };
                Ok(Stored { reference, is_json })
            }
            Err(error) => Err(self.lose(Lost::Payload(kind), &error)),
        }
    }

    /// Appends one event: mask its text, write. What it says is in the kernel's hands when this returns.
    ///
    /// # Errors
    /// [`Lost`] where it could not be written. It has been counted and told.
    pub fn append(&self, at: UnixMillis, context: &EventContext, event: &Event) -> Result<Seq, Lost> {
        let kind = event.kind();
        let redacted = event_text::changed(event, |text| self.options.redacted(kind, text));
        self.append_redacted(at, context, &redacted)
    }

    /// The same, of an event whose texts went through [`WriterOptions::text`]: it runs nothing of the program's. What
    /// is built in is looked for here once more, so that no event can do without.
    ///
    /// # Errors
    /// [`Lost`] where it could not be written. It has been counted and told.
    pub(crate) fn append_redacted(&self, at: UnixMillis, context: &EventContext, event: &Event) -> Result<Seq, Lost> {
        let event = &*event_text::changed(event, |text| self.options.masking.text(text));
        let seq = self.append_line(at, context, event)?;
        if self.has_gap.load(Ordering::Relaxed) {
            self.say_gap(at);
        }
        Ok(seq)
    }

    fn append_line(&self, at: UnixMillis, context: &EventContext, event: &Event) -> Result<Seq, Lost> {
        self.wake_log();
        match self.log.append(&RecordBody::new(at, &self.manifest.rollout_id, context, event)) {
            Ok(seq) => {
                self.options.tally.wrote_event(event.kind());
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
        match self.log.append_last(&RecordBody::new(at, &self.manifest.rollout_id, &context, event)) {
            Ok(_) => self.options.tally.wrote_event(event.kind()),
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
        self.log.rest();
    }
}

fn open_log(log: &Arc<Log<LogFile>>) -> Weak<dyn Rests> {
    let log: Arc<dyn Rests> = Arc::<Log<LogFile>>::clone(log);
    Arc::downgrade(&log)
}

/// A bundle's directory under a temporary name, removed again unless it is published.
struct Prepared {
    directory: PathBuf,
    log: Option<File>,
}

/// Makes temporary names unique in this process.
fn unique() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

impl Prepared {
    fn make(root: &Path, manifest: &Manifest) -> Result<Self, Error> {
        let name = format!(".{}.{:x}.tmp", manifest.directory_name(), unique());
        let mut prepared = Self { directory: root.join(name), log: None };
        prepared.fill(manifest).map_err(|error| Error::io(root, "a bundle can't be made here", error))?;
        Ok(prepared)
    }

    fn fill(&mut self, manifest: &Manifest) -> io::Result<()> {
        file::create_dirs(&self.directory.join(Manifest::PAYLOADS))?;
        let manifest = serde_json::to_vec_pretty(manifest)?;
        file::create(&self.directory.join(Manifest::FILE))?.write_all(&manifest)?;
        self.log = Some(file::create(&self.directory.join(Manifest::LOG))?);
        Ok(())
    }

    fn publish(mut self, path: &Path) -> Result<File, Error> {
        // A rename takes the place of an empty directory, never of a bundle.
        match (fs::rename(&self.directory, path), self.log.take()) {
            (Ok(()), Some(log)) => Ok(log),
            (Ok(()), None) => Err(Error::new(ErrorKind::Io, path, "the bundle has no log")),
            (Err(_), _) if path.symlink_metadata().is_ok() => {
                let message =
                    "a bundle is already here; a bundle has one writer, so give every run a trace id of its own";
                Err(Error::new(ErrorKind::Exists, path, message))
            }
            (Err(error), _) => Err(Error::io(path, "the bundle can't be put in its place", error)),
        }
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        // Gone already where it was published. By name: to list a directory needs a file that may not be had.
        for file in [Manifest::FILE, Manifest::LOG] {
            let _ = fs::remove_file(self.directory.join(file));
        }
        let _ = fs::remove_dir(self.directory.join(Manifest::PAYLOADS));
        let _ = fs::remove_dir(&self.directory);
    }
}
