//! The truncation of bodies that exceed the size limits: the third step before a body is stored, after encoding and
//! masking.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use super::body::BodyBuf;
use super::limits::Limits;
use super::oversize::END_BYTES;
use crate::event::Truncated;

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
    /// Truncates a body that exceeds `body_bytes` to `{"otel_trace.truncated": {"head": …, "tail": …}}`, and returns
    /// length and hash of the whole body. Returns `None` if the body is within the limit.
    pub(in crate::bundle) fn apply(self, body: &mut BodyBuf) -> Option<Truncated> {
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
    pub(in crate::bundle) fn reapply(self, body: &mut BodyBuf) {
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
