//! By which names spans tell of tokens.

/// The names of the counts of input and output tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UsageNames {
    /// `gen_ai.usage.input_tokens` and `gen_ai.usage.output_tokens`.
    #[default]
    Current,
    /// Those, and the older ones beside them.
    Both,
    /// `gen_ai.usage.prompt_tokens` and `gen_ai.usage.completion_tokens`.
    Older,
}

impl UsageNames {
    /// The variable by which OpenTelemetry goes from older names to newer ones: a list with commas.
    pub const VARIABLE: &str = "OTEL_SEMCONV_STABILITY_OPT_IN";

    /// As the environment says it: `gen_ai/dup` is both, `gen_ai/older` the older ones, anything else the current ones.
    pub fn from_env() -> Self {
        Self::of(|name| std::env::var(name).ok())
    }

    pub(crate) fn of(get: impl Fn(&str) -> Option<String>) -> Self {
        let said = get(Self::VARIABLE).unwrap_or_default();
        let says = |word: &str| said.split(',').any(|choice| choice.trim() == word);
        match (says("gen_ai/dup"), says("gen_ai/older")) {
            (true, _) => Self::Both,
            (false, true) => Self::Older,
            (false, false) => Self::Current,
        }
    }

    pub(crate) fn has_current(self) -> bool {
        match self {
            Self::Current | Self::Both => true,
            Self::Older => false,
        }
    }

    pub(crate) fn has_older(self) -> bool {
        match self {
            Self::Both | Self::Older => true,
            Self::Current => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_names_are_given_only_where_that_is_said() {
        let check = |said: Option<&str>, expected| {
            let get = |name: &str| said.filter(|_| name == UsageNames::VARIABLE).map(str::to_owned);
            assert_eq!(UsageNames::of(get), expected, "{said:?}");
        };
        check(None, UsageNames::Current);
        check(Some(""), UsageNames::Current);
        check(Some("http,gen_ai_latest_experimental"), UsageNames::Current);
        check(Some("gen_ai/dup"), UsageNames::Both);
        check(Some("http/dup, gen_ai/dup"), UsageNames::Both);
        check(Some("gen_ai/older"), UsageNames::Older);
        check(Some("gen_ai/older,gen_ai/dup"), UsageNames::Both);
    }
}
