//! A finished bundle without its secrets, or without anything that was said in it.

mod content;
mod line;
mod meaning;
mod tokens;

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Component, Path};

use line::Moved;
use meaning::Document;
use tokens::is_json;

use super::convert::{Source, source, usual_path};
use super::destination::Destination;
use super::{BundleError, Manifest, Masking, Reader};
use crate::event::{PayloadKind, PayloadRef};

/// Copies bundles, without what others must not see.
///
/// Lines and bodies stay byte for byte but for the secrets that the masking finds. What no event names is not copied,
/// and `state.json` neither.
#[derive(Debug)]
pub struct Redaction {
    masking: Masking,
    is_content_replaced: bool,
}

/// What a copy is made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Redacted {
    /// Lines of the log.
    pub lines: u64,
    /// Lines that are not JSON, the last one cut short aside. They are in the copy, as text.
    pub bad_lines: u64,
    /// Bodies, as often as they are named.
    pub bodies: u64,
    /// Bodies that are named and can't be had. The copy names them too.
    pub missing_bodies: u64,
}

impl Redaction {
    /// Masks what this finds.
    pub fn new(masking: Masking) -> Self {
        Self { masking, is_content_replaced: false }
    }

    /// Also puts `[text:<bytes>:<hash>]` in the place of every text: what was said, run, written and answered. Equal
    /// texts stay equal. What stays is numbers, names of fields, places of bodies, and, where each is the one word that
    /// such a thing is, types, statuses, ids, and names of tools, models and agents. JSON within text stays JSON, so that
    /// the copy reduces to a graph of the same shape.
    #[must_use]
    pub fn content(mut self, is_replaced: bool) -> Self {
        self.is_content_replaced = is_replaced;
        self
    }

    /// Copies a bundle to a directory that is not there yet. It appears under its name when it is whole.
    ///
    /// # Errors
    /// [`ErrorKind::Exists`](super::ErrorKind::Exists) where something is there already,
    /// [`ErrorKind::Io`](super::ErrorKind::Io) where the bundle can't be read or the copy not be written.
    pub fn copy(&self, bundle: &Reader, dest: &Path) -> Result<Redacted, BundleError> {
        let destination = Destination::make(dest)?;
        let manifest = self.manifest(bundle)?;
        let written = destination.file(Manifest::FILE).and_then(|mut file| file.write_all(&manifest));
        written.map_err(|error| BundleError::io(dest, "can't be written", error))?;
        let mut copy = Copy {
            redaction: self,
            bundle,
            destination: &destination,
            placed: HashMap::new(),
            counts: Redacted::default(),
        };
        copy.log(dest)?;
        let counts = copy.counts;
        destination.publish()?;
        Ok(counts)
    }

    fn manifest(&self, bundle: &Reader) -> Result<Vec<u8>, BundleError> {
        let path = bundle.path().join(Manifest::FILE);
        let mut text = Vec::new();
        let read = bundle.open_file(Manifest::FILE)?.read_to_end(&mut text);
        read.map_err(|error| BundleError::io(&path, "can't be read", error))?;
        Ok(self.json(&text, Document::Manifest))
    }

    fn json(&self, text: &[u8], document: Document) -> Vec<u8> {
        let masked = line::masked(text, document, &self.masking);
        if self.is_content_replaced { content::replaced(&masked, document, &self.masking) } else { masked }
    }

    fn body(&self, kind: PayloadKind, mut body: Vec<u8>, is_json: bool) -> Vec<u8> {
        self.masking.body(&mut body, is_json);
        match (self.is_content_replaced, is_json) {
            (false, _) => body,
            (true, false) => content::of_bytes(&body, &self.masking),
            (true, true) if kind == PayloadKind::ProtocolEvent => {
                content::replaced(&body, Document::Foreign, &self.masking)
            }
            (true, true) => content::replaced(&body, Document::Body, &self.masking),
        }
    }
}

