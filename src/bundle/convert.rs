//! A finished bundle with its bodies kept otherwise.
//!
//! The log is copied byte for byte, but for what references say of where their bodies are. So what can't be read
//! survives as it is: lines that are damaged or cut short, variants and fields that nobody knows. A body that can't be
//! read is told of, and its reference stays.
//!
//! A reference that is changed keeps its other members. Where its file had not the name that [`Store::Files`] gives, or
//! had members of a place of its own, an optional member `unpacked` of it says them, so that the way back leads to the
//! same bytes.

mod reference;

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use super::destination::Destination;
use super::file::{self, PlainDirectories};
use super::store::is_pack;
use super::{BodyBuf, BundleError, Location, Manifest, PayloadStore, Reader, Store, StoredBody, WriterOptions};
use crate::event::{PayloadRef, RawPayloadId, ThreadId};
use reference::{Reference, references_in};

/// What a conversion did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Converted {
    /// Bodies that were read and written.
    pub bodies: u64,
    /// Their bytes.
    pub body_bytes: u64,
    /// Bodies that could not be read.
    pub unread: u64,
}

/// A body that could not be read, so that its reference stays as it is.
#[derive(Debug, Clone)]
pub struct Unconverted {
    /// The line of the log that names it first, from 1.
    pub line: u64,
    /// How that line names it.
    pub raw_payload_id: RawPayloadId,
    /// Why, for a person.
    pub why: String,
}

/// Writes the bundle to `dest`, its bodies kept in `store`. One body at a time is in memory. The directory appears
/// under its name when all of it is there.
///
/// # Errors
/// [`BundleError`] where something is at `dest` already, `bundle` can't be read, or `dest` can't be written.
pub fn convert(
    bundle: &Reader,
    dest: &Path,
    store: Store,
    mut tell: impl FnMut(Unconverted),
) -> Result<Converted, BundleError> {
    let destination = Destination::make(dest)?;
    let written = |error| BundleError::io(dest, "can't be written", error);
    let mut manifest = bundle.open_file(Manifest::FILE)?;
    destination.file(Manifest::FILE).and_then(|mut it| io::copy(&mut manifest, &mut it)).map_err(written)?;
    let mut conversion = Conversion {
        bundle,
        bodies: match store {
            Store::Files => Bodies::Files,
            Store::Pack => Bodies::Pack(store.open(destination.path(), &WriterOptions::default())),
        },
        placed: HashMap::new(),
        done: Converted::default(),
        destination: &destination,
    };
    conversion.log(dest, &mut tell)?;
    conversion.unnamed_files().map_err(written)?;
    let done = conversion.done;
    drop(conversion);
    destination.publish()?;
    Ok(done)
}

struct Conversion<'a> {
    bundle: &'a Reader,
    destination: &'a Destination,
    bodies: Bodies,
    placed: HashMap<Source, Option<Placed>>,
    done: Converted,
}

enum Bodies {
    Files,
    Pack(Arc<dyn PayloadStore>),
}

/// What two references to the same body have in common.
pub(super) type Source = (PathBuf, Option<u64>, Option<u64>, Option<Box<str>>);

/// Where a body is now.
struct Placed {
    location: Location,
    is_json: bool,
}

/// What a line says of the thread that its bodies belong to.
#[derive(Default, Deserialize)]
struct InThread {
    #[serde(default)]
    thread_id: Option<ThreadId>,
}

#[derive(Deserialize)]
struct LineInThread {
    #[serde(flatten)]
    line: InThread,
    #[serde(default)]
    payload: InThread,
}

