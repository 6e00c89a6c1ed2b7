//! A finished bundle without its secrets, or without anything that was said in it.

mod content;
mod line;
mod tokens;

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Component, Path, PathBuf};

use content::Context;
use line::Moved;
use tokens::is_json;

use super::file::{self, PlainDirectories, Refusal};
use super::{Error, ErrorKind, Manifest, Masking, Reader};
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
    /// texts stay equal. Ids, types, statuses, numbers, names of fields, tools, models and agents stay, and JSON within
    /// text stays JSON, so that the copy reduces to a graph of the same shape.
    #[must_use]
    pub fn content(mut self, is_replaced: bool) -> Self {
        self.is_content_replaced = is_replaced;
        self
    }

    /// Copies a bundle to a directory that is not there yet. It appears under its name when it is whole.
    ///
    /// # Errors
    /// [`ErrorKind::Exists`] where something is there already, [`ErrorKind::Io`] where it can't be written, and what
    /// [`Reader::open`] says of the bundle.
    pub fn copy(&self, bundle: &Path, to: &Path) -> Result<Redacted, Error> {
        let reader = Reader::open(bundle)?;
        if to.symlink_metadata().is_ok() {
            return Err(Error::new(ErrorKind::Exists, to, "is there already; name a directory that is not"));
        }
        let unwritten = |error| Error::io(to, "can't be written", error);
        let target = Target::make(to).map_err(unwritten)?;
        let manifest = self.manifest(&reader)?;
        file::create(&target.path.join(Manifest::FILE))
            .and_then(|mut file| file.write_all(&manifest))
            .map_err(unwritten)?;
        let mut copy = Copy { redaction: self, reader: &reader, target: &target.path, counts: Redacted::default() };
        copy.log()?;
        let counts = copy.counts;
        target.publish(to).map_err(unwritten)?;
        Ok(counts)
    }

    fn manifest(&self, reader: &Reader) -> Result<Vec<u8>, Error> {
        let path = reader.path().join(Manifest::FILE);
        let mut text = Vec::new();
        let read = opened(reader.path(), Manifest::FILE)?.read_to_end(&mut text);
        read.map_err(|error| Error::io(&path, "can't be read", error))?;
        Ok(self.json(&text, Context::Known))
    }

    fn json(&self, text: &[u8], context: Context) -> Vec<u8> {
        let masked = line::masked(text, &self.masking);
        if self.is_content_replaced { content::replaced(&masked, context, &self.masking) } else { masked }
    }

    fn body(&self, kind: PayloadKind, mut body: Vec<u8>, is_json: bool) -> Vec<u8> {
        self.masking.body(&mut body, is_json);
        match (self.is_content_replaced, is_json) {
            (false, _) => body,
            (true, false) => content::of_bytes(&body, &self.masking),
            (true, true) if kind == PayloadKind::ProtocolEvent => {
                content::replaced(&body, Context::Foreign, &self.masking)
            }
            (true, true) => content::replaced(&body, Context::Known, &self.masking),
        }
    }
}

/// One bundle on its way.
struct Copy<'a> {
    redaction: &'a Redaction,
    reader: &'a Reader,
    target: &'a Path,
    counts: Redacted,
}

impl Copy<'_> {
    fn log(&mut self) -> Result<(), Error> {
        let path = self.target.join(Manifest::LOG);
        let unwritten = |error| Error::io(&path, "can't be written", error);
        let unread = |error| Error::io(&self.reader.path().join(Manifest::LOG), "can't be read", error);
        let mut log = BufReader::with_capacity(1 << 18, opened(self.reader.path(), Manifest::LOG)?);
        let mut copy = BufWriter::new(file::create(&path).map_err(unwritten)?);
        let mut text = Vec::new();
        while log.read_until(b'\n', &mut text).map_err(unread)? > 0 {
            let line = self.line(&text)?;
            copy.write_all(&line).map_err(unwritten)?;
            text.clear();
        }
        copy.flush().map_err(unwritten)
    }

    /// A line with what ends it, and what a first line may begin with.
    fn line(&mut self, text: &[u8]) -> Result<Vec<u8>, Error> {
        let begin = if text.starts_with("\u{feff}".as_bytes()) { 3 } else { 0 };
        let line = text[begin..].trim_ascii_end();
        if line.is_empty() {
            return Ok(text.to_vec());
        }
        self.counts.lines += 1;
        let end = begin + line.len();
        let new = if is_json(line) {
            let named = line::with_bodies(line, |reference| self.place(reference))?;
            self.redaction.json(&named, Context::Known)
        } else {
            self.counts.bad_lines += u64::from(end < text.len());
            self.redaction.body(PayloadKind::ProtocolEvent, line.to_vec(), false)
        };
        Ok([&text[..begin], &new, &text[end..]].concat())
    }

    /// Copies a body. Says what is to be said of it now, where that is something else.
    fn place(&mut self, reference: &PayloadRef) -> Result<Option<Moved>, Error> {
        self.counts.bodies += 1;
        let Ok(body) = self.reader.payload(reference) else {
            self.counts.missing_bodies += 1;
            return Ok(None);
        };
        let is_json = is_json(&body);
        let length = body.len();
        let new = self.redaction.body(reference.kind, body.clone(), is_json);
        let is_changed = new.len() != length || new != body;
        let path = (reference.offset.is_some() || !is_payload(&reference.path)).then(|| own_path(reference, is_json));
        let target = self.target.join(path.as_ref().unwrap_or(&reference.path));
        match file::create(&target).and_then(|mut file| file.write_all(&new)) {
            Ok(()) => {}
            // Another event named it before.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::io(&target, "can't be written", error)),
        }
        Ok((is_changed || path.is_some()).then_some(Moved { path }))
    }
}

/// Whether it is a file in the directory of payloads, and no other.
fn is_payload(path: &str) -> bool {
    let mut steps = Path::new(path).components();
    let is_inside = steps.next() == Some(Component::Normal(Manifest::PAYLOADS.as_ref()));
    is_inside && matches!(steps.next(), Some(Component::Normal(_))) && steps.next().is_none()
}

/// A file of its own for a body that shared one, or was elsewhere.
fn own_path(reference: &PayloadRef, is_json: bool) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = reference.raw_payload_id.as_str().chars().take(64).map(plain).collect();
    format!("{}/{name}.{}", Manifest::PAYLOADS, if is_json { "json" } else { "bin" })
}

fn opened(bundle: &Path, name: &str) -> Result<File, Error> {
    file::open_inside(bundle, name, &PlainDirectories::default()).map_err(|refusal| match refusal {
        Refusal::Path(reason) => Error::new(ErrorKind::NotABundle, &bundle.join(name), reason),
        Refusal::Io(error) => Error::io(&bundle.join(name), "can't be opened", error),
    })
}

/// The copy under a temporary name, removed again unless it is published.
struct Target {
    path: PathBuf,
}

impl Target {
    fn make(to: &Path) -> io::Result<Self> {
        let name =
            to.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it names no directory"))?;
        let hidden = format!(".{}.{}.tmp", name.to_string_lossy(), uuid::Uuid::new_v4());
        let target = Self { path: to.with_file_name(hidden) };
        file::create_dirs(&target.path.join(Manifest::PAYLOADS))?;
        Ok(target)
    }

    fn publish(self, to: &Path) -> io::Result<()> {
        fs::rename(&self.path, to)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // Gone already where it was published.
        let _ = fs::remove_dir_all(&self.path);
    }
}
