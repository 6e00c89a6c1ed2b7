//! How a writer treats what it is given.

use std::borrow::Cow;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::body::message_of;
use super::disk::{Disk, RealDisk};
use super::event_text::Said;
use super::in_use::InUse;
use super::open_logs::OpenLogs;
use super::pruning::Pruning;
use super::queue::Queue;
use super::store::{KeptBodies, Store};
use super::syncs::Syncs;
use super::{Body, BodyBuf, Durability, Limits, Loss, Lost, Masking, ReadyBody, Redactor, Tally};
use crate::event::{EventKind, PayloadKind, RawJson};

/// A listener that is told of each loss.
pub type OnLoss = Arc<dyn Fn(&Loss) + Send + Sync>;

/// How a writer treats what it is given.
#[derive(Clone)]
#[non_exhaustive]
pub struct WriterOptions {
    /// What the program itself takes out of bodies and event text, before the rest is masked.
    pub redact: Option<Arc<dyn Redactor>>,
    /// What is masked in bodies and event text. Authorization headers and their like unless set.
    pub masking: Arc<Masking>,
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
    /// What is written to now. All writers of a program should share it.
    pub(crate) in_use: Arc<InUse>,
    /// What removes other bundles. All writers of a program should share it.
    pub(crate) pruning: Arc<Pruning>,
    /// Where bundles are written to.
    pub(crate) disk: Arc<dyn Disk>,
    /// Bodies that the next ones are compared with. All writers of a program should share it.
    pub(crate) kept: Arc<KeptBodies>,
    /// Nothing is written.
    pub(crate) is_unwritten: bool,
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
            open_logs: Arc::default(),
            syncs: Arc::default(),
            queue: Arc::default(),
            in_use: Arc::default(),
            pruning: Arc::default(),
            disk: Arc::new(RealDisk),
            kept: Arc::default(),
            is_unwritten: false,
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
        if let Some(redact) = &self.redact {
            self.redact(&**redact, kind, body);
        }
        match &mut body.oversize {
            None => drop(self.masking.body(&mut body.bytes, body.is_json)),
            // Both ends of what was JSON are none.
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

    /// A text as an event of this kind may hold it. What of masking is the program's own code runs here.
    pub(crate) fn text<'a>(&self, kind: EventKind, text: &'a str) -> Cow<'a, str> {
        match self.redacted(kind, text) {
            Cow::Borrowed(text) => self.masking.text(text),
            Cow::Owned(text) => Cow::Owned(self.masking.text(&text).into_owned()),
        }
    }

    /// The same of JSON, which stays JSON of the same structure, but for what the program's own code makes of it.
    pub(crate) fn json(&self, kind: EventKind, json: RawJson) -> RawJson {
        let redacted = json.changed(|text| self.redacted(kind, text));
        redacted.changed(|text| self.masking.said(Said::Json(text)))
    }

    /// The same without what is built in.
    pub(super) fn redacted<'a>(&self, kind: EventKind, text: &'a str) -> Cow<'a, str> {
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
