//! Conversion of a recorded bundle to another payload store.
//!
//! The log is copied byte for byte, except for the locations in payload references. So data that this version cannot
//! parse survives: lines that are damaged or cut short, unknown variants and fields. A payload that cannot be read is
//! reported, and its reference stays as it is.
//!
//! An updated reference keeps its other members. If the path of its file was not the one that [`Store::Files`] chooses,
//! or if the reference had an offset, a length or a hash, the old location is kept in an optional member `unpacked`, so
//! that the conversion back restores the same bytes.

mod reference;
mod unconverted;
mod unreferenced_records;

use std::collections::HashMap;
use std::io::{self, BufWriter, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use super::destination::{self, Destination};
use crate::bundle::{
    BodyBuf, BundleError, Location, Manifest, PayloadStore, Reader, Store, StoredBody, WriterOptions, is_pack,
};
use crate::event::{PayloadRef, ThreadId};
use reference::{Reference, is_same_path, references_in};
pub use unconverted::Unconverted;

/// Counts of the payloads that [`convert`] copied, and of those that it could not read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Converted {
    /// Number of payloads that were read and written.
    pub bodies: u64,
    /// Total length of the payloads that were read and written, in bytes.
    pub body_bytes: u64,
    /// Number of payloads that could not be read, files of payloads that no line references among them.
    pub unread: u64,
    /// Number of lines that are too long to be read.
    pub unread_lines: u64,
}

/// Copies a bundle to the new directory `dest`, with its payloads in `store`.
///
/// Holds one payload in memory at a time. The directory appears under its name when the copy is complete. Calls
/// `on_unread` for each payload and each line that cannot be read. Neither is copied.
///
/// # Errors
/// Returns a [`BundleError`] if `dest` exists, if `bundle` cannot be read, or if `dest` cannot be written.
pub fn convert(
    bundle: &Reader,
    dest: &Path,
    store: Store,
    mut on_unread: impl FnMut(Unconverted),
) -> Result<Converted, BundleError> {
    let needed = match store {
        Store::Files => bundle.bytes_as_files(),
        // A pack repeats nothing, so its size is not known before.
        Store::Pack => 0,
    };
    let destination = Destination::create(dest, needed)?;
    let unwritten = |error| destination::write_error(dest, error);
    destination
        .create_file(Manifest::FILE)
        .and_then(|mut it| it.write_all(bundle.manifest_text()))
        .map_err(unwritten)?;
    let mut conversion = Conversion {
        bundle,
        bodies: match store {
            Store::Files => TargetStore::Files,
            Store::Pack => {
                TargetStore::Pack(WriterOptions { store, ..WriterOptions::default() }.open_store(destination.path()))
            }
        },
        converted: HashMap::new(),
        counts: Converted::default(),
        destination: &destination,
    };
    conversion.convert_log(dest, &mut on_unread)?;
    conversion.copy_unreferenced_files(&mut on_unread).map_err(unwritten)?;
    conversion.copy_unreferenced_records().map_err(unwritten)?;
    let counts = conversion.counts;
    drop(conversion);
    destination.publish()?;
    Ok(counts)
}

/// The conversion of one bundle, in progress.
struct Conversion<'a> {
    bundle: &'a Reader,
    destination: &'a Destination,
    bodies: TargetStore,
    /// Payloads that were already converted, with their location in the copy. `None` for payloads that cannot be read.
    converted: HashMap<PayloadKey, Option<ConvertedPayload>>,
    counts: Converted,
}

/// The payload store that the copy of the bundle uses.
enum TargetStore {
    Files,
    Pack(Arc<dyn PayloadStore>),
}

/// Identifies a payload of a bundle by path, offset, length and hash. Equal for all references to one payload.
pub(super) type PayloadKey = (PathBuf, Option<u64>, Option<u64>, Option<Box<str>>);

/// A payload that has been written to the copy of the bundle.
struct ConvertedPayload {
    location: Location,
    is_json: bool,
}

