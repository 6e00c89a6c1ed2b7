//! Normalizes the token usage of all providers.
//!
//! Each API reads its own names into [`TokenCounts`], in its own file. What all APIs have in common is done here: the
//! forms that a count may have, and the comparison with the total that the provider reports.

use std::fmt;

use serde_json::value::RawValue;

use super::object::{Object, is_null, text};
use crate::event::{TokenCount, Usage};

/// The token usage that a response reports, and what is wrong with it.
#[derive(Debug, Default)]
pub(crate) struct ReportedUsage {
    /// The usage. `None` if neither input nor output tokens were counted.
    pub(crate) usage: Option<Usage>,
    pub(crate) problems: Vec<UsageProblem>,
}

/// A problem of the token usage that a response reports. Displayed as a clause about the response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum UsageProblem {
    /// A field does not hold a count of tokens.
    BadCount {
        /// Path of the field in the usage, such as `prompt_tokens_details/cached_tokens`.
        field: String,
        /// The value as JSON, shortened.
        value: String,
        /// `true` if the value is a negative number, which counts as 0. Otherwise the field counts as absent.
        is_negative: bool,
    },
    /// The provider's own total is not the sum of input and output tokens.
    Differs { input: u64, output: u64, total: u64 },
    /// The provider reports a total, and neither input nor output tokens.
    OnlyTotal { total: u64 },
    /// Only head and tail of the response were stored.
    Truncated,
}

impl fmt::Display for UsageProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadCount { field, value, is_negative } => {
                let effect = if *is_negative { "it is negative and read as 0" } else { "it is read as absent" };
                write!(f, "has {value} in its usage field {field:?}, which is no count of tokens; {effect}")
            }
            Self::Differs { input, output, total } => {
                write!(f, "reports {input} input tokens, {output} output tokens and {total} tokens in total; ")?;
                match total.checked_sub(input.saturating_add(*output)) {
                    Some(rest) => write!(f, "the other {rest} are counted as output tokens"),
                    None => f.write_str("its total is ignored"),
                }
            }
            Self::OnlyTotal { total } => write!(
                f,
                "reports {total} tokens in total, and neither input nor output tokens; its total is not counted"
            ),
            Self::Truncated => f.write_str("is truncated to head and tail; the usage in them is kept"),
        }
    }
}

/// The token counts of a response, as far as its API reports them.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct TokenCounts {
    /// Input tokens, including those read from and written to a cache.
    pub(super) input: Option<u64>,
    /// Input tokens read from a cache.
    pub(super) cached: Option<u64>,
    /// Input tokens written to a cache.
    pub(super) cache_write: Option<u64>,
    /// Input tokens written to a cache for one hour, a part of `cache_write`.
    pub(super) cache_write_1h: Option<u64>,
    /// Output tokens, including reasoning.
    pub(super) output: Option<u64>,
    /// Reasoning tokens. A provider that does not include them in `output` is recognized by its `total`.
    pub(super) reasoning: Option<u64>,
    /// The provider's own total of input and output tokens.
    pub(super) total: Option<u64>,
}

impl TokenCounts {
    /// Adds the counts of another request that the provider made for the same response.
    pub(super) fn add(&mut self, other: Self) {
        let Self { input, cached, cache_write, cache_write_1h, output, reasoning, total } = other;
        self.input = sum([self.input, input]);
        self.cached = sum([self.cached, cached]);
        self.cache_write = sum([self.cache_write, cache_write]);
        self.cache_write_1h = sum([self.cache_write_1h, cache_write_1h]);
        self.output = sum([self.output, output]);
        self.reasoning = sum([self.reasoning, reasoning]);
        self.total = sum([self.total, total]);
    }

    /// Adds the tokens of the cache to the input and to the total, if some servers left them out: fewer tokens cannot have
    /// been read from the cache, or written to it, than were sent.
    pub(super) fn with_cache_in_input(self) -> Self {
        let Self { input: Some(input), cached, cache_write, output, total, .. } = self else { return self };
        if cached.max(cache_write).is_none_or(|of_cache| of_cache <= input) {
            return self;
        }
        let with_cache = sum([Some(input), cached, cache_write]);
        let is_sum = total.is_some() && total == sum([Some(input), output]);
        let total = if is_sum { sum([with_cache, output]) } else { total };
        Self { input: with_cache, total, ..self }
    }

