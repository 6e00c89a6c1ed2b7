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
    /// Thread whose tools use the session.
    pub thread_id: ThreadId,
    /// Id of the operation that started the process.
    pub created_by_operation_id: OperationId,
    /// Operations of the session, by ascending id.
    pub operation_ids: Vec<OperationId>,
    /// Start and status of the session. It starts with its first operation and stays open.
    #[serde(rename = "execution")]
    pub execution: Execution,
}

/// A terminal operation: a command, or a write to a running command. In `state.json`, an entry of
/// `terminal_operations`.
#[derive(Debug, Clone, Serialize)]
pub struct TerminalOperation {
    /// Id of the operation.
    pub operation_id: OperationId,
    /// Session of the operation. `None` if the process id is unknown.
    pub terminal_id: Option<TerminalId>,
    /// Tool call that executed the operation.
    pub tool_call_id: ToolCallId,
    /// Kind of the operation, which determines the form of `request`.
    pub kind: OperationKind,
    /// Start, end and status of the operation, as observed by the runtime.
    #[serde(rename = "execution")]
    pub execution: Execution,
    /// Command or input of the operation.
    pub request: TerminalRequest,
    /// Exit code and output of the operation. `None` if none was recorded.
    pub result: Option<TerminalResult>,
    /// Conversation items in which the model saw the operation.
    pub model_observations: Vec<Observation>,
    /// Id of the payload with the start, then id of the payload with the end.
    pub raw_payload_ids: Vec<RawPayloadId>,
    /// Events and payloads from which the operation was reduced. Not in `state.json`.
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

/// The command or the input of a terminal operation, as the model or the runtime gave it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum TerminalRequest {
    /// Execution of a command.
    ExecCommand {
        /// Program and arguments.
        command: Vec<String>,
        /// Program and arguments, joined by spaces.
        display_command: String,
        /// Working directory of the command.
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

/// The exit code and the output of a terminal operation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TerminalResult {
    /// Exit code of the process. `None` if it has not ended.
    pub exit_code: Option<i64>,
    /// Text that the process wrote to its standard output.
    pub stdout: Arc<str>,
    /// Text that the process wrote to its standard error.
    pub stderr: Arc<str>,
    /// Output as the tool formatted it for the model.
    pub formatted_output: Option<Arc<str>>,
    /// Number of output tokens before the output was truncated for the model.
    pub original_token_count: Option<u64>,
    /// Id that the runtime gave this chunk of output.
    pub chunk_id: Option<String>,
}

/// The conversation items in which the model saw a terminal operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Observation {
    /// Items that requested the operation.
    pub call_item_ids: Vec<ItemId>,
    /// Items that presented the result.
    pub output_item_ids: Vec<ItemId>,
    /// Way in which the model saw the operation.
    pub source: ObservationSource,
}

/// The way in which the model saw a terminal operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ObservationSource {
    /// A tool call of the model.
    DirectToolCall,
    /// The output of a code cell. Reserved: never set.
    CodeCellOutput,
}
