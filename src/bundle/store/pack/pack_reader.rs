//! The reading side of a pack: assembles a payload from the records that it builds on, without assembling the payloads
//! of those records.

use std::fs::File;
use std::path::{Component, Path};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use xxhash_rust::xxh3::xxh3_128;

use super::super::{MAX_PAYLOAD_BYTES, PayloadErrorKind, StoredBody};
use super::header::{Base, FILE_HEADER, Header, MAX_HEADER, check_file_header};
use super::read_at::read_exact_at;
use super::recent::RecentBodies;
use super::{PACK, repeats_history};
use crate::bundle::fs::BundleDirectory;
use crate::bundle::fs::hole::is_mostly_hole;
use crate::event::PayloadRef;

/// Reads payloads from a pack.
#[derive(Debug)]
pub(super) struct PackReader {
    bundle: Arc<BundleDirectory>,
    file: OnceLock<File>,
    recent: RecentBodies,
    /// Number of reads of the file, for a test that bounds it.
    pub(super) reads: AtomicU64,
}

/// A range of the requested payload, and where its bytes are in the payload of a record.
#[derive(Debug, Clone, Copy)]
struct BodyRange {
    to: u32,
    from: u32,
    length: u32,
}

/// A range of the requested payload, and where its bytes are in the file.
#[derive(Debug, Clone, Copy)]
struct Literal {
    to: u32,
    at: u64,
    length: u32,
}

/// A plan for reading a payload: the locations of all its bytes.
#[derive(Debug, Default)]
struct ReadPlan {
    literals: Vec<Literal>,
    /// A cached payload, and the ranges to copy from it. `None` if all bytes are read from the file.
    cached: Option<(Arc<Vec<u8>>, Vec<BodyRange>)>,
}

/// Returns `true` if the path of a payload reference is the path of the pack.
pub(crate) fn is_pack(path: &str) -> bool {
    let mut steps = Path::new(path).components().filter(|step| *step != Component::CurDir);
    steps.next() == Some(Component::Normal(PACK.as_ref())) && steps.next().is_none()
}

impl PackReader {
    /// Creates a reader for the pack of the bundle in this directory. The pack is opened with the first payload.
    pub(super) fn new(bundle: Arc<BundleDirectory>) -> Self {
        Self { bundle, file: OnceLock::new(), recent: RecentBodies::default(), reads: AtomicU64::new(0) }
    }

    /// Reads the payload that a reference names. Neither the reference nor the file is trusted.
    ///
    /// # Errors
    /// Returns an error if the reference does not fit the pack, or if the pack is damaged or cannot be read.
    pub(super) fn get(&self, reference: &PayloadRef) -> Result<StoredBody, PayloadErrorKind> {
        let named = (reference.offset, reference.length, reference.hash.as_deref());
        let (Some(offset), Some(length), Some(hash)) = named else {
            return Err(PayloadErrorKind::Damaged(
                "is named without offset, length and hash, which a payload in a pack needs",
            ));
        };
        let file = self.file()?;
        let end = file.metadata().map_err(PayloadErrorKind::Io)?.len();
        let header = self.header(file, offset, end)?;
        if u64::from(header.length) != length || !is_hash(hash, header.hash) {
            return Err(PayloadErrorKind::Damaged("does not match its reference: another payload is at this offset"));
        }
        if length > MAX_PAYLOAD_BYTES {
            return Err(PayloadErrorKind::TooLarge(length));
        }
        let bytes = match self.recent.get(offset) {
            Some(body) => body.to_vec(),
            None => self.assemble(file, offset, &header, end)?,
        };
        Ok(StoredBody { bytes, is_json: header.flags.is_json, kind: header.kind })
    }

    fn assemble(&self, file: &File, offset: u64, header: &Header, end: u64) -> Result<Vec<u8>, PayloadErrorKind> {
        let plan = self.plan(file, offset, *header, end)?;
        // Allocated only now: the plan has proved that the file contains every byte.
        let mut body = vec![0; header.length as usize];
        for literal in &plan.literals {
            let to = literal.to as usize;
            self.read(file, &mut body[to..to + literal.length as usize], literal.at)?;
        }
        if let Some((cached, ranges)) = &plan.cached {
            for BodyRange { to, from, length } in ranges {
                let (to, from, length) = (*to as usize, *from as usize, *length as usize);
                body[to..to + length].copy_from_slice(&cached[from..from + length]);
            }
        }
        if xxh3_128(&body) != header.hash {
            return Err(PayloadErrorKind::Damaged(
                "is damaged: it does not match its hash, nor perhaps does a record that it builds on",
            ));
        }
        if header.kind.is_some_and(repeats_history) {
            self.recent.add(offset, &body);
        }
        Ok(body)
    }

