//! What a span is to us: its facts so far, and the windows it opened.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use tracing::Metadata;

use super::field_bodies::{LateRequest, RequestBody};
use super::field_facts::{has_required_facts, inference_facts};
use super::fields::{Fields, Kind};
use super::implicit::Supplied;
use super::json_text::JsonText;
use super::live::Live;
use super::operation::{End, InferenceOperation};
use super::operations::{ChildOperation, Enclosing, Operations};
use super::recorder::{Inner, LayerNumber, locked};
use super::span_end;
use super::wire_event::{WireEvent, WireKind};
use crate::bundle::Json;
use crate::event::{PayloadKind, Timestamp};

#[derive(Debug)]
pub(super) struct SpanState {
    recorder: Arc<Inner>,
    layer: LayerNumber,
    metadata: &'static Metadata<'static>,
    opened_at: Timestamp,
    /// Made by a typed handle, which opens and ends its windows.
    is_handled: bool,
    /// How many clones of the handle there are.
    holders: AtomicUsize,
    parent: Option<Arc<SpanState>>,
    /// What the span it follows from is in. Not that span: frameworks chain theirs without end.
    follows: OnceLock<Enclosing>,
    supplied: Arc<Supplied>,
    live: Live,
    /// When the span was first entered, or something first happened in it.
    touched_at: OnceLock<Timestamp>,
    fields: Mutex<Option<Arc<Fields>>>,
    operations: OnceLock<Operations>,
    /// What the request was made of.
    asked_with: OnceLock<Arc<Fields>>,
    /// The answer as a framework logged it, should the span not say it.
    wire_reply: OnceLock<String>,
    /// Whether the recorder knows that there is more to say.
    has_to_say: AtomicBool,
}

/// Where a span stands.
pub(super) struct Place {
    pub(super) layer: LayerNumber,
    pub(super) metadata: &'static Metadata<'static>,
    pub(super) is_handled: bool,
    pub(super) parent: Option<Arc<SpanState>>,
    pub(super) supplied: Arc<Supplied>,
    pub(super) live: Live,
}

impl SpanState {
    pub(super) fn new(recorder: Arc<Inner>, place: Place) -> Arc<Self> {
        let Place { layer, metadata, is_handled, parent, supplied, live } = place;
        let opened_at = Timestamp::now();
        Arc::new(Self {
            recorder,
            layer,
            metadata,
            opened_at,
            is_handled,
            holders: AtomicUsize::new(0),
            parent,
            follows: OnceLock::new(),
            supplied,
            live,
            touched_at: OnceLock::new(),
            fields: Mutex::new(None),
            operations: OnceLock::new(),
            asked_with: OnceLock::new(),
            wire_reply: OnceLock::new(),
            has_to_say: AtomicBool::new(false),
        })
    }

    pub(super) fn recorder(&self) -> &Arc<Inner> {
        &self.recorder
    }

    /// The layer that saw the span first, of those that its recorder has in the subscriber.
    pub(super) fn layer(&self) -> LayerNumber {
        self.layer
    }

    pub(super) fn opened_at(&self) -> Timestamp {
        self.opened_at
    }

