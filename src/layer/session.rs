//! The state of one recording, which all its layers, handles and operations share: [`Session`].

pub(super) mod conversations;
pub(super) mod environment;
pub(super) mod ids;
pub(crate) mod live;
pub(super) mod open_bundles;
pub(super) mod open_operations;
pub(super) mod reentrancy;
pub(super) mod requested_calls;
pub(crate) mod stderr;
pub(super) mod threads;
pub(super) mod unwritten;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use serde_json::value::RawValue;

use conversations::Conversations;
use environment::Parent;
use ids::{LayerNumber, SessionId};
use live::LiveSpanExporter;
use open_bundles::OpenBundles;
use open_operations::{OpenKey, OpenOperation, OpenOperations};
use reentrancy::{is_recording_suppressed, lock};
use requested_calls::RequestedCalls;
use stderr::report;
use threads::ThreadTable;
use unwritten::{Unwritten, UnwrittenTable};

use crate::bundle::{FORKED, Lost, WriterOptions};
use crate::event::{EventKind, RawJson, TraceId};
use crate::retention::RootRetention;

/// The state of one recording, shared by its layers, handles and operations.
#[derive(Debug)]
pub(in crate::layer) struct Session {
    pub(in crate::layer) root: PathBuf,
    pub(in crate::layer) options: WriterOptions,
    /// Claims on the bundles of this recording, and removal of old bundles.
    pub(in crate::layer) retention: Arc<RootRetention>,
    /// The agent that spawned this process, if any.
    pub(in crate::layer) parent: Option<Parent>,
    /// The exporter of live spans, if one is registered.
    pub(in crate::layer) live: OnceLock<Arc<dyn LiveSpanExporter>>,
    /// The resource of the live spans, masked, once it was asked for.
    resource: OnceLock<Option<RawJson>>,
    /// `true` once stderr has been warned that something came after the shutdown.
    warned_late: AtomicBool,
    /// `true` once implicit operations were attached to a span that has no kind field.
    implicit_at_plain_span: AtomicBool,
    /// `true` once stderr has been warned that an event is about no recorded operation.
    warned_orphan: AtomicBool,
    /// `true` if a copy of the process was reported on stderr.
    warned_copy: AtomicBool,
    last_layer: AtomicU64,
    /// The layers that exist, with the address of the registry that each is in, if it is known.
    layers: Mutex<BTreeMap<LayerNumber, Option<usize>>>,
    open: OpenOperations,
    unwritten: UnwrittenTable,
    threads: Arc<ThreadTable>,
    conversations: Conversations,
    requested_calls: RequestedCalls,
    open_bundles: OpenBundles,
}

impl Session {
    pub(super) fn new(
        root: PathBuf,
        parent: Option<Parent>,
        options: WriterOptions,
        conversation_idle: Duration,
    ) -> Self {
        Self {
            root,
            retention: Arc::new(RootRetention::new(options.limits.root, Arc::clone(&options.tally))),
            options,
            parent,
            live: OnceLock::new(),
            resource: OnceLock::new(),
            warned_late: AtomicBool::new(false),
            implicit_at_plain_span: AtomicBool::new(false),
            warned_orphan: AtomicBool::new(false),
            warned_copy: AtomicBool::new(false),
            last_layer: AtomicU64::new(0),
            layers: Mutex::default(),
            open: OpenOperations::default(),
            unwritten: UnwrittenTable::default(),
            threads: Arc::default(),
            conversations: Conversations::new(conversation_idle),
            requested_calls: RequestedCalls::default(),
            open_bundles: OpenBundles::default(),
        }
    }

    /// Returns the id of the session: its address, which no other session has while this one lives.
    pub(in crate::layer) fn id(&self) -> SessionId {
        SessionId(std::ptr::from_ref(self).addr())
    }

    /// Registers a new layer and returns its number.
    pub(in crate::layer) fn register_layer(&self) -> LayerNumber {
        let number = LayerNumber(self.last_layer.fetch_add(1, Ordering::Relaxed));
        lock(&self.layers).insert(number, None);
        number
    }

    /// Sets the registry, by address, that a layer is in.
    pub(in crate::layer) fn set_registry(&self, layer: LayerNumber, registry: usize) {
        lock(&self.layers).insert(layer, Some(registry));
    }

