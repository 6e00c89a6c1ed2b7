//! The recorder: the state that all layers, handles and operations of one recording share.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use tracing::Subscriber;
use tracing_subscriber::registry::LookupSpan;
#[cfg(feature = "otlp")]
use tracing_subscriber::registry::SpanRef;

use super::builder::{BuildError, RecorderBuilder};
use super::live::LiveSpanExporter;
use super::operation::{End, InferenceOperation, OpenOperation, ThreadOperation};
use super::parent::Parent;
use super::reentrancy::is_recording_suppressed;
use super::span_state::SpanState;
use super::stderr::report;
use super::{RecordFilter, RecordLayer, RecorderGuard};
use crate::bundle::{Lost, Stats, WriterOptions};
use crate::event::{ThreadId, TraceId};
use crate::retention::RootRetention;

/// A recording: any number of bundles under one root directory. Clones refer to the same recording.
///
/// ```no_run
/// use otel_trace::Recorder;
/// use tracing_subscriber::prelude::*;
///
/// let (recorder, _guard) = Recorder::builder().root("traces").build()?;
/// tracing_subscriber::registry().with(recorder.layer().with_filter(recorder.filter())).init();
/// # Ok::<(), otel_trace::layer::BuildError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Recorder(pub(super) Arc<Inner>);

impl Recorder {
    /// Returns a builder that configures a recorder.
    pub fn builder() -> RecorderBuilder {
        RecorderBuilder::default()
    }

    /// Creates a recorder that writes to the directory named by `OTEL_TRACE_ROOT`. Returns `None` if that variable is
    /// unset or empty. `OTEL_TRACE_PARENT` names the agent that spawned the process, as for [`RecorderBuilder::build`].
    ///
    /// ```no_run
    /// use otel_trace::Recorder;
    /// use tracing_subscriber::prelude::*;
    ///
    /// let recording = Recorder::from_env()?;
    /// let layer = recording.as_ref().map(|(recorder, _guard)| recorder.layer().with_filter(recorder.filter()));
    /// tracing_subscriber::registry().with(layer).init();
    /// # Ok::<(), otel_trace::layer::BuildError>(())
    /// ```
    ///
    /// # Errors
    /// Returns [`BuildError`] if the directory cannot be created or written, or if `OTEL_TRACE_STORE` does not name a
    /// store.
    pub fn from_env() -> Result<Option<(Self, RecorderGuard)>, BuildError> {
        super::builder::from_env()
    }

    /// Creates a recorder that writes nothing, for spans that are only exported. Its operations start and end exactly
    /// as those of a recorder that writes. See the module `otlp`.
    pub fn unwritten() -> (Self, RecorderGuard) {
        let options = WriterOptions { is_noop: true, ..WriterOptions::default() };
        let recorder = Self(Arc::new(Inner::new(PathBuf::new(), None, options)));
        (recorder.clone(), RecorderGuard::new(recorder))
    }

    /// Creates a layer that records the spans of a subscriber. The layer examines every span that it is given: limit
    /// that with [`filter`](Self::filter).
    pub fn layer<S>(&self) -> RecordLayer<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        RecordLayer::new(Arc::clone(&self.0))
    }

    /// Returns the per-layer filter that lets through the spans and events which the layer needs.
    pub fn filter(&self) -> RecordFilter {
        RecordFilter::default()
    }

    /// Registers the exporter of live spans, for every span with a kind field that is opened from now on. Only the
    /// first registration takes effect.
    #[cfg(feature = "otlp")]
    pub(crate) fn export_to(&self, live: Arc<dyn LiveSpanExporter>) {
        let _ = self.0.live.set(live);
    }

    /// Ends the operations of a span that closes, for a layer that observes the close before the record layer does.
    #[cfg(feature = "otlp")]
    pub(crate) fn close_span<'a, S: LookupSpan<'a>>(&self, span: &SpanRef<'a, S>) {
        super::record_layer::close(&self.0, span);
    }

    /// Returns the directory that contains the bundles, or an empty path if none are written.
    pub fn root(&self) -> &Path {
        &self.0.root
    }

    /// Returns the number of events and payloads that were written and lost so far, by kind.
    pub fn stats(&self) -> Stats {
        self.0.options.tally.stats()
    }
}

/// The state of one recording, shared by its layers, handles and operations.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) root: PathBuf,
    pub(super) options: WriterOptions,
    /// Claims on the bundles of this recorder, and removal of old bundles.
    pub(super) retention: Arc<RootRetention>,
    /// The agent that spawned this process, if any.
    pub(super) parent: Option<Parent>,
    /// The exporter of live spans, if one is registered.
    pub(super) live: OnceLock<Arc<dyn LiveSpanExporter>>,
    is_shut: AtomicBool,
    /// `true` once stderr has been warned that something came after the shutdown.
    warned_late: AtomicBool,
    /// `true` once implicit operations were attached to a span that has no kind field.
    implicit_at_plain_span: AtomicBool,
    last_layer: AtomicU64,
    layers: Mutex<HashSet<LayerNumber>>,
    /// Operations that have a start and no end, in the order of their starts.
    open: Mutex<BTreeMap<OpenKey, OpenOperation>>,
    last_key: AtomicU64,
    /// Inference calls whose request has not been recorded yet, by address.
    awaiting_request: Mutex<HashMap<usize, Weak<InferenceOperation>>>,
    /// Spans with field values that are not in the log yet, by address.
    pending_fields: Mutex<HashMap<usize, Weak<SpanState>>>,
    /// Started threads by id, for spans that name a thread which they are not below.
    threads: Mutex<HashMap<ThreadId, Weak<ThreadOperation>>>,
    /// Implicit threads by conversation id. They live until shutdown.
    conversations: Mutex<HashMap<String, Arc<ThreadOperation>>>,
}

