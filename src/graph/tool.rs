//! Tool calls.

use std::sync::Arc;

use serde::Serialize;

use super::{CellId, Evidence, Execution, ItemId, LiveSpan, OperationId};
use crate::event::{
    CallId, InferenceId, McpCallId, RawPayloadId, RuntimeToolId, ThreadId, ToolCallId, ToolKind, ToolSummary, TurnId,
};

/// A tool call.
#[derive(Debug, Clone, Serialize)]
pub struct ToolCall {
    /// Its id.
    pub tool_call_id: ToolCallId,
    /// The provider's id of the item that asked.
    pub model_visible_call_id: Option<CallId>,
    /// The cell runtime's id of the call.
    pub code_mode_runtime_tool_id: Option<RuntimeToolId>,
    /// Its thread.
    pub thread_id: ThreadId,
    /// The turn it was asked for in.
    #[serde(rename = "started_by_codex_turn_id")]
    pub turn_id: Option<TurnId>,
    /// From its start to its answer.
    #[serde(rename = "execution")]
    pub execution: Execution,
    /// Who asked.
    pub requester: Requester,
    /// What was asked for.
    pub kind: ToolKind,
    /// The items that asked.
    #[serde(rename = "model_visible_call_item_ids")]
    pub call_item_ids: Vec<ItemId>,
    /// The items that showed the answer to the model.
    #[serde(rename = "model_visible_output_item_ids")]
    pub output_item_ids: Vec<ItemId>,
    /// What it did in a terminal.
    #[serde(rename = "terminal_operation_id")]
    pub operation_id: Option<OperationId>,
    /// One line about it.
    pub summary: ToolSummary,
    /// What the tool is called, as its start said; the summary may tell of its terminal instead.
    #[serde(skip)]
    pub label: Option<Arc<str>>,
    /// How it was called.
    pub raw_invocation_payload_id: Option<RawPayloadId>,
    /// What it answered.
    pub raw_result_payload_id: Option<RawPayloadId>,
    /// What its runtime saw.
    pub raw_runtime_payload_ids: Vec<RawPayloadId>,
    /// Its MCP client's number of the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mcp_call_id: Option<McpCallId>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The live span it was.
    #[serde(flatten)]
    pub span: LiveSpan,
    /// The inference call whose response asked for it.
    #[serde(skip)]
    pub requested_by: Option<InferenceId>,
    /// What it rests on.
    #[serde(skip)]
    pub evidence: Evidence,
}

/// Who asked for a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Requester {
    /// A model, in a response.
    Model,
    /// A script.
    CodeCell {
        /// The cell. Names no object where the bundle has no such cell.
        code_cell_id: CellId,
    },
}
