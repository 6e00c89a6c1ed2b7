//! What providers count, as one: input with what came from a cache, of that the cached, output, of that the reasoning.

use super::object::Object;
use crate::event::Usage;

/// What a response says of its usage.
pub(crate) fn read(body: &Object<'_>) -> Option<Usage> {
    let provider =
        || body.object("usage").and_then(|usage| chat(&usage).or_else(|| messages_or_responses(body, &usage)));
    recorded(body).or_else(provider).or_else(|| gemini(body)).or_else(|| gen_ai(body))
}

/// `token_usage`, as the format has it.
fn recorded(body: &Object<'_>) -> Option<Usage> {
    let usage = body.object("token_usage")?;
    let cached = count(&usage, "cached_input_tokens");
    let reasoning = count(&usage, "reasoning_output_tokens");
    counted(count(&usage, "input_tokens"), cached, count(&usage, "output_tokens"), reasoning)
}

/// `usage` of Chat Completions, which alone has these names.
fn chat(usage: &Object<'_>) -> Option<Usage> {
    let cached = detail(usage, "prompt_tokens_details", "cached_tokens");
    let reasoning = detail(usage, "completion_tokens_details", "reasoning_tokens");
    counted(count(usage, "prompt_tokens"), cached, count(usage, "completion_tokens"), reasoning)
}

/// `usage` of Anthropic Messages and of the Responses API, which have the same names and mean different things.
fn messages_or_responses(body: &Object<'_>, usage: &Object<'_>) -> Option<Usage> {
    let has_output = body.first(&["output_items", "output"]).is_some();
    if body.some("content").is_some() && !has_output { messages(usage) } else { responses(usage) }
}

/// Anthropic counts what came from the cache, and what went into it, beside the input.
fn messages(usage: &Object<'_>) -> Option<Usage> {
    let cached = count(usage, "cache_read_input_tokens");
    let input = [count(usage, "input_tokens"), cached, count(usage, "cache_creation_input_tokens")];
    counted(sum(input), cached, count(usage, "output_tokens"), None)
}

fn responses(usage: &Object<'_>) -> Option<Usage> {
    let cached = detail(usage, "input_tokens_details", "cached_tokens");
    let reasoning = detail(usage, "output_tokens_details", "reasoning_tokens");
    counted(count(usage, "input_tokens"), cached, count(usage, "output_tokens"), reasoning)
}

/// Gemini counts thoughts beside the output.
fn gemini(body: &Object<'_>) -> Option<Usage> {
    let usage = body.object("usageMetadata").or_else(|| body.object("usage_metadata"))?;
    let either = |name: &str, spelled: &str| count(&usage, name).or_else(|| count(&usage, spelled));
    let thoughts = either("thoughtsTokenCount", "thoughts_token_count");
    let output = [either("candidatesTokenCount", "candidates_token_count"), thoughts];
    let cached = either("cachedContentTokenCount", "cached_content_token_count");
    counted(either("promptTokenCount", "prompt_token_count"), cached, sum(output), thoughts)
}

/// Fields of a span.
fn gen_ai(body: &Object<'_>) -> Option<Usage> {
    let input = count(body, "gen_ai.usage.input_tokens");
    let cached = count(body, "gen_ai.usage.cache_read.input_tokens");
    let output = count(body, "gen_ai.usage.output_tokens");
    counted(input, cached, output, count(body, "gen_ai.usage.reasoning.output_tokens"))
}

/// Usage, where input or output were counted at all.
fn counted(input: Option<u64>, cached: Option<u64>, output: Option<u64>, reasoning: Option<u64>) -> Option<Usage> {
    input.or(output)?;
    Some(Usage {
        input_tokens: input.unwrap_or(0),
        cached_input_tokens: cached.unwrap_or(0),
        output_tokens: output.unwrap_or(0),
        reasoning_output_tokens: reasoning.unwrap_or(0),
    })
}

/// The sum of those that were counted.
fn sum<const N: usize>(counts: [Option<u64>; N]) -> Option<u64> {
    counts.into_iter().flatten().reduce(u64::saturating_add)
}

fn detail(usage: &Object<'_>, of: &str, name: &str) -> Option<u64> {
    count(&usage.object(of)?, name)
}

/// A count of tokens; 0 where it is negative.
fn count(usage: &Object<'_>, name: &str) -> Option<u64> {
    usage.number(name).or_else(|| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` stays within u64's bounds")]
        usage.number(name).map(|number: f64| number as u64)
    })
}
