//! The policy that decides whether content leaves the process with its spans.

/// Decides whether exported spans have content: messages, instructions, tool definitions, arguments and results.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ContentPolicy {
    /// Content stays in the bundle; exported spans have none.
    #[default]
    Omit,
    /// Exported spans have the content too.
    Capture,
}

impl ContentPolicy {
    /// The environment variable of the GenAI conventions that [`from_env`](Self::from_env) reads.
    pub const VARIABLE: &str = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT";

    /// Reads the policy from [`VARIABLE`](Self::VARIABLE). Returns `Capture` for `true`, `1`, `SPAN_ONLY` and
    /// `SPAN_AND_EVENT`, in any case; `Omit` for any other value and if the variable is not set.
    pub fn from_env() -> Self {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// Reads the policy from the variable that `get` returns.
    pub(crate) fn from_lookup(get: impl Fn(&str) -> Option<String>) -> Self {
        const CAPTURING: [&str; 4] = ["true", "1", "span_only", "span_and_event"];
        let value = get(Self::VARIABLE).unwrap_or_default();
        let captures = CAPTURING.iter().any(|word| value.trim().eq_ignore_ascii_case(word));
        if captures { Self::Capture } else { Self::Omit }
    }

    /// Returns `true` if content is exported.
    pub(crate) fn captures(self) -> bool {
        self == Self::Capture
    }
}

#[cfg(test)]
#[path = "tests/content_policy.rs"]
mod tests;
