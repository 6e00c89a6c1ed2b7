//! The state that a recorder keeps for a span: its field values so far, and the operations that it opened.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use tracing::{Callsite, Metadata, Span};

use super::fields::Fields;
use super::implicit::ImplicitOperations;
use super::json_text::JsonText;
use super::operation_kind::OperationKind;
use super::operations::{Enclosing, Operations};
use super::probe::PROBE;
use super::span_lifecycle::{Input, SpanLifecycle};
use super::wire_event::{WireEvent, WireKind};
use crate::event::{PayloadKind, Timestamp};
use crate::layer::operation::{End, HandledSpan};
use crate::layer::session::Session;
use crate::layer::session::ids::LayerNumber;
use crate::layer::session::live::Live;
use crate::layer::session::reentrancy::lock;

/// The state that a recorder keeps for a span. Stored in the extensions of the span.
#[derive(Debug)]
pub(in crate::layer) struct SpanState {
    pub(super) session: Arc<Session>,
    layer: LayerNumber,
    pub(super) metadata: &'static Metadata<'static>,
    pub(super) opened_at: Timestamp,
    /// `true` if a typed handle created the span, and opens and ends its operations.
    pub(super) has_handle: bool,
    /// Number of existing clones of the typed handle.
    holders: AtomicUsize,
    /// The span, as long as a typed handle exists that has opened its operations.
    held_span: Mutex<Option<Span>>,
    /// State of the nearest enclosing span for which the recorder keeps one.
    pub(super) parent: Option<Arc<SpanState>>,
    /// The enclosing operations of a root span that follows from another span, derived from that span. The span itself
    /// is not kept: frameworks chain their spans without end.
    pub(super) follows: OnceLock<Enclosing>,
    /// The implicit operations of the root span.
    implicit: Arc<ImplicitOperations>,
    pub(super) live: Live,
    /// The state itself, as the operations of its thread know it once it has settled.
    pub(super) this: Weak<SpanState>,
    /// When the operations start, settle and end. Not used if a typed handle decides that.
    pub(super) lifecycle: Mutex<SpanLifecycle>,
    /// Field values that are not yet passed to the operations.
    pub(super) fields: Mutex<Option<Arc<Fields>>>,
    /// The operations of the span, once it has opened them.
    pub(super) operations: OnceLock<Operations>,
    /// The field values that the request was built from.
    pub(super) request_fields: OnceLock<Arc<Fields>>,
    /// The number of answers in the fields whose body has been stored.
    pub(super) stored_answers: AtomicU32,
    /// The response that a framework logged, used if the fields do not contain one.
    pub(super) wire_reply: OnceLock<String>,
    /// `true` once the span is registered with the recorder, because fields were recorded after the start.
    pub(super) has_pending_fields: AtomicBool,
}

/// The position of a new span in its subscriber and in the tree of spans.
pub(super) struct SpanPosition {
    pub(super) layer: LayerNumber,
    pub(super) metadata: &'static Metadata<'static>,
    pub(super) has_handle: bool,
    pub(in crate::layer) parent: Option<Arc<SpanState>>,
    pub(super) implicit: Arc<ImplicitOperations>,
    pub(in crate::layer) live: Live,
}

impl SpanState {
    /// Creates the state of a span that was opened now.
    pub(super) fn new(session: Arc<Session>, position: SpanPosition) -> Arc<Self> {
        let SpanPosition { layer, metadata, has_handle, parent, implicit, live } = position;
        let opened_at = Timestamp::now();
        Arc::new_cyclic(|this| Self {
            session,
            layer,
            metadata,
            opened_at,
            has_handle,
            holders: AtomicUsize::new(0),
            held_span: Mutex::default(),
            parent,
            follows: OnceLock::new(),
            implicit,
            live,
            this: Weak::clone(this),
            lifecycle: Mutex::new(SpanLifecycle::new(opened_at)),
            fields: Mutex::new(None),
            operations: OnceLock::new(),
            request_fields: OnceLock::new(),
            stored_answers: AtomicU32::new(0),
            wire_reply: OnceLock::new(),
            has_pending_fields: AtomicBool::new(false),
        })
    }

