//! The options of a writer, and the preparation of bodies and texts that they determine.

use std::borrow::Cow;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use super::loss::{Loss, Lost, Tally};
use super::own_process::{FORKED, OwnProcess};
use super::queued_writer::BundleJob;
use super::sync_scheduler::SyncScheduler;
use crate::bundle::durability::Durability;
use crate::bundle::fs::{Disk, OpenFiles, RealDisk};
use crate::bundle::payload::{Body, BodyBuf, Limits, ReadyBody, panic_message};
use crate::bundle::store::{BaseCache, PayloadStore, Store};
use crate::event::{EventKind, PayloadKind, RawJson};
use crate::mask::{Masking, Redactor, redact_text};
use crate::worker::Worker;

/// A callback that is called with each loss of an event or payload.
pub type OnLoss = Arc<dyn Fn(&Loss) + Send + Sync>;

/// Options of a [`Writer`](crate::bundle::Writer): redaction, limits, durability, payload store, and reporting of losses.
#[derive(Clone)]
#[non_exhaustive]
pub struct WriterOptions {
    /// Redactor of the host program, applied to bodies and event texts before the masking. Default: none.
    pub redact: Option<Arc<dyn Redactor>>,
    /// Masking of secrets in bodies and event texts. Default: [`Masking::new`].
    pub masking: Arc<Masking>,
    /// Size limits of payloads, queue and bundle. Those of the root directory apply to the bundles of a
    /// [`Recorder`](crate::Recorder) only.
    pub limits: Limits,
    /// Guarantee for recorded events and payloads in a crash of the process or the machine. Default:
    /// [`Durability::PageCache`].
    pub durability: Durability,
    /// Layout in which payloads are stored. Default: [`Store::Files`].
    pub store: Store,
    /// Counters of events and payloads written and lost. Writers may share them.
    pub tally: Arc<Tally>,
    /// Callback for each loss, called without any lock held. Default: none.
    pub on_loss: Option<OnLoss>,
    /// Registry of logs and packs with an open file. All writers of a program should share it.
    pub(crate) open_files: Arc<OpenFiles>,
    /// Scheduler of the writes that are synced to the disk later. All writers of a program should share it.
    pub(crate) sync_scheduler: Arc<SyncScheduler>,
    /// The writer thread, with its queue. All writers of a program should share it.
    pub(crate) worker: Arc<Worker<BundleJob>>,
    /// File system that bundles are written to.
    pub(crate) disk: Arc<dyn Disk>,
    /// Cache of the payloads that a pack stores later payloads as deltas to. All writers of a program should share it.
    pub(crate) base_cache: Arc<BaseCache>,
    /// The process that may write. All writers of a program should share it.
    pub(crate) process: Arc<OwnProcess>,
    /// `true` if events and payloads are discarded, for spans that are exported but not recorded.
    pub(crate) is_noop: bool,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            redact: None,
            masking: Arc::default(),
            limits: Limits::default(),
            durability: Durability::default(),
            store: Store::default(),
            tally: Arc::default(),
            on_loss: None,
            open_files: Arc::default(),
            sync_scheduler: Arc::default(),
            worker: Arc::new(Worker::new("otel-trace write")),
            disk: Arc::new(RealDisk),
            base_cache: Arc::default(),
            process: Arc::default(),
            is_noop: false,
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
    /// Counts a loss and passes it to the callback, if one is set. A panic of the callback is caught.
    pub fn report_loss(&self, what: Lost, reason: impl Into<String>) {
        self.tally.lost(what);
        if let Some(on_loss) = &self.on_loss {
            let loss = Loss { kind: what, reason: reason.into() };
            let _ = catch_unwind(AssertUnwindSafe(|| on_loss(&loss)));
        }
    }

    /// Returns `true` in a copy of the process that records, in which nothing may be written. Counts and reports the loss
    /// once.
    pub(crate) fn is_copy(&self) -> bool {
        let is_copy = self.process.is_copy();
        if is_copy && self.process.is_first_report() {
            self.report_loss(Lost::Bundle, FORKED);
        }
        is_copy
    }

