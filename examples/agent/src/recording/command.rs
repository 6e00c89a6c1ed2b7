//! Payloads of commands, recorded as `tool_runtime_event` bodies.

use otel_trace::ExecutionStatus;
use otel_trace::event::TurnId;
use serde::Serialize;

use crate::terminal::{CommandResult, StartedCommand};
use crate::tools::FunctionCall;

/// The start of a command.
#[derive(Debug, Serialize)]
pub(crate) struct CommandStart {
    call_id: String,
    turn_id: TurnId,
    /// The session id by which `write_stdin` refers to the process.
    process_id: String,
    command: Vec<String>,
    cwd: String,
    interaction_input: Option<String>,
}

/// The end of a command.
#[derive(Debug, Serialize)]
pub(crate) struct CommandEnd<'a> {
    #[serde(flatten)]
    start: &'a CommandStart,
    /// Combined stdout and stderr: a terminal does not separate the two streams.
    stdout: &'a str,
    stderr: &'static str,
    exit_code: i32,
    formatted_output: &'a str,
    status: ExecutionStatus,
}

impl CommandStart {
    pub(crate) fn new(call: &FunctionCall, turn_id: &TurnId, process_id: u32, started: &StartedCommand) -> Self {
        Self {
            call_id: call.call_id.clone(),
            turn_id: turn_id.clone(),
            process_id: process_id.to_string(),
            command: started.command.clone(),
            cwd: started.cwd.to_string_lossy().into_owned(),
            interaction_input: None,
        }
    }

    pub(crate) fn ended<'a>(&'a self, result: &'a CommandResult) -> CommandEnd<'a> {
        CommandEnd {
            start: self,
            stdout: &result.output,
            stderr: "",
            exit_code: result.exit_code,
            formatted_output: &result.output,
            status: if result.exit_code == 0 { ExecutionStatus::Completed } else { ExecutionStatus::Failed },
        }
    }
}