impl Conversion<'_> {
    fn log(&mut self, dest: &Path, tell: &mut dyn FnMut(Unconverted)) -> Result<(), BundleError> {
        let path = self.bundle.path().join(Manifest::LOG);
        let unread = |error| BundleError::io(&path, "the log can't be read", error);
        let unwritten = |error| BundleError::io(dest, "can't be written", error);
        let mut from = BufReader::with_capacity(1 << 18, self.bundle.open_file(Manifest::LOG)?);
        let to = self.destination.file(Manifest::LOG).map_err(unwritten)?;
        let mut to = BufWriter::with_capacity(1 << 18, to);
        let (mut line, mut number) = (Vec::new(), 0);
        while from.read_until(b'\n', &mut line).map_err(unread)? > 0 {
            number += 1;
            self.line(number, &line, &mut to, tell).map_err(unwritten)?;
            line.clear();
        }
        to.flush().map_err(unwritten)
    }

    fn line(
        &mut self,
        number: u64,
        line: &[u8],
        to: &mut impl Write,
        tell: &mut dyn FnMut(Unconverted),
    ) -> io::Result<()> {
        let mark = if number == 1 && line.starts_with("\u{feff}".as_bytes()) { 3 } else { 0 };
        let text = &line[mark..];
        let mut copied = 0;
        to.write_all(&line[..mark])?;
        let references = references_in(text);
        let thread = if references.is_empty() { ThreadId::from("") } else { thread_of(text) };
        for reference in references {
            let Some(new) = self.reference(number, &thread, &reference, tell)? else { continue };
            to.write_all(&text[copied..reference.span.start])?;
            to.write_all(new.as_bytes())?;
            copied = reference.span.end;
        }
        to.write_all(&text[copied..])
    }

    /// The reference as it has to be now, where it has to change. Its body is in its place by then.
    fn reference(
        &mut self,
        line: u64,
        thread: &ThreadId,
        reference: &Reference<'_>,
        tell: &mut dyn FnMut(Unconverted),
    ) -> io::Result<Option<String>> {
        let source = source(&reference.read);
        if !self.placed.contains_key(&source) {
            let placed = match self.bundle.stored(&reference.read) {
                Ok(body) => Some(self.place(thread, reference, body)?),
                Err(why) => {
                    self.done.unread += 1;
                    let (raw_payload_id, why) = (reference.read.raw_payload_id.clone(), why.to_string());
                    tell(Unconverted { line, raw_payload_id, why });
                    None
                }
            };
            self.placed.insert(source.clone(), placed);
        }
        let Some(Some(placed)) = self.placed.get(&source) else { return Ok(None) };
        Ok(match self.bodies {
            Bodies::Pack(_) => {
                let expected = usual_path(&reference.read, placed.is_json);
                Some(reference.in_pack(&placed.location, expected.as_deref()))
            }
            // A file keeps its reference, unless its path was taken.
            Bodies::Files if !same_steps(&reference.read.path, &placed.location.path) => {
                Some(reference.in_file(&placed.location.path))
            }
            Bodies::Files => None,
        })
    }

    fn place(&mut self, thread: &ThreadId, reference: &Reference<'_>, body: StoredBody) -> io::Result<Placed> {
        self.done.bodies += 1;
        self.done.body_bytes += body.bytes.len() as u64;
        let StoredBody { bytes, is_json, .. } = body;
        let location = match &self.bodies {
            Bodies::Pack(pack) => {
                pack.put(self.done.bodies, thread, reference.read.kind, &mut BodyBuf::of(bytes, is_json))?
            }
            Bodies::Files => {
                let path = self.file(reference, &bytes, is_json)?;
                Location { path, offset: None, length: None, hash: None }
            }
        };
        Ok(Placed { location, is_json })
    }

    /// Writes a body to a file: where it once was, or as usual, or, where neither can be, under a name of its own.
    fn file(&self, reference: &Reference<'_>, bytes: &[u8], is_json: bool) -> io::Result<String> {
        let read = &reference.read;
        let same = (!is_pack(&read.path)).then(|| read.path.clone());
        let wishes = [same, reference.unpacked_path(), usual_path(read, is_json)];
        for path in wishes.into_iter().flatten() {
            if let Some(mut file) = self.destination.file_below(&path)? {
                file.write_all(bytes)?;
                return Ok(path);
            }
        }
        let extension = if is_json { "json" } else { "bin" };
        let path = format!("{}/unpacked-{}.{extension}", Manifest::PAYLOADS, self.done.bodies);
        self.destination.file(&path)?.write_all(bytes)?;
        Ok(path)
    }

    /// Files of bodies that no line names, or none that can be read, go along as they are.
    fn unnamed_files(&self) -> io::Result<()> {
        let Ok(entries) = self.bundle.path().join(Manifest::PAYLOADS).read_dir() else { return Ok(()) };
        let plain = PlainDirectories::default();
        for entry in entries.filter_map(Result::ok) {
            let name = entry.file_name();
            let Some(path) = name.to_str().map(|name| format!("{}/{name}", Manifest::PAYLOADS)) else { continue };
            let is_placed = |it: &Option<Placed>| it.is_some();
            if self.placed.get(&(PathBuf::from(&path), None, None, None)).is_some_and(is_placed) {
                continue;
            }
            if let Ok(mut from) = file::open_inside(self.bundle.path(), &path, &plain)
                && let Some(mut to) = self.destination.file_below(&path)?
            {
                io::copy(&mut from, &mut to)?;
            }
        }
        Ok(())
    }
}

pub(super) fn source(reference: &PayloadRef) -> Source {
    let path = Path::new(&reference.path).components().filter(|step| *step != Component::CurDir).collect();
    if is_pack(&reference.path) {
        return (path, reference.offset, reference.length, reference.hash.clone());
    }
    // A file is one body, whatever is said of its parts.
    (path, None, None, None)
}

/// Whether two paths are the same but for how they are spelled.
fn same_steps(a: &str, b: &str) -> bool {
    let steps = |path| Path::new(path).components().filter(|step| *step != Component::CurDir).collect::<Vec<_>>();
    steps(a) == steps(b)
}

/// The path that [`Store::Files`] gives to a body, where it has the id of one.
pub(super) fn usual_path(reference: &PayloadRef, is_json: bool) -> Option<String> {
    let digits = reference.raw_payload_id.as_str().strip_prefix("raw_payload:")?;
    let number: u64 = digits.parse().ok()?;
    let extension = if is_json { "json" } else { "bin" };
    (number.to_string() == digits).then(|| format!("{}/{number}.{extension}", Manifest::PAYLOADS))
}

fn thread_of(line: &[u8]) -> ThreadId {
    let read = serde_json::from_slice::<LineInThread>(line).ok();
    let thread = read.and_then(|it| it.line.thread_id.or(it.payload.thread_id));
    thread.unwrap_or_else(|| ThreadId::from(""))
}
