//! Size limits of payloads, bundles and root directories.

use crate::bundle::bounds::Bounds;

/// Size limits of payloads, of the write queue, of one bundle (quota) and of a root directory (retention).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Maximum size of a payload that is kept whole, in bytes. Larger bodies are truncated to head and tail.
    /// Default: 256 MiB.
    pub body_bytes: usize,
    /// Maximum number of queued payloads and events, with [`Durability::Buffered`](crate::bundle::Durability::Buffered).
    /// Default: 65,536.
    pub queue_events: usize,
    /// Maximum total size of queued payloads and events, in bytes, with
    /// [`Durability::Buffered`](crate::bundle::Durability::Buffered). Default: 64 MiB. One larger payload may be queued on its
    /// own; while it is pending, further oversized payloads are truncated to head and tail.
    pub queue_bytes: usize,
    /// Quota of one bundle. Default: unbounded. See [`bundle`](Self::bundle).
    pub bundle: Bounds,
    /// Retention of the bundles under one root directory. Default: unbounded. See [`root`](Self::root).
    pub root: Bounds,
}

impl Default for Limits {
    fn default() -> Self {
        let (bundle, root) = (Bounds::new(), Bounds::new());
        Self { body_bytes: 256 * 1024 * 1024, queue_events: 1 << 16, queue_bytes: 64 * 1024 * 1024, bundle, root }
    }
}

impl Limits {
    /// Sets the maximum size of a payload that is kept whole, in bytes. Default: 256 MiB.
    #[must_use]
    pub fn body_bytes(mut self, bytes: usize) -> Self {
        self.body_bytes = bytes;
        self
    }

    /// Sets the maximum number of queued payloads and events. Default: 65,536.
    #[must_use]
    pub fn queue_events(mut self, count: usize) -> Self {
        self.queue_events = count;
        self
    }

    /// Sets the maximum total size of queued payloads and events, in bytes. Default: 64 MiB.
    #[must_use]
    pub fn queue_bytes(mut self, bytes: usize) -> Self {
        self.queue_bytes = bytes;
        self
    }

    /// Sets the quota of one bundle. Default: unbounded.
    ///
    /// A full bundle rejects start events but still accepts end events, so that every recorded operation can be closed.
    /// Payloads of end events are truncated to about 1 KiB. A bundle can therefore grow somewhat beyond its quota.
    ///
    /// The size of a payload is checked before the payload is stored: a payload that does not fit is rejected, or
    /// truncated if its kind can belong to an end event. Each rejected event or payload is a loss: it is counted, and
    /// noted in the bundle, the first one at once and the rest when the bundle ends.
    #[must_use]
    pub fn bundle(mut self, bounds: Bounds) -> Self {
        self.bundle = bounds;
        self
    }

    /// Sets the retention of the bundles under one root directory. Default: unbounded.
    ///
    /// Whenever a bundle is created, the oldest other bundles are removed until the rest is within the bounds. A bundle
    /// that any process is writing to is never removed. An unfinished bundle whose last write is less than 24 hours
    /// ago, and whose writer does not claim its bundles as in use (a recorder other than this crate's, for example), is
    /// not removed either, and does not count towards the bounds.
    #[must_use]
    pub fn root(mut self, bounds: Bounds) -> Self {
        self.root = bounds;
        self
    }
}
