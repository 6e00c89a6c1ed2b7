//! Totals over the calls of a turn, a thread or a run.

use serde::Serialize;

use crate::event::{Usage, is_zero};

/// Totals over the calls of a turn, a thread or a whole run. Each inference call counts once. The token counts include
/// those of compaction requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Number of inference calls started.
    pub inference_calls: u64,
    /// Number of tool calls started.
    pub tool_calls: u64,
    /// Input tokens, including those read from and written to a cache.
    pub input_tokens: u64,
    /// Input tokens that were read from a cache; a part of `input_tokens`.
    pub cached_input_tokens: u64,
    /// Input tokens that were written to a cache; a part of `input_tokens`.
    pub cache_write_input_tokens: u64,
    /// Input tokens that were written to a cache for one hour; a part of `cache_write_input_tokens`. Left out of
    /// `state.json` if 0.
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_write_1h_input_tokens: u64,
    /// Output tokens, including reasoning.
    pub output_tokens: u64,
    /// Reasoning tokens; a part of `output_tokens`.
    pub reasoning_output_tokens: u64,
    /// Total duration of the inference calls that ended, in milliseconds.
    pub model_ms: u64,
    /// Total duration of the tool calls that ended, in milliseconds. Concurrent calls count in full.
    pub tool_ms: u64,
    /// Time from start to end, in milliseconds. Without an end, the time until the last line of the log.
    pub wall_ms: u64,
}

impl Totals {
    /// Adds an inference call to the totals. `millis` is its duration in milliseconds, if it ended.
    pub(crate) fn add_inference(&mut self, usage: Option<Usage>, millis: Option<u64>) {
        add(&mut self.inference_calls, 1);
        add(&mut self.model_ms, millis.unwrap_or(0));
        self.add_usage(usage);
    }

    /// Adds the token usage of a request to a model. Adds nothing if the usage is unknown.
    pub(crate) fn add_usage(&mut self, usage: Option<Usage>) {
        let Usage {
            input_tokens,
            cached_input_tokens,
            cache_write_input_tokens,
            cache_write_1h_input_tokens,
            output_tokens,
            reasoning_output_tokens,
        } = usage.unwrap_or_default();
        add(&mut self.input_tokens, input_tokens);
        add(&mut self.cached_input_tokens, cached_input_tokens);
        add(&mut self.cache_write_input_tokens, cache_write_input_tokens);
        add(&mut self.cache_write_1h_input_tokens, cache_write_1h_input_tokens);
        add(&mut self.output_tokens, output_tokens);
        add(&mut self.reasoning_output_tokens, reasoning_output_tokens);
    }

    /// Adds a tool call to the totals. `millis` is its duration in milliseconds, if it ended.
    pub(crate) fn add_tool(&mut self, millis: Option<u64>) {
        add(&mut self.tool_calls, 1);
        add(&mut self.tool_ms, millis.unwrap_or(0));
    }
}

/// Adds `more` to `sum` with saturation, because the counts of a damaged or forged log may overflow.
fn add(sum: &mut u64, more: u64) {
    *sum = sum.saturating_add(more);
}
