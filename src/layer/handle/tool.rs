//! The handle of a tool call.

use std::fmt;
use std::sync::Arc;

use tracing::info_span;

use super::operation::impl_operation;
use super::span_handle::Handle;
use super::thread::{AgentThread, ThreadMeta};
use super::turn::Turn;
use crate::bundle::Body;
use crate::event::{CallId, ExecutionStatus, PayloadKind, Timestamp, ToolKind};
use crate::layer::operation::{CodeCellOperation, ToolCallFacts, ToolCallOperation, ToolInvocation};
use crate::layer::span::callsites::HANDLE_TARGET;
use crate::layer::span::operations::{ChildOperation, Enclosing, Operations};
use crate::layer::span::tool_name::intern_tool_name;

/// A tool call. Created by [`Turn::tool_call`](super::Turn::tool_call) or
/// [`CodeCell::tool_call`](super::CodeCell::tool_call).
///
/// If the last clone of the handle is dropped without an explicit end, the call is recorded as completed if it has a
/// result, and as cancelled otherwise.
///
/// ```
/// use otel_trace::{AgentThread, Json, Operation, ThreadMeta, ToolCallMeta};
/// use serde_json::json;
///
/// let turn = AgentThread::start(ThreadMeta::new()).turn(None);
/// let tool = turn.tool_call(ToolCallMeta::new("spawn_agent").id("call_1").arguments(r#"{"task":"look"}"#));
/// // An agent that the call spawns: in the same bundle, with this thread as its parent.
/// let child = tool.spawn_thread(ThreadMeta::new().task_name("look"));
/// let work = child.turn(None);
/// let (path, message) = ("/root/look", "nothing there");
/// let result = json!({ "child_agent_path": path, "message": message, "status": { "completed": message } });
/// work.agent_result(message, Json(&result));
/// work.complete();
/// child.complete();
/// tool.output(message);
/// tool.complete();
/// ```
#[derive(Debug, Clone)]
pub struct ToolCall(pub(super) Handle);

impl_operation!(ToolCall);

/// Attributes of a tool call that starts: the name of the tool, and optionally ids, invocation and kind.
#[derive(Debug, Clone)]
#[must_use]
pub struct ToolCallMeta<'a> {
    name: &'a str,
    namespace: Option<&'a str>,
    id: Option<&'a str>,
    runtime_id: Option<&'a str>,
    invocation: Option<ToolInvocation<'a>>,
    body: Option<InvocationBody<'a>>,
    kind: Option<ToolKind>,
}

/// An invocation body of the program's own.
#[derive(Clone, Copy)]
struct InvocationBody<'a>(&'a dyn Body);

impl fmt::Debug for InvocationBody<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InvocationBody")
    }
}

impl<'a> ToolCallMeta<'a> {
    /// Creates the attributes of a call of the tool `name`, `gen_ai.tool.name`.
    pub fn new(name: &'a str) -> Self {
        Self { name, namespace: None, id: None, runtime_id: None, invocation: None, body: None, kind: None }
    }

    /// Sets the namespace of the tool's name, such as `mcp__docs` for the tools of an MCP server.
    pub fn namespace(self, namespace: &'a str) -> Self {
        Self { namespace: Some(namespace), ..self }
    }

    /// Sets the provider's id of the call, `gen_ai.tool.call.id`, which links the call to the model's items. For a call
    /// that a code cell makes, it is the program's own id of the call, and also that of the cell's runtime unless
    /// [`runtime_id`](Self::runtime_id) is set. Default: a generated id.
    pub fn id(self, id: &'a str) -> Self {
        Self { id: Some(id), ..self }
    }

    /// Sets the id that the runtime of a code cell gave a call that the cell makes. Ignored for other calls.
    pub fn runtime_id(self, id: &'a str) -> Self {
        Self { runtime_id: Some(id), ..self }
    }

    /// Sets the arguments of a function as the model wrote them, usually JSON text.
    pub fn arguments(self, text: &'a str) -> Self {
        self.invocation(ToolInvocation::Function { arguments: text.into() })
    }

    /// Sets what the tool is called with, in any form of format 1.
    pub fn invocation(self, invocation: ToolInvocation<'a>) -> Self {
        Self { invocation: Some(invocation), ..self }
    }

    /// Sets the `tool_invocation` body, in place of the one that is made of the name, the namespace and the invocation.
    pub fn invocation_body(self, body: &'a dyn Body) -> Self {
        Self { body: Some(InvocationBody(body)), ..self }
    }

    /// Sets the kind of the tool. Default: derived from its name.
    pub fn kind(self, kind: ToolKind) -> Self {
        Self { kind: Some(kind), ..self }
    }

    fn facts(&self, cell: Option<Arc<CodeCellOperation>>) -> ToolCallFacts {
        ToolCallFacts {
            name: intern_tool_name(self.name),
            namespace: self.namespace.map(str::to_owned),
            call_id: self.id.map(CallId::from),
            runtime_id: self.runtime_id.map(str::to_owned),
            kind: self.kind.clone(),
            invocation: self.invocation.clone().map(ToolInvocation::into_owned),
            cell,
        }
    }
}

impl Turn {
    /// Starts a tool call that the model makes.
    pub fn tool_call(&self, call: ToolCallMeta<'_>) -> ToolCall {
        ToolCall::start(&self.0, call)
    }
}

impl ToolCall {
    /// Starts a tool call. `parent` is the turn, or the code cell that makes the call.
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
        Self(Handle::new_inside(parent, make, |state| {
            let Enclosing { turn: Some(turn), cell, .. } = state.enclosing() else { return };
            let tool = ToolCallOperation::new(turn, call.facts(cell), state.live().clone());
            state.open(ChildOperation::Tool(Arc::clone(&tool)).into());
            match call.body {
                Some(InvocationBody(body)) => tool.record_payload(PayloadKind::ToolInvocation, body),
                None => drop(tool.start(Timestamp::now())),
            }
        }))
    }

    fn for_each(&self, act: impl Fn(&Arc<ToolCallOperation>)) {
        self.0.for_each(Operations::tool, act);
    }

    /// Records that the runtime begins to run the tool, with a `tool_runtime_event` body.
    pub fn runtime_started(&self, body: impl Body) {
        self.for_each(|tool| tool.record_runtime_started(&body));
    }

    /// Records that the runtime has finished running the tool, with a `tool_runtime_event` body.
    pub fn runtime_ended(&self, status: ExecutionStatus, body: impl Body) {
        self.for_each(|tool| tool.record_runtime_ended(status, &body));
    }

    /// Records the result of the tool, a `tool_result` body. Bytes that are UTF-8 and not JSON are recorded as
    /// [`output`](Self::output) records text.
    pub fn result(&self, body: impl Body) {
        self.for_each(|tool| tool.record_result(&body));
    }

    /// Records the result of the tool as the text that is returned to the model.
    pub fn output(&self, text: &str) {
        self.for_each(|tool| tool.record_output(text));
    }

    /// Records the id that the client of an MCP server gave the call.
    pub fn mcp_call_id(&self, id: &str) {
        self.for_each(|tool| tool.record_mcp_call_id(id));
    }

    /// Starts a thread that this call spawns. It is recorded in the same bundle, as a child of the thread of this call.
    pub fn spawn_thread(&self, meta: ThreadMeta<'_>) -> AgentThread {
        AgentThread::start_inside(&self.0, meta)
    }
}
