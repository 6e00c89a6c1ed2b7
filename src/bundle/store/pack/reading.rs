//! The file of a pack as it is read: what a reference names is put together from the records it builds on, without
//! putting those together.

use std::fs::File;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use xxhash_rust::xxh3::xxh3_128;

use super::super::{MAX_BODY_BYTES, StoredBody, Why};
use super::header::{Base, HEAD, Header, MOST_HEADER, check_head};
use super::positioned::read_exact_at;
use super::recent::Recent;
use super::{PACK, repeats_history};
use crate::bundle::file::{self, PlainDirectories};
use crate::event::PayloadRef;

/// The bodies of a pack.
#[derive(Debug)]
pub(super) struct Packed {
    bundle: PathBuf,
    file: OnceLock<File>,
    recent: Recent,
    /// How often the file was read: a test shows how that grows.
    pub(super) reads: AtomicU64,
}

/// Bytes of the body that is read, and where in the body of a record they are.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    to: u32,
    from: u32,
    length: u32,
}

/// Bytes of the body that is read, and where in the file they are.
#[derive(Debug, Clone, Copy)]
struct Literal {
    to: u32,
    at: u64,
    length: u32,
}

/// Where every byte of a body is.
#[derive(Debug, Default)]
struct Plan {
    literals: Vec<Literal>,
    /// What of it is in a body that was read before.
    known: Option<(Arc<Vec<u8>>, Vec<Wanted>)>,
}

/// Whether a path leads to the pack of a bundle.
pub(in crate::bundle) fn is_pack(path: &str) -> bool {
    let mut steps = Path::new(path).components().filter(|step| *step != Component::CurDir);
    steps.next() == Some(Component::Normal(PACK.as_ref())) && steps.next().is_none()
}

impl Packed {
    pub(super) fn new(bundle: &Path) -> Self {
        let bundle = bundle.to_owned();
        Self { bundle, file: OnceLock::new(), recent: Recent::default(), reads: AtomicU64::new(0) }
    }

    /// The body that a reference names. Nothing of the reference or of the file is trusted.
    pub(super) fn get(&self, reference: &PayloadRef) -> Result<StoredBody, Why> {
        let named = (reference.offset, reference.length, reference.hash.as_deref());
        let (Some(offset), Some(length), Some(hash)) = named else {
            return Err(Why::Damaged("is named without offset, length and hash; a pack holds many bodies"));
        };
        let file = self.file()?;
        let end = file.metadata().map_err(Why::Io)?.len();
        let header = self.header(file, offset, end)?;
        if u64::from(header.length) != length || !names(hash, header.hash) {
            return Err(Why::Damaged("is not what its reference says: another body is there"));
        }
        if length > MAX_BODY_BYTES {
            return Err(Why::TooLarge(length));
        }
        let bytes = match self.recent.get(offset) {
            Some(body) => body.to_vec(),
            None => self.assemble(file, offset, &header, end)?,
        };
        Ok(StoredBody { bytes, is_json: header.flags.is_json, kind: header.kind })
    }

    fn assemble(&self, file: &File, offset: u64, header: &Header, end: u64) -> Result<Vec<u8>, Why> {
        let plan = self.plan(file, offset, *header, end)?;
        // All of it is there: the plan says where each byte is, in bytes that the file has.
        let mut body = vec![0; header.length as usize];
        for literal in &plan.literals {
            let to = literal.to as usize;
            self.read(file, &mut body[to..to + literal.length as usize], literal.at)?;
        }
        if let Some((known, wanted)) = &plan.known {
            for Wanted { to, from, length } in wanted {
                let (to, from, length) = (*to as usize, *from as usize, *length as usize);
                body[to..to + length].copy_from_slice(&known[from..from + length]);
            }
        }
        if xxh3_128(&body) != header.hash {
            return Err(Why::Damaged(
                "is damaged: it, or what it builds on, has not the hash that it was written with",
            ));
        }
        if header.kind.is_some_and(repeats_history) {
            self.recent.add(offset, &body);
        }
        Ok(body)
    }