    /// Creates the state of operations that no span opened, for handles that are found by id.
    pub(in crate::layer) fn detached(session: &Arc<Session>, operations: Operations) -> Arc<Self> {
        let position = SpanPosition {
            layer: LayerNumber::NONE,
            metadata: PROBE.metadata(),
            has_handle: true,
            parent: None,
            implicit: Arc::default(),
            live: None,
        };
        let state = Self::new(Arc::clone(session), position);
        let _ = state.operations.set(operations);
        state
    }

    /// Sets the operations that enclose those of a root span. Only the first ones are kept.
    pub(in crate::layer) fn set_enclosing(&self, enclosing: Enclosing) {
        let _ = self.follows.set(enclosing);
    }

    pub(in crate::layer) fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// Returns the layer that created the state, the first of the layers that its recorder has in the subscriber.
    pub(super) fn layer(&self) -> LayerNumber {
        self.layer
    }

    pub(in crate::layer) fn opened_at(&self) -> Timestamp {
        self.opened_at
    }

    pub(super) fn name(&self) -> &'static str {
        self.metadata.name()
    }

    pub(super) fn implicit(&self) -> &Arc<ImplicitOperations> {
        &self.implicit
    }

    /// Returns the live span, if live spans are exported.
    pub(in crate::layer) fn live(&self) -> &Live {
        &self.live
    }

    /// Starts the live span, so that everything that is recorded from now on contains its ids. Returns `true` if it has
    /// started or there is none.
    pub(super) fn ensure_live_started(&self) -> bool {
        self.live.as_ref().is_none_or(|live| live.ensure_started())
    }

    pub(in crate::layer) fn has_handle(&self) -> bool {
        self.has_handle
    }

    /// Counts the first clone of the typed handle that opens the operations, and keeps the span for handles that are found.
    pub(in crate::layer) fn hold(&self, span: &Span) {
        self.add_holder();
        *lock(&self.held_span) = Some(span.clone());
    }

    /// Counts a new clone of the typed handle, and returns the span. Returns `None` if no typed handle has opened the
    /// operations, or if its last clone is being dropped.
    pub(in crate::layer) fn hold_again(&self) -> Option<Span> {
        let span = lock(&self.held_span).clone()?;
        let one_more = |holders: usize| (holders > 0).then_some(holders + 1);
        self.holders.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).ok()?;
        Some(span)
    }

    /// Counts a new clone of the typed handle.
    pub(in crate::layer) fn add_holder(&self) {
        self.holders.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a dropped clone of the typed handle. Ends the operations that the handle has opened if it was the last one,
    /// and returns the span for the caller to drop.
    pub(in crate::layer) fn release_holder(&self) -> Option<Span> {
        if self.holders.fetch_sub(1, Ordering::AcqRel) > 1 {
            return None;
        }
        let span = lock(&self.held_span).take()?;
        self.end_operations(&End::Closed, Timestamp::now());
        Some(span)
    }

    /// Returns the operations of the span, if it has opened any.
    pub(in crate::layer) fn operations(&self) -> Option<&Operations> {
        self.operations.get()
    }

    /// Returns `true` if operations of the span, or operations that it may still open, can be recorded.
    pub(in crate::layer) fn is_recording(&self) -> bool {
        let may_have_operations = match self.operations.get() {
            Some(operations) => !operations.is_empty(),
            None => !self.has_handle,
        };
        may_have_operations && !self.session.is_shut()
    }

    /// Opens the operations of a typed handle.
    pub(in crate::layer) fn open(&self, operations: Operations) {
        self.ensure_live_started();
        operations.link_to(&self.this);
        // A handle opens its operations once, so this cannot fail.
        let _ = self.operations.set(operations);
    }

    /// Merges newly recorded field values, which may start or settle the operations.
    pub(super) fn merge_fields(&self, newer: Fields) {
        // A handle records everything but the status itself.
        if self.has_handle && !newer.outcome.is_set() {
            return;
        }
        let is_answer = {
            let mut fields = lock(&self.fields);
            let known = fields.get_or_insert_with(Fields::take_spare);
            let known = Arc::make_mut(known);
            let kind = known.kind().or(newer.kind());
            let is_answer = kind.is_some_and(|kind| newer.has_outcome_of(kind));
            known.merge(newer);
            is_answer
        };
        if !self.has_handle {
            self.apply(Input::Recorded { facts: self.facts(), is_answer });
            self.register_pending_fields();
        }
    }

    /// Sets the error with which the turns of the agents in the span end whose last call of a model was not answered:
    /// the function of the span returned it. Frameworks record no error in the span of a call that could not be sent.
    pub(super) fn fail_unanswered(&self, error: &str) {
        if let Some(turn) = self.operations().and_then(|operations| operations.turn.as_ref()) {
            self.implicit().fail_unanswered_agents(turn.thread(), error);
        }
    }

    /// Returns the operations, which are opened now if the kind of the span is known. Returns `None` if it is not.
    pub(super) fn resolve_operations(&self) -> Option<&Operations> {
        if let Some(operations) = self.operations.get() {
            return Some(operations);
        }
        let fields = lock(&self.fields).clone()?;
        let kind = fields.kind()?;
        if self.session.is_off(self.metadata.name()) {
            return None;
        }
        let enclosing = match kind {
            // The id on the span of a thread is its own id, not that of an enclosing thread.
            OperationKind::Thread => self.enclosing(),
            OperationKind::Turn
            | OperationKind::Inference
            | OperationKind::Tool
            | OperationKind::CodeCell
            | OperationKind::Compaction
            | OperationKind::Agent
            | OperationKind::Workflow => self.enclosing_for(&fields),
        };
        Some(self.operations.get_or_init(|| {
            let operations = self.new_operations(kind, &fields, enclosing);
            operations.link_to(&self.this);
            operations
        }))
    }

    /// Returns the kind of the span, by the fields recorded so far.
    pub(super) fn kind(&self) -> Option<OperationKind> {
        lock(&self.fields).as_ref()?.kind()
    }

    /// Applies a request or response body that a framework logged. It is used if the span itself does not contain the
    /// body.
    pub(super) fn apply_wire_event(&self, wire: WireEvent) {
        let WireEvent { kind, body } = wire;
        match kind {
            WireKind::Request => {
                self.touch();
                let inference = self.operations().and_then(Operations::inference);
                if let Some(inference) = inference.filter(|inference| inference.is_pending()) {
                    inference.record_request(&JsonText::parse(&body));
                }
            }
            // The fields may still contain the response. Only the first logged response is kept.
            WireKind::Reply => {
                let _ = self.wire_reply.set(body);
                self.apply(Input::Recorded { facts: self.facts(), is_answer: true });
            }
        }
    }

    /// Records a body for the innermost operation.
    pub(in crate::layer) fn record_payload(&self, kind: PayloadKind, body: &dyn crate::bundle::Body) {
        match kind {
            // The operation starts with this body, in place of the one that the fields would make.
            PayloadKind::InferenceRequest | PayloadKind::ToolInvocation => {}
            PayloadKind::InferenceResponse
            | PayloadKind::CompactionRequest
            | PayloadKind::CompactionCheckpoint
            | PayloadKind::CompactionResponse
            | PayloadKind::ToolResult
            | PayloadKind::ToolRuntimeEvent
            | PayloadKind::TerminalRuntimeEvent
            | PayloadKind::ProtocolEvent
            | PayloadKind::SessionMetadata
            | PayloadKind::AgentResult => self.touch(),
        }
        if let Some(operations) = self.resolve_operations() {
            self.ensure_live_started();
            operations.record_payload(kind, body);
            if !self.has_handle {
                let is_answer = operations.child.as_ref().is_some_and(|child| child.is_answered_by(kind));
                self.apply(Input::Recorded { facts: self.facts(), is_answer });
            }
        }
    }
}

impl HandledSpan for SpanState {
    fn count_handles(&self) -> usize {
        self.holders.load(Ordering::Relaxed)
    }
}
