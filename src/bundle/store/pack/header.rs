//! What stands before the bytes of a record, and before all records.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::super::Why;
use crate::event::PayloadKind;

/// What stands before the bytes of a record at most, in bytes: its header, if it is a difference.
pub(super) const MOST_HEADER: usize = 41;

/// How much shorter the header of any other record is.
const OF_DIFFERENCE: usize = 16;

/// The check is the last of it.
const CHECKED: usize = MOST_HEADER - 4;

/// How many records one may build on at most: a body is whole again after so many.
pub(super) const MOST_DEEP: u16 = 4096;

/// What a pack begins with.
pub(super) const HEAD: [u8; 16] = *b"OTELPACK\x01\0\0\0\0\0\0\0";

const KIND: u8 = 15;
const IS_JSON: u8 = 16;
const IS_DIFFERENCE: u8 = 32;

/// Whether these are the first bytes of a pack that we can read.
pub(super) fn check_head(head: &[u8; HEAD.len()]) -> Result<(), Why> {
    if *head == HEAD {
        return Ok(());
    }
    if head[..8] != HEAD[..8] {
        return Err(Why::Damaged("is in a file that does not begin as a pack"));
    }
    Err(Why::Damaged("is in a pack of a version that this otel-trace does not read"))
}

/// The header of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// None for one that format 1 does not have.
    pub(super) kind: Option<PayloadKind>,
    pub(super) flags: Flags,
    /// Of the body.
    pub(super) length: u32,
    /// Of the body.
    pub(super) hash: u128,
    pub(super) base: Option<Base>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flags {
    pub(super) is_json: bool,
}

/// The record that one builds on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Base {
    pub(super) offset: u64,
    pub(super) prefix: u32,
    pub(super) suffix: u32,
    /// Of the record that builds on it.
    pub(super) depth: u16,
}

impl Header {
    /// How many records it builds on.
    pub(super) fn depth(&self) -> u16 {
        self.base.map_or(0, |base| base.depth)
    }

    /// How long it is as bytes.
    pub(super) fn size(&self) -> usize {
        if self.base.is_some() { MOST_HEADER } else { MOST_HEADER - OF_DIFFERENCE }
    }

    /// The header of the record whose stored bytes are at `offset`. What counts is the last [`size`](Self::size) of it.
    pub(super) fn to_bytes(self, offset: u64) -> [u8; MOST_HEADER] {
        let mut bytes = [0; MOST_HEADER];
        let kind = self.kind.and_then(|kind| PayloadKind::ALL.iter().position(|it| *it == kind));
        bytes[16] = kind.and_then(|place| u8::try_from(place + 1).ok()).unwrap_or(0);
        bytes[16] |= if self.flags.is_json { IS_JSON } else { 0 };
        bytes[17..21].copy_from_slice(&self.length.to_le_bytes());
        bytes[21..37].copy_from_slice(&self.hash.to_le_bytes());
        if let Some(base) = self.base {
            bytes[16] |= IS_DIFFERENCE;
            bytes[..6].copy_from_slice(&base.offset.to_le_bytes()[..6]);
            bytes[6..10].copy_from_slice(&base.prefix.to_le_bytes());
            bytes[10..14].copy_from_slice(&base.suffix.to_le_bytes());
            bytes[14..16].copy_from_slice(&base.depth.to_le_bytes());
        }
        let check = check(&bytes[MOST_HEADER - self.size()..CHECKED], offset);
        bytes[CHECKED..].copy_from_slice(&check);
        bytes
    }

    /// Reads the header of the record whose stored bytes are at `offset` from what stands before them. Whatever the
    /// bytes are, what this gives leads to nothing but earlier records, and its parts fit into its length.
    pub(super) fn parse(bytes: &[u8; MOST_HEADER], offset: u64) -> Result<Self, Why> {
        let flags = bytes[16];
        let is_difference = flags & IS_DIFFERENCE != 0;
        let start = if is_difference { 0 } else { OF_DIFFERENCE };
        if bytes[CHECKED..] != check(&bytes[start..CHECKED], offset) {
            return Err(Why::Damaged("has a damaged header"));
        }
        let base_offset: [u8; 6] = part(bytes, 0);
        let header = Self {
            kind: usize::from(flags & KIND).checked_sub(1).and_then(|place| PayloadKind::ALL.get(place)).copied(),
            flags: Flags { is_json: flags & IS_JSON != 0 },
            length: u32::from_le_bytes(part(bytes, 17)),
            hash: u128::from_le_bytes(part(bytes, 21)),
            base: is_difference.then(|| Base {
                offset: base_offset.iter().rev().fold(0, |offset, byte| offset << 8 | u64::from(*byte)),
                prefix: u32::from_le_bytes(part(bytes, 6)),
                suffix: u32::from_le_bytes(part(bytes, 10)),
                depth: u16::from_le_bytes(part(bytes, 14)),
            }),
        };
        if header.base.is_some_and(|base| !base.is_possible(offset, header.length)) {
            return Err(Why::Damaged("builds on what can't be"));
        }
        Ok(header)
    }

    /// How many of its bytes are stored with it.
    pub(super) fn stored(&self) -> u32 {
        // No overflow: see `Base::is_possible`.
        self.base.map_or(self.length, |base| self.length - base.prefix - base.suffix)
    }
}

impl Base {
    fn is_possible(self, offset: u64, length: u32) -> bool {
        let in_common = self.prefix.checked_add(self.suffix);
        self.offset < offset && (1..=MOST_DEEP).contains(&self.depth) && in_common.is_some_and(|bytes| bytes <= length)
    }
}

fn check(bytes: &[u8], offset: u64) -> [u8; 4] {
    let [a, b, c, d, ..] = xxh3_64_with_seed(bytes, offset).to_le_bytes();
    [a, b, c, d]
}

fn part<const N: usize>(bytes: &[u8; MOST_HEADER], at: usize) -> [u8; N] {
    std::array::from_fn(|place| bytes[at + place])
}
