//! What tools did in terminals.

use std::sync::Arc;

use serde::Serialize;

use super::{Evidence, Execution, ItemId, OperationId, TerminalId};
use crate::event::{RawPayloadId, ThreadId, ToolCallId};

/// A process that tools write to and read from. Format 1 reports no end of it.
#[derive(Debug, Clone, Serialize)]
pub struct TerminalSession {
    /// Its id.
    pub terminal_id: TerminalId,
    /// Its thread.
    pub thread_id: ThreadId,
    /// The operation that is the first in it.
    pub created_by_operation_id: OperationId,
    /// The operations in it, by number.
    pub operation_ids: Vec<OperationId>,
    /// From its first operation on.
    #[serde(rename = "execution")]
    pub execution: Execution,
}

/// One command, or one write to a running one.
#[derive(Debug, Clone, Serialize)]
pub struct TerminalOperation {
    /// Its id.
    pub operation_id: OperationId,
    /// The session it was in.
    pub terminal_id: Option<TerminalId>,
    /// The tool call it was.
    pub tool_call_id: ToolCallId,
    /// Which of both.
    pub kind: OperationKind,
    /// From the runtime's start to its end.
    #[serde(rename = "execution")]
    pub execution: Execution,
    /// What was asked for.
    pub request: TerminalRequest,
    /// What came of it.
    pub result: Option<TerminalResult>,
    /// What of it the model saw.
    pub model_observations: Vec<Observation>,
    /// The body that started it, then the one that ended it.
    pub raw_payload_ids: Vec<RawPayloadId>,
    /// What it rests on.
    #[serde(skip)]
    pub evidence: Evidence,
}

/// What is done in a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// A command runs.
    ExecCommand,
    /// A running command is written to, or read from.
    WriteStdin,
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum TerminalRequest {
    /// A command.
    ExecCommand {
        /// Its words.
        command: Vec<String>,
        /// They, joined by spaces.
        display_command: String,
        /// Where it runs.
        cwd: String,
        /// How long to wait for output, in milliseconds.
        yield_time_ms: Option<u64>,
        /// How much output to show.
        max_output_tokens: Option<u64>,
    },
    /// Text for a running command.
    WriteStdin {
        /// The text; empty to only read.
        stdin: String,
        /// How long to wait for output, in milliseconds.
        yield_time_ms: Option<u64>,
        /// How much output to show.
        max_output_tokens: Option<u64>,
    },
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TerminalResult {
    /// The process's exit code, where it ended.
    pub exit_code: Option<i64>,
    /// What it printed.
    pub stdout: Arc<str>,
    /// What it printed as errors.
    pub stderr: Arc<str>,
    /// What the tool made of both.
    pub formatted_output: Option<Arc<str>>,
    /// How many tokens there were before some were cut.
    pub original_token_count: Option<u64>,
    /// The runtime's name of this piece of output.
    pub chunk_id: Option<String>,
}

/// Where the model saw an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Observation {
    /// The items that asked.
    pub call_item_ids: Vec<ItemId>,
    /// The items that showed the answer.
    pub output_item_ids: Vec<ItemId>,
    /// How it came there.
    pub source: ObservationSource,
}

/// How an operation became visible to the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ObservationSource {
    /// The model called the tool.
    DirectToolCall,
    /// A script called the tool. Reserved: never set.
    CodeCellOutput,
}
