//! The store of one file for all payloads, `payloads.pack`. A payload that repeats an earlier one is stored as a delta.
//!
//! # Layout, version 1
//! All numbers are little-endian.
//!
//! ```text
//! payloads.pack    file header  record  record  …
//!
//! header     0   8  "OTELPACK"
//!            8   4  version of the layout, 1
//!           12   4  zero
//!
//! record   -41   6  delta only: offset of the base record
//!          -35   4  delta only: prefix, number of bytes in common with the start of the base payload
//!          -31   4  delta only: suffix, number of bytes in common with the end of the base payload
//!          -27   2  delta only: depth, number of records in the chain of bases below this record
//!          -25   1  kind: index of the payload's kind in the table of format 1, from 1, or 0 for any other;
//!                   plus 16 if the payload is one JSON value, plus 32 if the record is a delta
//!          -24   4  length of the payload
//!          -20  16  xxh3-128 of the payload
//!           -4   4  check: low half of the xxh3-64 of the bytes above, with the record's offset as the seed
//!            0   …  stored bytes: the payload without prefix and suffix
//! ```
//!
//! The header of a record that is not a delta begins with its kind; the fields before are absent. The *offset* of a
//! record is the offset of its stored bytes, after the header. A payload reference has this offset and the length and
//! hash of the payload. So a reader without support for packs finds the bytes of a payload that is not a delta, and
//! detects by the hash that the bytes of a delta are not the payload.
//!
//! The payload of a delta is `<prefix of the base> <stored bytes> <suffix of the base>`. The base is before the delta
//! in the file, and its depth is one less. No depth is greater than 4096; prefix and suffix do not overlap in the base.
//! Records that are not deltas have depth 0.
//!
//! There may be gaps between records: bytes of a payload that was not written completely, because of an error or
//! because the program was killed. No reference names them. Readers follow references. Only to find a payload that was
//! stored just before the program was killed, and that no event names, they read the headers from record to record, and
//! go on behind a gap at the next record that an event names.
//!
//! # Damage
//! A damaged header is detected by its check, a damaged payload by its hash. Damage affects the payload and all deltas
//! that build on it, and no other payload: every record contains all offsets that it needs.

mod base_cache;
mod hashing;
mod header;
mod overlap;
mod pack_file;
mod pack_reader;
mod read_at;
mod recent;
mod scan;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

use super::{BodyBuf, Location, MAX_PAYLOAD_BYTES, PayloadError, PayloadStore, StoredBody};
use crate::bundle::fs::{BundleDirectory, Disk, OpenFiles, RealDisk};
use crate::bundle::read::{NamedPlaces, UnnamedPayload};
use crate::event::{PayloadKind, PayloadRef, ThreadId};
use base_cache::{PreviousPayload, StoreId};
use hashing::{PrefixHash, hash};
use header::{Base, Flags, Header, MAX_DEPTH};
use overlap::{common_prefix, common_suffix};
use pack_file::PackFile;
use pack_reader::PackReader;
pub(crate) use pack_reader::is_pack;

pub(crate) use base_cache::BaseCache;

/// Path of the pack, relative to the bundle.
pub(in crate::bundle) const PACK: &str = "payloads.pack";

/// Minimum number of bytes that a delta must save. Saving less is not worth the work of reading the base.
const MIN_SAVED_BYTES: usize = 128;

/// Minimum share of the payload that a delta must save, as a divisor of its length.
const MIN_SAVED_PART: usize = 16;

/// Minimum length of a request that may contain the history of its thread, as a divisor of the length of the last such
/// request.
const HISTORY_FRACTION: usize = 4;

/// The number of bytes that two payloads have in common at their start and at their end.
#[derive(Debug, Clone, Copy, Default)]
struct Overlap {
    prefix: usize,
    suffix: usize,
}

impl Overlap {
    /// Compares a payload with the payload that it may be stored as a delta to.
    fn new(base: &[u8], body: &[u8]) -> Self {
        let prefix = common_prefix(base, body);
        Self { prefix, suffix: common_suffix(&base[prefix..], &body[prefix..]) }
    }

