//! The names under which spans report token usage.

/// The attribute names of input and output token counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UsageNames {
    /// `gen_ai.usage.input_tokens` and `gen_ai.usage.output_tokens`.
    #[default]
    Current,
    /// Both the current and the older names.
    Both,
    /// `gen_ai.usage.prompt_tokens` and `gen_ai.usage.completion_tokens`.
    Older,
}

impl UsageNames {
    /// The environment variable by which OpenTelemetry migrates attribute names: a list separated by commas.
    pub const VARIABLE: &str = "OTEL_SEMCONV_STABILITY_OPT_IN";

    /// Reads the names from [`VARIABLE`](Self::VARIABLE): `Both` if it contains `gen_ai/dup`, `Older` if it contains
    /// `gen_ai/older`, otherwise `Current`.
    pub fn from_env() -> Self {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// Reads the names from the variable that `get` returns.
    pub(crate) fn from_lookup(get: impl Fn(&str) -> Option<String>) -> Self {
        let value = get(Self::VARIABLE).unwrap_or_default();
        let has_choice = |word: &str| value.split(',').any(|choice| choice.trim() == word);
        match (has_choice("gen_ai/dup"), has_choice("gen_ai/older")) {
            (true, _) => Self::Both,
            (false, true) => Self::Older,
            (false, false) => Self::Current,
        }
    }

    /// Returns `true` if spans have the current names.
    pub(crate) fn has_current(self) -> bool {
        match self {
            Self::Current | Self::Both => true,
            Self::Older => false,
        }
    }

    /// Returns `true` if spans have the older names.
    pub(crate) fn has_older(self) -> bool {
        match self {
            Self::Both | Self::Older => true,
            Self::Current => false,
        }
    }
}

#[cfg(test)]
#[path = "tests/usage_names.rs"]
mod tests;
