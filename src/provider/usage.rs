//! Normalizes the token usage of all providers.
//!
//! Each API reads its own names into [`TokenCounts`], in its own file. What all APIs have in common is done here: the
//! forms that a count may have, and the comparison with the total that the provider reports.

use std::fmt;

use serde_json::value::RawValue;

use super::object::{Object, is_null, text};
use crate::event::Usage;

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
        /// Path of the field in the usage, such as `prompt_tokens_details.cached_tokens`.
        field: String,
        /// The value as JSON, shortened.
        value: String,
        /// `true` if the value is a negative number, which counts as 0. Otherwise the field counts as absent.
        is_negative: bool,
    },
    /// The provider's own total is not the sum of input and output tokens.
    Differs { input: u64, output: u64, total: u64 },
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
    /// Returns the usage, reconciled with the provider's own total. Returns no usage if neither input nor output tokens
    /// were counted.
    fn reconciled(self, problems: &mut Vec<UsageProblem>) -> Option<Usage> {
        let Self { input, cached, cache_write, cache_write_1h, output, reasoning, total } = self;
        input.or(output)?;
        let (input, output, reasoning) = (input.unwrap_or(0), output.unwrap_or(0), reasoning.unwrap_or(0));
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
    /// Returns the usage that `read` reads, with the problems of its counts.
    pub(super) fn read(read: impl FnOnce(&mut Self) -> Option<TokenCounts>) -> ReportedUsage {
        let mut reader = Self::default();
        let counts = read(&mut reader);
        let Self { mut problems } = reader;
        let usage = counts.and_then(|counts| counts.reconciled(&mut problems));
        ReportedUsage { usage, problems }
    }

    /// Returns the count in a field. Returns `None` if the field is absent, null or no count.
    pub(super) fn count(&mut self, usage: &Object<'_>, name: &str) -> Option<u64> {
        self.count_at(usage, name, || name.to_owned())
    }

    /// Returns the count in the first of these fields that has one.
    pub(super) fn first(&mut self, usage: &Object<'_>, names: &[&str]) -> Option<u64> {
        names.iter().find_map(|name| self.count(usage, name))
    }

    /// Returns the count in a field of a nested object.
    pub(super) fn detail(&mut self, usage: &Object<'_>, of: &str, name: &str) -> Option<u64> {
        let details = usage.object(of)?;
        self.count_at(&details, name, || format!("{of}.{name}"))
    }

    fn count_at(&mut self, object: &Object<'_>, name: &str, field: impl FnOnce() -> String) -> Option<u64> {
        let value = object.get(name)?;
        match Count::read(value) {
            Count::Tokens(count) => Some(count),
            Count::Absent => None,
            Count::Negative => {
                self.problems.push(UsageProblem::BadCount {
                    field: field(),
                    value: shortened(value),
                    is_negative: true,
                });
                Some(0)
            }
            Count::Bad => {
                let value = shortened(value);
                self.problems.push(UsageProblem::BadCount { field: field(), value, is_negative: false });
                None
            }
        }
    }
}

/// The value of a field that should hold a count of tokens.
enum Count {
    Tokens(u64),
    Negative,
    /// The value is null.
    Absent,
    /// The value is neither a count nor null.
    Bad,
}

impl Count {
    /// Reads a value: an integer, a number without a fraction, or a text that is one.
    fn read(value: &RawValue) -> Self {
        if is_null(value) {
            return Self::Absent;
        }
        text(value).map_or_else(|| Self::parse(value.get()), |text| Self::parse(text.trim()))
    }

    /// Parses a number.
    fn parse(number: &str) -> Self {
        if !number.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
            return Self::Bad;
        }
        if let Ok(count) = number.parse() {
            return Self::Tokens(count);
        }
        match number.parse::<f64>() {
            Ok(number) if number < 0.0 => Self::Negative,
            // 2^64 is the first number that no count can hold.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number below 2^64")]
            Ok(number) if number.fract() == 0.0 && number < 18_446_744_073_709_551_616.0 => Self::Tokens(number as u64),
            Ok(_) | Err(_) => Self::Bad,
        }
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