/// The field `thread_id` of a line or of its event. The payloads of a line belong to this thread.
#[derive(Default, Deserialize)]
struct ThreadField {
    #[serde(default)]
    thread_id: Option<ThreadId>,
}

/// The fields of a line that may name its thread: `thread_id` of the line itself, or of its event.
#[derive(Deserialize)]
struct LineThread {
    #[serde(flatten)]
    line: ThreadField,
    #[serde(default)]
    payload: ThreadField,
}

impl Conversion<'_> {
    fn convert_log(&mut self, dest: &Path, on_unread: &mut dyn FnMut(Unconverted)) -> Result<(), BundleError> {
        let path = self.bundle.path().join(Manifest::LOG);
        let unread = |error| BundleError::io(&path, "the log cannot be read", error);
        let unwritten = |error| destination::write_error(dest, error);
        let mut from = self.bundle.raw_lines()?;
        let to = self.destination.create_file(Manifest::LOG).map_err(unwritten)?;
        let mut to = BufWriter::with_capacity(1 << 18, to);
        let mut text = Vec::new();
        while let Some(line) = from.next_into(&mut text).map_err(unread)? {
            if line.is_too_long() {
                self.counts.unread_lines += 1;
                on_unread(Unconverted::Line { line: line.number, bytes: line.length });
                continue;
            }
            self.convert_line(line.number, &text, &mut to, on_unread).map_err(unwritten)?;
        }
        to.flush().map_err(unwritten)
    }

    fn convert_line(
        &mut self,
        number: u64,
        line: &[u8],
        to: &mut impl Write,
        on_unread: &mut dyn FnMut(Unconverted),
    ) -> io::Result<()> {
        let mark = if number == 1 && line.starts_with("\u{feff}".as_bytes()) { 3 } else { 0 };
        let text = &line[mark..];
        let mut copied = 0;
        to.write_all(&line[..mark])?;
        let references = references_in(text);
        let thread = if references.is_empty() { ThreadId::from("") } else { thread_of(text) };
        for reference in references {
            let Some(new) = self.convert_reference(number, &thread, &reference, on_unread)? else { continue };
            to.write_all(&text[copied..reference.span.start])?;
            to.write_all(new.as_bytes())?;
            copied = reference.span.end;
        }
        to.write_all(&text[copied..])
    }

    /// Copies the payload of a reference and returns the updated reference. Returns `None` if the reference needs no
    /// change or the payload cannot be read.
    fn convert_reference(
        &mut self,
        line: u64,
        thread: &ThreadId,
        reference: &Reference<'_>,
        on_unread: &mut dyn FnMut(Unconverted),
    ) -> io::Result<Option<String>> {
        let key = payload_key(&reference.read);
        if !self.converted.contains_key(&key) {
            let converted = match self.bundle.stored_payload(&reference.read) {
                Ok(body) => Some(self.store_payload(thread, reference, body)?),
                Err(error) => {
                    self.counts.unread += 1;
                    let (raw_payload_id, reason) = (reference.read.raw_payload_id.clone(), error.to_string());
                    on_unread(Unconverted::Payload { line, raw_payload_id, reason });
                    None
                }
            };
            self.converted.insert(key.clone(), converted);
        }
        let Some(Some(converted)) = self.converted.get(&key) else { return Ok(None) };
        Ok(match self.bodies {
            TargetStore::Pack(_) => {
                let expected = default_path(&reference.read, converted.is_json);
                Some(reference.in_pack(&converted.location, expected.as_deref()))
            }
            // The reference of a file stays as it is, unless the file got another path.
            TargetStore::Files if !is_same_path(&reference.read.path, &converted.location.path) => {
                Some(reference.in_file(&converted.location.path))
            }
            TargetStore::Files => None,
        })
    }

    fn store_payload(
        &mut self,
        thread: &ThreadId,
        reference: &Reference<'_>,
        body: StoredBody,
    ) -> io::Result<ConvertedPayload> {
        self.counts.bodies += 1;
        self.counts.body_bytes += body.bytes.len() as u64;
        let StoredBody { bytes, is_json, .. } = body;
        let location = match &self.bodies {
            TargetStore::Pack(pack) => {
                let kind = reference.read.kind.known();
                pack.put(self.counts.bodies, thread, kind, &mut BodyBuf::from_bytes(bytes, is_json))?
            }
            TargetStore::Files => {
                let path = self.write_file(reference, &bytes, is_json)?;
                Location { path, offset: None, length: None, hash: None }
            }
        };
        Ok(ConvertedPayload { location, is_json })
    }

    /// Writes a payload to a file and returns its path: the path that it had before, or else the default path of its
    /// id, or else a new name.
    fn write_file(&self, reference: &Reference<'_>, bytes: &[u8], is_json: bool) -> io::Result<String> {
        let read = &reference.read;
        let same = (!is_pack(&read.path)).then(|| read.path.clone());
        let candidates = [same, reference.unpacked_path(), default_path(read, is_json)];
        for path in candidates.into_iter().flatten() {
            if let Some(mut file) = self.destination.create_payload_file(&path)? {
                file.write_all(bytes)?;
                return Ok(path);
            }
        }
        let extension = if is_json { "json" } else { "bin" };
        let path = format!("{}/unpacked-{}.{extension}", Manifest::PAYLOADS, self.counts.bodies);
        self.destination.create_file(&path)?.write_all(bytes)?;
        Ok(path)
    }

    /// Copies the files of payloads that no line references, or only lines that cannot be parsed.
    fn copy_unreferenced_files(&mut self, on_unread: &mut dyn FnMut(Unconverted)) -> io::Result<()> {
        for name in self.bundle.payload_file_names() {
            let Some(path) = name.to_str().map(|name| format!("{}/{name}", Manifest::PAYLOADS)) else { continue };
            let is_copied = |it: &Option<ConvertedPayload>| it.is_some();
            if self.converted.get(&(PathBuf::from(&path), None, None, None)).is_some_and(is_copied) {
                continue;
            }
            let mut from = match self.bundle.open_payload_file(&path) {
                Ok(from) => from,
                // A line that references it has reported it.
                Err(_) if self.converted.contains_key(&(PathBuf::from(&path), None, None, None)) => continue,
                Err(error) => {
                    self.counts.unread += 1;
                    on_unread(Unconverted::File { path, reason: error.to_string() });
                    continue;
                }
            };
            if let Some(mut to) = self.destination.create_payload_file(&path)? {
                io::copy(&mut from, &mut to)?;
            }
        }
        Ok(())
    }
}

