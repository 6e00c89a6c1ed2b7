//! A tool call: asked for, run, answered.

use std::sync::{Arc, Mutex, OnceLock};

use super::life::Life;
use super::recording::{AsJson, FULL, Recording};
use super::tool_agents::ToolAgents;
use super::turn::{Place, TurnOperation};
use super::{CodeCellOperation, DROPPED, End, OpenOperation, SHUT_DOWN};
use crate::bundle::{Body, Json, Lost, ReadyBody};
use crate::event::{
    CallId, EventKind, ExecutionStatus, McpCallId, McpToolCallCorrelationAssigned, PayloadKind, PayloadRef, Requester,
    Timestamp, ToolCallEnded, ToolCallId, ToolCallRuntimeEnded, ToolCallRuntimeStarted, ToolCallStarted, ToolKind,
};
use crate::layer::live::Live;
use crate::layer::recorder::{Inner, locked};
use crate::layer::tool_kind;

/// What is known of a call before it starts.
#[derive(Debug)]
pub(in crate::layer) struct ToolFacts {
    pub(in crate::layer) name: Arc<str>,
    pub(in crate::layer) call_id: Option<CallId>,
    /// What the tool does, where its name does not say.
    pub(in crate::layer) kind: Option<ToolKind>,
    /// The arguments as the model wrote them, JSON text as a rule.
    pub(in crate::layer) arguments: Option<String>,
    /// The script that asks, where it is not a model that does. Then the id is its runtime's.
    pub(in crate::layer) cell: Option<Arc<CodeCellOperation>>,
}

#[derive(Debug)]
pub(in crate::layer) struct ToolCallOperation {
    turn: Arc<TurnOperation>,
    live: Live,
    facts: ToolFacts,
    id: OnceLock<ToolCallId>,
    life: Life,
    seen: Mutex<Seen>,
    agents: ToolAgents,
}

/// What was seen of a call so far.
#[derive(Debug, Default, Clone)]
struct Seen {
    invocation: Option<PayloadRef>,
    /// The invocation that the start names.
    named_invocation: Option<PayloadRef>,
    result: Option<PayloadRef>,
    error: Option<String>,
    /// Whether there was a result, be it stored or lost.
    is_answered: bool,
}

impl Seen {
    /// Takes note of an answer, stored or lost, and gives the one that it takes the place of.
    fn answer(&mut self, result: Option<PayloadRef>) -> Option<PayloadRef> {
        self.is_answered = true;
        self.result.replace(result?)
    }
}

impl ToolCallOperation {
    pub(in crate::layer) fn new(turn: Arc<TurnOperation>, facts: ToolFacts, live: Live) -> Arc<Self> {
        let (id, life, seen, agents) = (OnceLock::new(), Life::default(), Mutex::default(), ToolAgents::default());
        Arc::new(Self { turn, live, facts, id, life, seen, agents })
    }

    /// Its id, once it started.
    pub(in crate::layer) fn id(&self) -> Option<&ToolCallId> {
        self.id.get()
    }

    /// The turn of the agent that acts in the tool call, if it turned out to be one.
    pub(in crate::layer) fn acting_agent(&self) -> Option<Arc<TurnOperation>> {
        self.agents.acting()
    }

    /// The turn of an agent that the tool is: an inference call in it says that it is that agent's.
    pub(in crate::layer) fn agent(&self, name: &str, make: impl FnOnce() -> Arc<TurnOperation>) -> Arc<TurnOperation> {
        self.agents.asks(name, make)
    }

    fn end_agents(&self, end: &End) {
        let error = locked(&self.seen).error.clone();
        match (end, error) {
            (End::Closed, Some(error)) => self.agents.end(&End::Failed(error)),
            (end, _) => self.agents.end(end),
        }
    }

    fn recorder(&self) -> &Arc<Inner> {
        self.turn.recorder()
    }

    pub(in crate::layer) fn turn(&self) -> &Arc<TurnOperation> {
        &self.turn
    }

    /// Starts the call if it has not started, with its arguments as the invocation.
    pub(in crate::layer) fn start(self: &Arc<Self>, at: Timestamp) -> bool {
        self.started(at).is_some()
    }

