//! Bounds on age, number and size: the quota of one bundle, or the retention of a root directory.

use std::time::Duration;

/// Bounds on age, number and size of a bundle (see [`Limits::bundle`](super::Limits::bundle)) or of all bundles under a
/// root directory (see [`Limits::root`](super::Limits::root)). A bound that is not set does not apply.
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
    /// Creates bounds that limit nothing: no age, number or size is set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the maximum age. A bundle accepts start events for this long after its creation. A root directory keeps a
    /// bundle for this long after its last line was written.
    #[must_use]
    pub fn age(mut self, age: Duration) -> Self {
        self.age = Some(age);
        self
    }

    /// Sets the maximum number: of events in a bundle, or of bundles in a root directory.
    #[must_use]
    pub fn count(mut self, count: u64) -> Self {
        self.count = Some(count);
        self
    }

    /// Sets the maximum total size of log and payload files, in bytes: of one bundle, or of all bundles in a root
    /// directory.
    #[must_use]
    pub fn bytes(mut self, bytes: u64) -> Self {
        self.bytes = Some(bytes);
        self
    }

    /// Returns `true` if at least one bound is set.
    pub(super) fn is_bounded(&self) -> bool {
        *self != Self::default()
    }
}
