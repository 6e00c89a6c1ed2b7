//! How much is kept: of one recording, and of all under one root.

use std::time::Duration;

/// Bounds of a bundle, or of all bundles under a root. None is bounded unless it is set.
///
/// ```
/// use std::time::Duration;
/// use otel_trace::{Bounds, Limits, Recorder};
///
/// let month = Duration::from_secs(30 * 24 * 3600);
/// let limits = Limits::default()
///     .bundle(Bounds::new().bytes(2 << 30))
///     .root(Bounds::new().age(month).count(200).bytes(20 << 30));
/// let builder = Recorder::builder().root("traces").limits(limits);
/// # drop(builder);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bounds {
    pub(super) age: Option<Duration>,
    pub(super) count: Option<u64>,
    pub(super) bytes: Option<u64>,
}

impl Bounds {
    /// No bounds.
    pub fn new() -> Self {
        Self::default()
    }

    /// Of a bundle: how long after its beginning it takes what begins. Of a root: how long a bundle is kept after the
    /// last line was written to it.
    #[must_use]
    pub fn age(mut self, age: Duration) -> Self {
        self.age = Some(age);
        self
    }

    /// Of a bundle: so many events. Of a root: so many bundles.
    #[must_use]
    pub fn count(mut self, count: u64) -> Self {
        self.count = Some(count);
        self
    }

    /// So many bytes, log and bodies, as long as their files are.
    #[must_use]
    pub fn bytes(mut self, bytes: u64) -> Self {
        self.bytes = Some(bytes);
        self
    }

    /// Whether anything is bounded.
    pub(super) fn is_any(&self) -> bool {
        *self != Self::default()
    }
}