    fn started(self: &Arc<Self>, at: Timestamp) -> Option<(&Recording, &Place, &ToolCallId)> {
        let (recording, place) = self.turn.place(at)?;
        if self.life.is_pending() {
            if self.recorder().is_off("a tool call") {
                return None;
            }
            self.begin(recording, place, at);
        }
        // What is said after the end is evidence still: a terminal outlives the call that opened it.
        self.life.has_started().then_some(())?;
        Some((recording, place, self.id.get()?))
    }

    fn begin(self: &Arc<Self>, recording: &Recording, place: &Place, at: Timestamp) {
        let ToolFacts { name, call_id, kind, arguments, cell } = &self.facts;
        // Its start stands before what it asks for.
        let cell = cell.as_ref().filter(|cell| cell.start(at)).and_then(|cell| cell.id());
        let given = locked(&self.seen).invocation.clone();
        let invocation_payload = given.or_else(|| {
            let arguments = arguments.as_deref()?;
            let body = invocation_body(name, arguments);
            // Lost or not, the start stands.
            recording.put(&self.live, PayloadKind::ToolInvocation, &Json(&body)).ok().map(|stored| stored.reference)
        });
        let operation = || OpenOperation::Tool(Arc::clone(self));
        // Before it is cut to a preview, which could cut a secret in two.
        let shown = arguments.as_deref().map(|text| self.recorder().options.text(EventKind::ToolCallStarted, text));
        self.life.start(self.recorder(), operation, || {
            locked(&self.seen).named_invocation.clone_from(&invocation_payload);
            let tool_call_id = self.id.get_or_init(|| match call_id {
                Some(id) => recording.bundle.tool_call_id(id),
                None => recording.bundle.unique("tool"),
            });
            let kind = kind.clone().unwrap_or_else(|| tool_kind::kind_by_name(name));
            let started = ToolCallStarted {
                tool_call_id: tool_call_id.clone(),
                model_visible_call_id: call_id.clone().filter(|_| cell.is_none()),
                code_mode_runtime_tool_id: cell.and(call_id.as_ref()).map(|id| id.as_str().into()),
                requester: match cell {
                    Some(id) => Requester::CodeCell { runtime_cell_id: id.clone() },
                    None => Requester::Model,
                },
                summary: tool_kind::summary(name, &kind, shown.as_deref()),
                kind,
                invocation_payload,
            };
            recording.append(&self.live, &place.context, started, at)
        });
    }

    /// The invocation in the program's own words. Before the start it takes the place of the one made of the
    /// arguments; later it is kept beside.
    fn invocation(self: &Arc<Self>, body: &dyn Body, at: Timestamp) {
        let Some((recording, _)) = self.turn.place(at) else { return };
        let Ok(AsJson { reference, bytes }) = recording.put_json(&self.live, PayloadKind::ToolInvocation, body) else {
            return;
        };
        let other = if self.life.is_pending() {
            locked(&self.seen).invocation = Some(reference.clone());
            self.start(at);
            // Another may have started it meanwhile, or said otherwise.
            (locked(&self.seen).named_invocation.as_ref() != Some(&reference)).then_some(reference)
        } else {
            Some(reference)
        };
        other.into_iter().for_each(|reference| self.keep_reference_beside(reference, at));
        self.keep_bytes_beside(bytes, at);
    }

    fn keep_bytes_beside(self: &Arc<Self>, bytes: Option<PayloadRef>, at: Timestamp) {
        if let Some(bytes) = bytes {
            self.keep_reference_beside(bytes, at);
        }
    }

    /// The number that the client of an MCP server gave the call.
    pub(in crate::layer) fn mcp_call_id(self: &Arc<Self>, id: &str) {
        let at = Timestamp::now();
        if self.recorder().is_off("an MCP call id") {
            return;
        }
        let Some((recording, place, tool_call_id)) = self.started(at) else { return };
        let event =
            McpToolCallCorrelationAssigned { tool_call_id: tool_call_id.clone(), mcp_call_id: McpCallId::from(id) };
        recording.say(&self.live, &place.context, event, at);
    }

    fn keep_reference_beside(self: &Arc<Self>, payload: PayloadRef, at: Timestamp) {
        self.turn.say_beside(payload, &serde_json::json!({ "tool_call_id": self.id.get() }), at);
    }

