//! One file a body: `payloads/<n>.json`, or `<n>.bin` where the body is not one JSON value.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::{BadPayload, BodyBuf, Location, MAX_BODY_BYTES, PayloadStore, StoredBody, Why};
use crate::bundle::Manifest;
use crate::bundle::file::{self, PlainDirectories};
use crate::event::{PayloadKind, PayloadRef, ThreadId};

/// The store of format 1.
#[derive(Debug)]
pub(super) struct Files {
    bundle: PathBuf,
    plain: PlainDirectories,
}

impl Files {
    /// The store of the bundle in this directory.
    pub(super) fn new(bundle: &Path) -> Self {
        Self { bundle: bundle.to_owned(), plain: PlainDirectories::default() }
    }
}

impl PayloadStore for Files {
    fn put(&self, number: u64, _thread: &ThreadId, _kind: PayloadKind, body: &mut BodyBuf) -> io::Result<Location> {
        let extension = if body.is_json() { "json" } else { "bin" };
        let path = format!("{}/{number}.{extension}", Manifest::PAYLOADS);
        let target = self.bundle.join(&path);
        // No temporary name: nobody looks for the file before the event that names it is written.
        let mut file = file::create(&target)?;
        if let Err(error) = file.write_all(body.bytes()) {
            drop(file);
            // A part of a body that no event names hurts nobody, should this fail too.
            let _ = fs::remove_file(&target);
            return Err(error);
        }
        Ok(Location { path, offset: None, length: None, hash: None })
    }

    fn get(&self, reference: &PayloadRef) -> Result<StoredBody, BadPayload> {
        let bad = |why| BadPayload::new(reference, why);
        let file = file::open_inside(&self.bundle, &reference.path, &self.plain).map_err(|it| bad(it.into()))?;
        let length = file.metadata().map_err(|error| bad(Why::Io(error)))?.len();
        // A file of this store is one body.
        if reference.offset.is_some_and(|offset| offset > 0) || reference.length.is_some_and(|named| named != length) {
            return Err(bad(Why::Part));
        }
        if length > MAX_BODY_BYTES {
            return Err(bad(Why::TooLarge(length)));
        }
        let bytes = read_bytes(file, length).map_err(|error| bad(Why::Io(error)))?;
        // What is no JSON value is kept under another name.
        Ok(StoredBody { bytes, is_json: reference.path.ends_with(".json"), kind: None })
    }
}

/// So many bytes, or as many as there are. One read as a rule: to ask whether there are more would be a second.
fn read_bytes(mut file: File, length: u64) -> io::Result<Vec<u8>> {
    let mut body = vec![0; usize::try_from(length).map_err(|_| io::ErrorKind::OutOfMemory)?];
    let mut filled = 0;
    while filled < body.len() {
        match file.read(&mut body[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    body.truncate(filled);
    Ok(body)
}
