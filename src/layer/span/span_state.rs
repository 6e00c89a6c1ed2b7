//! The state that a recorder keeps for a span: its field values so far, and the operations that it opened.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use tracing::Metadata;

use super::field_bodies::{LateRequest, RequestBody};
use super::field_facts::{has_required_facts, inference_facts};
use super::fields::{Fields, OperationKind};
use super::implicit::ImplicitOperations;
use super::json_text::JsonText;
use super::operations::{ChildOperation, Enclosing, Operations};
use super::span_end;
use super::span_lifecycle::{Effect, Facts, Input, SpanLifecycle};
use super::wire_event::{WireEvent, WireKind};
use crate::bundle::Json;
use crate::event::{PayloadKind, Timestamp};
use crate::layer::operation::{End, InferenceOperation, SettledSpan, ThreadOperation, TurnOperation};
use crate::layer::session::Session;
use crate::layer::session::ids::LayerNumber;
use crate::layer::session::live::{Live, end_live};
use crate::layer::session::reentrancy::lock;
use crate::layer::session::unwritten::Unwritten;

/// The state that a recorder keeps for a span. Stored in the extensions of the span.
#[derive(Debug)]
pub(in crate::layer) struct SpanState {
    session: Arc<Session>,
    layer: LayerNumber,
    metadata: &'static Metadata<'static>,
    opened_at: Timestamp,
    /// `true` if a typed handle created the span, and opens and ends its operations.
    has_handle: bool,
    /// Number of existing clones of the typed handle.
    holders: AtomicUsize,
    /// State of the nearest enclosing span for which the recorder keeps one.
    parent: Option<Arc<SpanState>>,
    /// The enclosing operations of a root span that follows from another span, derived from that span. The span itself
    /// is not kept: frameworks chain their spans without end.
    follows: OnceLock<Enclosing>,
    /// The implicit operations of the root span.
    implicit: Arc<ImplicitOperations>,
    live: Live,
    /// The state itself, as the operations of its thread know it once it has settled.
    this: Weak<SpanState>,
    /// When the operations start, settle and end. Not used if a typed handle decides that.
    lifecycle: Mutex<SpanLifecycle>,
    /// Field values that are not yet passed to the operations.
    fields: Mutex<Option<Arc<Fields>>>,
    /// The operations of the span, once it has opened them.
    operations: OnceLock<Operations>,
    /// The field values that the request was built from.
    request_fields: OnceLock<Arc<Fields>>,
    /// The number of answers in the fields whose body has been stored.
    stored_answers: AtomicU32,
    /// The response that a framework logged, used if the fields do not contain one.
    wire_reply: OnceLock<String>,
    /// `true` once the span is registered with the recorder, because fields were recorded after the start.
    has_pending_fields: AtomicBool,
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
    fn ensure_live_started(&self) -> bool {
        self.live.as_ref().is_none_or(|live| live.ensure_started())
    }

    pub(super) fn has_handle(&self) -> bool {
        self.has_handle
    }

    /// Counts a new clone of the typed handle.
    pub(in crate::layer) fn add_holder(&self) {
        self.holders.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a dropped clone of the typed handle. Ends the operations if it was the last one.
    pub(in crate::layer) fn release_holder(&self) {
        if self.holders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.end_operations(&End::Closed, Timestamp::now());
        }
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
        // A handle opens its operations once, so this cannot fail.
        let _ = self.operations.set(operations);
    }

    /// Records that the span follows from another. A thread that does so is spawned by the thread of the other span.
    pub(super) fn follows(&self, other: &Self) {
        if self.parent.is_some() || self.follows.get().is_some() {
            return;
        }
        // Frameworks chain the spans of calls and tool calls with `follows_from`, which does not make one the parent of
        // the other. Both only share the enclosing operations, and the other span must not be started for this: it may
        // still wait for its name.
        let found = if other.is_child_operation() { other.enclosing() } else { other.child_enclosing() };
        if found.thread.is_some() {
            // Only the first `follows_from` takes effect.
            let _ = self.follows.set(found);
        }
    }

