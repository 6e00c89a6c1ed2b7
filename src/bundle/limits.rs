//! Size limits, and the truncation of bodies that exceed them: the third step before a body is stored, after encoding
//! and masking.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use super::oversize::END_BYTES;
use super::{BodyBuf, Bounds};
use crate::event::Truncated;

/// Size limits of payloads, of the write queue, of one bundle (quota) and of a root directory (retention).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Maximum size of a payload that is kept whole, in bytes. Larger bodies are truncated to head and tail.
    /// Default: 256 MiB.
    pub body_bytes: usize,
    /// Maximum number of queued payloads and events, with [`Durability::Buffered`](super::Durability::Buffered).
    /// Default: 65,536.
    pub queue_events: usize,
    /// Maximum total size of queued payloads and events, in bytes, with
    /// [`Durability::Buffered`](super::Durability::Buffered). Default: 64 MiB. One larger payload may be queued on its
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

/// The JSON that is stored in place of a truncated body.
#[derive(Serialize, Deserialize)]
struct TruncatedBody<'a> {
    #[serde(rename = "otel_trace.truncated", borrow)]
    ends: TruncatedEnds<'a>,
}

#[derive(Serialize, Deserialize)]
struct TruncatedEnds<'a> {
    #[serde(borrow)]
    head: Cow<'a, str>,
    #[serde(borrow)]
    tail: Cow<'a, str>,
}

impl TruncatedBody<'_> {
    fn to_bytes(&self) -> Vec<u8> {
        // Serialising two strings to memory cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
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

    /// Truncates a body that exceeds `body_bytes` to `{"otel_trace.truncated": {"head": …, "tail": …}}`, and returns
    /// length and hash of the whole body. Returns `None` if the body is within the limit.
    pub(super) fn apply(self, body: &mut BodyBuf) -> Option<Truncated> {
        let oversize = body.oversize.take();
        let bytes = &body.bytes;
        if oversize.is_none() && bytes.len() <= self.body_bytes {
            return None;
        }
        let kept = (self.body_bytes / 4).min(END_BYTES);
        let (length, hash) =
            oversize.as_ref().map_or((bytes.len() as u64, xxh3_128(bytes)), |body| body.length_and_hash());
        let whole = Truncated { length, hash: format!("{hash:032x}") };
        let tail = oversize.as_ref().map_or(bytes, |body| &body.tail);
        let (head, tail) = (&bytes[..kept.min(bytes.len())], &tail[tail.len().saturating_sub(kept)..]);
        let ends = TruncatedEnds { head: String::from_utf8_lossy(head), tail: String::from_utf8_lossy(tail) };
        body.bytes = TruncatedBody { ends }.to_bytes();
        body.is_json = true;
        Some(whole)
    }

    /// Truncates a body again that [`apply`](Self::apply) has truncated to a higher limit: shortens its head and tail.
    pub(super) fn reapply(self, body: &mut BodyBuf) {
        if body.bytes.len() <= self.body_bytes {
            return;
        }
        let Ok(TruncatedBody { ends: TruncatedEnds { head, tail } }) = serde_json::from_slice(&body.bytes) else {
            return;
        };
        let kept = (self.body_bytes / 4).min(END_BYTES);
        let head = &head[..head.floor_char_boundary(kept)];
        let tail = &tail[tail.ceil_char_boundary(tail.len().saturating_sub(kept))..];
        body.bytes = TruncatedBody { ends: TruncatedEnds { head: head.into(), tail: tail.into() } }.to_bytes();
    }
}