    /// Goes down from a record through those it builds on until each byte is found. Of each of them only what is still
    /// wanted is looked at; ends, since each lies before the one that builds on it and is less deep.
    fn plan(&self, file: &File, offset: u64, top: Header, end: u64) -> Result<Plan, Why> {
        let mut plan = Plan::default();
        let (mut offset, mut header) = (offset, top);
        let mut wanted = vec![Wanted { to: 0, from: 0, length: top.length }];
        loop {
            let Some(base) = header.base else {
                plan.literals.extend(wanted.iter().map(|bytes| bytes.stored_at(offset)));
                return Ok(plan);
            };
            let known = self.recent.get(base.offset);
            let below = match &known {
                Some(body) => Below { length: body.len() as u64, header: None },
                None => {
                    let header = self.header(file, base.offset, end)?;
                    if header.depth() + 1 != base.depth {
                        return Err(Why::Damaged("builds on a record that is not the one it was"));
                    }
                    Below { length: u64::from(header.length), header: Some(header) }
                }
            };
            if u64::from(base.prefix) + u64::from(base.suffix) > below.length {
                return Err(Why::Damaged("builds on a record that is shorter than it was"));
            }
            wanted = plan.split(&wanted, offset, &header, base, below.length);
            match (known, below.header) {
                _ if wanted.is_empty() => return Ok(plan),
                (Some(body), _) => {
                    plan.known = Some((body, wanted));
                    return Ok(plan);
                }
                (None, Some(next)) => (offset, header) = (base.offset, next),
                (None, None) => return Err(Why::Damaged("builds on nothing")),
            }
        }
    }

    /// The header of the record at `offset`, whose stored bytes the file has.
    fn header(&self, file: &File, offset: u64, end: u64) -> Result<Header, Why> {
        let start = offset.checked_sub(MOST_HEADER as u64).filter(|_| offset <= end);
        let start = start.ok_or(Why::Damaged("is not in the pack: there is no such place in it"))?;
        let mut bytes = [0; MOST_HEADER];
        self.read(file, &mut bytes, start)?;
        let header = Header::parse(&bytes, offset)?;
        if u64::from(header.stored()) > end - offset {
            return Err(Why::Damaged("is cut short: the pack ends in the middle of it"));
        }
        Ok(header)
    }

    fn read(&self, file: &File, bytes: &mut [u8], at: u64) -> Result<(), Why> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        read_exact_at(file, bytes, at).map_err(Why::Io)
    }

    fn file(&self) -> Result<&File, Why> {
        if let Some(file) = self.file.get() {
            return Ok(file);
        }
        let file = file::open_inside(&self.bundle, PACK, &PlainDirectories::default())?;
        let mut head = [0; HEAD.len()];
        read_exact_at(&file, &mut head, 0).map_err(|_| Why::Damaged("is in a file that does not begin as a pack"))?;
        check_head(&head)?;
        Ok(self.file.get_or_init(|| file))
    }
}

/// What a difference builds on.
struct Below {
    length: u64,
    /// Unless its body is known.
    header: Option<Header>,
}

impl Plan {
    /// Takes what of `wanted` is stored with a record, and gives what is wanted of its base: never more than one part
    /// more, as only one of them can lie across the stored bytes.
    fn split(&mut self, wanted: &[Wanted], offset: u64, header: &Header, base: Base, below: u64) -> Vec<Wanted> {
        let middle = base.prefix;
        let end = header.length - base.suffix;
        let mut rest = Vec::with_capacity(wanted.len() + 1);
        for bytes in wanted {
            let (before, others) = bytes.split_at(middle);
            let (stored, after) = others.split_at(end);
            rest.extend(before.there());
            self.literals.extend(stored.there().map(|it| Wanted { from: it.from - middle, ..it }.stored_at(offset)));
            // Where the same bytes are in the base: as far from its end. It is long enough, which was asked.
            let moved = |it: Wanted| below - u64::from(header.length - it.from);
            rest.extend(after.there().map(|it| Wanted { from: u32::try_from(moved(it)).unwrap_or(u32::MAX), ..it }));
        }
        rest
    }
}

impl Wanted {
    /// What of it lies before `at` in its record, and what from there.
    fn split_at(self, at: u32) -> (Self, Self) {
        let before = at.saturating_sub(self.from).min(self.length);
        let first = Self { length: before, ..self };
        (first, Self { to: self.to + before, from: self.from + before, length: self.length - before })
    }

    fn there(self) -> Option<Self> {
        (self.length > 0).then_some(self)
    }

    /// The same, where the stored bytes of its record are at `offset`.
    fn stored_at(self, offset: u64) -> Literal {
        Literal { to: self.to, at: offset + u64::from(self.from), length: self.length }
    }
}

/// Whether the text is this hash.
fn names(text: &str, hash: u128) -> bool {
    text.len() == 32 && u128::from_str_radix(text, 16) == Ok(hash)
}
