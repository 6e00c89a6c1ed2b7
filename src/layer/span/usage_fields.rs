//! The token counts that span fields report.

use crate::event::{TokenCount, Usage};

/// The value of a field with a token count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CountField {
    Tokens(u64),
    /// A value that is no count. It is recorded as it is, so that a reader of the bundle can report it.
    Other(Box<str>),
}

impl CountField {
    /// Parses the text of a value, which may be the `Debug` output of an `Option`. Returns `None` for an empty option.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let value = text.strip_prefix("Some(").and_then(|value| value.strip_suffix(')')).unwrap_or(text);
        match TokenCount::parse(value) {
            _ if value == "None" => None,
            TokenCount::Tokens(count) => Some(Self::Tokens(count)),
            TokenCount::Negative | TokenCount::Invalid => Some(Self::Other(value.into())),
        }
    }

    /// Returns the count. Returns `None` for a value that is no count.
    fn tokens(&self) -> Option<u64> {
        match self {
            Self::Tokens(count) => Some(*count),
            Self::Other(_) => None,
        }
    }
}

/// The token counts of an inference call. `None` for a count that no field has set.
#[derive(Debug, Default, Clone)]
pub(super) struct UsageFields {
    pub(super) input: Option<CountField>,
    pub(super) cached: Option<CountField>,
    pub(super) cache_write: Option<CountField>,
    pub(super) output: Option<CountField>,
    pub(super) reasoning: Option<CountField>,
}

impl UsageFields {
    /// Returns `true` if a field for input or output tokens is set, even to a value that is no count.
    pub(super) fn is_reported(&self) -> bool {
        self.input.is_some() || self.output.is_some()
    }

    /// Returns the token usage, with unset counts as 0. Returns `None` if neither input nor output tokens were
    /// counted.
    pub(super) fn usage(&self) -> Option<Usage> {
        let Self { input, cached, cache_write, output, reasoning } = self;
        let tokens = |field: &Option<CountField>| field.as_ref().and_then(CountField::tokens);
        let (input, output) = (tokens(input), tokens(output));
        input.or(output)?;
        Some(Usage {
            input_tokens: input.unwrap_or(0),
            cached_input_tokens: tokens(cached).unwrap_or(0),
            cache_write_input_tokens: tokens(cache_write).unwrap_or(0),
            cache_write_1h_input_tokens: 0,
            output_tokens: output.unwrap_or(0),
            reasoning_output_tokens: tokens(reasoning).unwrap_or(0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_parsed_in_every_form() {
        for text in ["7", "7.0", "Some(7)", " 7", "Some(7.0)"] {
            assert_eq!(CountField::parse(text), Some(CountField::Tokens(7)), "{text:?}");
        }
        assert_eq!(CountField::parse("None"), None);
        for (text, kept) in
            [("-7", "-7"), ("Some(-7)", "-7"), ("7.5", "7.5"), ("many", "many"), ("", ""), ("Some(7", "Some(7")]
        {
            assert_eq!(CountField::parse(text), Some(CountField::Other(kept.into())), "{text:?}");
        }
    }

    #[test]
    fn values_that_are_no_counts_are_reported_but_not_counted() {
        let other = Some(CountField::Other("many".into()));
        let mut fields = UsageFields { input: other.clone(), ..UsageFields::default() };
        assert_eq!((fields.is_reported(), fields.usage()), (true, None));
        fields.output = Some(CountField::Tokens(3));
        fields.cached = other;
        assert_eq!(fields.usage(), Some(Usage { output_tokens: 3, ..Usage::default() }));
    }
}
