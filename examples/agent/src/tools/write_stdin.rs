//! The tool `write_stdin`: sends input to a running command, and returns its output since the last read.

use anyhow::Result;
use serde::Deserialize;
use serde_json::{Value, json};

use super::exec_command::{max_output, yield_duration, yield_time};
use super::{FunctionCall, ToolOutput};
use crate::context::AgentContext;

pub(crate) const NAME: &str = "write_stdin";

pub(crate) fn definition() -> Value {
    super::function(
        NAME,
        "Types to a command that exec_command left running, and returns what it printed since the last look. Lines \
         end with \\n; \\u0003 is Ctrl-C, \\u0004 the end of the input. Without chars it only looks.",
        &json!({
            "session_id": {"type": "integer", "description": "The session_id of exec_command's result."},
            "chars": {"type": "string", "description": "What to type [default: nothing]"},
            "yield_time_ms": yield_time(),
            "max_output_tokens": max_output(),
        }),
        &["session_id"],
    )
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    session_id: u32,
    #[serde(default)]
    chars: String,
    yield_time_ms: Option<u64>,
    max_output_tokens: Option<usize>,
}

impl AgentContext {
    /// Sends input and reads output. No runtime events are recorded: the invocation has the input and the session, and
    /// the tool output has the result.
    pub(crate) async fn write_stdin(&self, call: &FunctionCall) -> Result<ToolOutput> {
        let Arguments { session_id, chars, yield_time_ms, max_output_tokens } = call.parse_arguments()?;
        let terminal = self.setup.terminals.get(session_id, &self.identity.path)?;
        if !chars.is_empty() {
            self.screen.print_input(&terminal.cmd, &chars);
            terminal.send(&chars);
        }
        let chunk = terminal.read(yield_duration(yield_time_ms)).await;
        if chunk.exit_code.is_some() {
            self.setup.terminals.remove(session_id);
        }
        Ok(chunk.to_output(session_id, max_output_tokens))
    }
}
