//! Code cells: scripts that models write and that may call tools.

use serde::Serialize;

use super::{CellId, Evidence, Execution, ItemId, LiveSpan};
use crate::event::{CallId, CellStatus, EndDetail, RuntimeCellId, Seq, ThreadId, ToolCallId, TurnId, UnixMillis};

/// A code cell: a script that a model wrote and that may call tools. In `state.json`, an entry of `code_cells`.
#[derive(Debug, Clone, Serialize)]
pub struct CodeCell {
    /// Id of the cell.
    pub code_cell_id: CellId,
    /// Id that the provider gave the tool call whose input is the script.
    pub model_visible_call_id: CallId,
    /// Thread of the cell.
    pub thread_id: ThreadId,
    /// Turn in which the cell started. Wire name: `codex_turn_id`.
    #[serde(rename = "codex_turn_id")]
    pub turn_id: TurnId,
    /// Item that contains the script. `None` if the conversation has no such item.
    pub source_item_id: Option<ItemId>,
    /// Items that contain the cell's output.
    pub output_item_ids: Vec<ItemId>,
    /// Id that the runtime of code cells gave the cell.
    pub runtime_cell_id: Option<RuntimeCellId>,
    /// Start, end and status of the cell's script.
    #[serde(rename = "execution")]
    pub execution: Execution,
    /// Status of the cell as reported by its runtime.
    pub runtime_status: CellStatus,
    /// Time at which the tool call that contained the script returned, in milliseconds since the Unix epoch. `None` if
    /// it did not return. The script may continue to run.
    #[serde(rename = "initial_response_at_unix_ms")]
    pub initial_response_at: Option<UnixMillis>,
    /// Sequence number of the event from which `initial_response_at` is taken.
    pub initial_response_seq: Option<Seq>,
    /// Time at which the script returned control while it continued to run, in milliseconds since the Unix epoch.
    /// `None` if it did not.
    #[serde(rename = "yielded_at_unix_ms")]
    pub yielded_at: Option<UnixMillis>,
    /// Sequence number of the event from which `yielded_at` is taken.
    pub yielded_seq: Option<Seq>,
    /// Source code of the script.
    pub source_js: String,
    /// Name of the tool that ran the script. `None` for `exec`, and if the name was not recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_name: Option<String>,
    /// Tool calls that the script made, in order of start.
    pub nested_tool_call_ids: Vec<ToolCallId>,
    /// Tool calls that waited for the cell, in order of start.
    pub wait_tool_call_ids: Vec<ToolCallId>,
    /// What ended it, the type of its error, and the own fields of its span, if the log has them. In `state.json`, the
    /// optional fields `ended_by`, `error_type` and `attributes`.
    #[serde(flatten)]
    pub end: Option<Box<EndDetail>>,
    /// OpenTelemetry span of the cell while the program ran.
    #[serde(flatten)]
    pub span: LiveSpan,
    /// Events and payloads from which the cell was reduced. Not in `state.json`.
    #[serde(skip)]
    pub evidence: Evidence,
}
