//! The header of a record and the header of the file, in version 1 of the pack's layout.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::super::PayloadErrorKind;
use crate::event::PayloadKind;

/// Length of the header of a delta, in bytes: the longest header.
pub(super) const MAX_HEADER: usize = 41;

/// Length of the fields that only a delta has, in bytes.
pub(super) const BASE_FIELDS: usize = 16;

/// Number of bytes of the header before the check, which is the last field.
const CHECKED: usize = MAX_HEADER - 4;

/// Maximum depth of a delta: the number of records in the chain of its bases. After a chain of this length the next
/// payload is stored whole.
pub(super) const MAX_DEPTH: u16 = 4096;

/// The first bytes of a pack: magic number, version of the layout, padding.
pub(super) const FILE_HEADER: [u8; 16] = *b"OTELPACK\x01\0\0\0\0\0\0\0";

const KIND: u8 = 15;
const IS_JSON: u8 = 16;
const IS_DELTA: u8 = 32;

/// Checks the first bytes of a pack.
///
/// # Errors
/// Returns an error if the file is not a pack, or if its version is unknown.
pub(super) fn check_file_header(head: &[u8; FILE_HEADER.len()]) -> Result<(), PayloadErrorKind> {
    if *head == FILE_HEADER {
        return Ok(());
    }
    if head[..8] != FILE_HEADER[..8] {
        return Err(PayloadErrorKind::Damaged("is in a file that is not a pack: its first bytes differ"));
    }
    Err(PayloadErrorKind::Damaged("is in a pack of a version that this otel-trace cannot read"))
}

/// The header of a record, which is stored before the bytes of one payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Kind of the payload. `None` for a kind that format 1 does not define.
    pub(super) kind: Option<PayloadKind>,
    pub(super) flags: Flags,
    /// Length of the payload, in bytes.
    pub(super) length: u32,
    /// xxh3-128 hash of the payload.
    pub(super) hash: u128,
    pub(super) base: Option<Base>,
}

/// Properties of the payload in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flags {
    pub(super) is_json: bool,
}

/// The base of a delta: the record whose payload the delta repeats in part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Base {
    /// Offset of the base record.
    pub(super) offset: u64,
    /// Number of bytes in common with the start of the base payload.
    pub(super) prefix: u32,
    /// Number of bytes in common with the end of the base payload.
    pub(super) suffix: u32,
    /// Number of records in the chain of bases below the delta itself.
    pub(super) depth: u16,
}

impl Header {
    /// Returns the number of records in the chain of bases below this record.
    pub(super) fn depth(&self) -> u16 {
        self.base.map_or(0, |base| base.depth)
    }

    /// Returns the encoded length of the header, in bytes.
    pub(super) fn size(&self) -> usize {
        if self.base.is_some() { MAX_HEADER } else { MAX_HEADER - BASE_FIELDS }
    }

    /// Encodes the header of the record whose stored bytes are at `offset`. Only the last [`size`](Self::size) bytes of
    /// the result are part of the header.
    pub(super) fn to_bytes(self, offset: u64) -> [u8; MAX_HEADER] {
        let mut bytes = [0; MAX_HEADER];
        let kind = self.kind.and_then(|kind| PayloadKind::ALL.iter().position(|it| *it == kind));
        bytes[16] = kind.and_then(|place| u8::try_from(place + 1).ok()).unwrap_or(0);
        bytes[16] |= if self.flags.is_json { IS_JSON } else { 0 };
        bytes[17..21].copy_from_slice(&self.length.to_le_bytes());
        bytes[21..37].copy_from_slice(&self.hash.to_le_bytes());
        if let Some(base) = self.base {
            bytes[16] |= IS_DELTA;
            bytes[..6].copy_from_slice(&base.offset.to_le_bytes()[..6]);
            bytes[6..10].copy_from_slice(&base.prefix.to_le_bytes());
            bytes[10..14].copy_from_slice(&base.suffix.to_le_bytes());
            bytes[14..16].copy_from_slice(&base.depth.to_le_bytes());
        }
        let check = check(&bytes[MAX_HEADER - self.size()..CHECKED], offset);
        bytes[CHECKED..].copy_from_slice(&check);
        bytes
    }

    /// Parses the header of the record whose stored bytes are at `offset` from the bytes before them. For any bytes,
    /// the base of the result is at an earlier offset, and prefix and suffix fit into the length.
    ///
    /// # Errors
    /// Returns an error if the check does not match, or if the base is not possible.
    pub(super) fn parse(bytes: &[u8; MAX_HEADER], offset: u64) -> Result<Self, PayloadErrorKind> {
        let flags = bytes[16];
        let is_delta = flags & IS_DELTA != 0;
        let start = if is_delta { 0 } else { BASE_FIELDS };
        if bytes[CHECKED..] != check(&bytes[start..CHECKED], offset) {
            return Err(PayloadErrorKind::Damaged("has a damaged header"));
        }
        let base_offset: [u8; 6] = part(bytes, 0);
        let header = Self {
            kind: usize::from(flags & KIND).checked_sub(1).and_then(|place| PayloadKind::ALL.get(place)).copied(),
            flags: Flags { is_json: flags & IS_JSON != 0 },
            length: u32::from_le_bytes(part(bytes, 17)),
            hash: u128::from_le_bytes(part(bytes, 21)),
            base: is_delta.then(|| Base {
                offset: base_offset.iter().rev().fold(0, |offset, byte| offset << 8 | u64::from(*byte)),
                prefix: u32::from_le_bytes(part(bytes, 6)),
                suffix: u32::from_le_bytes(part(bytes, 10)),
                depth: u16::from_le_bytes(part(bytes, 14)),
            }),
        };
        if header.base.is_some_and(|base| !base.is_possible(offset, header.length)) {
            return Err(PayloadErrorKind::Damaged("has an impossible base"));
        }
        Ok(header)
    }

    /// Returns the number of bytes that are stored with the record.
    pub(super) fn stored(&self) -> u32 {
        // Does not overflow: see `Base::is_possible`.
        self.base.map_or(self.length, |base| self.length - base.prefix - base.suffix)
    }
}

impl Base {
    /// Returns `true` if the base record is before the delta, the depth is valid, and prefix and suffix fit into the
    /// payload.
    fn is_possible(self, offset: u64, length: u32) -> bool {
        let in_common = self.prefix.checked_add(self.suffix);
        self.offset < offset && (1..=MAX_DEPTH).contains(&self.depth) && in_common.is_some_and(|bytes| bytes <= length)
    }
}

/// Returns the check of a header: the low half of its xxh3-64, seeded with the record's offset.
fn check(bytes: &[u8], offset: u64) -> [u8; 4] {
    let [a, b, c, d, ..] = xxh3_64_with_seed(bytes, offset).to_le_bytes();
    [a, b, c, d]
}

fn part<const N: usize>(bytes: &[u8; MAX_HEADER], at: usize) -> [u8; N] {
    std::array::from_fn(|place| bytes[at + place])
}
