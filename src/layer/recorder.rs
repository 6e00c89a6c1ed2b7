//! The recorder: what all layers, handles and windows of one recording share.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use tracing::Subscriber;
use tracing_subscriber::registry::LookupSpan;
#[cfg(feature = "otlp")]
use tracing_subscriber::registry::SpanRef;

use super::builder::{BuildError, RecorderBuilder};
use super::live::LiveSpans;
use super::operation::{End, InferenceOperation, OpenOperation, ThreadOperation};
use super::parent::Parent;
use super::reentrancy::is_ignoring;
use super::span_state::SpanState;
use super::stderr::tell;
use super::{RecordFilter, RecordLayer, RecorderGuard};
use crate::bundle::{Lost, Stats, WriterOptions};
use crate::event::{ThreadId, TraceId};

/// A recording: any number of bundles under one root. Clones are the same recording.
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
    /// A recorder to be set up.
    pub fn builder() -> RecorderBuilder {
        RecorderBuilder::default()
    }

    /// A recorder that writes under the directory that `OTEL_TRACE_ROOT` names; none where that is unset or empty.
    /// `OTEL_TRACE_PARENT` says which agent spawned the process, as for [`RecorderBuilder::build`].
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
    /// [`BuildError`] where the directory can't be made or written, or `OTEL_TRACE_STORE` names no store.
    pub fn from_env() -> Result<Option<(Self, RecorderGuard)>, BuildError> {
        super::builder::from_env()
    }

    /// A recorder that writes nothing, for spans that are only exported: their windows open and end as they do where
    /// they are recorded. See the module `otlp`.
    pub fn unwritten() -> (Self, RecorderGuard) {
        let options = WriterOptions { is_unwritten: true, ..WriterOptions::default() };
        let recorder = Self(Arc::new(Inner::new(PathBuf::new(), None, options)));
        (recorder.clone(), RecorderGuard::new(recorder))
    }

    /// A layer that feeds this recording. It looks at every span it is given: put [`filter`](Self::filter) on it.
    pub fn layer<S>(&self) -> RecordLayer<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        RecordLayer::new(Arc::clone(&self.0))
    }

    /// What the layer needs to see, as a per-layer filter.
    pub fn filter(&self) -> RecordFilter {
        RecordFilter::default()
    }

    /// Tells this of every span of ours that is opened from now on. The first one counts.
    #[cfg(feature = "otlp")]
    pub(crate) fn export_to(&self, live: Arc<dyn LiveSpans>) {
        let _ = self.0.live.set(live);
    }

    /// Ends what a span is to this recorder, ahead of its layer where that comes later.
    #[cfg(feature = "otlp")]
    pub(crate) fn span_closes<'a, S: LookupSpan<'a>>(&self, span: &SpanRef<'a, S>) {
        super::record_layer::close(&self.0, span);
    }

    /// The directory that the bundles are in; empty where they are in none.
    pub fn root(&self) -> &Path {
        &self.0.root
    }

    /// What was written and what was lost so far, by kind.
    pub fn stats(&self) -> Stats {
        self.0.options.tally.stats()
    }
}

/// What a recording shares.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) root: PathBuf,
    pub(super) options: WriterOptions,
    /// The agent that spawned this process.
    pub(super) parent: Option<Parent>,
    /// What exports the spans of its subscribers, where something does.
    pub(super) live: OnceLock<Arc<dyn LiveSpans>>,
    is_shut: AtomicBool,
    told_late: AtomicBool,
    /// Whether anything was ever supplied at a span that says nothing of itself.
    supplied_elsewhere: AtomicBool,
    last_layer: AtomicU64,
    layers: Mutex<HashSet<LayerNumber>>,
    /// Operations with a start and no end, in the order of their starts.
    open: Mutex<BTreeMap<OpenKey, OpenOperation>>,
    last_key: AtomicU64,
    /// Inference calls whose requests are still to come, by their addresses.
    waiting: Mutex<HashMap<usize, Weak<InferenceOperation>>>,
    /// Spans whose fields said what is not in the log yet, by their addresses.
    unsaid: Mutex<HashMap<usize, Weak<SpanState>>>,
    /// Threads by their ids, for spans that name one they are not below.
    threads: Mutex<HashMap<ThreadId, Weak<ThreadOperation>>>,
    /// Threads that were supplied for a conversation. They live until shutdown.
    conversations: Mutex<HashMap<String, Arc<ThreadOperation>>>,
}

