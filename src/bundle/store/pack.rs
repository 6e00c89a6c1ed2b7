//! All bodies in one file, `payloads.pack`, a body that repeats an earlier one as the difference.
//!
//! # Layout, version 1
//! All numbers are little-endian.
//!
//! ```text
//! payloads.pack    head  record  record  …
//!
//! head       0   8  "OTELPACK"
//!            8   4  version of the layout, 1
//!           12   4  zero
//!
//! record   -41   6  offset of the base, the record it builds on
//!          -35   4  how many bytes it has in common with the beginning of its base
//!          -31   4  … and with the end of it
//!          -27   2  depth: how many records it builds on
//!          -25   1  kind: the place of the body's kind in the table of format 1, from 1, or 0 for any other;
//!                   plus 16 where the body is one JSON value, plus 32 where the record is a difference
//!          -24   4  length of the body
//!          -20  16  xxh3-128 of the body
//!           -4   4  check: low half of the xxh3-64 of the bytes above, with the record's offset as the seed
//!            0   …  the body, but for the bytes in common
//! ```
//!
//! A record that is no difference begins with its kind; what would stand before is not there. A record's *offset* is
//! that of its stored bytes, behind its header. This is what a reference names, with the length and the hash of the
//! body. So of a body that is no difference a reader that knows nothing of packs finds the bytes, and of any other it
//! finds by the hash that they are not the body.
//!
//! A difference is `<beginning of the base> <stored bytes> <end of the base>`. Its base lies before it in the file and
//! has a depth of one less, and none is deeper than 4096; beginning and end do not overlap in the base. Other records
//! have a depth of 0.
//!
//! Records need not touch: where a body could not be written whole, or its program was killed, there are bytes that no
//! reference names, and nobody looks at them. Readers follow references and never scan.
//!
//! # What damage costs
//! A header that is not as it was written is noticed by its check, a body by its hash. Either costs that body and
//! those that build on it, and no other: a record says by itself where everything is that it needs.

mod ends;
mod hashing;
mod header;
mod kept;
mod pack_file;
mod positioned;
mod reading;
mod recent;
#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::{BodyBuf, Location, MAX_BODY_BYTES, PayloadError, PayloadStore, StoredBody};
use crate::bundle::disk::{Disk, RealDisk};
use crate::bundle::open_logs::OpenLogs;
use crate::event::{PayloadKind, PayloadRef, ThreadId};
use ends::{common_prefix, common_suffix};
use hashing::{Beginning, hash};
use header::{Base, Flags, Header, MOST_DEEP};
use kept::{Previous, StoreId};
use pack_file::PackFile;
use reading::Packed;
pub(in crate::bundle) use reading::is_pack;

pub(crate) use kept::KeptBodies;

/// The file, in its bundle.
pub(in crate::bundle) const PACK: &str = "payloads.pack";

/// What a difference must save at least, in bytes: less is not worth what a reader has to follow.
const WORTH_A_BASE: usize = 128;

/// … and of the body, one part in so many.
const WORTH_A_PART: usize = 16;

/// A body says nothing of the history of its thread that is smaller than one part in so many of the last one.
const PART_OF_HISTORY: usize = 4;

/// What two bodies have in common, in bytes.
#[derive(Debug, Clone, Copy, Default)]
struct Common {
    prefix: usize,
    suffix: usize,
}

impl Common {
    fn of(base: &[u8], body: &[u8]) -> Self {
        let prefix = common_prefix(base, body);
        Self { prefix, suffix: common_suffix(&base[prefix..], &body[prefix..]) }
    }

    /// How the body builds on the earlier one, if that is worth it.
    fn base(self, previous: &Previous, length: usize) -> Option<Base> {
        let Self { prefix, suffix } = self;
        if previous.depth >= MOST_DEEP || prefix + suffix < WORTH_A_BASE.max(length / WORTH_A_PART) {
            return None;
        }
        let (prefix, suffix) = (u32::try_from(prefix).ok()?, u32::try_from(suffix).ok()?);
        Some(Base { offset: previous.offset, prefix, suffix, depth: previous.depth + 1 })
    }

    /// How many bytes the next body is expected to begin with: what stayed this time stays again.
    fn stays(self, length: usize) -> usize {
        if self.prefix > 0 { self.prefix } else { length - length / 8 }
    }
}

/// A record that is in the file.
struct Written {
    header: Header,
    offset: u64,
    beginning: Option<Beginning>,
}

/// The store of one file.
#[derive(Debug)]
pub(in crate::bundle) struct Pack {
    file: Arc<PackFile>,
    packed: Packed,
    id: StoreId,
    kept: Arc<KeptBodies>,
}

impl Pack {
    /// The store of the bundle in this directory.
    pub(in crate::bundle) fn new(bundle: &Path) -> Self {
        Self::on(Arc::new(RealDisk), bundle, Arc::default(), Arc::default())
    }