/// One bundle on its way.
struct Copy<'a> {
    redaction: &'a Redaction,
    bundle: &'a Reader,
    destination: &'a Destination,
    /// The files of bodies that are in the copy, and of those that can't be had none.
    placed: HashMap<Source, Option<Placed>>,
    counts: Redacted,
}

impl Copy<'_> {
    fn log(&mut self, dest: &Path) -> Result<(), BundleError> {
        let path = self.bundle.path().join(Manifest::LOG);
        let unread = |error| BundleError::io(&path, "the log can't be read", error);
        let unwritten = |error| BundleError::io(dest, "can't be written", error);
        let mut log = BufReader::with_capacity(1 << 18, self.bundle.open_file(Manifest::LOG)?);
        let mut copy = BufWriter::new(self.destination.file(Manifest::LOG).map_err(unwritten)?);
        let mut text = Vec::new();
        while log.read_until(b'\n', &mut text).map_err(unread)? > 0 {
            let line = self.line(&text).map_err(unwritten)?;
            copy.write_all(&line).map_err(unwritten)?;
            text.clear();
        }
        copy.flush().map_err(unwritten)
    }

    /// A line with what ends it, and what a first line may begin with.
    fn line(&mut self, text: &[u8]) -> io::Result<Vec<u8>> {
        let begin = if text.starts_with("\u{feff}".as_bytes()) { 3 } else { 0 };
        let line = text[begin..].trim_ascii_end();
        if line.is_empty() {
            return Ok(text.to_vec());
        }
        self.counts.lines += 1;
        let end = begin + line.len();
        let new = if is_json(line) {
            let named = line::with_bodies(line, |reference| self.place(reference))?;
            self.redaction.json(&named, Document::Line)
        } else {
            self.counts.bad_lines += u64::from(end < text.len());
            self.redaction.body(PayloadKind::ProtocolEvent, line.to_vec(), false)
        };
        Ok([&text[..begin], &new, &text[end..]].concat())
    }

    /// Copies a body. Says what is to be said of it now, where that is something else.
    fn place(&mut self, reference: &PayloadRef) -> io::Result<Option<Moved>> {
        self.counts.bodies += 1;
        let source = source(reference);
        if !self.placed.contains_key(&source) {
            let placed = match self.bundle.stored(reference) {
                Ok(body) => Some(self.write(reference, body.bytes)?),
                Err(_) => None,
            };
            self.placed.insert(source.clone(), placed);
        }
        let Some(Some(placed)) = self.placed.get(&source) else {
            self.counts.missing_bodies += 1;
            return Ok(None);
        };
        let path = (reference.path != placed.path).then(|| placed.path.clone());
        Ok((placed.is_changed || path.is_some()).then_some(Moved { path }))
    }

    /// Writes a body to a file: where it was, or, where that is no place of its own, under another name.
    fn write(&self, reference: &PayloadRef, body: Vec<u8>) -> io::Result<Placed> {
        let is_json = is_json(&body);
        let new = self.redaction.body(reference.kind, body.clone(), is_json);
        let is_changed = new != body;
        let same = is_payload(&reference.path).then(|| reference.path.clone());
        for path in [same, usual_path(reference, is_json)].into_iter().flatten() {
            if let Some(mut file) = self.destination.file_below(&path)? {
                file.write_all(&new)?;
                return Ok(Placed { path, is_changed });
            }
        }
        let extension = if is_json { "json" } else { "bin" };
        let path = format!("{}/redacted-{}.{extension}", Manifest::PAYLOADS, self.counts.bodies);
        self.destination.file(&path)?.write_all(&new)?;
        Ok(Placed { path, is_changed })
    }
}

/// Where a body is in the copy.
struct Placed {
    path: String,
    is_changed: bool,
}

/// Whether it is a file in the directory of payloads, and no other.
fn is_payload(path: &str) -> bool {
    let mut steps = Path::new(path).components();
    let is_inside = steps.next() == Some(Component::Normal(Manifest::PAYLOADS.as_ref()));
    is_inside && matches!(steps.next(), Some(Component::Normal(_))) && steps.next().is_none()
}
