//! Options of a reduction.

/// Options of a reduction. The default tolerates damaged evidence and reduces as much of it as possible.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Options {
    /// `true` if the reduction fails at a broken rule, at the one with the lowest seq. See [`strict`](Self::strict()).
    pub strict: bool,
    /// `true` if all referenced payloads are checked. See [`every_body`](Self::every_body()).
    pub every_body: bool,
}

impl Options {
    /// Sets whether the reduction fails at the broken rule with the lowest seq. Default: `false`, which reports broken
    /// rules as diagnostics and reduces the rest.
    #[must_use]
    pub fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }

    /// Sets whether every payload that an event references is checked, even if the graph does not need it: that it
    /// exists and, if it is stored as JSON, that it parses. Default: `false`. The graph does not depend on this option;
    /// only its diagnostics do.
    #[must_use]
    pub fn every_body(mut self, every_body: bool) -> Self {
        self.every_body = every_body;
        self
    }
}
