//! Payload stores: the last step of a payload's way to the disk. [`Store::Files`] writes one file per payload,
//! [`Store::Pack`] one file for all payloads of a bundle.

mod files;
mod pack;

use std::fs::File;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::{fmt, io};

use super::fs::hole::bytes_on_disk;
use super::fs::{BundleDirectory, Disk, OpenError, OpenFiles};
use super::payload::BodyBuf;
use super::read::{NamedPlaces, UnnamedPayload};
use crate::event::{PayloadKind, PayloadRef, ThreadId};
pub(super) use files::Files;
pub(crate) use pack::BaseCache;
use pack::Pack;
pub(crate) use pack::is_pack;

/// Maximum length of a payload that is read, in bytes.
const MAX_PAYLOAD_BYTES: u64 = 1 << 31;

/// The layout in which the payloads of a bundle are stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Store {
    /// One file per payload: `payloads/<n>.json`, or `payloads/<n>.bin` if the payload is not one JSON value.
    #[default]
    Files,
    /// One file for all payloads, `payloads.pack`. A request that repeats the history of its thread is stored as a
    /// delta to the previous request, so that less is written and much less is kept.
    Pack,
}

impl Store {
    /// Creates the store that writes the payloads of the bundle in this directory to the given disk. A pack keeps the
    /// bases of deltas in `base_cache`, and registers its open file in `open_files`.
    pub(in crate::bundle) fn open(
        self,
        bundle: &Path,
        disk: Arc<dyn Disk>,
        base_cache: Arc<BaseCache>,
        open_files: Arc<OpenFiles>,
    ) -> Arc<dyn PayloadStore> {
        match self {
            Self::Files => Arc::new(Files::with_disk(disk, BundleDirectory::new(bundle).into())),
            Self::Pack => Arc::new(Pack::with_disk(disk, BundleDirectory::new(bundle).into(), base_cache, open_files)),
        }
    }
}

impl FromStr for Store {
    type Err = StoreNameError;

    fn from_str(name: &str) -> Result<Self, StoreNameError> {
        match name {
            "files" => Ok(Self::Files),
            "pack" => Ok(Self::Pack),
            other => Err(StoreNameError(other.to_owned())),
        }
    }
}

/// The error of a name that is not the name of a [`Store`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreNameError(String);

impl fmt::Display for StoreNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a payload store; expected `files` or `pack`", self.0)
    }
}

impl std::error::Error for StoreNameError {}

/// A store for the payloads of one bundle. It is used by any number of threads at once.
pub trait PayloadStore: Send + Sync + fmt::Debug {
    /// Stores a payload and returns its location. The payload is complete when this returns.
    ///
    /// `number` is unique in the bundle. The store uses `thread` and `kind` to find earlier payloads that this one may
    /// repeat; `kind` is `None` for a kind that format 1 does not define. The store may keep the buffer and leave another
    /// buffer in its place.
    ///
    /// # Errors
    /// Returns the error of the file system. Then no part of the payload is kept.
    fn put(
        &self,
        number: u64,
        thread: &ThreadId,
        kind: Option<PayloadKind>,
        body: &mut BodyBuf,
    ) -> io::Result<Location>;

    /// Waits until the payloads at these locations, and the names of their files, are on the disk and would survive a
    /// power failure. A payload that cannot be synced does not prevent the others from being synced. Removes the
    /// locations of synced payloads from `locations`.
    ///
    /// # Errors
    /// Returns the error of the file system. Then `locations` has the payloads that may not survive, to be tried again.
    fn sync(&self, locations: &mut Vec<Location>) -> io::Result<()>;

    /// Reads the payload that a reference names.
    ///
    /// # Errors
    /// Returns a [`PayloadError`] if the payload is missing, damaged or cannot be read.
    fn get(&self, reference: &PayloadRef) -> Result<StoredBody, PayloadError>;

    /// Returns the total number of bytes that the store has written.
    fn bytes(&self) -> u64;

    /// Releases memory and open files that are not needed until the next payload.
    fn release(&self) {}

    /// Reports that an agent thread has ended, after which few payloads of it are expected. The store may free what it
    /// keeps for the thread.
    fn thread_ended(&self, _thread: &ThreadId) {}

    /// Returns `true` if the files of the written payloads still exist, as far as a single check of the file system can
    /// show.
    fn is_there(&self) -> bool {
        true
    }
}

/// A payload that was read from a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBody {
    /// The bytes of the payload.
    pub bytes: Vec<u8>,
    /// `true` if the payload was stored as one JSON value.
    pub is_json: bool,
    /// The kind of the payload, if the store records it.
    pub kind: Option<PayloadKind>,
}

/// The stores of a bundle that is read. The path of a payload reference selects the store, so that a bundle may have
/// both.
#[derive(Debug)]
pub(super) struct Stores {
    files: Files,
    pack: Pack,
}

