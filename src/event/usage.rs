//! Token usage.

use serde::{Deserialize, Serialize};

/// Token usage of one request to a model, as the provider counted it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Input tokens, including those read from and written to a cache.
    pub input_tokens: u64,
    /// Input tokens that were read from a cache; a part of `input_tokens`.
    pub cached_input_tokens: u64,
    /// Input tokens that were written to a cache; a part of `input_tokens`. This field is a later addition to format 1.
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_write_input_tokens: u64,
    /// Input tokens that were written to a cache for one hour; a part of `cache_write_input_tokens`. This field is a
    /// later addition to format 1.
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_write_1h_input_tokens: u64,
    /// Output tokens, including reasoning.
    pub output_tokens: u64,
    /// Output tokens that were reasoning; a part of `output_tokens`.
    pub reasoning_output_tokens: u64,
}

/// Returns `true` if the count is 0. A count that is a later addition to format 1 is left out then.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
pub(crate) fn is_zero(count: &u64) -> bool {
    *count == 0
}