    /// Returns `true` if a layer is the first of this session in its registry.
    pub(in crate::layer) fn is_first_layer(&self, layer: LayerNumber) -> bool {
        let layers = lock(&self.layers);
        let registry = layers.get(&layer).copied().flatten();
        registry.is_none()
            || layers.iter().find(|(_, other)| **other == registry).is_some_and(|(first, _)| *first == layer)
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

    /// Counts an event of the program that is about no recorded operation. Without an `on_loss` callback, also warns on
    /// stderr, once.
    pub(in crate::layer) fn report_orphan(&self, summary: &str, is_kept: bool) {
        // The name in it comes from the program.
        let summary = self.options.mask_text(EventKind::Other, summary);
        self.options.report_loss(Lost::OrphanEvent, summary.as_ref());
        if self.options.on_loss.is_none() && !self.warned_orphan.swap(true, Ordering::Relaxed) {
            let kept = if is_kept {
                "it is kept in the log as `orphan_event`"
            } else {
                "it is lost, as no single bundle is open"
            };
            report(format_args!(
                "{summary}; {kept}; emit it in the span of its operation, or give it the operation's id \
                 (`gen_ai.tool.call.id`, `otel_trace.code_cell.id`, `otel_trace.turn.id`, `gen_ai.conversation.id`)"
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
        lock(&self.layers).contains_key(&layer)
    }

    /// Returns `true` after the shutdown.
    pub(in crate::layer) fn is_shut(&self) -> bool {
        self.open.is_shut()
    }

    /// Returns `true` if nothing may be recorded at the moment: in a copy of the process, after the shutdown, or inside a
    /// callback of the host program. After the shutdown, also counts `what` as lost.
    pub(in crate::layer) fn is_off(&self, what: &'static str) -> bool {
        if self.is_copy() {
            return true;
        }
        if self.is_shut() {
            self.report_late(what);
            return true;
        }
        is_recording_suppressed()
    }

    /// Returns `true` in a copy of the process that records, which `fork` made. Without an `on_loss` callback, also warns
    /// on stderr, once.
    pub(in crate::layer) fn is_copy(&self) -> bool {
        let is_copy = self.options.is_copy();
        if is_copy && self.options.on_loss.is_none() && !self.warned_copy.swap(true, Ordering::Relaxed) {
            report(format_args!("{FORKED}"));
        }
        is_copy
    }

    /// Adds an operation to the open ones. Returns `None` after the shutdown, and counts the start as lost.
    pub(in crate::layer) fn register_open(&self, operation: Arc<dyn OpenOperation>) -> Option<OpenKey> {
        let key = self.open.add(operation);
        if key.is_none() {
            self.report_late("a start event");
        }
        key
    }

    /// Removes an operation from the open ones.
    pub(in crate::layer) fn unregister_open(&self, key: OpenKey) {
        self.open.remove(key);
    }

    /// Registers a value that is written when its operation ends, at the latest at the shutdown. It must be
    /// [removed](Self::remove_unwritten) before it is dropped.
    pub(in crate::layer) fn add_unwritten<T: Unwritten + 'static>(&self, value: &Arc<T>) {
        self.unwritten.add(value);
    }

    /// Removes a value that was written.
    pub(in crate::layer) fn remove_unwritten<T: Unwritten>(&self, value: &T) {
        self.unwritten.remove(value);
    }

    /// Returns the attributes of the resource that live spans are sent with, masked. Returns `None` if none are sent. May run
    /// code of the host program ([`Redactor`](crate::Redactor)), so the caller must hold no lock.
    pub(in crate::layer) fn resource(&self) -> Option<&RawJson> {
        let live = self.live.get()?;
        self.resource
            .get_or_init(|| {
                let resource = self.options.redact_json(EventKind::RolloutStarted, live.resource()?);
                let mut text = resource.as_str().as_bytes().to_vec();
                self.options.masking.body(&mut text, true);
                Some(RawJson::from_value(&serde_json::from_slice::<Box<RawValue>>(&text).ok()?))
            })
            .as_ref()
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

    /// Returns the threads that spans and handles find by id.
    pub(in crate::layer) fn threads(&self) -> &Arc<ThreadTable> {
        &self.threads
    }

    /// Returns the conversations whose threads the layer supplies.
    pub(in crate::layer) fn conversations(&self) -> &Conversations {
        &self.conversations
    }

    /// Returns the open bundles with their threads.
    pub(in crate::layer) fn open_bundles(&self) -> &OpenBundles {
        &self.open_bundles
    }

    /// Returns the calls of tools that models asked for and that wait for a tool call.
    pub(in crate::layer) fn requested_calls(&self) -> &RequestedCalls {
        &self.requested_calls
    }

    /// Ends all open operations, the latest first, and accepts no further ones.
    pub(in crate::layer) fn shut_down(&self) {
        // What was observed to begin belongs in the log too.
        self.unwritten.write_all();
        if self.open.shut_down() {
            self.conversations.close();
            self.threads.clear();
        }
    }
}
