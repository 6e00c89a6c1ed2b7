//! Bodies that have been encoded, masked and limited, and only need to be stored.

use super::body::BodyBuf;
use super::limits::Limits;
use crate::event::{PayloadKind, Truncated};

/// An encoded, masked and limited body that is ready to be stored. See
/// [`WriterOptions::prepare_body`](crate::bundle::WriterOptions::prepare_body).
#[derive(Debug)]
pub(crate) struct ReadyBody {
    pub(in crate::bundle) kind: PayloadKind,
    pub(in crate::bundle) body: BodyBuf,
    /// `true` if the body was one JSON value before it was truncated.
    pub(in crate::bundle) is_json: bool,
    pub(in crate::bundle) truncated: Option<Truncated>,
}

impl ReadyBody {
    pub(crate) fn kind(&self) -> PayloadKind {
        self.kind
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.body.bytes()
    }

    /// Returns `true` if the body was one JSON value before it was truncated. A truncated body is always JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.is_json
    }

    /// Returns the body as text. Returns `None` for JSON, for bytes that are not UTF-8, and for a truncated body.
    pub(crate) fn text(&self) -> Option<&str> {
        let is_text = !self.is_json && self.truncated.is_none();
        is_text.then(|| std::str::from_utf8(self.body.bytes()).ok()).flatten()
    }

    /// Truncates the body to `limits`, which may be lower than the limits it was truncated to before.
    pub(in crate::bundle) fn truncate(&mut self, limits: Limits) {
        match self.truncated {
            None => self.truncated = limits.apply(&mut self.body),
            Some(_) => limits.reapply(&mut self.body),
        }
    }

    /// Shrinks the buffer of the body, because the body stays in the queue for some time.
    pub(in crate::bundle) fn into_compact(self) -> Self {
        Self { body: self.body.into_compact(), ..self }
    }
}