impl Stores {
    /// Creates the stores of the bundle in this directory. No file is opened before the first payload is read.
    pub(super) fn new(bundle: &Arc<BundleDirectory>) -> Self {
        Self { files: Files::new(Arc::clone(bundle)), pack: Pack::new(Arc::clone(bundle)) }
    }

    /// Reads a payload from the store that its reference names.
    pub(super) fn get(&self, reference: &PayloadRef) -> Result<StoredBody, PayloadError> {
        if is_pack(&reference.path) { self.pack.get(reference) } else { self.files.get(reference) }
    }

    /// Opens the file of a payload, whether or not an event names it.
    pub(super) fn open_file(&self, path: &str) -> Result<File, PayloadError> {
        let opened = self.files.open(path).map(|(file, _)| file);
        opened.map_err(|kind| PayloadError { location: path.to_owned(), kind })
    }

    /// Returns the total length of all payloads, each as a file of its own. Of a payload that is a file, it is what the file
    /// takes on the disk, if that is less.
    pub(super) fn bytes_as_files(&self) -> u64 {
        let length = |payload: UnnamedPayload| match payload.location {
            Location { length: Some(length), .. } => length,
            Location { path, .. } => self.open_file(&path).map_or(0, |file| bytes_on_disk(&file)),
        };
        self.unnamed(&NamedPlaces::new()).into_iter().map(length).sum()
    }

    /// Returns the payloads that are not at one of these places, in order of their places.
    pub(super) fn unnamed(&self, named: &NamedPlaces) -> Vec<UnnamedPayload> {
        let mut unnamed = self.files.unnamed(named);
        unnamed.extend(self.pack.unnamed(named));
        unnamed
    }
}

/// The location of a payload, in the terms of a [`PayloadRef`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Path of the file, relative to the bundle.
    pub path: String,
    /// Index of the payload's first byte in the file. `None` if the payload is the whole file.
    pub offset: Option<u64>,
    /// Length of the payload in bytes. `None` if the payload is the whole file.
    pub length: Option<u64>,
    /// xxh3-128 hash of the payload, 32 hexadecimal digits. `None` if the store does not record one.
    pub hash: Option<Box<str>>,
}

/// The error of a payload that cannot be read. It concerns this payload only: the rest of the bundle can be used.
#[derive(Debug)]
pub struct PayloadError {
    location: String,
    kind: PayloadErrorKind,
}

#[derive(Debug)]
enum PayloadErrorKind {
    Refused(&'static str),
    TooLarge(u64),
    /// The payload is long, and takes nearly nothing on the disk.
    Hole(u64),
    PartOfFile,
    /// The file has fewer bytes than the reference names.
    Truncated {
        found: u64,
        expected: u64,
    },
    HashMismatch,
    Damaged(&'static str),
    Io(io::Error),
}

impl From<OpenError> for PayloadErrorKind {
    fn from(refusal: OpenError) -> Self {
        match refusal {
            OpenError::Path(reason) => Self::Refused(reason),
            OpenError::Io(error) => Self::Io(error),
        }
    }
}

impl PayloadError {
    fn new(reference: &PayloadRef, kind: PayloadErrorKind) -> Self {
        Self { location: reference.location(), kind }
    }

    /// Returns `true` if the reference was not followed because its path leaves the bundle or is not a regular file in
    /// it.
    pub fn is_refused(&self) -> bool {
        matches!(self.kind, PayloadErrorKind::Refused(_))
    }

    /// Returns `true` if the file of the reference does not exist.
    pub fn is_missing(&self) -> bool {
        matches!(&self.kind, PayloadErrorKind::Io(error) if error.kind() == io::ErrorKind::NotFound)
    }
}

impl fmt::Display for PayloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { location, kind } = self;
        match kind {
            PayloadErrorKind::Refused(reason) => {
                write!(f, "payload path {location} {reason}; only regular files inside the bundle are read")
            }
            PayloadErrorKind::TooLarge(bytes) => {
                write!(f, "payload {location} has {bytes} bytes; at most {MAX_PAYLOAD_BYTES} are read")
            }
            PayloadErrorKind::Hole(bytes) => {
                write!(
                    f,
                    "payload {location} has {bytes} bytes, nearly all of them a hole of its file; holes are not read"
                )
            }
            PayloadErrorKind::PartOfFile => {
                write!(f, "payload {location} is a part of a file; outside of a pack a payload is a whole file")
            }
            PayloadErrorKind::Truncated { found, expected } => write!(
                f,
                "payload {location} has only {found} of its {expected} bytes; the machine probably went down before \
                 the rest was on the disk"
            ),
            PayloadErrorKind::HashMismatch => write!(
                f,
                "payload {location} does not match its hash; it was changed, or the machine went down before all of it \
                 was on the disk"
            ),
            PayloadErrorKind::Damaged(damage) => write!(f, "payload {location} {damage}"),
            PayloadErrorKind::Io(error) => write!(f, "payload {location} cannot be read: {error}"),
        }
    }
}

impl std::error::Error for PayloadError {}
