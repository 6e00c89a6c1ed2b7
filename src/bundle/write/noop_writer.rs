//! A writer that writes nothing, for spans that are exported but not recorded.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use super::writer::Stored;
use super::writer_options::WriterOptions;
use crate::bundle::manifest::Manifest;
use crate::bundle::payload::{BodyBuf, ReadyBody};
use crate::bundle::store::Files;
use crate::event::{PayloadKind, PayloadRef, RawPayloadId};

/// A writer that accepts all events and payloads and discards them. Payloads still get distinct references, so that the
/// exporter can distinguish them.
#[derive(Debug)]
pub(crate) struct NoopWriter {
    manifest: Manifest,
    options: WriterOptions,
    last_payload: AtomicU64,
}

impl NoopWriter {
    pub(super) fn new(manifest: Manifest, options: WriterOptions) -> Self {
        Self { manifest, options, last_payload: AtomicU64::new(0) }
    }

    /// Returns an empty path, because there is no bundle.
    pub(super) fn path(&self) -> &'static Path {
        Path::new("")
    }

    pub(super) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub(super) fn options(&self) -> &WriterOptions {
        &self.options
    }

    fn next_payload_number(&self) -> u64 {
        self.last_payload.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Returns a new reference for a payload. The body is not encoded, because nothing reads it.
    pub(super) fn put(&self, kind: PayloadKind) -> Stored {
        let number = self.next_payload_number();
        let raw_payload_id = RawPayloadId::numbered(number);
        let path = Files::path(number, &BodyBuf::from_bytes(Vec::new(), true));
        let reference = PayloadRef {
            raw_payload_id,
            kind: kind.into(),
            path,
            offset: None,
            length: None,
            hash: None,
            truncated: None,
        };
        Stored { reference, is_json: true }
    }

    /// Returns a new reference for a payload that has been encoded already, and discards the payload.
    pub(super) fn store(&self, ready: &ReadyBody) -> Stored {
        Stored { reference: Files::reference(self.next_payload_number(), ready), is_json: ready.is_json() }
    }
}
