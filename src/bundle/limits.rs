//! Limits: the third step of a body's way to the disk.

use serde::Serialize;
use xxhash_rust::xxh3::xxh3_128;

use super::BodyBuf;
use crate::event::Truncated;

/// How much is kept of what is too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The largest body kept whole, in bytes. 256 MiB unless set.
    pub body_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body_bytes: 256 * 1024 * 1024 }
    }
}

/// The most that is kept of each end of a body that is too large, in bytes.
const END_BYTES: usize = 64 * 1024;

/// What stands for a body that is too large.
#[derive(Serialize)]
struct Ends<'a> {
    head: std::borrow::Cow<'a, str>,
    tail: std::borrow::Cow<'a, str>,
}

impl Limits {
    /// No body is kept whole that is larger than this, in bytes.
    #[must_use]
    pub fn body_bytes(mut self, bytes: usize) -> Self {
        self.body_bytes = bytes;
        self
    }

    /// Cuts a body that is too large to `{"otel_trace.truncated": {"head": …, "tail": …}}` and gives what the whole
    /// of it was.
    pub(super) fn apply(self, body: &mut BodyBuf) -> Option<Truncated> {
        let bytes = &body.bytes;
        if bytes.len() <= self.body_bytes {
            return None;
        }
        let kept = (self.body_bytes / 4).min(END_BYTES);
        let whole = Truncated { length: bytes.len() as u64, hash: format!("{:032x}", xxh3_128(bytes)) };
        let ends = Ends {
            head: String::from_utf8_lossy(&bytes[..kept]),
            tail: String::from_utf8_lossy(&bytes[bytes.len() - kept..]),
        };
        let cut = serde_json::json!({ "otel_trace.truncated": ends }).to_string().into_bytes();
        body.bytes = cut;
        body.is_json = true;
        Some(whole)
    }
}