    pub(super) fn name(&self) -> &'static str {
        self.metadata.name()
    }

    pub(super) fn supplied(&self) -> &Arc<Supplied> {
        &self.supplied
    }

    /// The live span that it is, where something exports it.
    pub(super) fn live(&self) -> &Live {
        &self.live
    }

    /// Has the live span begin, so that what is recorded from now on names it.
    fn begin_live(&self) -> bool {
        self.live.as_ref().is_none_or(|live| live.begin())
    }

    pub(super) fn is_handled(&self) -> bool {
        self.is_handled
    }

    /// There is one more clone of its handle.
    pub(super) fn held(&self) {
        self.holders.fetch_add(1, Ordering::Relaxed);
    }

    /// There is one less. With the last one the windows end.
    pub(super) fn let_go(&self) {
        if self.holders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.end(&End::Closed);
        }
    }

    /// The windows, where the span has opened any.
    pub(super) fn operations(&self) -> Option<&Operations> {
        self.operations.get()
    }

    /// Whether what is said of the span now may be recorded.
    pub(super) fn is_recording(&self) -> bool {
        let may_have_windows = match self.operations.get() {
            Some(operations) => !operations.is_empty(),
            None => !self.is_handled,
        };
        may_have_windows && !self.recorder.is_shut()
    }

    /// Opens the windows of a typed handle.
    pub(super) fn open(&self, operations: Operations) {
        self.begin_live();
        // A handle opens its windows once.
        let _ = self.operations.set(operations);
    }

    /// The span follows another. A thread that does is spawned by the other's.
    pub(super) fn follows(&self, other: &Self) {
        if self.parent.is_some() || self.follows.get().is_some() {
            return;
        }
        // Frameworks chain calls and tools, which says nothing of what is in what: that they have a place is all, and they
        // may have to wait for their names.
        let found = if other.is_of_a_turn() { other.surroundings() } else { other.inside() };
        if found.thread.is_some() {
            // The first one counts.
            let _ = self.follows.set(found);
        }
    }

    /// New values of the span's fields.
    pub(super) fn learn(self: &Arc<Self>, news: Fields) {
        // All else a handle says itself.
        if self.is_handled && !news.speak_of_status() {
            return;
        }
        let is_complete = {
            let mut fields = locked(&self.fields);
            let known = fields.get_or_insert_with(Fields::kept);
            Arc::make_mut(known).merge(news);
            has_required_facts(known)
        };
        if self.is_handled {
            return;
        }
        match self.touched_at.get() {
            // What was missing when the span was entered may be there now.
            Some(at) => {
                self.start_unless_unnamed(*at);
                self.keep_to_say();
            }
            // What a span at the top is in may still be said: it may follow from another.
            // Nor can its start name a live span of which nobody has heard.
            None if is_complete && self.parent.is_some() && self.begin_live() => self.start(Timestamp::now()),
            None => {}
        }
    }

    /// What came after the start is told with the end, also should that be the shutdown's.
    fn keep_to_say(self: &Arc<Self>) {
        if self.operations.get().is_some() && !self.has_to_say.swap(true, Ordering::Relaxed) {
            self.recorder.has_to_say(self);
        }
    }

    /// Tells the windows what the span's fields have said by now.
    pub(super) fn say(&self) {
        if let Some(operations) = self.operations.get() {
            self.say_last(operations);
        }
    }

    /// The span was entered. One that still has to say what its start must waits for that, or for whatever happens in
    /// it first: said later, a tool's call id could link nothing.
    pub(super) fn enter(&self) {
        if !self.is_handled {
            self.start_unless_unnamed(*self.touched_at.get_or_init(Timestamp::now));
        }
    }

    fn start_unless_unnamed(&self, at: Timestamp) {
        let is_unnamed = || locked(&self.fields).as_ref().is_some_and(|fields| fields.lacks_facts(self.metadata));
        if self.operations.get().is_some() || !is_unnamed() {
            self.start(at);
        }
    }

    /// Something of ours opened below it, or something was said of it.
    pub(super) fn touch(&self) {
        if !self.is_handled {
            self.start(*self.touched_at.get_or_init(Timestamp::now));
        }
    }

    /// Opens the windows if the span says what they are, and starts those whose required facts are known.
    fn start(&self, at: Timestamp) {
        let Some(operations) = self.resolved() else { return };
        self.begin_live();
        let Operations { thread, turn, work } = operations;
        if let Some(thread) = thread {
            thread.start(at);
        }
        if let Some(turn) = turn {
            turn.start(at);
        }
        match work {
            Some(ChildOperation::Tool(tool)) => drop(tool.start(at)),
            Some(ChildOperation::Cell(cell)) => drop(cell.start(at)),
            Some(ChildOperation::Inference(inference)) if inference.is_pending() => self.start_inference(inference, at),
            // It starts with its request, at the latest when it ends.
            Some(ChildOperation::Compaction(compaction)) => drop(compaction.turn().start(at)),
            Some(ChildOperation::Inference(_)) | None => {}
        }
    }

    /// Starts what the call is in, and the call itself once its request is known.
    fn start_inference(&self, inference: &Arc<InferenceOperation>, at: Timestamp) {
        inference.turn().start(at);
        let Some(fields) = locked(&self.fields).clone() else { return };
        inference.know(inference_facts(&fields));
        if let Some(body) = RequestBody::of(&fields.request) {
            inference.request_at(&Json(&body), at);
            let _ = self.asked_with.set(fields);
        }
    }

    /// The windows, opened now if the span has said what it is.
    fn resolved(&self) -> Option<&Operations> {
        if let Some(operations) = self.operations.get() {
            return Some(operations);
        }
        let fields = locked(&self.fields).clone()?;
        let kind = fields.kind()?;
        if self.recorder.is_off(self.metadata.name()) {
            return None;
        }
        let surroundings = match kind {
            // Its id is its own name, not that of what it is in.
            Kind::Thread => self.surroundings(),
            Kind::Turn | Kind::Inference | Kind::Tool | Kind::CodeCell | Kind::Compaction | Kind::Agent => {
                self.surroundings_of(&fields)
            }
        };
        Some(self.operations.get_or_init(|| self.windows_of(kind, &fields, surroundings)))
    }

    /// What a window of this span is in.
    pub(super) fn surroundings(&self) -> Enclosing {
        match &self.parent {
            Some(parent) => parent.inside(),
            None => self.follows.get().cloned().unwrap_or_default(),
        }
    }

    /// What a window below this span is in.
    fn inside(&self) -> Enclosing {
        let mut innermost = self;
        loop {
            innermost.touch();
            if let Some(found) = innermost.operations().and_then(Enclosing::inside) {
                return found;
            }
            match &innermost.parent {
                Some(parent) => innermost = parent,
                None => return innermost.follows.get().cloned().unwrap_or_default(),
            }
        }
    }

    /// The same, where ids on the span win: they count where they name an open thread or turn.
    fn surroundings_of(&self, fields: &Fields) -> Enclosing {
        let mut found = self.surroundings();
        if let Some(id) = &fields.conversation_id
            && !found.thread.as_ref().is_some_and(|thread| thread.is_named(id))
            && let Some(named) = self.recorder.thread(id)
        {
            found = Enclosing { thread: Some(named), ..Enclosing::default() };
        }
        if let (Some(id), Some(thread)) = (&fields.turn_id, &found.thread)
            && let Some(named) = thread.turn(id)
        {
            found.turn = Some(named);
        }
        found
    }

    /// The span closed: what was not started starts, and what has no handle ends.
    pub(super) fn close(&self) {
        if !self.is_handled {
            self.close_windows();
        }
        if let Some(live) = &self.live {
            live.close();
        }
    }

    /// The span is gone, and nobody told when it closed.
    pub(super) fn outlive(&self) {
        if let Some(live) = &self.live {
            live.abandon();
        }
        self.close();
    }

    fn close_windows(&self) {
        self.start(self.touched_at.get().copied().unwrap_or(self.opened_at));
        let is_inference = self.operations().is_some_and(|operations| operations.inference().is_some());
        // That a model answered is not to be believed without an answer.
        let is_ok = !is_inference && locked(&self.fields).as_ref().is_some_and(|fields| fields.is_ok());
        self.end(if is_ok { &End::Completed } else { &End::Closed });
    }

    /// Tells the windows what the span's fields said, before they end.
    fn say_last(&self, operations: &Operations) {
        if self.has_to_say.load(Ordering::Relaxed) {
            self.recorder.has_said(self);
        }
        let Some(fields) = locked(&self.fields).take() else { return };
        let Operations { thread, turn, work } = operations;
        match work {
            Some(ChildOperation::Inference(inference)) if !inference.is_over() => {
                if let Some(late) = self.asked_with.get().and_then(|known| LateRequest::of(known, &fields)) {
                    inference.request(&Json(&late));
                }
                span_end::of_inference(inference, &fields, self.wire_reply.get().map(String::as_str));
            }
            Some(ChildOperation::Tool(tool)) if !tool.is_over() => span_end::of_tool(tool, &fields),
            Some(ChildOperation::Cell(cell)) => cell.note_error(fields.error()),
            Some(ChildOperation::Compaction(compaction)) => compaction.note_error(fields.error()),
            Some(ChildOperation::Inference(_) | ChildOperation::Tool(_)) | None => {}
        }
        if let Some(turn) = turn {
            turn.note_error(fields.error());
        }
        if let Some(thread) = thread {
            thread.note_error(fields.error());
        }
        Fields::keep(fields);
    }

    /// What the span is, by what it says so far.
    pub(super) fn kind(&self) -> Option<Kind> {
        locked(&self.fields).as_ref()?.kind()
    }

    /// What a framework logged of the call: it counts where the span itself does not say it.
    pub(super) fn wire(&self, wire: WireEvent) {
        let WireEvent { kind, body } = wire;
        match kind {
            WireKind::Request => {
                self.touch();
                let inference = self.operations().and_then(Operations::inference);
                if let Some(inference) = inference.filter(|inference| inference.is_pending()) {
                    inference.request(&JsonText::of(&body));
                }
            }
            // The span may say it yet. One is all that there is.
            WireKind::Reply => drop(self.wire_reply.set(body)),
        }
    }

    /// Ends the windows of the span, the innermost first.
    pub(super) fn end(&self, end: &End) {
        let Some(operations) = self.operations.get() else { return };
        self.say_last(operations);
        let kind = operations.last_event();
        // Here, where no lock is held yet.
        operations.end(&end.masked(|text| self.recorder.options.text(kind, text).into_owned()));
    }

    /// A body of any kind, for the innermost window.
    pub(super) fn payload(&self, kind: PayloadKind, body: &dyn crate::bundle::Body) {
        match kind {
            // It goes before the one that the fields would make.
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
        if let Some(operations) = self.resolved() {
            self.begin_live();
            operations.payload(kind, body);
        }
    }
}
