//! Redaction of a recorded bundle: copies it without its secrets, or without any of its content.

mod content;
mod line;
mod meaning;
mod tokens;

use std::collections::HashMap;
use std::io::{self, BufWriter, Write};
use std::path::{Component, Path};

use line::NewLocation;
use meaning::Document;
use tokens::is_json;

use super::convert::{PayloadKey, default_path, payload_key};
use super::destination::{self, Destination};
use crate::bundle::{BundleError, Manifest, Reader};
use crate::event::{PayloadKind, PayloadRef};
use crate::mask::Masking;

/// Copies bundles without their secrets.
///
/// Lines and payloads keep their bytes except for the secrets that the masking finds. Files that no event references,
/// and `state.json`, are not copied.
#[derive(Debug)]
pub struct Redaction {
    masking: Masking,
    is_content_replaced: bool,
}

/// Counts of the lines and payload references in a redacted copy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Redacted {
    /// Number of lines in the log.
    pub lines: u64,
    /// Number of lines that are not JSON, except for a last line that is cut short. The copy contains them as masked
    /// text.
    pub bad_lines: u64,
    /// Number of lines that are too long to be read. The copy does not contain them.
    pub unread_lines: u64,
    /// Number of payload references in the log.
    pub bodies: u64,
    /// Number of payload references whose payload cannot be read. The copy keeps these references.
    pub missing_bodies: u64,
}

impl Redaction {
    /// Creates a redaction that masks the secrets found by `masking`.
    pub fn new(masking: Masking) -> Self {
        Self { masking, is_content_replaced: false }
    }

    /// Also replaces all content by `[text:<bytes>:<hash>]`: messages, commands, files, results and all other text.
    /// Equal texts stay equal. Numbers, field names and payload locations stay. So do types, statuses, ids, and names
    /// of tools and models, and paths of agents, each if it is a single word. JSON inside of text stays JSON, so that
    /// the copy reduces to a graph of the same shape. Default: `false`.
    #[must_use]
    pub fn content(mut self, is_replaced: bool) -> Self {
        self.is_content_replaced = is_replaced;
        self
    }

    /// Copies a bundle to a new directory. The directory appears under its name when the copy is complete.
    ///
    /// # Errors
    /// Returns [`ErrorKind::Exists`](crate::bundle::ErrorKind::Exists) if `dest` exists, and
    /// [`ErrorKind::Io`](crate::bundle::ErrorKind::Io) if the bundle cannot be read or the copy cannot be written.
    pub fn copy(&self, bundle: &Reader, dest: &Path) -> Result<Redacted, BundleError> {
        let destination = Destination::create(dest, bundle.bytes_as_files())?;
        let manifest = self.json(bundle.manifest_text(), Document::Manifest);
        let written = destination.create_file(Manifest::FILE).and_then(|mut file| file.write_all(&manifest));
        written.map_err(|error| destination::write_error(dest, error))?;
        let mut copy = RedactionJob {
            redaction: self,
            bundle,
            destination: &destination,
            copied: HashMap::new(),
            counts: Redacted::default(),
        };
        copy.log(dest)?;
        let counts = copy.counts;
        destination.publish()?;
        Ok(counts)
    }

    fn json(&self, text: &[u8], document: Document) -> Vec<u8> {
        let masked = line::mask_json(text, document, &self.masking);
        if self.is_content_replaced { content::replace(&masked, document, &self.masking) } else { masked }
    }

    /// Redacts a payload. `kind` is `None` for a kind that format 1 does not define.
    fn body(&self, kind: Option<PayloadKind>, mut body: Vec<u8>, is_json: bool) -> Vec<u8> {
        self.masking.body(&mut body, is_json);
        match (self.is_content_replaced, is_json) {
            (false, _) => body,
            (true, false) => content::replace_bytes(&body, &self.masking),
            (true, true) if kind == Some(PayloadKind::ProtocolEvent) => {
                content::replace(&body, Document::Foreign, &self.masking)
            }
            (true, true) => content::replace(&body, Document::Body, &self.masking),
        }
    }
}

/// The redaction of one bundle, in progress.
struct RedactionJob<'a> {
    redaction: &'a Redaction,
    bundle: &'a Reader,
    destination: &'a Destination,
    /// Payloads that were already copied, with their location in the copy. `None` for payloads that cannot be read.
    copied: HashMap<PayloadKey, Option<CopiedPayload>>,
    counts: Redacted,
}