/// Identifies a recorder among the live recorders of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecorderId(usize);

/// Identifies a layer among the layers of one recorder, in case a subscriber has several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct LayerNumber(u64);

/// Key of an operation in the table of open operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct OpenKey(u64);

impl Inner {
    pub(super) fn new(root: PathBuf, parent: Option<Parent>, options: WriterOptions) -> Self {
        Self {
            root,
            retention: Arc::new(RootRetention::new(options.limits.root, Arc::clone(&options.tally))),
            options,
            parent,
            live: OnceLock::new(),
            is_shut: AtomicBool::new(false),
            warned_late: AtomicBool::new(false),
            implicit_at_plain_span: AtomicBool::new(false),
            last_layer: AtomicU64::new(0),
            layers: Mutex::default(),
            open: Mutex::default(),
            last_key: AtomicU64::new(0),
            awaiting_request: Mutex::default(),
            pending_fields: Mutex::default(),
            threads: Mutex::default(),
            conversations: Mutex::default(),
        }
    }

    /// Returns the id of the recorder: its address, which no other recorder has while this one lives.
    pub(super) fn id(&self) -> RecorderId {
        RecorderId(std::ptr::from_ref(self).addr())
    }

    /// Registers a new layer and returns its number.
    pub(super) fn register_layer(&self) -> LayerNumber {
        let number = LayerNumber(self.last_layer.fetch_add(1, Ordering::Relaxed));
        lock(&self.layers).insert(number);
        number
    }

    /// Returns `true` if a layer was ever created.
    pub(super) fn had_layer(&self) -> bool {
        self.last_layer.load(Ordering::Relaxed) > 0
    }

    /// Counts `what` as lost because it came after the shutdown. Without an `on_loss` callback, also warns on stderr,
    /// once: the guard may have been dropped too early.
    pub(super) fn report_late(&self, what: &'static str) {
        self.options.report_loss(Lost::Late, what);
        if self.options.on_loss.is_none() && !self.warned_late.swap(true, Ordering::Relaxed) {
            report(format_args!(
                "{what} came after the recording under {} was shut down and is lost; keep the guard until the program \
                 ends: `let (recorder, _guard) = …`, not `_`",
                self.root.display()
            ));
        }
    }

    /// Notes that implicit operations are about to be attached to a span that has no kind field.
    pub(super) fn note_implicit_at_plain_span(&self) {
        self.implicit_at_plain_span.store(true, Ordering::Relaxed);
    }

    /// Returns `true` if implicit operations were ever attached to a span that has no kind field.
    ///
    /// A relaxed load suffices: a span is opened before it is closed, so the thread that closes it observes what was
    /// noted when the span was opened.
    pub(super) fn has_implicit_at_plain_span(&self) -> bool {
        self.implicit_at_plain_span.load(Ordering::Relaxed)
    }

    pub(super) fn unregister_layer(&self, layer: LayerNumber) {
        lock(&self.layers).remove(&layer);
    }

    /// Returns `true` if the layer has not been dropped, so that it may still be in a subscriber.
    pub(super) fn has_layer(&self, layer: LayerNumber) -> bool {
        lock(&self.layers).contains(&layer)
    }

    pub(super) fn is_shut(&self) -> bool {
        self.is_shut.load(Ordering::Acquire)
    }

    /// Returns `true` if nothing may be recorded at the moment, after the shutdown or inside a callback of the host
    /// program. After the shutdown, also counts `what` as lost.
    pub(super) fn is_off(&self, what: &'static str) -> bool {
        if self.is_shut() {
            self.report_late(what);
            return true;
        }
        is_recording_suppressed()
    }

    /// Adds an operation to the open ones. Returns `None` after the shutdown, and counts the start as lost.
    pub(super) fn register_open(&self, operation: impl FnOnce() -> OpenOperation) -> Option<OpenKey> {
        let mut open = lock(&self.open);
        if self.is_shut() {
            drop(open);
            self.report_late("a start event");
            return None;
        }
        let key = OpenKey(self.last_key.fetch_add(1, Ordering::Relaxed));
        open.insert(key, operation());
        Some(key)
    }

    /// Removes an operation from the open ones.
    pub(super) fn unregister_open(&self, key: OpenKey) {
        lock(&self.open).remove(&key);
    }