    /// Returns the base for storing a payload of `length` bytes as a delta to `previous`. Returns `None` if the delta
    /// would save too little or if the chain of bases is too long.
    fn base(self, previous: &PreviousPayload, length: usize) -> Option<Base> {
        let Self { prefix, suffix } = self;
        if previous.depth >= MAX_DEPTH || prefix + suffix < MIN_SAVED_BYTES.max(length / MIN_SAVED_PART) {
            return None;
        }
        let (prefix, suffix) = (u32::try_from(prefix).ok()?, u32::try_from(suffix).ok()?);
        Some(Base { offset: previous.offset, prefix, suffix, depth: previous.depth + 1 })
    }

    /// Returns the number of bytes that the next payload is expected to repeat at its start: as many as this payload
    /// repeated.
    fn expected_prefix(self, length: usize) -> usize {
        if self.prefix > 0 { self.prefix } else { length - length / 8 }
    }
}

/// A record that was written to the pack.
struct WrittenRecord {
    header: Header,
    offset: u64,
    prefix_hash: Option<PrefixHash>,
}

/// The payload store of one file for all payloads, `payloads.pack`.
#[derive(Debug)]
pub(in crate::bundle) struct Pack {
    file: Arc<PackFile>,
    reader: PackReader,
    id: StoreId,
    base_cache: Arc<BaseCache>,
}

impl Pack {
    /// Creates the store of the bundle in this directory.
    pub(in crate::bundle) fn new(bundle: Arc<BundleDirectory>) -> Self {
        Self::with_disk(Arc::new(RealDisk), bundle, Arc::default(), Arc::default())
    }

    /// Creates the store of the bundle in this directory, which writes to the given disk and keeps the bases of deltas
    /// in `base_cache`.
    pub(in crate::bundle) fn with_disk(
        disk: Arc<dyn Disk>,
        bundle: Arc<BundleDirectory>,
        base_cache: Arc<BaseCache>,
        open_files: Arc<OpenFiles>,
    ) -> Self {
        Self {
            file: Arc::new(PackFile::new(disk, bundle.path().join(PACK), open_files)),
            reader: PackReader::new(bundle),
            id: base_cache.new_store(),
            base_cache,
        }
    }

    /// Returns the payloads that are not at one of these places, in order of their offsets.
    pub(in crate::bundle) fn unnamed(&self, named: &NamedPlaces) -> Vec<UnnamedPayload> {
        self.reader.unnamed(named)
    }

    /// Appends a record for a payload, as a delta to the previous payload if that is worth it.
    fn append(
        &self,
        kind: Option<PayloadKind>,
        is_json: bool,
        bytes: &[u8],
        previous: Option<&PreviousPayload>,
    ) -> io::Result<WrittenRecord> {
        let length = u32::try_from(bytes.len()).ok().filter(|length| u64::from(*length) <= MAX_PAYLOAD_BYTES);
        let length = length.ok_or_else(|| {
            let message = format!(
                "a payload of {} bytes is too large for a pack, which takes at most {MAX_PAYLOAD_BYTES}",
                bytes.len()
            );
            io::Error::new(io::ErrorKind::InvalidInput, message)
        })?;
        let overlap = previous.map_or_else(Overlap::default, |previous| Overlap::new(&previous.body, bytes));
        let known = previous.and_then(|it| it.prefix_hash.as_ref()).filter(|it| it.length() <= overlap.prefix);
        let (hash, prefix_hash) = hash(bytes, known, overlap.expected_prefix(bytes.len()));
        let base = previous.and_then(|previous| overlap.base(previous, bytes.len()));
        let stored = if base.is_some() { overlap.prefix..bytes.len() - overlap.suffix } else { 0..bytes.len() };
        let header = Header { kind, flags: Flags { is_json }, length, hash, base };
        let offset = self.file.append(&header, &bytes[stored])?;
        Ok(WrittenRecord { header, offset, prefix_hash })
    }

