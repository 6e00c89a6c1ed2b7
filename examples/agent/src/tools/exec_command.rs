//! The tool `exec_command`: runs a command in a terminal. The command may keep running after the call has returned.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use otel_trace::{ExecutionStatus, Json, ToolCall};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{FunctionCall, ToolOutput};
use crate::bounded_output::truncate_middle;
use crate::context::{AgentContext, Requester};
use crate::recording::CommandStart;
use crate::terminal::{Chunk, Terminal};
use crate::terminals::Terminals;

pub(crate) const NAME: &str = "exec_command";

const DEFAULT_YIELD: u64 = 10_000;
const MAX_YIELD: u64 = 60_000;
const DEFAULT_TOKENS: usize = 4096;
/// Estimated number of bytes of a token, on average.
const BYTES_PER_TOKEN: usize = 4;

pub(crate) fn definition() -> Value {
    super::function(
        NAME,
        "Runs a shell command with `sh -c` in a live pseudo-terminal, and returns what it printed and its exit code. \
         A terminal shows stdout and stderr as one. A command that has not ended after yield_time_ms goes on: the \
         result then has a session_id, which write_stdin types to and polls. Whatever a command leaves running is \
         killed when it ends.",
        &json!({
            "cmd": {"type": "string", "description": "The command."},
            "workdir": {"type": "string", "description": "Where to run it, relative to the project [default: the project]"},
            "tty": {"type": "boolean", "description": "For programs that draw: colours, cursor movements and pagers [default: false, plain text]"},
            "yield_time_ms": yield_time(),
            "max_output_tokens": max_output(),
        }),
        &["cmd"],
    )
}

pub(super) fn yield_time() -> Value {
    json!({"type": "integer", "description": "Return after this long at the latest [default: 10000, at most 60000]"})
}

pub(super) fn max_output() -> Value {
    json!({"type": "integer", "description": "Cut the middle out of what is longer [default: 4096]"})
}

pub(super) fn yield_duration(yield_time_ms: Option<u64>) -> Duration {
    Duration::from_millis(yield_time_ms.unwrap_or(DEFAULT_YIELD).min(MAX_YIELD))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    cmd: String,
    workdir: Option<PathBuf>,
    #[serde(default)]
    tty: bool,
    yield_time_ms: Option<u64>,
    max_output_tokens: Option<usize>,
}

impl AgentContext {
    pub(crate) async fn exec_command(
        &self,
        call: &FunctionCall,
        requester: &Requester,
        tool: &ToolCall,
    ) -> Result<ToolOutput> {
        let Arguments { cmd, workdir, tty, yield_time_ms, max_output_tokens } = call.parse_arguments()?;
        let terminals = &self.setup.terminals;
        let started = self.setup.workspace.start(&cmd, &workdir.unwrap_or_default(), tty)?;
        let id = terminals.next_id();
        let start = CommandStart::new(call, &requester.turn_id, id, &started);
        tool.runtime_started(Json(&start));
        self.screen.print_command(&cmd);

        // The process may outlive its call and its turn: its end is recorded whenever it occurs.
        let (tool, screen) = (tool.clone(), self.screen.clone());
        let command_text = cmd.clone();
        let terminal = started.watch(move |result| {
            let status = match (result.was_killed, result.exit_code) {
                (true, _) => ExecutionStatus::Cancelled,
                (false, 0) => ExecutionStatus::Completed,
                (false, _) => ExecutionStatus::Failed,
            };
            tool.runtime_ended(status, Json(&start.ended(result)));
            screen.print_result(&command_text, result);
        })?;
        let guard = CallGuard { terminals, id, terminal: Arc::new(terminal), is_released: false };
        terminals.insert(id, &self.identity.path, &guard.terminal);
        let chunk = guard.terminal.read(yield_duration(yield_time_ms)).await;
        guard.release(&chunk);
        Ok(chunk.to_output(id, max_output_tokens))
    }
}

/// Kills a command when its call is dropped, unless the call has returned the session id to the model.
struct CallGuard<'a> {
    terminals: &'a Terminals,
    id: u32,
    terminal: Arc<Terminal>,
    is_released: bool,
}

impl CallGuard<'_> {
    /// Disarms the guard if the command is still running.
    fn release(mut self, chunk: &Chunk) {
        self.is_released = chunk.exit_code.is_none();
    }
}

impl Drop for CallGuard<'_> {
    fn drop(&mut self) {
        if self.is_released {
            return;
        }
        self.terminal.kill();
        if !self.terminal.is_running() {
            self.terminals.remove(self.id);
        }
    }
}

impl Chunk {
    /// Returns the output of the tool call for this chunk.
    pub(super) fn to_output(&self, id: u32, max_output_tokens: Option<usize>) -> ToolOutput {
        let tokens = max_output_tokens.unwrap_or(DEFAULT_TOKENS);
        let output = truncate_middle(&self.output, tokens.saturating_mul(BYTES_PER_TOKEN));
        let seconds = self.elapsed.as_secs_f64();
        let session_id = self.exit_code.is_none().then_some(id);
        let state = match self.exit_code {
            Some(code) => format!("exit code: {code}"),
            None => format!("still running, session_id: {id}"),
        };
        ToolOutput {
            text: format!("{state}\nwall time: {seconds:.1} s\noutput:\n{output}"),
            value: json!({
                "output": output, "exit_code": self.exit_code, "session_id": session_id, "wall_time_seconds": seconds,
            }),
        }
    }
}