    /// Follows the chain of bases from a record until each byte is located. Only the ranges that are not located yet
    /// are followed. Terminates because each base has a smaller offset and a smaller depth.
    fn plan(&self, file: &File, offset: u64, top: Header, end: u64) -> Result<ReadPlan, PayloadErrorKind> {
        let mut plan = ReadPlan::default();
        let (mut offset, mut header) = (offset, top);
        let mut ranges = vec![BodyRange { to: 0, from: 0, length: top.length }];
        loop {
            let Some(base) = header.base else {
                plan.literals.extend(ranges.iter().map(|bytes| bytes.stored_at(offset)));
                return Ok(plan);
            };
            let cached = self.recent.get(base.offset);
            let base_info = match &cached {
                Some(body) => BaseInfo { length: body.len() as u64, header: None },
                None => {
                    let header = self.header(file, base.offset, end)?;
                    if header.depth() + 1 != base.depth {
                        return Err(PayloadErrorKind::Damaged(
                            "builds on a record that was replaced: its depth differs",
                        ));
                    }
                    BaseInfo { length: u64::from(header.length), header: Some(header) }
                }
            };
            if u64::from(base.prefix) + u64::from(base.suffix) > base_info.length {
                return Err(PayloadErrorKind::Damaged(
                    "builds on a record that is shorter than the parts in common with it",
                ));
            }
            ranges = plan.split(&ranges, offset, &header, base, base_info.length);
            match (cached, base_info.header) {
                _ if ranges.is_empty() => return Ok(plan),
                (Some(body), _) => {
                    plan.cached = Some((body, ranges));
                    return Ok(plan);
                }
                (None, Some(next)) => (offset, header) = (base.offset, next),
                (None, None) => return Err(PayloadErrorKind::Damaged("builds on a record that is missing")),
            }
        }
    }

    /// Reads the header of the record at `offset`, and checks that the file contains the record's stored bytes.
    pub(super) fn header(&self, file: &File, offset: u64, end: u64) -> Result<Header, PayloadErrorKind> {
        let start = offset.checked_sub(MAX_HEADER as u64).filter(|_| offset <= end);
        let start = start.ok_or(PayloadErrorKind::Damaged("is not in the pack: it has no record at this offset"))?;
        let mut bytes = [0; MAX_HEADER];
        self.read(file, &mut bytes, start)?;
        let header = Header::parse(&bytes, offset)?;
        if u64::from(header.stored()) > end - offset {
            return Err(PayloadErrorKind::Damaged("is cut short: the pack ends in the middle of it"));
        }
        if is_mostly_hole(file, offset..offset + u64::from(header.stored())) {
            return Err(PayloadErrorKind::Hole(u64::from(header.stored())));
        }
        Ok(header)
    }

    fn read(&self, file: &File, bytes: &mut [u8], at: u64) -> Result<(), PayloadErrorKind> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        read_exact_at(file, bytes, at).map_err(PayloadErrorKind::Io)
    }

    /// Returns the open pack.
    pub(super) fn file(&self) -> Result<&File, PayloadErrorKind> {
        if let Some(file) = self.file.get() {
            return Ok(file);
        }
        let file = self.bundle.open_file(PACK)?;
        let mut head = [0; FILE_HEADER.len()];
        read_exact_at(&file, &mut head, 0)
            .map_err(|_| PayloadErrorKind::Damaged("is in a file that is not a pack: its first bytes differ"))?;
        check_file_header(&head)?;
        Ok(self.file.get_or_init(|| file))
    }
}

/// The base of a delta: the length of its payload, and its header if it was read.
struct BaseInfo {
    length: u64,
    /// Header of the base record. `None` if the base payload is cached.
    header: Option<Header>,
}

impl ReadPlan {
    /// Adds the parts of `ranges` that are stored with a record to the plan, and returns the parts to find in the
    /// record's base. There is at most one part more than before, because only one range can extend across the stored
    /// bytes.
    fn split(
        &mut self,
        ranges: &[BodyRange],
        offset: u64,
        header: &Header,
        base: Base,
        base_length: u64,
    ) -> Vec<BodyRange> {
        let middle = base.prefix;
        let end = header.length - base.suffix;
        let mut rest = Vec::with_capacity(ranges.len() + 1);
        for bytes in ranges {
            let (before, others) = bytes.split_at(middle);
            let (stored, after) = others.split_at(end);
            rest.extend(before.non_empty());
            self.literals
                .extend(stored.non_empty().map(|it| BodyRange { from: it.from - middle, ..it }.stored_at(offset)));
            // The suffix has the same distance from the end of the base. The caller has checked the length of the base.
            let moved = |it: BodyRange| base_length - u64::from(header.length - it.from);
            rest.extend(
                after.non_empty().map(|it| BodyRange { from: u32::try_from(moved(it)).unwrap_or(u32::MAX), ..it }),
            );
        }
        rest
    }
}

impl BodyRange {
    /// Splits the range in two at index `at` of the record's payload.
    fn split_at(self, at: u32) -> (Self, Self) {
        let before = at.saturating_sub(self.from).min(self.length);
        let first = Self { length: before, ..self };
        (first, Self { to: self.to + before, from: self.from + before, length: self.length - before })
    }

    /// Returns the range, or `None` if it is empty.
    fn non_empty(self) -> Option<Self> {
        (self.length > 0).then_some(self)
    }

    /// Converts the range to a range of the file, given the offset of the record's stored bytes.
    fn stored_at(self, offset: u64) -> Literal {
        Literal { to: self.to, at: offset + u64::from(self.from), length: self.length }
    }
}

/// Returns `true` if the text is the given hash as 32 hexadecimal digits.
fn is_hash(text: &str, hash: u128) -> bool {
    text.len() == 32 && u128::from_str_radix(text, 16) == Ok(hash)
}