    pub(in crate::layer) fn runtime_started(self: &Arc<Self>, body: &dyn Body) {
        let event = |tool_call_id, runtime_payload| ToolCallRuntimeStarted { tool_call_id, runtime_payload }.into();
        self.runtime(body, EventKind::ToolCallRuntimeStarted, event);
    }

    pub(in crate::layer) fn runtime_ended(self: &Arc<Self>, status: ExecutionStatus, body: &dyn Body) {
        let event =
            |tool_call_id, runtime_payload| ToolCallRuntimeEnded { tool_call_id, status, runtime_payload }.into();
        self.runtime(body, EventKind::ToolCallRuntimeEnded, event);
    }

    fn runtime(
        self: &Arc<Self>,
        body: &dyn Body,
        kind: EventKind,
        event: impl FnOnce(ToolCallId, PayloadRef) -> crate::event::Event,
    ) {
        let at = Timestamp::now();
        if self.recorder().is_off(kind.name()) {
            return;
        }
        let Some((recording, place, id)) = self.started(at) else { return self.count_unstarted(Lost::Event(kind)) };
        let writer = &recording.bundle.writer;
        if kind == EventKind::ToolCallRuntimeStarted && writer.is_full() {
            // The body alone would be taken, as that of an end.
            writer.lose_dependent(Lost::Payload(PayloadKind::ToolRuntimeEvent), FULL);
            writer.lose_dependent(Lost::Event(kind), FULL);
            return;
        }
        match recording.put_json(&self.live, PayloadKind::ToolRuntimeEvent, body) {
            Ok(AsJson { reference, bytes }) => {
                recording.say(&self.live, &place.context, event(id.clone(), reference), at);
                self.keep_bytes_beside(bytes, at);
            }
            Err(_told) => {
                recording.bundle.writer.lose_dependent(Lost::Event(kind), "its body could not be stored");
            }
        }
    }

    /// What is said of a call whose start was lost has no place in the log.
    fn count_unstarted(&self, what: Lost) {
        if let Some(recording) = self.turn.thread().started() {
            recording.bundle.writer.lose_dependent(what, "the start of its tool call could not be written");
        }
    }

    /// What the tool gave back, as a `tool_result` body.
    pub(in crate::layer) fn result(self: &Arc<Self>, body: &dyn Body) {
        let at = Timestamp::now();
        if self.recorder().is_off("a tool result") {
            return;
        }
        let Some((recording, _, _)) = self.started(at) else {
            return self.count_unstarted(Lost::Payload(PayloadKind::ToolResult));
        };
        let (result, bytes) = match recording.put_json(&self.live, PayloadKind::ToolResult, body) {
            Ok(AsJson { reference, bytes }) => (Some(reference), bytes),
            Err(_told) => (None, None),
        };
        let answer = || locked(&self.seen).answer(result.clone());
        // What comes after the end is named by an event of its own, as is what another took the place of.
        let beside = self.life.before_end(answer).unwrap_or(result);
        for reference in beside.into_iter().chain(bytes) {
            self.keep_reference_beside(reference, at);
        }
    }

    /// The value that tells a process of this call, which spawns it.
    pub(in crate::layer) fn child_process(self: &Arc<Self>) -> Option<String> {
        let at = Timestamp::now();
        if self.recorder().is_off("a child process") {
            return None;
        }
        let Some((recording, place, id)) = self.started(at) else {
            self.count_unstarted(Lost::Event(EventKind::Other));
            return None;
        };
        recording.child_process(&place.context, Some(id.clone()), at)
    }

    /// Whether nothing that is said of it now can be in its end.
    pub(in crate::layer) fn is_over(&self) -> bool {
        self.life.is_over()
    }

    /// What the tool gave back to the model, as text.
    pub(in crate::layer) fn output(self: &Arc<Self>, text: &str) {
        if self.facts.cell.is_some() {
            return self.result(&Json(&serde_json::json!({ "type": "code_mode_response", "value": text })));
        }
        let call_id = self.facts.call_id.as_ref();
        let item = serde_json::json!({ "type": "function_call_output", "call_id": call_id, "output": text });
        self.result(&Json(&serde_json::json!({ "type": "direct_response", "response_item": item })));
    }

