//! Terminal sessions and operations.

use std::sync::Arc;

use serde::Serialize;

use super::{Evidence, Execution, ItemId, OperationId, TerminalId};
use crate::event::{RawPayloadId, ThreadId, ToolCallId};

/// A terminal session: a process that tools write to and read from. Format 1 records no end of a session. In
/// `state.json`, an entry of `terminal_sessions`.
#[derive(Debug, Clone, Serialize)]
pub struct TerminalSession {
    /// Id of the session.
    pub terminal_id: TerminalId,
    /// Thread of the session.
    pub thread_id: ThreadId,
    /// First operation of the session.
    pub created_by_operation_id: OperationId,
    /// Operations of the session, by ascending id.
    pub operation_ids: Vec<OperationId>,
    /// Execution of the session, which starts with its first operation and stays open.
    #[serde(rename = "execution")]
    pub execution: Execution,
}

/// A terminal operation: a command, or a write to a running command. In `state.json`, an entry of
/// `terminal_operations`.
#[derive(Debug, Clone, Serialize)]
pub struct TerminalOperation {
    /// Id of the operation.
    pub operation_id: OperationId,
    /// Session of the operation.
    pub terminal_id: Option<TerminalId>,
    /// Tool call of the operation.
    pub tool_call_id: ToolCallId,
    /// Kind of the operation.
    pub kind: OperationKind,
    /// Execution of the operation, as observed by the runtime.
    #[serde(rename = "execution")]
    pub execution: Execution,
    /// Request of the operation.
    pub request: TerminalRequest,
    /// Result of the operation.
    pub result: Option<TerminalResult>,
    /// Items in which the model saw the operation.
    pub model_observations: Vec<Observation>,
    /// Payload of the start, then payload of the end.
    pub raw_payload_ids: Vec<RawPayloadId>,
    /// Evidence of the operation. Not in `state.json`.
    #[serde(skip)]
    pub evidence: Evidence,
}

/// The kind of a terminal operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// Execution of a command.
    ExecCommand,
    /// Input to, or a read from, a running command.
    WriteStdin,
}

/// The request of a terminal operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum TerminalRequest {
    /// Execution of a command.
    ExecCommand {
        /// Program and arguments.
        command: Vec<String>,
        /// Program and arguments, joined by spaces.
        display_command: String,
        /// Working directory.
        cwd: String,
        /// Maximum time to wait for output, in milliseconds.
        yield_time_ms: Option<u64>,
        /// Maximum number of output tokens to show to the model.
        max_output_tokens: Option<u64>,
    },
    /// Input to, or a read from, a running command.
    WriteStdin {
        /// Text for standard input; empty for a read.
        stdin: String,
        /// Maximum time to wait for output, in milliseconds.
        yield_time_ms: Option<u64>,
        /// Maximum number of output tokens to show to the model.
        max_output_tokens: Option<u64>,
    },
}

/// The result of a terminal operation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TerminalResult {
    /// Exit code of the process, if it ended.
    pub exit_code: Option<i64>,
    /// Standard output.
    pub stdout: Arc<str>,
    /// Standard error.
    pub stderr: Arc<str>,
    /// Output as the tool formatted it for the model.
    pub formatted_output: Option<Arc<str>>,
    /// Number of output tokens before truncation.
    pub original_token_count: Option<u64>,
    /// The runtime's id of this chunk of output.
    pub chunk_id: Option<String>,
}

/// The items in which the model saw a terminal operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Observation {
    /// Items that requested the operation.
    pub call_item_ids: Vec<ItemId>,
    /// Items that presented the result.
    pub output_item_ids: Vec<ItemId>,
    /// Path by which the model saw the operation.
    pub source: ObservationSource,
}

/// The path by which the model saw a terminal operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ObservationSource {
    /// A tool call of the model.
    DirectToolCall,
    /// The output of a code cell. Reserved: never set.
    CodeCellOutput,
}
