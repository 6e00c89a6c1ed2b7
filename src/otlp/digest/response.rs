//! `inference_response` bodies.

use super::ResponseDigest;
use crate::otlp::ContentPolicy;
use crate::reduce::Object;

impl ResponseDigest {
    /// Of the bytes of a body; of anything that can't be read, the default.
    pub(crate) fn of(bytes: &[u8], content: ContentPolicy) -> Self {
        let Some(body) = str::from_utf8(bytes).ok().and_then(Object::parse) else { return Self::default() };
        Self { usage: crate::reduce::usage(&body), ..Self::default() }
    }
}
