//! Code cells: scripts that a model writes, that run on their own and call tools.

use serde::Serialize;

use super::{CellId, Evidence, Execution, ItemId, LiveSpan};
use crate::event::{CallId, CellStatus, RuntimeCellId, Seq, ThreadId, ToolCallId, TurnId, UnixMillis};

/// A script that ran.
#[derive(Debug, Clone, Serialize)]
pub struct CodeCell {
    /// Its id.
    pub code_cell_id: CellId,
    /// The provider's id of the call that brought it.
    pub model_visible_call_id: CallId,
    /// Its thread.
    pub thread_id: ThreadId,
    /// The turn it was started in.
    #[serde(rename = "codex_turn_id")]
    pub turn_id: TurnId,
    /// The item that brought it.
    pub source_item_id: Option<ItemId>,
    /// The items that showed what it said.
    pub output_item_ids: Vec<ItemId>,
    /// Its runtime's number.
    pub runtime_cell_id: Option<RuntimeCellId>,
    /// From start to end.
    #[serde(rename = "execution")]
    pub execution: Execution,
    /// How it stands, in its runtime's words.
    pub runtime_status: CellStatus,
    /// When the call that brought it returned.
    #[serde(rename = "initial_response_at_unix_ms")]
    pub initial_response_at: Option<UnixMillis>,
    /// The event that said so.
    pub initial_response_seq: Option<Seq>,
    /// When it gave control back and ran on.
    #[serde(rename = "yielded_at_unix_ms")]
    pub yielded_at: Option<UnixMillis>,
    /// The event that said so.
    pub yielded_seq: Option<Seq>,
    /// The script.
    pub source_js: String,
    /// The tools it called, by start.
    pub nested_tool_call_ids: Vec<ToolCallId>,
    /// The calls that waited for it, by start.
    pub wait_tool_call_ids: Vec<ToolCallId>,
    /// The live span it was.
    #[serde(flatten)]
    pub span: LiveSpan,
    /// What it rests on.
    #[serde(skip)]
    pub evidence: Evidence,
}