    /// Registers a call that starts when its request is recorded, at the latest at the shutdown.
    pub(super) fn add_awaiting_request(&self, call: &Arc<InferenceOperation>) {
        lock(&self.awaiting_request).insert(Arc::as_ptr(call).addr(), Arc::downgrade(call));
    }

    /// Removes a call whose request was recorded, or that ended.
    pub(super) fn remove_awaiting_request(&self, call: &InferenceOperation) {
        lock(&self.awaiting_request).remove(&std::ptr::from_ref(call).addr());
    }

    /// Registers a span with field values that are written when it ends, at the latest at the shutdown.
    pub(super) fn add_pending_fields(&self, span: &Arc<SpanState>) {
        lock(&self.pending_fields).insert(Arc::as_ptr(span).addr(), Arc::downgrade(span));
    }

    /// Removes a span whose field values were written.
    pub(super) fn remove_pending_fields(&self, span: &SpanState) {
        lock(&self.pending_fields).remove(&std::ptr::from_ref(span).addr());
    }

    /// Notifies the exporter of live spans that a bundle was created.
    pub(super) fn on_bundle_start(&self, recording: &TraceId) {
        if let Some(live) = self.live.get() {
            live.on_bundle_start(recording);
        }
    }

    /// Notifies the exporter of live spans that a bundle has ended.
    pub(super) fn on_bundle_end(&self, recording: &TraceId) {
        if let Some(live) = self.live.get() {
            live.on_bundle_end(recording);
        }
    }

    /// Registers a started thread under its id.
    pub(super) fn register_thread(&self, id: ThreadId, thread: &Arc<ThreadOperation>) {
        lock(&self.threads).insert(id, Arc::downgrade(thread));
    }

    /// Removes a thread that ended, unless another thread has taken its id meanwhile.
    pub(super) fn unregister_thread(&self, id: &ThreadId, thread: &ThreadOperation) {
        let mut threads = lock(&self.threads);
        if threads.get(id).is_some_and(|named| std::ptr::eq(named.as_ptr(), thread)) {
            threads.remove(id);
        }
    }

    /// Returns the open thread with this id.
    pub(super) fn open_thread(&self, id: &str) -> Option<Arc<ThreadOperation>> {
        lock(&self.threads).get(id).and_then(Weak::upgrade)
    }

    /// Returns the implicit thread of a conversation, or creates it with `make`.
    pub(super) fn conversation_thread(
        &self,
        id: &str,
        make: impl FnOnce() -> Arc<ThreadOperation>,
    ) -> Arc<ThreadOperation> {
        let known = lock(&self.conversations).get(id).map(Arc::clone);
        // Checked without holding the lock of all conversations, because the start of this thread may be on its way to
        // the disk.
        let lost = known.filter(|thread| thread.is_lost());
        let mut conversations = lock(&self.conversations);
        // The shutdown has dropped all threads of this table. A thread that is added now would never be dropped, and it
        // holds the recorder.
        if self.is_shut() {
            return make();
        }
        // A thread whose bundle could not be created is replaced: there may be room on the disk by now.
        if let Some(lost) = &lost
            && conversations.get(id).is_some_and(|thread| Arc::ptr_eq(thread, lost))
        {
            conversations.remove(id);
        }
        Arc::clone(conversations.entry(id.to_owned()).or_insert_with(make))
    }

    /// Ends all open operations, the latest first, and accepts no further ones.
    pub(super) fn shut_down(&self) {
        // These calls were observed to begin, so they belong in the log too.
        let awaiting_request: Vec<_> = lock(&self.awaiting_request).values().filter_map(Weak::upgrade).collect();
        awaiting_request.iter().for_each(InferenceOperation::stop_waiting_for_request);
        let pending_fields: Vec<_> = lock(&self.pending_fields).values().filter_map(Weak::upgrade).collect();
        pending_fields.iter().for_each(|span| span.flush_fields());
        let open = {
            let mut open = lock(&self.open);
            if self.is_shut.swap(true, Ordering::AcqRel) {
                return;
            }
            std::mem::take(&mut *open)
        };
        let busy: HashSet<_> = open.values().filter_map(OpenOperation::thread_of_turn).map(Arc::as_ptr).collect();
        let conversations = std::mem::take(&mut *lock(&self.conversations));
        conversations
            .values()
            .filter(|thread| !busy.contains(&Arc::as_ptr(thread)))
            .for_each(|thread| thread.mark_idle());
        // Each end waits for the start or the end of the operation that is being written meanwhile.
        for (_, operation) in open.into_iter().rev() {
            operation.end(End::Shutdown);
        }
        lock(&self.threads).clear();
    }
}

#[cfg(test)]
thread_local! {
    /// Number of times that this thread took a lock of the layer.
    pub(super) static LOCKS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// Locks a mutex and ignores poisoning. No code of the host program runs while such a lock is held, so the data of a
/// poisoned mutex is consistent.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    #[cfg(test)]
    LOCKS.with(|locks| locks.set(locks.get() + 1));
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
