//! Code cells: scripts that a model writes and a runtime runs, and that call tools themselves.

use serde::{Deserialize, Serialize};

use super::{CallId, CellStatus, PayloadRef, RuntimeCellId};

/// A script is about to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeCellStarted {
    /// The cell, as its runtime numbered it.
    pub runtime_cell_id: RuntimeCellId,
    /// The provider's id of the `exec` call that brought the script.
    pub model_visible_call_id: CallId,
    /// The script.
    pub source_js: String,
}

/// The `exec` call returned, with the script's result or before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeCellInitialResponse {
    /// The cell.
    pub runtime_cell_id: RuntimeCellId,
    /// How the script stood.
    pub status: CellStatus,
    /// A `tool_result` body.
    #[serde(default)]
    pub response_payload: Option<PayloadRef>,
}

/// The script ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeCellEnded {
    /// The cell.
    pub runtime_cell_id: RuntimeCellId,
    /// How.
    pub status: CellStatus,
    /// A `tool_result` body.
    #[serde(default)]
    pub response_payload: Option<PayloadRef>,
}
