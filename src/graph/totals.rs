//! Sums over the calls of a turn, a thread, a trace.

use serde::Serialize;

use crate::event::Usage;

/// What the calls of a turn, a thread or a whole trace come to. Each inference call counts once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Inference calls started.
    pub inference_calls: u64,
    /// Tool calls started.
    pub tool_calls: u64,
    /// Tokens read by models, those from a cache included.
    pub input_tokens: u64,
    /// Those of the input that came from a cache.
    pub cached_input_tokens: u64,
    /// Tokens written by models, reasoning included.
    pub output_tokens: u64,
    /// Those of the output that were reasoning.
    pub reasoning_output_tokens: u64,
    /// Milliseconds in inference calls that ended.
    pub model_ms: u64,
    /// Milliseconds in tool calls that ended. Calls that ran side by side count each.
    pub tool_ms: u64,
    /// Milliseconds from start to end; to the last line of the log where no end was seen.
    pub wall_ms: u64,
}

impl Totals {
    pub(crate) fn add_inference(&mut self, usage: Option<Usage>, millis: Option<u64>) {
        let Usage { input_tokens, cached_input_tokens, output_tokens, reasoning_output_tokens } =
            usage.unwrap_or_default();
        add(&mut self.inference_calls, 1);
        add(&mut self.input_tokens, input_tokens);
        add(&mut self.cached_input_tokens, cached_input_tokens);
        add(&mut self.output_tokens, output_tokens);
        add(&mut self.reasoning_output_tokens, reasoning_output_tokens);
        add(&mut self.model_ms, millis.unwrap_or(0));
    }

    pub(crate) fn add_tool(&mut self, millis: Option<u64>) {
        add(&mut self.tool_calls, 1);
        add(&mut self.tool_ms, millis.unwrap_or(0));
    }
}

/// Counts come from evidence, so a sum may be beyond any number.
fn add(sum: &mut u64, more: u64) {
    *sum = sum.saturating_add(more);
}
