//! A body on its last step to the disk.

use super::store::Files;
use super::{BodyBuf, Limits};
use crate::event::{PayloadKind, PayloadRef, RawPayloadId, Truncated};

/// A body that is ready to be stored.
#[derive(Debug)]
pub(crate) struct ReadyBody {
    pub(super) kind: PayloadKind,
    pub(super) body: BodyBuf,
    /// Whether what was given is one JSON value.
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

    /// Whether what was given is one JSON value.
    pub(crate) fn is_json(&self) -> bool {
        self.is_json
    }

    /// How it is named where a file is one body.
    pub(super) fn reference(&self, number: u64) -> PayloadRef {
        let raw_payload_id = RawPayloadId::numbered(number);
        let path = Files::path(number, &self.body);
        let truncated = self.truncated.clone().map(Box::new);
        PayloadRef { raw_payload_id, kind: self.kind, path, offset: None, length: None, hash: None, truncated }
    }

    /// Keeps no more of it than these limits let.
    pub(super) fn cut(&mut self, limits: Limits) {
        match self.truncated {
            None => self.truncated = limits.apply(&mut self.body),
            Some(_) => limits.apply_again(&mut self.body),
        }
    }

    /// The same body, in no more memory than it needs.
    pub(super) fn into_compact(self) -> Self {
        Self { body: self.body.into_compact(), ..self }
    }
}
