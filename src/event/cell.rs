//! Code cells: scripts that a model writes and a runtime runs, and that can call tools.

use serde::{Deserialize, Serialize};

use super::{CallId, CellStatus, EndedBy, PayloadRef, RawJson, RuntimeCellId, added_field};

/// The script of a code cell is about to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeCellStarted {
    /// Id that the runtime gave the cell.
    pub runtime_cell_id: RuntimeCellId,
    /// Id that the provider gave the `exec` call with the script.
    pub model_visible_call_id: CallId,
    /// Source of the script.
    pub source_js: String,
    /// Name of the tool that runs the script, if it is not `exec`. This field is an addition to format 1, which other readers
    /// ignore.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "added_field::parse")]
    pub tool_name: Option<String>,
}

/// The `exec` call of a code cell returned, with the result of the script or while it still runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeCellInitialResponse {
    /// Id that the runtime gave the cell.
    pub runtime_cell_id: RuntimeCellId,
    /// Status of the script when the call returned.
    pub status: CellStatus,
    /// Payload of kind `tool_result` that contains the response.
    #[serde(default)]
    pub response_payload: Option<PayloadRef>,
}

/// The script of a code cell ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeCellEnded {
    /// Id that the runtime gave the cell.
    pub runtime_cell_id: RuntimeCellId,
    /// Terminal status of the script.
    pub status: CellStatus,
    /// Payload of kind `tool_result` that contains the last output of the script.
    #[serde(default)]
    pub response_payload: Option<PayloadRef>,
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
