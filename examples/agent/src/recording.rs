//! What this agent's calls and commands look like in a bundle.
//!
//! The bodies of requests are recorded as they are sent; these are the ones that have to be made.

use otel_trace::event::TurnId;
use otel_trace::{ExecutionStatus, Inference, Json, Usage, Window};
use serde::Serialize;
use serde_json::json;

use crate::failure::Failure;
use crate::process::{Finished, Running};
use crate::stream::Response;
use crate::tools::FunctionCall;

/// Records a complete response and ends its call.
pub(crate) fn response(inference: &Inference, response: &Response) {
    inference.response_id(&response.response_id);
    if let Some(id) = &response.request_id {
        inference.upstream_request_id(id);
    }
    if let Some(usage) = &response.usage {
        inference.usage(Usage {
            input_tokens: usage.input_tokens,
            cached_input_tokens: usage.cached_input_tokens(),
            output_tokens: usage.output_tokens,
            reasoning_output_tokens: usage.reasoning_output_tokens(),
        });
    }
    let token_usage = response.usage.as_ref().map(|usage| {
        json!({
            "input_tokens": usage.input_tokens,
            "cached_input_tokens": usage.cached_input_tokens(),
            "output_tokens": usage.output_tokens,
            "reasoning_output_tokens": usage.reasoning_output_tokens(),
            "total_tokens": usage.total_tokens,
        })
    });
    inference.response(Json(&json!({
        "response_id": response.response_id,
        "token_usage": token_usage,
        "output_items": response.output_items,
    })));
    inference.completed();
}

/// Records what had come of a response that broke off, and ends its call.
pub(crate) fn failure(inference: &Inference, failure: &Failure) {
    if let Some(id) = &failure.request_id {
        inference.upstream_request_id(id);
    }
    if !failure.output_items.is_empty() {
        inference.response(Json(&json!({
            "response_id": failure.response_id,
            "output_items": failure.output_items,
        })));
    }
    inference.failed(&failure.message);
}

/// A command that begins to run, as a `tool_runtime_event` body.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct CommandBegin {
    call_id: String,
    turn_id: TurnId,
    process_id: String,
    command: Vec<String>,
    cwd: String,
    interaction_input: Option<String>,
    /// The text the shell was given.
    #[serde(skip)]
    pub(crate) cmd: String,
}

/// A command that ran, as a `tool_runtime_event` body.
#[derive(Debug, Serialize)]
pub(crate) struct CommandEnd<'a> {
    #[serde(flatten)]
    begin: &'a CommandBegin,
    stdout: &'a str,
    stderr: &'a str,
    exit_code: i32,
    formatted_output: String,
    status: ExecutionStatus,
}

impl CommandBegin {
    pub(crate) fn new(call: &FunctionCall, turn_id: &TurnId, running: &Running) -> Self {
        Self {
            call_id: call.call_id.clone(),
            turn_id: turn_id.clone(),
            process_id: running.process_id.to_string(),
            command: running.command.clone(),
            cwd: running.cwd.to_string_lossy().into_owned(),
            interaction_input: None,
            cmd: running.cmd.clone(),
        }
    }

    pub(crate) fn ended<'a>(&'a self, finished: &'a Finished) -> CommandEnd<'a> {
        CommandEnd {
            begin: self,
            stdout: &finished.stdout,
            stderr: &finished.stderr,
            exit_code: finished.exit_code,
            formatted_output: finished.formatted_output(),
            status: if finished.exit_code == 0 { ExecutionStatus::Completed } else { ExecutionStatus::Failed },
        }
    }
}

impl CommandEnd<'_> {
    pub(crate) fn status(&self) -> ExecutionStatus {
        self.status
    }
}