    /// Returns `true` if the next request of the thread will probably repeat this one rather than the cached one.
    /// Between the requests that contain the history of a thread there are small ones: for a title or a summary, or the
    /// stand-in for a request that is not known.
    fn is_history(&self, thread: &ThreadId, record: &WrittenRecord, previous: Option<&PreviousPayload>) -> bool {
        let length = record.header.length as usize;
        if length < MIN_SAVED_BYTES {
            return false;
        }
        let is_side_request = previous.is_some_and(|previous| {
            let last = previous.body.len();
            length < last / HISTORY_FRACTION || (record.header.base.is_none() && length < last)
        });
        !(is_side_request && self.base_cache.skip(self.id, thread))
    }

    /// Caches a payload as the base for the next payload of its thread. Takes the payload's buffer and returns the
    /// buffer of the replaced payload in its place, so that large payloads are not copied.
    fn cache(&self, thread: &ThreadId, record: WrittenRecord, body: &mut BodyBuf) {
        let WrittenRecord { header, offset, prefix_hash } = record;
        let bytes = &mut body.bytes;
        let is_roomy = bytes.capacity() / 2 > bytes.len();
        let cached = if is_roomy { bytes.as_slice().to_vec() } else { std::mem::take(bytes) };
        let previous = PreviousPayload { offset, depth: header.depth(), body: Arc::new(cached), prefix_hash };
        let buffer = self.base_cache.replace(self.id, thread, previous);
        if !is_roomy {
            *bytes = buffer.unwrap_or_default();
        }
    }
}

impl PayloadStore for Pack {
    fn put(
        &self,
        _number: u64,
        thread: &ThreadId,
        kind: Option<PayloadKind>,
        body: &mut BodyBuf,
    ) -> io::Result<Location> {
        let repeats = kind.is_some_and(repeats_history);
        let previous = if repeats { self.base_cache.get(self.id, thread) } else { None };
        let record = self.append(kind, body.is_json(), &body.bytes, previous.as_ref())?;
        let is_cached = repeats && self.is_history(thread, &record, previous.as_ref());
        // Releases the cached buffer, so that `cache` can take it.
        drop(previous);
        let WrittenRecord { header: Header { length, hash, .. }, offset, .. } = record;
        if is_cached {
            self.cache(thread, record, body);
        }
        Ok(Location {
            path: PACK.to_owned(),
            offset: Some(offset),
            length: Some(u64::from(length)),
            hash: Some(format!("{hash:032x}").into()),
        })
    }

    fn sync(&self, locations: &mut Vec<Location>) -> io::Result<()> {
        // All payloads are in one file.
        self.file.sync()?;
        locations.clear();
        Ok(())
    }

    fn bytes(&self) -> u64 {
        self.file.length()
    }

    fn get(&self, reference: &PayloadRef) -> Result<StoredBody, PayloadError> {
        self.reader.get(reference).map_err(|why| PayloadError::new(reference, why))
    }

    fn thread_ended(&self, thread: &ThreadId) {
        self.base_cache.remove_thread(self.id, thread);
    }

    fn is_there(&self) -> bool {
        self.file.is_there()
    }

    fn release(&self) {
        self.file.close();
        self.base_cache.remove_store(self.id);
    }
}

impl Drop for Pack {
    fn drop(&mut self) {
        self.base_cache.remove_store(self.id);
    }
}

/// Returns `true` if payloads of this kind hold the history of their thread, so that the next one repeats it.
fn repeats_history(kind: PayloadKind) -> bool {
    match kind {
        PayloadKind::InferenceRequest | PayloadKind::CompactionRequest => true,
        PayloadKind::InferenceResponse
        | PayloadKind::CompactionCheckpoint
        | PayloadKind::CompactionResponse
        | PayloadKind::ToolInvocation
        | PayloadKind::ToolResult
        | PayloadKind::ToolRuntimeEvent
        | PayloadKind::TerminalRuntimeEvent
        | PayloadKind::ProtocolEvent
        | PayloadKind::SessionMetadata
        | PayloadKind::AgentResult => false,
    }
}
