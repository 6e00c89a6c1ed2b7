//! Tool calls, from the request for a call to its result.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    AgentPath, CallId, EndedBy, ExecutionStatus, McpCallId, PayloadRef, RawJson, RuntimeCellId, RuntimeToolId,
    ToolCallId, added_field,
};

/// A model or a code cell requested a tool call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCallStarted {
    /// Id of the tool call.
    pub tool_call_id: ToolCallId,
    /// Id that the provider gave the requesting item, if a model requested the call.
    #[serde(default)]
    pub model_visible_call_id: Option<CallId>,
    /// Id that the runtime of the code cell gave the call, if a code cell requested it.
    #[serde(default)]
    pub code_mode_runtime_tool_id: Option<RuntimeToolId>,
    /// Model or code cell that requested the call.
    pub requester: Requester,
    /// Kind of the called tool.
    pub kind: ToolKind,
    /// Summary of the call, on one line.
    pub summary: ToolSummary,
    /// Payload of kind `tool_invocation`: the arguments of the call.
    #[serde(default)]
    pub invocation_payload: Option<PayloadRef>,
}

impl ToolCallStarted {
    /// Returns the id of the item that requested the call. Returns `None` for an empty id, which names no item.
    pub(crate) fn requesting_call_id(&self) -> Option<&CallId> {
        self.model_visible_call_id.as_ref().filter(|id| !id.as_str().is_empty())
    }
}

/// The MCP client assigned an id to a tool call. A later addition to format 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct McpToolCallCorrelationAssigned {
    /// Id of the tool call.
    pub tool_call_id: ToolCallId,
    /// Id that the MCP client assigned.
    pub mcp_call_id: McpCallId,
}

/// The runtime started to execute the tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCallRuntimeStarted {
    /// Id of the tool call.
    pub tool_call_id: ToolCallId,
    /// Payload of kind `tool_runtime_event`: what the runtime is about to execute.
    pub runtime_payload: PayloadRef,
}

/// The runtime finished executing the tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCallRuntimeEnded {
    /// Id of the tool call.
    pub tool_call_id: ToolCallId,
    /// Terminal status of the execution.
    pub status: ExecutionStatus,
    /// Payload of kind `tool_runtime_event`: the outcome of the execution.
    pub runtime_payload: PayloadRef,
}

/// The tool call ended with a result or was abandoned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCallEnded {
    /// Id of the tool call.
    pub tool_call_id: ToolCallId,
    /// Terminal status of the call.
    pub status: ExecutionStatus,
    /// Payload of kind `tool_result`: the result that the requester received.
    #[serde(default)]
    pub result_payload: Option<PayloadRef>,
    /// Error message, if the call failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What ended the operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<EndedBy>,
    /// Type of the error: the span's `error.type`, or the HTTP status of the response.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "added_field::parse")]
    pub error_type: Option<Box<str>>,
    /// Fields of the span that only the program knows, a JSON object by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<RawJson>,
}

/// The model or code cell that requested a tool call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Requester {
    /// A model, with an item of its response.
    Model,
    /// The script of a code cell.
    CodeCell {
        /// Id that the runtime of code cells gave the cell.
        runtime_cell_id: RuntimeCellId,
    },
}

/// The kind of a tool, which determines the meaning of its payloads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToolKind {
    /// Runs a command.
    ExecCommand,
    /// Writes to a running command, or reads from it.
    WriteStdin,
    /// Changes files.
    ApplyPatch,
    /// A tool of an MCP server.
    Mcp {
        /// Name of the MCP server.
        server: String,
        /// Name of the tool on the server.
        tool: String,
    },
    /// Searches or reads the web.
    Web,
    /// Generates or reads images.
    ImageGeneration,
    /// Starts an agent.
    SpawnAgent,
    /// Assigns a task to an agent.
    AssignAgentTask,
    /// Sends a message to an agent.
    SendMessage,
    /// Waits for an agent.
    WaitAgent,
    /// Ends an agent.
    CloseAgent,
    /// Any other tool.
    Other {
        /// Name of the tool.
        name: Arc<str>,
    },
}

impl ToolKind {
    /// Returns the kind of a tool whose name is newer than the kinds of format 1: producers may record such a tool as
    /// [`ToolKind::Other`] or by its kind. Returns `None` for any other name.
    pub(crate) fn of_newer_name(name: &str) -> Option<Self> {
        match name {
            "interrupt_agent" => Some(Self::CloseAgent),
            "assign_task" => Some(Self::AssignAgentTask),
            "imagegen" => Some(Self::ImageGeneration),
            _ => None,
        }
    }

    /// Returns the name of the tool that the kind contains, behind that of its MCP server if it has one. Returns `None`
    /// for a kind that contains no name.
    pub(crate) fn contained_name(&self) -> Option<(Option<&str>, &str)> {
        match self {
            Self::Mcp { server, tool } => Some((Some(server), tool)),
            Self::Other { name } => Some((None, name)),
            Self::ExecCommand
            | Self::WriteStdin
            | Self::ApplyPatch
            | Self::Web
            | Self::ImageGeneration
            | Self::SpawnAgent
            | Self::AssignAgentTask
            | Self::SendMessage
            | Self::WaitAgent
            | Self::CloseAgent => None,
        }
    }
}

/// Summary of a tool call, on one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToolSummary {
    /// Summary of a command, which is kept in the terminal operation.
    Terminal {
        /// Id of the terminal operation in the reduced graph.
        operation_id: String,
    },
    /// Summary of a message, a task or another interaction with an agent.
    Agent {
        /// Path of the receiving agent.
        target_agent_path: AgentPath,
        /// Name of the task, if the agent was given one.
        #[serde(default)]
        task_name: Option<String>,
        /// Start of the message to the agent.
        message_preview: String,
    },
    /// Summary of a wait for an agent.
    WaitAgent {
        /// Path of the agent that the caller waits for. `None` if the summary names none.
        #[serde(default)]
        target_agent_path: Option<AgentPath>,
        /// Maximum time to wait, in milliseconds. `None` if it was not recorded.
        #[serde(default)]
        timeout_ms: Option<u64>,
    },
    /// Summary of any other tool call: its name, with the start of input and output.
    Generic {
        /// Name of the tool, or `mcp:<server>:<tool>`.
        label: Arc<str>,
        /// Start of the arguments.
        #[serde(default)]
        input_preview: Option<String>,
        /// Start of the result.
        #[serde(default)]
        output_preview: Option<String>,
    },
}
