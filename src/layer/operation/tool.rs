//! A tool call: invoked by a model or a code cell, run, and answered with a result.

use std::sync::{Arc, Mutex, OnceLock, Weak};

use super::code_cell::CodeCellOperation;
use super::end::End;
use super::findable::Findable;
use super::handle_link::HandleLink;
use super::kept_handles::AnyHandle;
use super::lifecycle::Lifecycle;
use super::settled::{SettledSlot, SettledSpan};
use super::span_end::SpanEnd;
use super::thread::ThreadOperation;
use super::thread_recording::{JsonPayload, SpanRecording};
use super::tool_agents::ToolAgents;
use super::tool_invocation::{InvocationBody, ToolInvocation};
use super::tool_kind;
use super::tool_progress::{ToolCallProgress, outcome};
use super::turn::{TurnOperation, TurnScope};
use crate::bundle::{Body, Json};
use crate::event::{
    CallId, EndDetail, EventKind, ExecutionStatus, PayloadKind, PayloadRef, Requester, RuntimeToolId, Timestamp,
    ToolCallEnded, ToolCallId, ToolCallStarted, ToolKind,
};
use crate::layer::session::Session;
use crate::layer::session::live::{Live, end_live};
use crate::layer::session::open_operations::OpenOperation;
use crate::layer::session::reentrancy::lock;

/// Attributes of a tool call that are known before it starts.
#[derive(Debug)]
pub(in crate::layer) struct ToolCallFacts {
    pub(in crate::layer) name: Arc<str>,
    /// The namespace of the tool's name, such as that of an MCP server.
    pub(in crate::layer) namespace: Option<String>,
    pub(in crate::layer) call_id: Option<CallId>,
    /// The id from the cell's runtime, if it is not `call_id`.
    pub(in crate::layer) runtime_id: Option<String>,
    /// Kind of the tool. Derived from its name if `None`.
    pub(in crate::layer) kind: Option<ToolKind>,
    /// What the tool is called with.
    pub(in crate::layer) invocation: Option<ToolInvocation<'static>>,
    /// The code cell that made the call, if the model did not. `call_id` is then an id that no model sees.
    pub(in crate::layer) cell: Option<Arc<CodeCellOperation>>,
}

/// A tool call that a span or a handle opened.
#[derive(Debug)]
pub(in crate::layer) struct ToolCallOperation {
    turn: Arc<TurnOperation>,
    live: Live,
    link: HandleLink,
    pub(super) facts: ToolCallFacts,
    /// What the tool is called with, until the call ends: an ended call is kept, so that events find it.
    invocation: Mutex<Option<Arc<ToolInvocation<'static>>>>,
    /// The type of the item that returns the output, if the facts contain an invocation.
    pub(super) output_item_type: Option<&'static str>,
    id: OnceLock<ToolCallId>,
    pub(super) lifecycle: Lifecycle,
    pub(super) progress: Mutex<ToolCallProgress>,
    agents: ToolAgents,
    settled: SettledSlot,
}

impl ToolCallOperation {
    pub(in crate::layer) fn new(turn: Arc<TurnOperation>, mut facts: ToolCallFacts, live: Live) -> Arc<Self> {
        let output_item_type = facts.invocation.as_ref().map(ToolInvocation::output_item_type);
        let invocation = Mutex::new(facts.invocation.take().map(Arc::new));
        let (id, lifecycle, progress) = (OnceLock::new(), Lifecycle::new(), Mutex::default());
        let (link, agents, settled) = (HandleLink::default(), ToolAgents::default(), SettledSlot::default());
        Arc::new(Self {
            turn,
            live,
            link,
            facts,
            invocation,
            output_item_type,
            id,
            lifecycle,
            progress,
            agents,
            settled,
        })
    }

    /// Returns the tool call of `thread` with this id: an open one before those that have ended, the latest first.
    pub(in crate::layer) fn find(thread: &ThreadOperation, id: &str) -> Option<Arc<Self>> {
        Some(thread.inside().tools.find(id)?.operation)
    }

    /// Returns the span of the call, for handles that are found.
    pub(in crate::layer) fn link(&self) -> &HandleLink {
        &self.link
    }