    /// The same, written to this disk. Bodies to compare with are kept among `kept`.
    pub(in crate::bundle) fn on(
        disk: Arc<dyn Disk>,
        bundle: &Path,
        kept: Arc<KeptBodies>,
        open_logs: Arc<OpenLogs>,
    ) -> Self {
        Self {
            file: Arc::new(PackFile::new(disk, bundle.join(PACK), open_logs)),
            packed: Packed::new(bundle),
            id: kept.new_store(),
            kept,
        }
    }

    /// Writes a body and gives the record that it is now.
    fn append(
        &self,
        kind: PayloadKind,
        is_json: bool,
        bytes: &[u8],
        previous: Option<&Previous>,
    ) -> io::Result<Written> {
        let length = u32::try_from(bytes.len()).ok().filter(|length| u64::from(*length) <= MAX_BODY_BYTES);
        let length = length.ok_or_else(|| {
            let message = format!("a body of {} bytes; a pack takes at most {MAX_BODY_BYTES}", bytes.len());
            io::Error::new(io::ErrorKind::InvalidInput, message)
        })?;
        let common = previous.map_or_else(Common::default, |previous| Common::of(&previous.body, bytes));
        let known = previous.and_then(|it| it.beginning.as_ref()).filter(|it| it.length() <= common.prefix);
        let (hash, beginning) = hash(bytes, known, common.stays(bytes.len()));
        let base = previous.and_then(|previous| common.base(previous, bytes.len()));
        let stored = if base.is_some() { common.prefix..bytes.len() - common.suffix } else { 0..bytes.len() };
        let header = Header { kind: Some(kind), flags: Flags { is_json }, length, hash, base };
        let offset = self.file.append(&header, &bytes[stored])?;
        Ok(Written { header, offset, beginning })
    }

    /// Whether the next body will rather repeat this one than the one that is kept. Small calls come between those that
    /// hold the history of a thread, for a title or a summary, or a stand-in for a request that nobody knows.
    fn is_history(&self, thread: &ThreadId, record: &Written, previous: Option<&Previous>) -> bool {
        let length = record.header.length as usize;
        if length < WORTH_A_BASE {
            return false;
        }
        let is_beside = previous.is_some_and(|previous| {
            let last = previous.body.len();
            length < last / PART_OF_HISTORY || (record.header.base.is_none() && length < last)
        });
        !(is_beside && self.kept.passes_over(self.id, thread))
    }

    /// Keeps a body for the next one. Its buffer itself, and the one that was kept goes on as a buffer: what is large
    /// is not copied.
    fn keep(&self, thread: &ThreadId, record: Written, body: &mut BodyBuf) {
        let Written { header, offset, beginning } = record;
        let bytes = &mut body.bytes;
        let is_roomy = bytes.capacity() / 2 > bytes.len();
        let kept = if is_roomy { bytes.as_slice().to_vec() } else { std::mem::take(bytes) };
        let previous = Previous { offset, depth: header.depth(), body: Arc::new(kept), beginning };
        let buffer = self.kept.replace(self.id, thread, previous);
        if !is_roomy {
            *bytes = buffer.unwrap_or_default();
        }
    }
}

impl PayloadStore for Pack {
    fn put(&self, _number: u64, thread: &ThreadId, kind: PayloadKind, body: &mut BodyBuf) -> io::Result<Location> {
        let repeats = repeats_history(kind);
        let previous = if repeats { self.kept.get(self.id, thread) } else { None };
        let record = self.append(kind, body.is_json(), &body.bytes, previous.as_ref())?;
        let is_kept = repeats && self.is_history(thread, &record, previous.as_ref());
        // Its buffer may be taken now.
        drop(previous);
        let Written { header: Header { length, hash, .. }, offset, .. } = record;
        if is_kept {
            self.keep(thread, record, body);
        }
        Ok(Location {
            path: PACK.to_owned(),
            offset: Some(offset),
            length: Some(u64::from(length)),
            hash: Some(format!("{hash:032x}").into()),
        })
    }

    fn sync(&self, places: &mut Vec<Location>) -> io::Result<()> {
        // All of it, which is one file.
        self.file.sync()?;
        places.clear();
        Ok(())
    }

    fn bytes(&self) -> u64 {
        self.file.length()
    }

    fn get(&self, reference: &PayloadRef) -> Result<StoredBody, PayloadError> {
        self.packed.get(reference).map_err(|why| PayloadError::new(reference, why))
    }

    fn thread_ended(&self, thread: &ThreadId) {
        self.kept.forget_thread(self.id, thread);
    }

    fn is_there(&self) -> bool {
        self.file.is_there()
    }

    fn rest(&self) {
        self.file.rest();
        self.kept.forget(self.id);
    }
}

impl Drop for Pack {
    fn drop(&mut self) {
        self.kept.forget(self.id);
    }
}

/// Whether a body of this kind holds the history of its thread, so that the next one repeats it.
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
