//! How to reduce.

/// How to reduce. The default makes the most of damaged evidence.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Options {
    /// End at the broken rule with the lowest seq.
    pub strict: bool,
    /// Look at the bodies that no rule opens too.
    pub every_body: bool,
}

impl Options {
    /// Whether to end at the first broken rule instead of making the most of what there is.
    #[must_use]
    pub fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }

    /// Whether to look at every body that an event names, also at those that the graph does not need: is it there, and
    /// is it JSON? The graph stays the same.
    #[must_use]
    pub fn every_body(mut self, every_body: bool) -> Self {
        self.every_body = every_body;
        self
    }
}
