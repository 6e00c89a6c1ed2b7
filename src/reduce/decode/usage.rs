//! Normalizes token counts of all providers: input tokens including cached ones, cached input tokens, output tokens
//! including reasoning, reasoning tokens.

use super::object::Object;
use crate::event::Usage;

/// Returns the token counts in a response body of any API. Returns `None` if it has neither input nor output tokens.
pub(crate) fn parse(body: &Object<'_>) -> Option<Usage> {
    let provider = || {
        body.object("usage").and_then(|usage| from_chat(&usage).or_else(|| from_messages_or_responses(body, &usage)))
    };
    from_token_usage(body).or_else(provider).or_else(|| from_gemini(body)).or_else(|| from_gen_ai(body))
}

/// Returns the token counts in the field `token_usage`, which format 1 defines.
fn from_token_usage(body: &Object<'_>) -> Option<Usage> {
    let usage = body.object("token_usage")?;
    let cached = count(&usage, "cached_input_tokens");
    let reasoning = count(&usage, "reasoning_output_tokens");
    usage_from_counts(count(&usage, "input_tokens"), cached, count(&usage, "output_tokens"), reasoning)
}

/// Returns the token counts in a `usage` of Chat Completions, which is recognized by its field names.
fn from_chat(usage: &Object<'_>) -> Option<Usage> {
    let cached = detail(usage, "prompt_tokens_details", "cached_tokens");
    let reasoning = detail(usage, "completion_tokens_details", "reasoning_tokens");
    usage_from_counts(count(usage, "prompt_tokens"), cached, count(usage, "completion_tokens"), reasoning)
}

/// Returns the token counts in a `usage` of Anthropic Messages or of the Responses API, which use the same field names
/// with different meanings.
fn from_messages_or_responses(body: &Object<'_>, usage: &Object<'_>) -> Option<Usage> {
    let has_output = body.first(&["output_items", "output"]).is_some();
    if body.non_null("content").is_some() && !has_output { from_messages(usage) } else { from_responses(usage) }
}

/// Returns the token counts in a `usage` of Anthropic Messages, whose input tokens exclude tokens read from and written
/// to the cache.
fn from_messages(usage: &Object<'_>) -> Option<Usage> {
    let cached = count(usage, "cache_read_input_tokens");
    let input = [count(usage, "input_tokens"), cached, count(usage, "cache_creation_input_tokens")];
    usage_from_counts(sum(input), cached, count(usage, "output_tokens"), None)
}

/// Returns the token counts in a `usage` of the Responses API.
fn from_responses(usage: &Object<'_>) -> Option<Usage> {
    let cached = detail(usage, "input_tokens_details", "cached_tokens");
    let reasoning = detail(usage, "output_tokens_details", "reasoning_tokens");
    usage_from_counts(count(usage, "input_tokens"), cached, count(usage, "output_tokens"), reasoning)
}

/// Returns the token counts of Gemini, whose output tokens exclude thoughts.
fn from_gemini(body: &Object<'_>) -> Option<Usage> {
    let usage = body.object("usageMetadata").or_else(|| body.object("usage_metadata"))?;
    let either = |name: &str, spelled: &str| count(&usage, name).or_else(|| count(&usage, spelled));
    let thoughts = either("thoughtsTokenCount", "thoughts_token_count");
    let output = [either("candidatesTokenCount", "candidates_token_count"), thoughts];
    let cached = either("cachedContentTokenCount", "cached_content_token_count");
    usage_from_counts(either("promptTokenCount", "prompt_token_count"), cached, sum(output), thoughts)
}

/// Returns the token counts in the span attributes of the GenAI semantic conventions.
fn from_gen_ai(body: &Object<'_>) -> Option<Usage> {
    let input = count(body, "gen_ai.usage.input_tokens");
    let cached = count(body, "gen_ai.usage.cache_read.input_tokens");
    let output = count(body, "gen_ai.usage.output_tokens");
    usage_from_counts(input, cached, output, count(body, "gen_ai.usage.reasoning.output_tokens"))
}

/// Creates the token counts. Returns `None` if neither input nor output tokens were counted; other missing counts are
/// 0.
fn usage_from_counts(
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

/// Returns the sum of the counts that are present. Returns `None` if all are absent.
fn sum<const N: usize>(counts: [Option<u64>; N]) -> Option<u64> {
    counts.into_iter().flatten().reduce(u64::saturating_add)
}

/// Returns the count `name` in the nested object `of`.
fn detail(usage: &Object<'_>, of: &str, name: &str) -> Option<u64> {
    count(&usage.object(of)?, name)
}

/// Returns a number of tokens. Returns 0 if it is negative, and `None` if it is absent or not a number.
fn count(usage: &Object<'_>, name: &str) -> Option<u64> {
    usage.number(name).or_else(|| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` stays within u64's bounds")]
        usage.number(name).map(|number: f64| number as u64)
    })
}