/// Returns the identity of the payload that a reference names.
pub(super) fn payload_key(reference: &PayloadRef) -> PayloadKey {
    let path = Path::new(&reference.path).components().filter(|step| *step != Component::CurDir).collect();
    if is_pack(&reference.path) {
        return (path, reference.offset, reference.length, reference.hash.clone());
    }
    // A file holds one payload, even if the reference names a part of it.
    (path, None, None, None)
}

/// Returns the path that [`Store::Files`] chooses for the payload of a reference. Returns `None` if its id is not one
/// that a writer assigns.
pub(super) fn default_path(reference: &PayloadRef, is_json: bool) -> Option<String> {
    Some(numbered_path(reference.raw_payload_id.number()?, is_json))
}

/// Returns the path of the payload with this number in [`Store::Files`].
fn numbered_path(number: u64, is_json: bool) -> String {
    let extension = if is_json { "json" } else { "bin" };
    format!("{}/{number}.{extension}", Manifest::PAYLOADS)
}

/// Returns the thread of a line, or an empty id if the line has none.
fn thread_of(line: &[u8]) -> ThreadId {
    let read = serde_json::from_slice::<LineThread>(line).ok();
    let thread = read.and_then(|it| it.line.thread_id.or(it.payload.thread_id));
    thread.unwrap_or_else(|| ThreadId::from(""))
}