    /// A body of any kind.
    pub(in crate::layer) fn payload(self: &Arc<Self>, kind: PayloadKind, body: &dyn Body) {
        if kind == PayloadKind::ToolResult {
            return self.result(body);
        }
        let at = Timestamp::now();
        if kind == PayloadKind::ToolInvocation && !self.recorder().is_off("a tool invocation") {
            return self.invocation(body, at);
        }
        self.start(at);
        self.turn.keep_beside(kind, body, &serde_json::json!({ "tool_call_id": self.id.get() }));
    }

    /// Arguments that the span's fields gave after the start.
    pub(in crate::layer) fn late_arguments(self: &Arc<Self>, arguments: &str) {
        let is_known = self.facts.arguments.is_some() || locked(&self.seen).invocation.is_some();
        if !is_known {
            self.payload(PayloadKind::ToolInvocation, &Json(&invocation_body(&self.facts.name, arguments)));
        }
    }

    /// What the span's fields say of the result, where no body did.
    pub(in crate::layer) fn output_of_fields(self: &Arc<Self>, text: &str) {
        let is_known = locked(&self.seen).result.is_some();
        if !is_known {
            self.output(text);
        }
    }

    pub(in crate::layer) fn note_error(&self, error: Option<String>) {
        if let Some(error) = error {
            let error = self.recorder().options.text(EventKind::ToolCallEnded, &error).into_owned();
            locked(&self.seen).error = Some(error);
        }
    }

    pub(in crate::layer) fn end(self: &Arc<Self>, end: End) {
        self.end_agents(&end);
        if !self.life.is_open() {
            // Over, or never started and now never will.
            self.life.end(self.recorder(), || {});
            return;
        }
        let at = Timestamp::now();
        let Some((recording, place)) = self.turn.place(at) else { return };
        // Before the lock of the end, for which nobody shall wait longer than a line takes.
        let stored = self.error_body(&end).and_then(|body| recording.store(&self.live, body).ok());
        let error_payload = stored.map(|stored| stored.reference);
        self.life.end(self.recorder(), || {
            let Some(id) = self.id.get() else { return };
            // Only now: an answer may have come while the end was on its way.
            let seen = locked(&self.seen).clone();
            let (status, error) = outcome(&end, &seen);
            let error = error.map(str::to_owned);
            let result_payload = seen.result.or(error_payload.filter(|_| status == ExecutionStatus::Failed));
            let ended = ToolCallEnded { tool_call_id: id.clone(), status, result_payload, error };
            recording.say(&self.live, &place.context, ended, at);
        });
    }

    /// The result of a call that failed, should there be no other.
    fn error_body(&self, end: &End) -> Option<ReadyBody> {
        let seen = locked(&self.seen).clone();
        let (status, error) = outcome(end, &seen);
        let error = error.filter(|_| status == ExecutionStatus::Failed && seen.result.is_none())?;
        let body = serde_json::json!({ "type": "error", "error": error });
        Some(self.recorder().options.ready(PayloadKind::ToolResult, &Json(&body)))
    }
}

/// A `tool_invocation` body of a function that was called with this JSON text.
fn invocation_body(name: &str, arguments: &str) -> serde_json::Value {
    serde_json::json!({
        "tool_name": name,
        "tool_namespace": null,
        "payload": { "type": "function", "arguments": arguments },
    })
}

fn outcome<'a>(end: &'a End, seen: &'a Seen) -> (ExecutionStatus, Option<&'a str>) {
    match end {
        End::Completed => (ExecutionStatus::Completed, None),
        End::Failed(error) => (ExecutionStatus::Failed, Some(error)),
        End::Cancelled(reason) => (ExecutionStatus::Cancelled, Some(reason)),
        End::Shutdown => (ExecutionStatus::Cancelled, Some(SHUT_DOWN)),
        End::Closed => match &seen.error {
            Some(error) => (ExecutionStatus::Failed, Some(error)),
            None if seen.is_answered => (ExecutionStatus::Completed, None),
            None => (ExecutionStatus::Cancelled, Some(DROPPED)),
        },
    }
}
