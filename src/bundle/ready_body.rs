//! Bodies that have been encoded, masked and limited, and only need to be stored.

use super::store::Files;
use super::{BodyBuf, Limits};
use crate::event::{PayloadKind, PayloadRef, RawPayloadId, Truncated};

/// An encoded, masked and limited body that is ready to be stored. See
/// [`WriterOptions::prepare_body`](super::WriterOptions::prepare_body).
#[derive(Debug)]
pub(crate) struct ReadyBody {
    pub(super) kind: PayloadKind,
    pub(super) body: BodyBuf,
    /// `true` if the body was one JSON value before it was truncated.
    pub(super) is_json: bool,
    pub(super) truncated: Option<Truncated>,
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

    /// Returns the payload reference that a store of one file per payload ([`Files`]) creates for this body. `number`
    /// is the number of the payload in the bundle.
    pub(super) fn reference(&self, number: u64) -> PayloadRef {
        let raw_payload_id = RawPayloadId::numbered(number);
        let path = Files::path(number, &self.body);
        let truncated = self.truncated.clone().map(Box::new);
        PayloadRef { raw_payload_id, kind: self.kind, path, offset: None, length: None, hash: None, truncated }
    }

    /// Truncates the body to `limits`, which may be lower than the limits it was truncated to before.
    pub(super) fn truncate(&mut self, limits: Limits) {
        match self.truncated {
            None => self.truncated = limits.apply(&mut self.body),
            Some(_) => limits.reapply(&mut self.body),
        }
    }

    /// Shrinks the buffer of the body, because the body stays in the queue for some time.
    pub(super) fn into_compact(self) -> Self {
        Self { body: self.body.into_compact(), ..self }
    }
}
