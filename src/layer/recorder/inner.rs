//! The state of one recording, which all its layers, handles and operations share: [`Inner`].

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use super::environment::Parent;
use super::ids::{LayerNumber, OpenKey, RecorderId};
use super::live::LiveSpanExporter;
use super::reentrancy::{is_recording_suppressed, lock};
use super::stderr::report;
use crate::bundle::{Lost, WriterOptions};
use crate::event::{ThreadId, TraceId};
use crate::layer::operation::{End, InferenceOperation, OpenOperation, ThreadOperation};
use crate::layer::span::span_state::SpanState;
use crate::retention::RootRetention;

/// The state of one recording, shared by its layers, handles and operations.
#[derive(Debug)]
pub(in crate::layer) struct Inner {
    pub(in crate::layer) root: PathBuf,
    pub(in crate::layer) options: WriterOptions,
    /// Claims on the bundles of this recorder, and removal of old bundles.
    pub(in crate::layer) retention: Arc<RootRetention>,
    /// The agent that spawned this process, if any.
    pub(in crate::layer) parent: Option<Parent>,
    /// The exporter of live spans, if one is registered.
    pub(in crate::layer) live: OnceLock<Arc<dyn LiveSpanExporter>>,
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
    pub(in crate::layer) fn id(&self) -> RecorderId {
        RecorderId(std::ptr::from_ref(self).addr())
    }

    /// Registers a new layer and returns its number.
    pub(in crate::layer) fn register_layer(&self) -> LayerNumber {
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
    pub(in crate::layer) fn report_late(&self, what: &'static str) {
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
    pub(in crate::layer) fn note_implicit_at_plain_span(&self) {
        self.implicit_at_plain_span.store(true, Ordering::Relaxed);
    }

    /// Returns `true` if implicit operations were ever attached to a span that has no kind field.
    ///
    /// A relaxed load suffices: a span is opened before it is closed, so the thread that closes it observes what was
    /// noted when the span was opened.
    pub(in crate::layer) fn has_implicit_at_plain_span(&self) -> bool {
        self.implicit_at_plain_span.load(Ordering::Relaxed)
    }

    pub(in crate::layer) fn unregister_layer(&self, layer: LayerNumber) {
        lock(&self.layers).remove(&layer);
    }

    /// Returns `true` if the layer has not been dropped, so that it may still be in a subscriber.
    pub(in crate::layer) fn has_layer(&self, layer: LayerNumber) -> bool {
        lock(&self.layers).contains(&layer)
    }

    pub(in crate::layer) fn is_shut(&self) -> bool {
        self.is_shut.load(Ordering::Acquire)
    }

    /// Returns `true` if nothing may be recorded at the moment, after the shutdown or inside a callback of the host
    /// program. After the shutdown, also counts `what` as lost.
    pub(in crate::layer) fn is_off(&self, what: &'static str) -> bool {
        if self.is_shut() {
            self.report_late(what);
            return true;
        }
        is_recording_suppressed()
    }

    /// Adds an operation to the open ones. Returns `None` after the shutdown, and counts the start as lost.
    pub(in crate::layer) fn register_open(&self, operation: impl FnOnce() -> OpenOperation) -> Option<OpenKey> {
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
    pub(in crate::layer) fn unregister_open(&self, key: OpenKey) {
        lock(&self.open).remove(&key);
    }

    /// Registers a call that starts when its request is recorded, at the latest at the shutdown.
    pub(in crate::layer) fn add_awaiting_request(&self, call: &Arc<InferenceOperation>) {
        lock(&self.awaiting_request).insert(Arc::as_ptr(call).addr(), Arc::downgrade(call));
    }

    /// Removes a call whose request was recorded, or that ended.
    pub(in crate::layer) fn remove_awaiting_request(&self, call: &InferenceOperation) {
        lock(&self.awaiting_request).remove(&std::ptr::from_ref(call).addr());
    }

    /// Registers a span with field values that are written when it ends, at the latest at the shutdown.
    pub(in crate::layer) fn add_pending_fields(&self, span: &Arc<SpanState>) {
        lock(&self.pending_fields).insert(Arc::as_ptr(span).addr(), Arc::downgrade(span));
    }

    /// Removes a span whose field values were written.
    pub(in crate::layer) fn remove_pending_fields(&self, span: &SpanState) {
        lock(&self.pending_fields).remove(&std::ptr::from_ref(span).addr());
    }

    /// Notifies the exporter of live spans that a bundle was created.
    pub(in crate::layer) fn on_bundle_start(&self, recording: &TraceId) {
        if let Some(live) = self.live.get() {
            live.on_bundle_start(recording);
        }
    }

    /// Notifies the exporter of live spans that a bundle has ended.
    pub(in crate::layer) fn on_bundle_end(&self, recording: &TraceId) {
        if let Some(live) = self.live.get() {
            live.on_bundle_end(recording);
        }
    }

    /// Registers a started thread under its id.
    pub(in crate::layer) fn register_thread(&self, id: ThreadId, thread: &Arc<ThreadOperation>) {
        lock(&self.threads).insert(id, Arc::downgrade(thread));
    }

    /// Removes a thread that ended, unless another thread has taken its id meanwhile.
    pub(in crate::layer) fn unregister_thread(&self, id: &ThreadId, thread: &ThreadOperation) {
        let mut threads = lock(&self.threads);
        if threads.get(id).is_some_and(|named| std::ptr::eq(named.as_ptr(), thread)) {
            threads.remove(id);
        }
    }

    /// Returns the open thread with this id.
    pub(in crate::layer) fn open_thread(&self, id: &str) -> Option<Arc<ThreadOperation>> {
        lock(&self.threads).get(id).and_then(Weak::upgrade)
    }

    /// Returns the implicit thread of a conversation, or creates it with `make`.
    pub(in crate::layer) fn conversation_thread(
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
    pub(in crate::layer) fn shut_down(&self) {
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
        let _conversations = std::mem::take(&mut *lock(&self.conversations));
        let threads = open.values().filter_map(OpenOperation::thread);
        threads.filter(|thread| !busy.contains(&Arc::as_ptr(thread))).for_each(|thread| thread.mark_idle());
        // Each end waits for the start or the end of the operation that is being written meanwhile.
        for (_, operation) in open.into_iter().rev() {
            operation.end(End::Shutdown);
        }
        lock(&self.threads).clear();
    }
}
