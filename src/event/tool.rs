//! Tool calls: asked for, run, answered.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{AgentPath, CallId, ExecutionStatus, McpCallId, PayloadRef, RuntimeCellId, RuntimeToolId, ToolCallId};

/// A tool was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCallStarted {
    /// The call.
    pub tool_call_id: ToolCallId,
    /// The provider's id of the item that asked, where a model did.
    #[serde(default)]
    pub model_visible_call_id: Option<CallId>,
    /// The cell runtime's id of the call, where a code cell asked.
    #[serde(default)]
    pub code_mode_runtime_tool_id: Option<RuntimeToolId>,
    /// Who asked.
    pub requester: Requester,
    /// What was asked for.
    pub kind: ToolKind,
    /// One line about it.
    pub summary: ToolSummary,
    /// A `tool_invocation` body.
    #[serde(default)]
    pub invocation_payload: Option<PayloadRef>,
}

/// A call was given a number by its MCP client. A later addition to format 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct McpToolCallCorrelationAssigned {
    /// The call.
    pub tool_call_id: ToolCallId,
    /// The client's number.
    pub mcp_call_id: McpCallId,
}

/// The runtime began to run the tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCallRuntimeStarted {
    /// The call.
    pub tool_call_id: ToolCallId,
    /// A `tool_runtime_event` body.
    pub runtime_payload: PayloadRef,
}

/// The runtime is done with the tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCallRuntimeEnded {
    /// The call.
    pub tool_call_id: ToolCallId,
    /// How.
    pub status: ExecutionStatus,
    /// A `tool_runtime_event` body.
    pub runtime_payload: PayloadRef,
}

/// The call was answered, or given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCallEnded {
    /// The call.
    pub tool_call_id: ToolCallId,
    /// How.
    pub status: ExecutionStatus,
    /// A `tool_result` body.
    #[serde(default)]
    pub result_payload: Option<PayloadRef>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Who asked for a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Requester {
    /// A model, in a response.
    Model,
    /// A script.
    CodeCell {
        /// The cell it runs in.
        runtime_cell_id: RuntimeCellId,
    },
}

/// What a tool does.
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
        /// The server.
        server: String,
        /// The tool's name there.
        tool: String,
    },
    /// Searches or reads the web.
    Web,
    /// Makes or looks at images.
    ImageGeneration,
    /// Starts an agent.
    SpawnAgent,
    /// Gives an agent a task.
    AssignAgentTask,
    /// Tells an agent something.
    SendMessage,
    /// Waits for an agent.
    WaitAgent,
    /// Ends an agent.
    CloseAgent,
    /// Anything else.
    Other {
        /// The tool's name.
        name: Arc<str>,
    },
}

/// One line about a tool call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToolSummary {
    /// See the terminal operation.
    Terminal {
        /// Its id in the reduced graph.
        operation_id: String,
    },
    /// Between agents.
    Agent {
        /// Whom it is for.
        target_agent_path: AgentPath,
        /// The task's name.
        #[serde(default)]
        task_name: Option<String>,
        /// The beginning of what is said.
        message_preview: String,
    },
    /// Waiting for an agent.
    WaitAgent {
        /// For which.
        #[serde(default)]
        target_agent_path: Option<AgentPath>,
        /// For how long at most, in milliseconds.
        #[serde(default)]
        timeout_ms: Option<u64>,
    },
    /// A name, and how input and output begin.
    Generic {
        /// The tool's name, or `mcp:<server>:<tool>`.
        label: Arc<str>,
        /// How the arguments begin.
        #[serde(default)]
        input_preview: Option<String>,
        /// How the result begins.
        #[serde(default)]
        output_preview: Option<String>,
    },
}
