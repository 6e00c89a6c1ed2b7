//! Limits: the third step of a body's way to the disk.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use super::oversize::END_BYTES;
use super::{BodyBuf, Bounds};
use crate::event::Truncated;

/// How much is kept of what is too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The largest body kept whole, in bytes. 256 MiB unless set.
    pub body_bytes: usize,
    /// The most events and bodies that wait to be written where [`Durability::Buffered`](super::Durability::Buffered)
    /// is chosen. 65,536 unless set.
    pub queue_events: usize,
    /// The most bytes of them, likewise. 64 MiB unless set. One body that alone is larger is taken beside them, and of
    /// others of its size, while it waits, both ends.
    pub queue_bytes: usize,
    /// How much one bundle takes. Unbounded unless set.
    pub bundle: Bounds,
    /// How much is kept of the bundles under one root. Unbounded unless set.
    pub root: Bounds,
}

impl Default for Limits {
    fn default() -> Self {
        let (bundle, root) = (Bounds::new(), Bounds::new());
        Self { body_bytes: 256 * 1024 * 1024, queue_events: 1 << 16, queue_bytes: 64 * 1024 * 1024, bundle, root }
    }
}

/// What stands for a body that is too large.
#[derive(Serialize, Deserialize)]
struct Cut<'a> {
    #[serde(rename = "otel_trace.truncated", borrow)]
    ends: Ends<'a>,
}

#[derive(Serialize, Deserialize)]
struct Ends<'a> {
    #[serde(borrow)]
    head: Cow<'a, str>,
    #[serde(borrow)]
    tail: Cow<'a, str>,
}

impl Cut<'_> {
    fn to_bytes(&self) -> Vec<u8> {
        // Texts always are JSON.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

impl Limits {
    /// No body is kept whole that is larger than this, in bytes.
    #[must_use]
    pub fn body_bytes(mut self, bytes: usize) -> Self {
        self.body_bytes = bytes;
        self
    }

    /// No more events and bodies than this wait to be written.
    #[must_use]
    pub fn queue_events(mut self, count: usize) -> Self {
        self.queue_events = count;
        self
    }

    /// No more of them wait than have so many bytes together.
    #[must_use]
    pub fn queue_bytes(mut self, bytes: usize) -> Self {
        self.queue_bytes = bytes;
        self
    }

    /// How much one bundle takes. A bundle that is full takes nothing that begins, only the ends of what has begun, and of
    /// the bodies of those 1 KiB: so it may grow somewhat larger. A body counts before it is stored: one that there is no
    /// room for is not taken, or cut if it may be that of an end. What it does not take is lost, counted and named in it:
    /// the first at once, the rest when it ends.
    #[must_use]
    pub fn bundle(mut self, bounds: Bounds) -> Self {
        self.bundle = bounds;
        self
    }

    /// How much is kept under one root. Whenever a bundle begins, the oldest of the others are removed until the rest is
    /// within the bounds, but none that is being written to, by whatever process. One of the last 24 hours that nobody
    /// ended, of a program that does not say what it writes to, stays and does not count.
    #[must_use]
    pub fn root(mut self, bounds: Bounds) -> Self {
        self.root = bounds;
        self
    }

    /// Cuts a body that is too large to `{"otel_trace.truncated": {"head": …, "tail": …}}` and gives what the whole
    /// of it was.
    pub(super) fn apply(self, body: &mut BodyBuf) -> Option<Truncated> {
        let oversize = body.oversize.take();
        let bytes = &body.bytes;
        if oversize.is_none() && bytes.len() <= self.body_bytes {
            return None;
        }
        let kept = (self.body_bytes / 4).min(END_BYTES);
        let (length, hash) = oversize.as_ref().map_or((bytes.len() as u64, xxh3_128(bytes)), |body| body.whole());
        let whole = Truncated { length, hash: format!("{hash:032x}") };
        let tail = oversize.as_ref().map_or(bytes, |body| &body.tail);
        let (head, tail) = (&bytes[..kept.min(bytes.len())], &tail[tail.len().saturating_sub(kept)..]);
        let ends = Ends { head: String::from_utf8_lossy(head), tail: String::from_utf8_lossy(tail) };
        body.bytes = Cut { ends }.to_bytes();
        body.is_json = true;
        Some(whole)
    }

    /// Keeps less of a body that was cut before.
    pub(super) fn apply_again(self, body: &mut BodyBuf) {
        if body.bytes.len() <= self.body_bytes {
            return;
        }
        let Ok(Cut { ends: Ends { head, tail } }) = serde_json::from_slice(&body.bytes) else { return };
        let kept = (self.body_bytes / 4).min(END_BYTES);
        let head = &head[..head.floor_char_boundary(kept)];
        let tail = &tail[tail.ceil_char_boundary(tail.len().saturating_sub(kept))..];
        body.bytes = Cut { ends: Ends { head: head.into(), tail: tail.into() } }.to_bytes();
    }
}