impl RedactionJob<'_> {
    fn log(&mut self, dest: &Path) -> Result<(), BundleError> {
        let path = self.bundle.path().join(Manifest::LOG);
        let unread = |error| BundleError::io(&path, "the log cannot be read", error);
        let unwritten = |error| destination::write_error(dest, error);
        let mut log = self.bundle.raw_lines()?;
        let mut copy = BufWriter::new(self.destination.create_file(Manifest::LOG).map_err(unwritten)?);
        let mut text = Vec::new();
        while let Some(line) = log.next_into(&mut text).map_err(unread)? {
            if line.is_too_long() {
                self.counts.unread_lines += 1;
                continue;
            }
            let line = self.line(&text).map_err(unwritten)?;
            copy.write_all(&line).map_err(unwritten)?;
        }
        copy.flush().map_err(unwritten)
    }

    /// Returns the redacted line. `text` includes the line's newline, and for the first line the byte order mark if
    /// there is one.
    fn line(&mut self, text: &[u8]) -> io::Result<Vec<u8>> {
        let begin = if text.starts_with("\u{feff}".as_bytes()) { 3 } else { 0 };
        let line = text[begin..].trim_ascii_end();
        if line.is_empty() {
            return Ok(text.to_vec());
        }
        self.counts.lines += 1;
        let end = begin + line.len();
        let new = if is_json(line) {
            let updated = line::update_references(line, |reference| self.copy_payload(reference))?;
            self.redaction.json(&updated, Document::Line)
        } else {
            self.counts.bad_lines += u64::from(end < text.len());
            self.redaction.body(None, line.to_vec(), false)
        };
        Ok([&text[..begin], &new, &text[end..]].concat())
    }

    /// Copies the payload of a reference, unless an earlier call has copied it. Returns the change that the reference
    /// needs. Returns `None` if the payload is unchanged or cannot be read.
    fn copy_payload(&mut self, reference: &PayloadRef) -> io::Result<Option<NewLocation>> {
        self.counts.bodies += 1;
        let key = payload_key(reference);
        if !self.copied.contains_key(&key) {
            let copied = match self.bundle.stored_payload(reference) {
                Ok(body) => Some(self.write(reference, body.bytes)?),
                Err(_) => None,
            };
            self.copied.insert(key.clone(), copied);
        }
        let Some(Some(copied)) = self.copied.get(&key) else {
            self.counts.missing_bodies += 1;
            return Ok(None);
        };
        let path = (reference.path != copied.path).then(|| copied.path.clone());
        Ok((copied.is_changed || path.is_some()).then_some(NewLocation { path }))
    }

    /// Writes a payload to a new file: at its old path, or under another name if the old path is not a file of the
    /// payload directory.
    fn write(&self, reference: &PayloadRef, body: Vec<u8>) -> io::Result<CopiedPayload> {
        let is_json = is_json(&body);
        let new = self.redaction.body(reference.kind.known(), body.clone(), is_json);
        let is_changed = new != body;
        let same = is_payload_file(&reference.path).then(|| reference.path.clone());
        for path in [same, default_path(reference, is_json)].into_iter().flatten() {
            if let Some(mut file) = self.destination.create_payload_file(&path)? {
                file.write_all(&new)?;
                return Ok(CopiedPayload { path, is_changed });
            }
        }
        let extension = if is_json { "json" } else { "bin" };
        let path = format!("{}/redacted-{}.{extension}", Manifest::PAYLOADS, self.counts.bodies);
        self.destination.create_file(&path)?.write_all(&new)?;
        Ok(CopiedPayload { path, is_changed })
    }
}

/// A payload that has been written to the copy of the bundle.
struct CopiedPayload {
    path: String,
    /// `true` if redaction changed the bytes of the payload.
    is_changed: bool,
}

/// Returns `true` if the path names a file directly in the payload directory.
fn is_payload_file(path: &str) -> bool {
    let mut steps = Path::new(path).components();
    let is_inside = steps.next() == Some(Component::Normal(Manifest::PAYLOADS.as_ref()));
    is_inside && matches!(steps.next(), Some(Component::Normal(_))) && steps.next().is_none()
}