    /// Keeps a handle of the call, so that the call stays open although the program drops its own.
    pub(in crate::layer) fn keep(&self, handle: AnyHandle) {
        self.turn.keep_child(self, &self.lifecycle, handle);
    }

    /// Returns the tool call's id in the log. Returns `None` before the call has started.
    pub(in crate::layer) fn id(&self) -> Option<&ToolCallId> {
        self.id.get()
    }

    /// Returns the turn of the tool call's active agent: the one that made the latest inference call. Returns `None` if
    /// the tool call runs no agent.
    pub(in crate::layer) fn active_agent_turn(&self) -> Option<Arc<TurnOperation>> {
        self.agents.active_turn()
    }

    /// Returns the turn of the agent `name`, which the tool call runs, and makes it the active one. Called if an
    /// inference call inside the tool call names that agent. `make` creates the turn the first time.
    pub(in crate::layer) fn activate_agent(
        &self,
        name: &str,
        make: impl FnOnce() -> Arc<TurnOperation>,
    ) -> Arc<TurnOperation> {
        self.agents.activate(name, make)
    }

    /// Ends the agents of the tool call.
    fn end_agents(&self, end: &End, at: Timestamp) {
        let error = lock(&self.progress).error.clone();
        match (end, error) {
            (End::Closed, error) => self.agents.end(&End::Closed, error.as_deref(), at),
            (end, _) => self.agents.end(end, None, at),
        }
    }

    /// Returns the recording of the span and the scope of the turn, which is started if it is pending. Returns `None` if
    /// the thread cannot be recorded.
    fn recording(&self, at: Timestamp) -> Option<(SpanRecording<'_>, &TurnScope)> {
        let (recording, scope) = self.turn.ensure_started(at)?;
        Some((recording.of(&self.live), scope))
    }

    pub(super) fn session(&self) -> &Arc<Session> {
        self.turn.session()
    }

    pub(in crate::layer) fn turn(&self) -> &Arc<TurnOperation> {
        &self.turn
    }

    /// Starts the call if it is pending, with its arguments as the invocation. Returns `true` if the start event is in
    /// the log.
    pub(in crate::layer) fn start(self: &Arc<Self>, at: Timestamp) -> bool {
        self.ensure_started(at).is_some()
    }

    /// Starts the call if it is pending. Returns `None` if its start event is not in the log.
    pub(super) fn ensure_started(
        self: &Arc<Self>,
        at: Timestamp,
    ) -> Option<(SpanRecording<'_>, &TurnScope, &ToolCallId)> {
        let (recording, scope) = self.recording(at)?;
        if self.lifecycle.is_pending() {
            if self.session().is_off("a tool call") {
                return None;
            }
            self.write_start(recording, scope, at);
        }
        // An ended call still takes events, which are evidence too: a terminal outlives the call that opened it.
        self.lifecycle.has_started().then_some(())?;
        Some((recording, scope, self.id.get()?))
    }

