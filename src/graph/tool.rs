//! Tool calls of models and of code cells.

use std::sync::Arc;

use serde::Serialize;

use super::{CellId, Evidence, Execution, ItemId, LiveSpan, McpTool, OperationId};
use crate::event::{
    CallId, EndDetail, InferenceId, McpCallId, RawPayloadId, RuntimeToolId, ThreadId, ToolCallId, ToolKind,
    ToolSummary, TurnId,
};

/// A tool call, requested by a model or by a code cell. In `state.json`, an entry of `tool_calls`.
#[derive(Debug, Clone, Serialize)]
pub struct ToolCall {
    /// Id of the tool call.
    pub tool_call_id: ToolCallId,
    /// Id that the provider gave the requesting item, if a model requested the call.
    pub model_visible_call_id: Option<CallId>,
    /// Id that the runtime of code cells gave the call, if a code cell requested it.
    pub code_mode_runtime_tool_id: Option<RuntimeToolId>,
    /// Thread in which the call was requested.
    pub thread_id: ThreadId,
    /// Turn in which the call was requested. Wire name: `started_by_codex_turn_id`.
    #[serde(rename = "started_by_codex_turn_id")]
    pub turn_id: Option<TurnId>,
    /// Start, end and status of the call. It ends with the tool's result.
    #[serde(rename = "execution")]
    pub execution: Execution,
    /// Model or code cell that requested the call.
    pub requester: Requester,
    /// Kind of the called tool.
    pub kind: ToolKind,
    /// Items that requested the call. Wire name: `model_visible_call_item_ids`.
    #[serde(rename = "model_visible_call_item_ids")]
    pub call_item_ids: Vec<ItemId>,
    /// Items that presented the result to the model. Wire name: `model_visible_output_item_ids`.
    #[serde(rename = "model_visible_output_item_ids")]
    pub output_item_ids: Vec<ItemId>,
    /// Terminal operation that the call executed. `None` if the call executed none. Wire name:
    /// `terminal_operation_id`.
    #[serde(rename = "terminal_operation_id")]
    pub operation_id: Option<OperationId>,
    /// Summary of the call in one line.
    pub summary: ToolSummary,
    /// Name of the tool from the start event. Unlike `summary`, it is not replaced by a summary of the terminal
    /// operation. Not in `state.json`.
    #[serde(skip)]
    pub label: Option<Arc<str>>,
    /// Id of the payload that contains the tool's name and arguments.
    pub raw_invocation_payload_id: Option<RawPayloadId>,
    /// Id of the payload that contains the tool's result.
    pub raw_result_payload_id: Option<RawPayloadId>,
    /// Ids of the payloads with the observations of the tool's runtime, in the order of the log.
    pub raw_runtime_payload_ids: Vec<RawPayloadId>,
    /// Tool of an MCP server that the call used. `None` if the call used no MCP server, as far as it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mcp: Option<McpTool>,
    /// Id that the MCP client gave the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mcp_call_id: Option<McpCallId>,
    /// Error message, if the call failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What ended it, the type of its error, and the own fields of its span, if the log has them. In `state.json`, the
    /// optional fields `ended_by`, `error_type` and `attributes`.
    #[serde(flatten)]
    pub end: Option<Box<EndDetail>>,
    /// OpenTelemetry span of the call while the program ran.
    #[serde(flatten)]
    pub span: LiveSpan,
    /// Inference call whose response requested the tool call. Not in `state.json`.
    #[serde(skip)]
    pub requested_by: Option<InferenceId>,
    /// Events and payloads from which the call was reduced. Not in `state.json`.
    #[serde(skip)]
    pub evidence: Evidence,
}

/// The model or code cell that requested a tool call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Requester {
    /// A model, with an item of its response.
    Model,
    /// The script of a code cell.
    CodeCell {
        /// Id of the code cell. It refers to no object if the bundle has no such cell.
        code_cell_id: CellId,
    },
}
