//! One file a body: `payloads/<n>.json`, or `<n>.bin` where the body is not one JSON value.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use xxhash_rust::xxh3::xxh3_128;

use super::{BodyBuf, Location, MAX_BODY_BYTES, PayloadError, PayloadStore, StoredBody, Why};
use crate::bundle::Manifest;
use crate::bundle::disk::{Disk, RealDisk};
use crate::bundle::file::{self, PlainDirectories};
use crate::event::{PayloadKind, PayloadRef, ThreadId};

/// The store of format 1.
#[derive(Debug)]
pub(in crate::bundle) struct Files {
    bundle: PathBuf,
    disk: Arc<dyn Disk>,
    plain: PlainDirectories,
    written: AtomicU64,
}

impl Files {
    /// The store of the bundle in this directory.
    pub(in crate::bundle) fn new(bundle: &Path) -> Self {
        Self::on(Arc::new(RealDisk), bundle)
    }

    /// The same, written to this disk.
    pub(in crate::bundle) fn on(disk: Arc<dyn Disk>, bundle: &Path) -> Self {
        Self { bundle: bundle.to_owned(), disk, plain: PlainDirectories::default(), written: AtomicU64::new(0) }
    }

    /// Where the body of this number is, relative to the bundle.
    pub(in crate::bundle) fn path(number: u64, body: &BodyBuf) -> String {
        let extension = if body.is_json() { "json" } else { "bin" };
        format!("{}/{number}.{extension}", Manifest::PAYLOADS)
    }
}

impl PayloadStore for Files {
    fn put(&self, number: u64, _thread: &ThreadId, _kind: PayloadKind, body: &mut BodyBuf) -> io::Result<Location> {
        let path = Self::path(number, body);
        let target = self.bundle.join(&path);
        // No temporary name: nobody looks for the file before the event that names it is written.
        let file = self.disk.create(&target)?;
        if let Err(error) = file.write_all(body.bytes()) {
            drop(file);
            // A part of a body that no event names hurts nobody, should this fail too.
            let _ = self.disk.remove_file(&target);
            return Err(error);
        }
        self.written.fetch_add(body.bytes().len() as u64, Ordering::Relaxed);
        Ok(Location { path, offset: None, length: None, hash: None })
    }

    fn sync(&self, places: &mut Vec<Location>) -> io::Result<()> {
        let force = |place: &Location| self.disk.open(&self.bundle.join(&place.path))?.sync();
        let forced: Vec<_> = places.iter().map(force).collect();
        // Without its name a body does not survive.
        self.disk.sync_dir(&self.bundle.join(Manifest::PAYLOADS))?;
        let mut outcomes = forced.iter();
        places.retain(|_| outcomes.next().is_some_and(Result::is_err));
        // One that is not there any more is the least of it.
        let refused = forced.into_iter().filter_map(Result::err);
        refused.min_by_key(|error| error.kind() == io::ErrorKind::NotFound).map_or(Ok(()), Err)
    }

    fn bytes(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    fn get(&self, reference: &PayloadRef) -> Result<StoredBody, PayloadError> {
        let bad = |why| PayloadError::new(reference, why);
        let file = file::open_inside(&self.bundle, &reference.path, &self.plain).map_err(|it| bad(it.into()))?;
        let length = file.metadata().map_err(|error| bad(Why::Io(error)))?.len();
        // A file of this store is one body.
        let named = reference.length.unwrap_or(length);
        if reference.offset.is_some_and(|offset| offset > 0) || named < length {
            return Err(bad(Why::Part));
        }
        if length < named {
            return Err(bad(Why::Short(length, named)));
        }
        if length > MAX_BODY_BYTES {
            return Err(bad(Why::TooLarge(length)));
        }
        let bytes = read_bytes(file, length).map_err(|error| bad(Why::Io(error)))?;
        if reference.hash.as_deref().is_some_and(|hash| hash != format!("{:032x}", xxh3_128(&bytes))) {
            return Err(bad(Why::Hash));
        }
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
