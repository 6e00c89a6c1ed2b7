//! The store of one file per payload: `payloads/<n>.json`, or `payloads/<n>.bin` if the payload is not one JSON value.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use xxhash_rust::xxh3::xxh3_128;

use super::{BodyBuf, Location, MAX_PAYLOAD_BYTES, PayloadError, PayloadErrorKind, PayloadStore, StoredBody};
use crate::bundle::fs::hole::is_mostly_hole;
use crate::bundle::fs::{BundleDirectory, Disk, EntryKind, RealDisk};
use crate::bundle::manifest::Manifest;
use crate::bundle::payload::ReadyBody;
use crate::bundle::read::{NamedPlaces, StorePlace, UnnamedPayload, file_number};
use crate::event::{PayloadKind, PayloadRef, RawPayloadId, ThreadId};

/// The payload store of one file per payload, as format 1 defines it.
#[derive(Debug)]
pub(in crate::bundle) struct Files {
    bundle: Arc<BundleDirectory>,
    disk: Arc<dyn Disk>,
    written: AtomicU64,
}

impl Files {
    /// Creates the store of the bundle in this directory.
    pub(in crate::bundle) fn new(bundle: Arc<BundleDirectory>) -> Self {
        Self::with_disk(Arc::new(RealDisk), bundle)
    }

    /// Creates the store of the bundle in this directory, which writes to the given disk.
    pub(in crate::bundle) fn with_disk(disk: Arc<dyn Disk>, bundle: Arc<BundleDirectory>) -> Self {
        Self { bundle, disk, written: AtomicU64::new(0) }
    }

    /// Returns the path of the payload with this number, relative to the bundle.
    pub(in crate::bundle) fn path(number: u64, body: &BodyBuf) -> String {
        let extension = if body.is_json() { "json" } else { "bin" };
        format!("{}/{number}.{extension}", Manifest::PAYLOADS)
    }

    /// Opens the file of a payload, and returns it with its length.
    ///
    /// # Errors
    /// Returns an error if the file is longer than any payload, or is mostly holes.
    pub(super) fn open(&self, path: &str) -> Result<(File, u64), PayloadErrorKind> {
        let file = self.bundle.open_file(path)?;
        let length = file.metadata().map_err(PayloadErrorKind::Io)?.len();
        if length > MAX_PAYLOAD_BYTES {
            return Err(PayloadErrorKind::TooLarge(length));
        }
        if is_mostly_hole(&file, 0..length) {
            return Err(PayloadErrorKind::Hole(length));
        }
        Ok((file, length))
    }

    /// Returns the path of a file in the bundle, for the disk that the writer uses.
    fn file_path(&self, path: &str) -> PathBuf {
        self.bundle.path().join(path)
    }

    /// Returns the payloads that are not at one of these places, in order of their numbers. Follows no link.
    pub(in crate::bundle) fn unnamed(&self, named: &NamedPlaces) -> Vec<UnnamedPayload> {
        let entries = self.bundle.payloads().ok().and_then(|payloads| payloads.entries().ok()).unwrap_or_default();
        let files = entries.into_iter().filter(|(_, kind)| *kind == EntryKind::File);
        let unnamed = files.filter_map(|(name, _)| {
            let (name, place) = (name.to_str()?, StorePlace::File(file_number(name.to_str()?)?));
            let path = format!("{}/{name}", Manifest::PAYLOADS);
            let location = Location { path, offset: None, length: None, hash: None };
            (!named.contains(&place)).then_some(UnnamedPayload { place, kind: None, location })
        });
        let mut unnamed: Vec<_> = unnamed.collect();
        unnamed.sort_by(|a, b| (a.place, &a.location.path).cmp(&(b.place, &b.location.path)));
        unnamed
    }

    /// Returns the reference of the payload with this number in this store, before the payload is stored.
    pub(in crate::bundle) fn reference(number: u64, ready: &ReadyBody) -> PayloadRef {
        let raw_payload_id = RawPayloadId::numbered(number);
        let path = Self::path(number, &ready.body);
        let truncated = ready.truncated.clone().map(Box::new);
        PayloadRef { raw_payload_id, kind: ready.kind.into(), path, offset: None, length: None, hash: None, truncated }
    }
}

impl PayloadStore for Files {
    fn put(
        &self,
        number: u64,
        _thread: &ThreadId,
        _kind: Option<PayloadKind>,
        body: &mut BodyBuf,
    ) -> io::Result<Location> {
        let path = Self::path(number, body);
        let target = self.file_path(&path);
        // A temporary name is not needed: no reader looks for the file before the event that references it is written.
        let file = self.disk.create(&target)?;
        if let Err(error) = file.write_all(body.bytes()) {
            drop(file);
            // If this fails too, the incomplete file stays, and no event references it.
            let _ = self.disk.remove_file(&target);
            return Err(error);
        }
        self.written.fetch_add(body.bytes().len() as u64, Ordering::Relaxed);
        Ok(Location { path, offset: None, length: None, hash: None })
    }

    fn sync(&self, locations: &mut Vec<Location>) -> io::Result<()> {
        let sync = |location: &Location| self.disk.open(&self.file_path(&location.path))?.sync();
        let results: Vec<_> = locations.iter().map(sync).collect();
        // A file whose name is not on the disk does not survive.
        self.disk.sync_dir(&self.file_path(Manifest::PAYLOADS))?;
        let mut outcomes = results.iter();
        locations.retain(|_| outcomes.next().is_some_and(Result::is_err));
        // A missing file is the least important error: it is returned only if there is no other.
        let errors = results.into_iter().filter_map(Result::err);
        errors.min_by_key(|error| error.kind() == io::ErrorKind::NotFound).map_or(Ok(()), Err)
    }

    fn bytes(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    fn get(&self, reference: &PayloadRef) -> Result<StoredBody, PayloadError> {
        let bad = |why| PayloadError::new(reference, why);
        let (file, length) = self.open(&reference.path).map_err(bad)?;
        // A file of this store holds one whole payload.
        let named = reference.length.unwrap_or(length);
        if reference.offset.is_some_and(|offset| offset > 0) || named < length {
            return Err(bad(PayloadErrorKind::PartOfFile));
        }
        if length < named {
            return Err(bad(PayloadErrorKind::Truncated { found: length, expected: named }));
        }
        let bytes = read_bytes(file, length).map_err(|error| bad(PayloadErrorKind::Io(error)))?;
        if reference.hash.as_deref().is_some_and(|hash| hash != format!("{:032x}", xxh3_128(&bytes))) {
            return Err(bad(PayloadErrorKind::HashMismatch));
        }
        // Payloads that are not JSON have another extension.
        Ok(StoredBody { bytes, is_json: reference.path.ends_with(".json"), kind: None })
    }
}

/// Reads `length` bytes, or fewer if the file ends before. Usually takes one `read(2)`: reading to the end of the file
/// would take a second one.
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
