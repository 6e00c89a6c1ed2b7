//! A bundle that is not written: for spans that are exported and not recorded.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use super::store::Files;
use super::writer::Stored;
use super::{BodyBuf, Manifest, ReadyBody, WriterOptions};
use crate::event::{PayloadKind, PayloadRef, RawPayloadId};

/// Takes everything and keeps nothing. Bodies are named all the same, so that who reads them as they pass can tell them
/// apart.
#[derive(Debug)]
pub(crate) struct Unwritten {
    manifest: Manifest,
    options: WriterOptions,
    last_payload: AtomicU64,
}

impl Unwritten {
    pub(super) fn new(manifest: Manifest, options: WriterOptions) -> Self {
        Self { manifest, options, last_payload: AtomicU64::new(0) }
    }

    /// There is none.
    pub(super) fn path(&self) -> &'static Path {
        Path::new("")
    }

    pub(super) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub(super) fn options(&self) -> &WriterOptions {
        &self.options
    }

    fn number(&self) -> u64 {
        self.last_payload.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A body that nobody reads is not encoded.
    pub(super) fn put(&self, kind: PayloadKind) -> Stored {
        let number = self.number();
        let raw_payload_id = RawPayloadId::numbered(number);
        let path = Files::path(number, &BodyBuf::of(Vec::new(), true));
        let reference =
            PayloadRef { raw_payload_id, kind, path, offset: None, length: None, hash: None, truncated: None };
        Stored { reference, is_json: true }
    }

    pub(super) fn store(&self, ready: &ReadyBody) -> Stored {
        Stored { reference: ready.reference(self.number()), is_json: ready.is_json() }
    }
}
