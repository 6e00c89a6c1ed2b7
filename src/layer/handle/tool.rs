//! The handle of a tool call.

use std::sync::Arc;

use tracing::info_span;

use super::{AgentThread, HANDLE_TARGET, Handle, ThreadMeta, operation, within};
use crate::bundle::Body;
use crate::event::{CallId, ExecutionStatus, Timestamp, ToolKind};
use crate::layer::operation::{CodeCellOperation, ToolCallOperation, ToolFacts};
use crate::layer::operations::{ChildOperation, Enclosing, Operations};
use crate::layer::tool_name::tool_name;

/// A tool call. Made by [`Turn::tool`](super::Turn::tool).
///
/// Dropped with a result it is completed, without one cancelled.
///
/// ```
/// use otel_trace::{ToolCallMeta, Json, AgentThread, ThreadMeta, Operation};
/// use serde_json::json;
///
/// let turn = AgentThread::start(ThreadMeta::new()).turn(None);
/// let tool = turn.tool_call(ToolCallMeta::new("spawn_agent").id("call_1").arguments(r#"{"task":"look"}"#));
/// // An agent that the call spawns: in the same bundle, with this thread as its parent.
/// let child = tool.spawn_thread(ThreadMeta::new().task_name("look"));
/// let work = child.turn(None);
/// work.agent_result("nothing there", Json(&json!({ "status": { "completed": "nothing there" } })));
/// work.complete();
/// tool.output("nothing there");
/// tool.complete();
/// ```
#[derive(Debug, Clone)]
pub struct ToolCall(Handle);

operation!(ToolCall);

/// What is called.
#[derive(Debug, Clone)]
#[must_use]
pub struct ToolCallMeta<'a> {
    name: &'a str,
    id: Option<&'a str>,
    arguments: Option<&'a str>,
    kind: Option<ToolKind>,
}

impl<'a> ToolCallMeta<'a> {
    /// A call of this tool, `gen_ai.tool.name`.
    pub fn new(name: &'a str) -> Self {
        Self { name, id: None, arguments: None, kind: None }
    }

    /// The provider's id of the call, `gen_ai.tool.call.id`: it links the call to the model's items.
    pub fn id(self, id: &'a str) -> Self {
        Self { id: Some(id), ..self }
    }

    /// The arguments as the model wrote them, JSON text as a rule.
    pub fn arguments(self, text: &'a str) -> Self {
        Self { arguments: Some(text), ..self }
    }

    /// What the tool does, where its name does not say.
    pub fn kind(self, kind: ToolKind) -> Self {
        Self { kind: Some(kind), ..self }
    }

    fn facts(&self, cell: Option<Arc<CodeCellOperation>>) -> ToolFacts {
        ToolFacts {
            name: tool_name(self.name),
            call_id: self.id.map(CallId::from),
            kind: self.kind.clone(),
            arguments: self.arguments.map(str::to_owned),
            cell,
        }
    }
}

impl ToolCall {
    /// `parent` is the turn, or the code cell that asks.
    pub(super) fn start(parent: &Handle, call: ToolCallMeta<'_>) -> Self {
        let make = || {
            info_span!(
                target: HANDLE_TARGET,
                parent: parent.span(),
                "execute_tool",
                otel_trace.kind = "tool",
                otel.name = %format_args!("execute_tool {}", call.name),
                gen_ai.operation.name = "execute_tool",
                gen_ai.tool.name = call.name,
                gen_ai.tool.call.id = call.id,
                otel.status_code = tracing::field::Empty,
                otel.status_description = tracing::field::Empty,
            )
        };
        let span = within(parent.span(), make);
        Self(Handle::new(span, |state| {
            let Enclosing { turn: Some(turn), cell, .. } = state.surroundings() else { return };
            let tool = ToolCallOperation::new(turn, call.facts(cell), state.live().clone());
            state.open(ChildOperation::Tool(Arc::clone(&tool)).into());
            tool.start(Timestamp::now());
        }))
    }

    fn each(&self, act: impl Fn(&Arc<ToolCallOperation>)) {
        self.0.each(Operations::tool, act);
    }

    /// The runtime begins to run the tool, a `tool_runtime_event` body.
    pub fn runtime_started(&self, body: impl Body) {
        self.each(|tool| tool.runtime_started(&body));
    }

    /// The runtime is done with the tool, a `tool_runtime_event` body.
    pub fn runtime_ended(&self, status: ExecutionStatus, body: impl Body) {
        self.each(|tool| tool.runtime_ended(status, &body));
    }

    /// What the tool gave back, a `tool_result` body.
    pub fn result(&self, body: impl Body) {
        self.each(|tool| tool.result(&body));
    }

    /// What the tool gave back to the model, as text.
    pub fn output(&self, text: &str) {
        self.each(|tool| tool.output(text));
    }

    /// The number that the client of an MCP server gave the call.
    pub fn mcp_call_id(&self, id: &str) {
        self.each(|tool| tool.mcp_call_id(id));
    }

    /// Starts a thread that this call spawns: in the same bundle, with this thread as its parent.
    pub fn spawn_thread(&self, meta: ThreadMeta<'_>) -> AgentThread {
        AgentThread::start_under(self.0.span(), meta)
    }
}
