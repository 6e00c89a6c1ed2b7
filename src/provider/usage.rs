//! Normalizes token counts of all providers: input tokens including cached ones, cached input tokens, output tokens
//! including reasoning, reasoning tokens.

use super::object::Object;
use crate::event::Usage;

/// Returns the usage. Returns `None` if neither input nor output tokens were counted.
pub(super) fn usage_from_counts(
    input: Option<u64>,
    cached: Option<u64>,
    output: Option<u64>,
    reasoning: Option<u64>,
) -> Option<Usage> {
    input.or(output)?;
    Some(Usage {
        input_tokens: input.unwrap_or(0),
        cached_input_tokens: cached.unwrap_or(0),
        output_tokens: output.unwrap_or(0),
        reasoning_output_tokens: reasoning.unwrap_or(0),
    })
}

/// Returns the sum of the counts that are present. Returns `None` if none is.
pub(super) fn sum<const N: usize>(counts: [Option<u64>; N]) -> Option<u64> {
    counts.into_iter().flatten().reduce(u64::saturating_add)
}

/// Returns a count in a nested object.
pub(super) fn detail(usage: &Object<'_>, of: &str, name: &str) -> Option<u64> {
    count(&usage.object(of)?, name)
}

/// Returns a count of tokens, 0 if it is negative. Returns `None` if it is absent or no number.
pub(super) fn count(usage: &Object<'_>, name: &str) -> Option<u64> {
    usage.number(name).or_else(|| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` stays within u64's bounds")]
        usage.number(name).map(|number: f64| number as u64)
    })
}
