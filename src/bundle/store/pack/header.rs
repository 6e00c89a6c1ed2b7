//! What stands before the bytes of a record, and before all records.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::super::Why;
use crate::event::PayloadKind;

/// Length of a record's header, in bytes.
pub(super) const HEADER: usize = 48;

/// … of which the check covers so many.
const CHECKED: usize = 40;

/// How many records one may build on at most: a body is whole again after so many.
pub(super) const MOST_DEEP: u16 = 4096;

/// What a pack begins with.
pub(super) const HEAD: [u8; 16] = *b"OTELPACK\x01\0\0\0\0\0\0\0";

const IS_JSON: u8 = 1;
const IS_DIFFERENCE: u8 = 2;

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

    /// The header of the record whose stored bytes are at `offset`.
    pub(super) fn to_bytes(self, offset: u64) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        let kind = self.kind.and_then(|kind| PayloadKind::ALL.iter().position(|it| *it == kind));
        bytes[0] = kind.and_then(|place| u8::try_from(place + 1).ok()).unwrap_or(0);
        bytes[1] = if self.flags.is_json { IS_JSON } else { 0 };
        bytes[4..8].copy_from_slice(&self.length.to_le_bytes());
        bytes[8..24].copy_from_slice(&self.hash.to_le_bytes());
        if let Some(base) = self.base {
            bytes[1] |= IS_DIFFERENCE;
            bytes[2..4].copy_from_slice(&base.depth.to_le_bytes());
            bytes[24..32].copy_from_slice(&base.offset.to_le_bytes());
            bytes[32..36].copy_from_slice(&base.prefix.to_le_bytes());
            bytes[36..40].copy_from_slice(&base.suffix.to_le_bytes());
        }
        let check = xxh3_64_with_seed(&bytes[..CHECKED], offset);
        bytes[CHECKED..].copy_from_slice(&check.to_le_bytes());
        bytes
    }

    /// Reads the header of the record whose stored bytes are at `offset`. Whatever the bytes are, what this gives
    /// leads to nothing but earlier records, and its parts fit into its length.
    pub(super) fn parse(bytes: &[u8; HEADER], offset: u64) -> Result<Self, Why> {
        let check = xxh3_64_with_seed(&bytes[..CHECKED], offset);
        if bytes[CHECKED..] != check.to_le_bytes() {
            return Err(Why::Damaged("has a damaged header"));
        }
        let header = Self {
            kind: usize::from(bytes[0]).checked_sub(1).and_then(|place| PayloadKind::ALL.get(place)).copied(),
            flags: Flags { is_json: bytes[1] & IS_JSON != 0 },
            length: u32::from_le_bytes(part(bytes, 4)),
            hash: u128::from_le_bytes(part(bytes, 8)),
            base: (bytes[1] & IS_DIFFERENCE != 0).then(|| Base {
                depth: u16::from_le_bytes(part(bytes, 2)),
                offset: u64::from_le_bytes(part(bytes, 24)),
                prefix: u32::from_le_bytes(part(bytes, 32)),
                suffix: u32::from_le_bytes(part(bytes, 36)),
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

fn part<const N: usize>(bytes: &[u8; HEADER], at: usize) -> [u8; N] {
    std::array::from_fn(|place| bytes[at + place])
}