    /// Writes the start event, after storing the invocation.
    fn write_start(self: &Arc<Self>, recording: SpanRecording<'_>, scope: &TurnScope, at: Timestamp) {
        let ToolCallFacts { name, namespace: _, call_id, runtime_id, kind, invocation: _, cell } = &self.facts;
        let invocation = lock(&self.invocation).clone();
        // The start event of the cell must precede that of its call.
        let cell = cell.as_ref().filter(|cell| cell.start(at)).and_then(|cell| cell.id());
        let recorded = lock(&self.progress).invocation.clone();
        let invocation_payload = recorded.or_else(|| {
            let body = self.invocation_body(invocation.as_deref()?);
            // The start event is written even if the invocation is lost.
            recording.store_payload(PayloadKind::ToolInvocation, &Json(&body)).ok().map(|stored| stored.reference)
        });
        // Masked before the summary truncates it: truncation could split a secret, which masking would then miss.
        let input = invocation.as_deref().map(ToolInvocation::input_text);
        let masked_input =
            input.as_deref().map(|text| self.session().options.mask_text(EventKind::ToolCallStarted, text));
        self.lifecycle.start(self.session(), self, || {
            lock(&self.progress).started_invocation.clone_from(&invocation_payload);
            let tool_call_id = self.id.get_or_init(|| match call_id {
                Some(id) => recording.bundle.unique_tool_call_id(id),
                None => recording.bundle.generate_id("tool"),
            });
            let kind = kind.clone().unwrap_or_else(|| tool_kind::kind_from_name(name));
            let started = ToolCallStarted {
                tool_call_id: tool_call_id.clone(),
                model_visible_call_id: call_id.clone().filter(|_| cell.is_none()),
                code_mode_runtime_tool_id: cell
                    .and(runtime_id.as_deref().or(call_id.as_ref().map(CallId::as_str)))
                    .map(RuntimeToolId::from),
                requester: match cell {
                    Some(id) => Requester::CodeCell { runtime_cell_id: id.clone() },
                    None => Requester::Model,
                },
                summary: tool_kind::summary(name, &kind, masked_input.as_deref()),
                kind,
                invocation_payload,
            };
            recording.try_write_event(&scope.context, started, at)?;
            self.turn.progress().start_inside();
            self.ids().for_each(|id| self.turn.thread().inside().tools.add(id, self));
            if let Some(id) = call_id {
                self.turn.remove_requested_call(id.as_str());
            }
            Ok(())
        });
    }