    /// Returns the usage, reconciled with the provider's own total. Returns no usage if neither input nor output tokens
    /// were counted.
    fn reconciled(self, problems: &mut Vec<UsageProblem>) -> Option<Usage> {
        let Self { input, cached, cache_write, cache_write_1h, output, reasoning, total } = self;
        if input.or(output).is_none() {
            problems.extend(total.filter(|total| *total > 0).map(|total| UsageProblem::OnlyTotal { total }));
            return None;
        }
        let (input, output, reasoning) = (input.unwrap_or(0), output.unwrap_or(0), reasoning.unwrap_or(0));
        // Some servers leave the tokens of the cache out of the input, but not out of the total.
        let of_cache = total.and_then(|total| {
            let rest = total.checked_sub(input.saturating_add(output)).filter(|rest| *rest > 0 && *rest != reasoning);
            rest.filter(|rest| Some(*rest) == cached || Some(*rest) == sum([cached, cache_write]))
        });
        let input = input.saturating_add(of_cache.unwrap_or(0));
        let sum = input.saturating_add(output);
        let output = match total {
            // Some providers do not count reasoning as output.
            Some(total) if total == sum.saturating_add(reasoning) => output.saturating_add(reasoning),
            None if reasoning > output => output.saturating_add(reasoning),
            Some(total) if total != sum => {
                problems.push(UsageProblem::Differs { input, output, total });
                output.saturating_add(total.saturating_sub(sum))
            }
            Some(_) | None => output,
        };
        Some(Usage {
            input_tokens: input,
            cached_input_tokens: cached.unwrap_or(0),
            cache_write_input_tokens: cache_write.unwrap_or(0),
            cache_write_1h_input_tokens: cache_write_1h.unwrap_or(0),
            output_tokens: output,
            reasoning_output_tokens: reasoning,
        })
    }
}

/// Reads token counts, and keeps the fields that hold anything else as problems.
#[derive(Debug, Default)]
pub(super) struct CountReader {
    problems: Vec<UsageProblem>,
}

impl CountReader {
    /// Reports a field that holds a text or a list in place of the usage.
    pub(super) fn no_usage(field: &str, value: &RawValue) -> ReportedUsage {
        let mut reader = Self::default();
        reader.report(field, value, false);
        ReportedUsage { usage: None, problems: reader.problems }
    }

    /// Returns the usage that `read` reads, with the problems of its counts.
    pub(super) fn read(read: impl FnOnce(&mut Self) -> Option<TokenCounts>) -> ReportedUsage {
        let mut reader = Self::default();
        let counts = read(&mut reader);
        let Self { mut problems } = reader;
        let usage = counts.and_then(|counts| counts.reconciled(&mut problems));
        ReportedUsage { usage, problems }
    }

    /// Returns the count in a field, or in a field of a nested object (`details/count`). Returns `None` if the field is
    /// absent, null or no count.
    pub(super) fn count(&mut self, usage: &Object<'_>, field: &str) -> Option<u64> {
        let Some((nested, name)) = field.split_once('/') else { return self.read_count(field, usage.get(field)?) };
        let details = usage.non_null(nested)?;
        match Object::from_value(details) {
            Some(details) => self.read_count(field, details.get(name)?),
            None => self.report(nested, details, false),
        }
    }

    /// Returns the count in the first of these fields that counts any tokens, otherwise 0 if one of them counts none.
    pub(super) fn first(&mut self, usage: &Object<'_>, fields: &[&str]) -> Option<u64> {
        let mut counts = fields.iter().filter_map(|field| self.count(usage, field));
        let first = counts.next()?;
        std::iter::once(first).chain(counts).find(|count| *count > 0).or(Some(0))
    }

    fn read_count(&mut self, field: &str, value: &RawValue) -> Option<u64> {
        if is_null(value) {
            return None;
        }
        let text = text(value);
        match TokenCount::parse(text.as_deref().unwrap_or_else(|| value.get())) {
            TokenCount::Tokens(count) => Some(count),
            TokenCount::Negative => self.report(field, value, true),
            TokenCount::Invalid => self.report(field, value, false),
        }
    }

    /// Adds the problem of a field, once. Returns 0 for a negative number, otherwise `None`.
    fn report(&mut self, field: &str, value: &RawValue, is_negative: bool) -> Option<u64> {
        let problem = UsageProblem::BadCount { field: field.to_owned(), value: shortened(value), is_negative };
        // Each count in a nested object is read on its own.
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
        is_negative.then_some(0)
    }
}

/// Returns the sum of the counts that are present. Returns `None` if none is.
pub(super) fn sum<const N: usize>(counts: [Option<u64>; N]) -> Option<u64> {
    counts.into_iter().flatten().reduce(u64::saturating_add)
}

/// Maximum length of a value in a problem, in bytes.
const VALUE_BYTES: usize = 64;

/// Returns the JSON of a value, cut after [`VALUE_BYTES`].
fn shortened(value: &RawValue) -> String {
    let json = value.get();
    if json.len() <= VALUE_BYTES {
        return json.to_owned();
    }
    format!("{}…", &json[..json.floor_char_boundary(VALUE_BYTES)])
}
