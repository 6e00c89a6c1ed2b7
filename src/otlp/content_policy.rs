//! Whether what was said leaves the process with its spans.

/// What becomes of content: messages, instructions, definitions of tools, their arguments and results.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ContentPolicy {
    /// It stays in the bundle, and exported spans have none.
    #[default]
    Omit,
    /// Exported spans have it too.
    Capture,
}

impl ContentPolicy {
    /// The variable of the GenAI conventions.
    pub const VARIABLE: &str = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT";

    /// As the environment says it: `true`, `1`, `SPAN_ONLY` and `SPAN_AND_EVENT` capture, in any case; else it is
    /// omitted.
    pub fn from_env() -> Self {
        Self::of(|name| std::env::var(name).ok())
    }

    pub(crate) fn of(get: impl Fn(&str) -> Option<String>) -> Self {
        const CAPTURING: [&str; 4] = ["true", "1", "span_only", "span_and_event"];
        let said = get(Self::VARIABLE).unwrap_or_default();
        let captures = CAPTURING.iter().any(|word| said.trim().eq_ignore_ascii_case(word));
        if captures { Self::Capture } else { Self::Omit }
    }

    pub(crate) fn captures(self) -> bool {
        self == Self::Capture
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_captured_only_where_that_is_said() {
        let check = |said: Option<&str>, expected| {
            let get = |name: &str| said.filter(|_| name == ContentPolicy::VARIABLE).map(str::to_owned);
            assert_eq!(ContentPolicy::of(get), expected, "{said:?}");
        };
        for said in ["true", "TRUE", "1", "span_only", "SPAN_ONLY", "Span_And_Event", " true "] {
            check(Some(said), ContentPolicy::Capture);
        }
        for said in ["", "false", "0", "EVENT_ONLY", "NO_CONTENT", "yes", "true,false"] {
            check(Some(said), ContentPolicy::Omit);
        }
        check(None, ContentPolicy::Omit);
    }
}