/// Tells recorders of one process apart while they live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecorderId(usize);

/// Tells layers of one recorder apart, should a subscriber have more than one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct LayerNumber(u64);

/// A window's place among the open ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct OpenKey(u64);

impl Inner {
    pub(super) fn new(root: PathBuf, parent: Option<Parent>, options: WriterOptions) -> Self {
        Self {
            root,
            options,
            parent,
            live: OnceLock::new(),
            is_shut: AtomicBool::new(false),
            told_late: AtomicBool::new(false),
            supplied_elsewhere: AtomicBool::new(false),
            last_layer: AtomicU64::new(0),
            layers: Mutex::default(),
            open: Mutex::default(),
            last_key: AtomicU64::new(0),
            waiting: Mutex::default(),
            unsaid: Mutex::default(),
            threads: Mutex::default(),
            conversations: Mutex::default(),
        }
    }

    /// Its address: no other recorder has it while this one lives.
    pub(super) fn id(&self) -> RecorderId {
        RecorderId(std::ptr::from_ref(self).addr())
    }

    pub(super) fn next_layer(&self) -> LayerNumber {
        let number = LayerNumber(self.last_layer.fetch_add(1, Ordering::Relaxed));
        locked(&self.layers).insert(number);
        number
    }

    /// Whether any layer was ever made.
    pub(super) fn had_layer(&self) -> bool {
        self.last_layer.load(Ordering::Relaxed) > 0
    }

    /// Something came after the shutdown. Said once where nobody listens: the guard may have been dropped too early.
    pub(super) fn lose_late(&self, what: &'static str) {
        self.options.lose(Lost::Late, what);
        if self.options.on_loss.is_none() && !self.told_late.swap(true, Ordering::Relaxed) {
            tell(format_args!(
                "{what} came after the recording under {} was shut down, and is not in it; keep the guard until the \
                 program ends: `let (recorder, _guard) = …`, not `_`",
                self.root.display()
            ));
        }
    }

    /// Something is about to be supplied at a span that says nothing of itself.
    pub(super) fn supplies_elsewhere(&self) {
        self.supplied_elsewhere.store(true, Ordering::Relaxed);
    }

    /// Whether that ever happened. A span that is closed was opened before: whoever closes it knows what was said then.
    pub(super) fn has_supplied_elsewhere(&self) -> bool {
        self.supplied_elsewhere.load(Ordering::Relaxed)
    }

    pub(super) fn layer_dropped(&self, layer: LayerNumber) {
        locked(&self.layers).remove(&layer);
    }

    /// Whether that layer still is in a subscriber, as far as is known.
    pub(super) fn has_layer(&self, layer: LayerNumber) -> bool {
        locked(&self.layers).contains(&layer)
    }

    pub(super) fn is_shut(&self) -> bool {
        self.is_shut.load(Ordering::Acquire)
    }

    /// Whether nothing is to be recorded now. What comes after the shutdown is counted.
    pub(super) fn is_off(&self, what: &'static str) -> bool {
        if self.is_shut() {
            self.lose_late(what);
            return true;
        }
        is_ignoring()
    }

    /// Takes a window among the open ones. None after the shutdown, which it is counted as being too late for.
    pub(super) fn opened(&self, operation: impl FnOnce() -> OpenOperation) -> Option<OpenKey> {
        let mut open = locked(&self.open);
        if self.is_shut() {
            drop(open);
            self.lose_late("a start");
            return None;
        }
        let key = OpenKey(self.last_key.fetch_add(1, Ordering::Relaxed));
        open.insert(key, operation());
        Some(key)
    }

    pub(super) fn closed(&self, key: OpenKey) {
        locked(&self.open).remove(&key);
    }

    /// The call will start with its request, at the latest at the shutdown.
    pub(super) fn waits_for_request(&self, call: &Arc<InferenceOperation>) {
        locked(&self.waiting).insert(Arc::as_ptr(call).addr(), Arc::downgrade(call));
    }