    /// Creates the store that writes the payloads of the bundle in this directory.
    pub(crate) fn open_store(&self, bundle: &Path) -> Arc<dyn PayloadStore> {
        let Self { disk, base_cache, open_files, .. } = self;
        self.store.open(bundle, Arc::clone(disk), Arc::clone(base_cache), Arc::clone(open_files))
    }

    /// Prepares a body to be stored: encodes, redacts and masks, and truncates it. Runs code of the host program
    /// ([`Body::encode`], [`Redactor::redact`]), so the caller must hold no lock.
    pub(crate) fn prepare_body(&self, kind: PayloadKind, body: &dyn Body) -> ReadyBody {
        let mut buffer = BodyBuf::take(self.limits);
        if let Err(error) = buffer.encode(body) {
            self.report_loss(Lost::Body(kind), error.to_string());
        }
        self.mask(kind, &mut buffer);
        // Read before the truncation, which replaces any bytes by JSON.
        let is_json = buffer.is_json();
        let truncated = self.limits.apply(&mut buffer);
        ReadyBody { kind, body: buffer, is_json, truncated }
    }

    fn mask(&self, kind: PayloadKind, body: &mut BodyBuf) {
        if let Some(redact) = &self.redact {
            self.redact(&**redact, kind, body);
        }
        match &mut body.oversize {
            None => drop(self.masking.body(&mut body.bytes, body.is_json)),
            // Head and tail of a JSON value are not JSON.
            Some(oversize) => {
                self.masking.body(&mut body.bytes, false);
                self.masking.body(&mut oversize.tail, false);
            }
        }
    }

    fn redact(&self, redact: &dyn Redactor, kind: PayloadKind, body: &mut BodyBuf) {
        let is_json = body.is_json;
        let masked = catch_unwind(AssertUnwindSafe(|| {
            let Some(oversize) = &mut body.oversize else { return redact.redact(kind, &mut body.bytes, is_json) };
            // Head and tail of a JSON value are not JSON.
            redact.redact(kind, &mut body.bytes, false);
            redact.redact(kind, &mut oversize.tail, false);
        }));
        if let Err(panic) = masked {
            let reason = format!("the redactor panicked: {}", panic_message(&*panic));
            body.replace_with_loss(&reason);
            self.report_loss(Lost::Body(kind), reason);
        }
    }

    /// Redacts and masks a text, of which an event will have a part. Runs code of the host program
    /// ([`Redactor::redact_text`]), so the caller must hold no lock.
    pub(crate) fn mask_text<'a>(&self, kind: EventKind, text: &'a str) -> Cow<'a, str> {
        match self.redact_text(kind, text) {
            Cow::Borrowed(text) => self.masking.text(text),
            Cow::Owned(text) => Cow::Owned(self.masking.text(&text).into_owned()),
        }
    }

    /// Redacts the strings of a JSON value of an event. The structure of the value is kept, except for changes of the
    /// redactor.
    pub(crate) fn redact_json(&self, kind: EventKind, json: RawJson) -> RawJson {
        json.map_text(|text| self.redact_text(kind, text))
    }

    /// Applies the redactor of the host program to a text of an event. The writer masks the text with its event. Runs code
    /// of the host program ([`Redactor::redact_text`]), so the caller must hold no lock. If the redactor panics, reports
    /// the loss of the text and returns `otel_trace.lost: ` and the reason.
    pub(crate) fn redact_text<'a>(&self, kind: EventKind, text: &'a str) -> Cow<'a, str> {
        let Some(redact) = &self.redact else { return Cow::Borrowed(text) };
        redact_text(&**redact, text).unwrap_or_else(|panic| {
            let reason = format!("the redactor panicked: {}", panic_message(&*panic));
            let lost = format!("otel_trace.lost: {reason}");
            self.report_loss(Lost::Text(kind), reason);
            Cow::Owned(lost)
        })
    }
}