    /// Returns the body of an invocation of this tool.
    fn invocation_body<'a>(&'a self, payload: &'a ToolInvocation<'_>) -> InvocationBody<'a> {
        let ToolCallFacts { name, namespace, .. } = &self.facts;
        InvocationBody { tool_name: name, tool_namespace: namespace.as_deref(), payload }
    }

    /// Records an invocation body of the program. Before the start it replaces the one made from the facts; later
    /// it is referenced by a separate payload event.
    fn record_invocation(self: &Arc<Self>, body: &dyn Body, at: Timestamp) {
        let Some((recording, _)) = self.recording(at) else { return };
        let Ok(JsonPayload { reference, raw }) = recording.store_json(PayloadKind::ToolInvocation, body) else {
            return;
        };
        let separate = if self.lifecycle.is_pending() {
            lock(&self.progress).invocation = Some(reference.clone());
            self.start(at);
            // Another thread may have started the call in the meantime, or have recorded another invocation.
            (lock(&self.progress).started_invocation.as_ref() != Some(&reference)).then_some(reference)
        } else {
            Some(reference)
        };
        separate.into_iter().for_each(|reference| self.write_payload_event(reference, at));
        self.write_raw_payload_event(raw, at);
    }

    /// Writes a payload event for recorded bytes that are not JSON, if there are any.
    pub(super) fn write_raw_payload_event(self: &Arc<Self>, raw: Option<PayloadRef>, at: Timestamp) {
        if let Some(raw) = raw {
            self.write_payload_event(raw, at);
        }
    }

    /// Returns the ids by which events refer to the call: that in the log, and that of the provider if it is another
    /// one.
    fn ids(&self) -> impl Iterator<Item = Arc<str>> + use<> {
        let own = self.id.get().map(|id| Arc::clone(id.as_arc()));
        let given = self.facts.call_id.as_ref().map(CallId::as_arc).filter(|given| own.as_ref() != Some(*given));
        let given = given.map(Arc::clone);
        own.into_iter().chain(given)
    }

    /// Sets what the span of the call tells of its end.
    pub(in crate::layer) fn set_span_end(&self, span_end: SpanEnd) {
        self.lifecycle.set_span_end(span_end);
    }

    /// Records that the operation had settled, and ends while its span stays open.
    pub(in crate::layer) fn set_settled(&self) {
        self.lifecycle.set_settled();
    }

    /// Returns `true` if events refer to the call by `id`.
    pub(in crate::layer) fn has_id(&self, id: &str) -> bool {
        let given = self.facts.call_id.as_ref().is_some_and(|given| given.as_str() == id);
        given || self.id.get().is_some_and(|own| own.as_str() == id)
    }

    /// Writes a payload event for a payload that belongs to this call.
    pub(super) fn write_payload_event(self: &Arc<Self>, payload: PayloadRef, at: Timestamp) {
        self.turn.write_payload_event(payload, &serde_json::json!({ "tool_call_id": self.id.get() }), at);
    }

    /// Returns `true` if the call has ended or will never start: its end event takes no further data.
    pub(in crate::layer) fn is_ended(&self) -> bool {
        self.lifecycle.is_ended()
    }

    /// Records a body of any kind.
    pub(in crate::layer) fn record_payload(self: &Arc<Self>, kind: PayloadKind, body: &dyn Body) {
        if kind == PayloadKind::ToolResult {
            return self.record_result(body);
        }
        let at = Timestamp::now();
        if kind == PayloadKind::ToolInvocation && !self.session().is_off("a tool invocation") {
            return self.record_invocation(body, at);
        }
        self.start(at);
        self.turn.record_separate_payload(kind, body, &serde_json::json!({ "tool_call_id": self.id.get() }));
    }

    /// Records an invocation from the fields of the span that came after the start. Ignored if one is known.
    pub(in crate::layer) fn record_late_invocation(self: &Arc<Self>, invocation: &ToolInvocation<'_>) {
        let is_known = self.output_item_type.is_some() || lock(&self.progress).invocation.is_some();
        if !is_known {
            self.record_payload(PayloadKind::ToolInvocation, &Json(&self.invocation_body(invocation)));
        }
    }

    /// Sets the error that the end event reports if the span closes without another end.
    pub(in crate::layer) fn set_error(&self, error: Option<String>) {
        if let Some(error) = error {
            let error = self.session().options.redact_text(EventKind::ToolCallEnded, &error).into_owned();
            lock(&self.progress).error = Some(error);
        }
    }

    /// Sets the span, which has settled: the shutdown ends the call at that time.
    pub(in crate::layer) fn settle(&self, span: &Weak<dyn SettledSpan>) {
        self.settled.set(Weak::clone(span));
    }

    /// Ends the call, after its agents.
    pub(in crate::layer) fn end(self: &Arc<Self>, end: End, at: Timestamp) {
        self.end_agents(&end, at);
        let mut has_ended = false;
        let prepare = || {
            let (recording, scope) = self.recording(at)?;
            let stored = self.error_result(&end).and_then(|body| recording.store_ready(body).ok());
            Some((recording, scope, stored.map(|stored| stored.reference)))
        };
        self.lifecycle.end_after(self.session(), prepare, |(recording, scope, error_payload)| {
            has_ended = true;
            let Some(id) = self.id.get() else { return };
            // Read under the lifecycle's lock: a result may have arrived after `end` was called.
            let (status, error, result) = {
                let progress = lock(&self.progress);
                let (status, error) = outcome(&end, &progress, self.lifecycle.unwound(&end));
                (status, error.map(str::to_owned), progress.result.clone())
            };
            let result_payload = result.or(error_payload.filter(|_| status == ExecutionStatus::Failed));
            let EndDetail { ended_by, error_type, attributes } =
                self.lifecycle.take_span_end().detail(&end, status == ExecutionStatus::Failed);
            let tool_call_id = id.clone();
            let ended = ToolCallEnded { tool_call_id, status, result_payload, error, ended_by, error_type, attributes };
            recording.write_event(&scope.context, ended, at);
            self.turn.progress().end_inside(false);
        });
        if has_ended {
            *lock(&self.invocation) = None;
            let tools = &self.turn.thread().inside().tools;
            self.ids().for_each(|id| tools.end(&id, self, || self.turn.is_ended()));
        }
        self.turn.release_child(&**self);
    }
}

impl Findable for ToolCallOperation {
    fn turn_address(&self) -> usize {
        Arc::as_ptr(&self.turn).addr()
    }
}

impl OpenOperation for ToolCallOperation {
    fn end_at_shutdown(self: Arc<Self>) {
        self.settled.release();
        if self.lifecycle.is_open() {
            self.turn.progress().set_interrupted();
        }
        let at = Timestamp::now();
        self.end(End::Shutdown, at);
        end_live(&self.live, at);
    }
}
