//! How to reduce.

/// How to reduce. The default makes the most of damaged evidence.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Options {
    /// End at the broken rule with the lowest seq.
    pub strict: bool,
}

impl Options {
    /// Whether to end at the first broken rule instead of making the most of what there is.
    #[must_use]
    pub fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }
}