    /// Merges newly recorded field values, which may start or settle the operations.
    pub(super) fn merge_fields(&self, newer: Fields) {
        // A handle records everything but the status itself.
        if self.has_handle && !newer.has_outcome() {
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

    /// Returns how much is known of the operations. What is missing once they have started is of no importance.
    fn facts(&self) -> Facts {
        if self.operations.get().is_some() {
            return Facts::Known;
        }
        let facts = match &*lock(&self.fields) {
            None => Facts::Unknown,
            Some(fields) if fields.kind().is_none() => Facts::Unknown,
            Some(fields) if fields.lacks_facts(self.metadata) => Facts::Missing,
            Some(fields) if has_required_facts(fields) => Facts::Ready,
            Some(_) => Facts::Known,
        };
        // A root span may still get an enclosing thread by `follows_from`, so it waits. So does a span whose live span
        // does not exist yet, because its start could not contain the ids.
        let must_wait = facts == Facts::Ready && (self.parent.is_none() || !self.ensure_live_started());
        if must_wait { Facts::Known } else { facts }
    }

    /// Carries out what happens to the span by its lifecycle.
    fn apply(&self, input: Input) {
        let effect = lock(&self.lifecycle).next(input, &Timestamp::now);
        match effect {
            Effect::Nothing => {}
            Effect::Start { since } => self.start(since),
            Effect::Settle { since, is_exit } => self.settle(since, is_exit),
            Effect::End { since, at } => {
                self.start(since);
                self.end_closed(at);
            }
        }
    }

    /// Stores the answer if a thread has finished its work in the span, and makes the operation known as settled.
    fn settle(&self, since: Timestamp, is_exit: bool) {
        self.start(since);
        let Some(child) = self.operations.get().and_then(|operations| operations.child.as_ref()) else { return };
        if is_exit {
            self.store_answer(child);
        }
        // What the fields say is written with the end, even if that is the shutdown.
        self.register_pending_fields();
        let this: Weak<dyn SettledSpan> = self.this.clone();
        child.settle(&this);
    }

    /// Stores the body of the answer or the result in the fields, unless it has been stored. Only its end event will name
    /// it: a body that is replaced until then stays unnamed.
    fn store_answer(&self, child: &ChildOperation) {
        let Some(fields) = lock(&self.fields).clone() else { return };
        if self.stored_answers.load(Ordering::Acquire) == fields.answers {
            return;
        }
        match child {
            ChildOperation::Inference(call) if fields.output_messages.is_some() && call.is_open() => {
                span_end::store_response(call, &fields, None);
            }
            ChildOperation::Tool(tool) if !tool.is_ended() => span_end::store_result(tool, &fields),
            ChildOperation::Inference(_)
            | ChildOperation::Tool(_)
            | ChildOperation::Cell(_)
            | ChildOperation::Compaction(_) => return,
        }
        // Set last: an end that comes meanwhile stores the body again, and loses nothing.
        self.stored_answers.store(fields.answers, Ordering::Release);
    }

    /// Registers the span with the recorder if fields were recorded after the start: they are written with the end,
    /// even if that is the shutdown.
    fn register_pending_fields(&self) {
        let is_new = || !self.has_pending_fields.swap(true, Ordering::Relaxed);
        if self.operations.get().is_some()
            && let Some(this) = self.this.upgrade().filter(|_| is_new())
        {
            self.session.add_unwritten(&this);
        }
    }

    /// Starts the operations when the span is entered. If the callsite declares facts of the start that have no value
    /// yet, the start waits for them, or for the first activity inside the span: a tool call whose id is recorded after
    /// its start could not be linked to the model's request.
    pub(super) fn enter(&self) {
        self.apply(Input::Entered(self.facts()));
    }

    /// Settles the operations when the last thread exits the span, if they have an answer.
    pub(super) fn exit(&self) {
        self.apply(Input::Exited);
    }

    /// Starts the operations because of activity in the span: an operation was opened below it, or something is recorded
    /// in it.
    pub(in crate::layer) fn touch(&self) {
        if !self.has_handle {
            self.apply(Input::Active(self.facts()));
        }
    }

    /// Opens the operations if the kind of the span is known, and starts those whose required facts are known.
    fn start(&self, at: Timestamp) {
        let Some(operations) = self.resolve_operations() else { return };
        self.ensure_live_started();
        let Operations { thread, turn, child } = operations;
        if let Some(thread) = thread {
            thread.start(at);
        }
        if let Some(turn) = turn {
            turn.start(at);
        }
        match child {
            Some(ChildOperation::Tool(tool)) => drop(tool.start(at)),
            Some(ChildOperation::Cell(cell)) => drop(cell.start(at)),
            Some(ChildOperation::Inference(inference)) if inference.is_pending() => self.start_inference(inference, at),
            // The request itself starts when its body is recorded, at the latest when it ends.
            Some(ChildOperation::Compaction(compaction)) => drop(compaction.turn().start(at)),
            Some(ChildOperation::Inference(_)) | None => {}
        }
    }

    /// Starts the enclosing operations of an inference call, and the call itself if its request is known.
    fn start_inference(&self, inference: &Arc<InferenceOperation>, at: Timestamp) {
        // A call without a request is recorded when it ends, with the time at which its span was opened.
        inference.turn().start(at.min(self.opened_at));
        let Some(fields) = lock(&self.fields).clone() else { return };
        inference.set_facts(inference_facts(&fields));
        if let Some(body) = RequestBody::from_fields(&fields.request) {
            inference.record_request_at(&Json(&body), at);
            let _ = self.request_fields.set(fields);
        }
    }

    /// Returns the operations, which are opened now if the kind of the span is known. Returns `None` if it is not.
    fn resolve_operations(&self) -> Option<&Operations> {
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
            | OperationKind::Agent => self.enclosing_for(&fields),
        };
        Some(self.operations.get_or_init(|| self.new_operations(kind, &fields, enclosing)))
    }

    /// Returns the enclosing operations of the span.
    pub(in crate::layer) fn enclosing(&self) -> Enclosing {
        match &self.parent {
            Some(parent) => parent.child_enclosing(),
            None => self.follows.get().cloned().unwrap_or_default(),
        }
    }

    /// Returns the enclosing operations of spans below this one.
    fn child_enclosing(&self) -> Enclosing {
        let mut innermost = self;
        loop {
            innermost.touch();
            if let Some(found) = innermost.operations().and_then(Enclosing::within) {
                return found;
            }
            match &innermost.parent {
                Some(parent) => innermost = parent,
                None => return innermost.follows.get().cloned().unwrap_or_default(),
            }
        }
    }

    /// Returns the enclosing operations of the span. Ids in its fields take precedence if they name an open thread or
    /// turn.
    fn enclosing_for(&self, fields: &Fields) -> Enclosing {
        let mut found = self.enclosing();
        if let Some(id) = &fields.conversation_id
            && !found.thread.as_ref().is_some_and(|thread| thread.has_id(id))
            && let Some(named) = ThreadOperation::find(&self.session, id)
        {
            found = Enclosing { thread: Some(named), ..Enclosing::default() };
        }
        if let (Some(id), Some(thread)) = (&fields.turn_id, &found.thread)
            && let Some(named) = TurnOperation::find(thread, id)
        {
            found.turn = Some(named);
        }
        // Frameworks run tools in tasks of their own, outside of all spans.
        if found.thread.is_none()
            && let (Some(OperationKind::Tool), Some(call)) = (fields.kind(), &fields.call_id)
            && let Some(turn) = TurnOperation::that_asked_for(&self.session, call.as_str())
        {
            found = Enclosing { thread: Some(Arc::clone(turn.thread())), turn: Some(turn), ..Enclosing::default() };
        }
        found
    }

    /// Closes the span: starts operations that have not started, and ends those without a handle.
    pub(super) fn close(&self) {
        if !self.has_handle {
            self.apply(Input::Closed(self.facts()));
        }
        if let Some(live) = &self.live {
            live.close();
        }
    }

    /// Closes a span that no longer exists and whose close the layer did not observe.
    pub(super) fn close_abandoned(&self) {
        if let Some(live) = &self.live {
            live.abandon();
        }
        self.close();
    }

    /// Ends the operations of a span that closed, or that settled and was released.
    fn end_closed(&self, at: Timestamp) {
        let is_inference = self.operations().is_some_and(|operations| operations.inference().is_some());
        // A status of `OK` does not prove that a model responded, if there is no response.
        let is_ok = !is_inference && lock(&self.fields).as_ref().is_some_and(|fields| fields.is_ok());
        self.end_operations(if is_ok { &End::Completed } else { &End::Closed }, at);
        if let Some(child) = self.operations.get().and_then(|operations| operations.child.as_ref()) {
            let this: Weak<dyn SettledSpan> = self.this.clone();
            child.turn().remove_settled(&this);
        }
    }

    /// Passes the field values recorded so far to `operations`, before they end.
    fn flush_fields_to(&self, operations: &Operations) {
        if self.has_pending_fields.load(Ordering::Relaxed) {
            self.session.remove_unwritten(self);
        }
        let Some(fields) = lock(&self.fields).take() else { return };
        let Operations { thread, turn, child } = operations;
        match child {
            Some(ChildOperation::Inference(inference)) if !inference.is_ended() => {
                if !fields.request.settings.is_empty() && inference.is_pending() {
                    inference.set_facts(inference_facts(&fields));
                }
                if let Some(late) = self.request_fields.get().and_then(|known| LateRequest::from_fields(known, &fields))
                {
                    inference.record_request(&Json(&late));
                }
                if self.stored_answers.load(Ordering::Acquire) != fields.answers || self.wire_reply.get().is_some() {
                    span_end::store_response(inference, &fields, self.wire_reply.get().map(String::as_str));
                }
                span_end::apply_to_inference(inference, &fields);
            }
            Some(ChildOperation::Tool(tool)) if !tool.is_ended() => {
                if let Some(invocation) = fields.invocation() {
                    tool.record_late_invocation(&invocation);
                }
                if self.stored_answers.load(Ordering::Acquire) != fields.answers {
                    span_end::store_result(tool, &fields);
                }
                span_end::apply_to_tool(tool, &fields);
            }
            Some(ChildOperation::Cell(cell)) => cell.set_error(fields.error()),
            Some(ChildOperation::Compaction(compaction)) => {
                let logged = fields.logged_error.clone().filter(|_| !compaction.has_response());
                compaction.set_error(fields.error().or(logged));
            }
            Some(ChildOperation::Inference(_) | ChildOperation::Tool(_)) | None => {}
        }
        if let Some(turn) = turn {
            turn.set_error(fields.error());
        }
        if let Some(thread) = thread {
            thread.set_error(fields.error());
        }
        Fields::recycle(fields);
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

    /// Ends the operations of the span because the program says so.
    pub(in crate::layer) fn end(&self, end: &End) {
        if !self.has_handle && self.operations.get().is_some() {
            self.apply(Input::EndedByProgram);
        }
        self.end_operations(end, Timestamp::now());
    }

    /// Ends the operations of the span, the innermost first.
    fn end_operations(&self, end: &End, at: Timestamp) {
        let Some(operations) = self.operations.get() else { return };
        self.flush_fields_to(operations);
        let kind = operations.end_event_kind();
        // Redact the error here, while no lock is held.
        operations.end(&end.redacted(|text| self.session.options.redact_text(kind, text).into_owned()), at);
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

impl Unwritten for SpanState {
    fn write(self: Arc<Self>) {
        if let Some(operations) = self.operations.get() {
            self.flush_fields_to(operations);
        }
    }
}

impl SettledSpan for SpanState {
    fn release(&self) {
        let effect = lock(&self.lifecycle).next(Input::Released, &Timestamp::now);
        if let Effect::End { since, at } = effect {
            self.start(since);
            self.end_closed(at);
            end_live(&self.live, at);
        }
    }
}
