//! Tool calls.

use std::sync::Arc;

use serde::Serialize;

use super::{CellId, Evidence, Execution, ItemId, LiveSpan, OperationId};
use crate::event::{
    CallId, InferenceId, McpCallId, RawPayloadId, RuntimeToolId, ThreadId, ToolCallId, ToolKind, ToolSummary, TurnId,
};

/// A tool call. In `state.json`, an entry of `tool_calls`.
#[derive(Debug, Clone, Serialize)]
pub struct ToolCall {
    /// Id of the tool call.
    pub tool_call_id: ToolCallId,
    /// The provider's id of the call item, if a model requested the call.
    pub model_visible_call_id: Option<CallId>,
    /// The cell runtime's id of the call, if a code cell requested it.
    pub code_mode_runtime_tool_id: Option<RuntimeToolId>,
    /// Thread of the call.
    pub thread_id: ThreadId,
    /// Turn in which the call was requested. Wire name: `started_by_codex_turn_id`.
    #[serde(rename = "started_by_codex_turn_id")]
    pub turn_id: Option<TurnId>,
    /// Execution of the call, until the tool's result.
    #[serde(rename = "execution")]
    pub execution: Execution,
    /// Requester of the call.
    pub requester: Requester,
    /// Kind of the tool.
    pub kind: ToolKind,
    /// Items that requested the call. Wire name: `model_visible_call_item_ids`.
    #[serde(rename = "model_visible_call_item_ids")]
    pub call_item_ids: Vec<ItemId>,
    /// Items that presented the result to the model. Wire name: `model_visible_output_item_ids`.
    #[serde(rename = "model_visible_output_item_ids")]
    pub output_item_ids: Vec<ItemId>,
    /// Terminal operation of the call. Wire name: `terminal_operation_id`.
    #[serde(rename = "terminal_operation_id")]
    pub operation_id: Option<OperationId>,
    /// Summary of the call in one line.
    pub summary: ToolSummary,
    /// Name of the tool from the start event. Unlike `summary`, it is not replaced by a summary of the terminal
    /// operation. Not in `state.json`.
    #[serde(skip)]
    pub label: Option<Arc<str>>,
    /// Payload with the invocation.
    pub raw_invocation_payload_id: Option<RawPayloadId>,
    /// Payload with the result.
    pub raw_result_payload_id: Option<RawPayloadId>,
    /// Payloads with the observations of the tool's runtime.
    pub raw_runtime_payload_ids: Vec<RawPayloadId>,
    /// The MCP client's id of the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mcp_call_id: Option<McpCallId>,
    /// Error text, if the call failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Live span of the call.
    #[serde(flatten)]
    pub span: LiveSpan,
    /// Inference call whose response requested the tool call. Not in `state.json`.
    #[serde(skip)]
    pub requested_by: Option<InferenceId>,
    /// Evidence of the call. Not in `state.json`.
    #[serde(skip)]
    pub evidence: Evidence,
}

/// The requester of a tool call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Requester {
    /// A model, in a response.
    Model,
    /// A code cell.
    CodeCell {
        /// The cell. The id refers to no object if the bundle has no such cell.
        code_cell_id: CellId,
    },
}