    pub(super) fn waits_no_more(&self, call: &InferenceOperation) {
        locked(&self.waiting).remove(&std::ptr::from_ref(call).addr());
    }

    /// The span will tell what its fields said, at the latest at the shutdown.
    pub(super) fn has_to_say(&self, span: &Arc<SpanState>) {
        locked(&self.unsaid).insert(Arc::as_ptr(span).addr(), Arc::downgrade(span));
    }

    pub(super) fn has_said(&self, span: &SpanState) {
        locked(&self.unsaid).remove(&std::ptr::from_ref(span).addr());
    }

    /// A bundle was made.
    pub(super) fn bundle_began(&self, recording: &TraceId) {
        if let Some(live) = self.live.get() {
            live.bundle_began(recording);
        }
    }

    /// Nothing more comes of a bundle.
    pub(super) fn bundle_ended(&self, recording: &TraceId) {
        if let Some(live) = self.live.get() {
            live.bundle_ended(recording);
        }
    }

    pub(super) fn thread_started(&self, id: ThreadId, thread: &Arc<ThreadOperation>) {
        locked(&self.threads).insert(id, Arc::downgrade(thread));
    }

    /// Another thread may have taken the id by now.
    pub(super) fn thread_ended(&self, id: &ThreadId, thread: &ThreadOperation) {
        let mut threads = locked(&self.threads);
        if threads.get(id).is_some_and(|named| std::ptr::eq(named.as_ptr(), thread)) {
            threads.remove(id);
        }
    }

    /// The open thread with this id.
    pub(super) fn thread(&self, id: &str) -> Option<Arc<ThreadOperation>> {
        locked(&self.threads).get(id).and_then(Weak::upgrade)
    }

    /// The thread of a conversation that opens none itself.
    pub(super) fn conversation(&self, id: &str, make: impl FnOnce() -> Arc<ThreadOperation>) -> Arc<ThreadOperation> {
        let known = locked(&self.conversations).get(id).map(Arc::clone);
        // Asked without the lock of all conversations: the start of this one may be on its way to the disk.
        let lost = known.filter(|thread| thread.is_lost());
        let mut conversations = locked(&self.conversations);
        // The shutdown has let go of all of them, and nobody would of this one, which holds the recorder.
        if self.is_shut() {
            return make();
        }
        // One whose bundle could not be made is tried again: there may be room by now.
        if let Some(lost) = &lost
            && conversations.get(id).is_some_and(|thread| Arc::ptr_eq(thread, lost))
        {
            conversations.remove(id);
        }
        Arc::clone(conversations.entry(id.to_owned()).or_insert_with(make))
    }

    /// Ends every window that is open, the latest first, and takes nothing more.
    pub(super) fn shut_down(&self) {
        // They were seen to begin, so they are in the log too.
        let waiting: Vec<_> = locked(&self.waiting).values().filter_map(Weak::upgrade).collect();
        waiting.iter().for_each(InferenceOperation::give_up_waiting);
        let unsaid: Vec<_> = locked(&self.unsaid).values().filter_map(Weak::upgrade).collect();
        unsaid.iter().for_each(|span| span.say());
        let open = {
            let mut open = locked(&self.open);
            if self.is_shut.swap(true, Ordering::AcqRel) {
                return;
            }
            std::mem::take(&mut *open)
        };
        let busy: HashSet<_> = open.values().filter_map(OpenOperation::turns_thread).map(Arc::as_ptr).collect();
        let conversations = std::mem::take(&mut *locked(&self.conversations));
        conversations
            .values()
            .filter(|thread| !busy.contains(&Arc::as_ptr(thread)))
            .for_each(|thread| thread.note_idle());
        // Each end waits for the start or the end that is being written meanwhile.
        for (_, operation) in open.into_iter().rev() {
            operation.end(End::Shutdown);
        }
        locked(&self.threads).clear();
    }
}

#[cfg(test)]
thread_local! {
    /// How often this thread took a lock of ours.
    pub(super) static LOCKS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// Locks a table of ours. None of them is held while anything of a program's runs, so a poisoned one is whole.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    #[cfg(test)]
    LOCKS.with(|locks| locks.set(locks.get() + 1));
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
