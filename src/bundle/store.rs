//! Where bodies are kept: the last step of their way to the disk.

mod files;
mod pack;

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::{fmt, io};

use super::file::Refusal;
use super::{BodyBuf, WriterOptions};
use crate::event::{PayloadKind, PayloadRef, ThreadId};
pub(super) use files::Files;
pub(crate) use pack::KeptBodies;
use pack::Pack;
pub(super) use pack::is_pack;

/// The largest body that is read, in bytes.
const MAX_BODY_BYTES: u64 = 1 << 31;

/// How the bodies of a bundle are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Store {
    /// Each in a file of its own: `payloads/<n>.json`, or `<n>.bin` where it is not one JSON value.
    #[default]
    Files,
    /// All in one file, `payloads.pack`, a request that repeats the history of its thread as the difference to the one
    /// before. Less to write, and much less to keep.
    Pack,
}

impl Store {
    pub(super) fn open(self, bundle: &Path, options: &WriterOptions) -> Arc<dyn PayloadStore> {
        let WriterOptions { disk, kept, open_logs, .. } = options;
        match self {
            Self::Files => Arc::new(Files::on(Arc::clone(disk), bundle)),
            Self::Pack => Arc::new(Pack::on(Arc::clone(disk), bundle, Arc::clone(kept), Arc::clone(open_logs))),
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

/// No store has this name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreNameError(String);

impl fmt::Display for StoreNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no payload store {:?}; it is `files` or `pack`", self.0)
    }
}

impl std::error::Error for StoreNameError {}

/// Keeps bodies. One store serves one bundle, from any number of threads at once.
pub trait PayloadStore: Send + Sync + fmt::Debug {
    /// Keeps a body and says where. It is complete when this returns. `number` is used once in a bundle; `thread`
    /// and `kind` say what the body may have in common with earlier ones. The store may keep the buffer, and leave
    /// another in its place.
    ///
    /// # Errors
    /// What the file system said. Nothing of the body stays.
    fn put(&self, number: u64, thread: &ThreadId, kind: PayloadKind, body: &mut BodyBuf) -> io::Result<Location>;

    /// Waits until the bodies that were put at these places would survive the death of the machine, names and all. One
    /// that can't be forced to the disk keeps no other from it.
    ///
    /// # Errors
    /// What the file system said. Those that may not survive are left in `places` then, to be tried again.
    fn sync(&self, places: &mut Vec<Location>) -> io::Result<()>;

    /// The body that `reference` names.
    ///
    /// # Errors
    /// [`PayloadError`] where it is not there, or not to be had.
    fn get(&self, reference: &PayloadRef) -> Result<StoredBody, PayloadError>;

    /// How many bytes it has written.
    fn bytes(&self) -> u64;

    /// Lets go of what need not be held until the next body.
    fn rest(&self) {}

    /// This thread is over: little more will come of it.
    fn thread_ended(&self, _thread: &ThreadId) {}

    /// Whether what it has written can still be found, as far as one look tells.
    fn is_there(&self) -> bool {
        true
    }
}

/// A body as it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBody {
    /// The whole of it.
    pub bytes: Vec<u8>,
    /// Whether it was kept as one JSON value.
    pub is_json: bool,
    /// What it is, where the store itself knows.
    pub kind: Option<PayloadKind>,
}

/// The stores of a bundle that is read. A reference's path says which of them it means, so that a bundle may have both.
#[derive(Debug)]
pub(super) struct Stores {
    files: Files,
    pack: Pack,
}

impl Stores {
    pub(super) fn of(bundle: &Path) -> Self {
        Self { files: Files::new(bundle), pack: Pack::new(bundle) }
    }

    pub(super) fn get(&self, reference: &PayloadRef) -> Result<StoredBody, PayloadError> {
        if is_pack(&reference.path) { self.pack.get(reference) } else { self.files.get(reference) }
    }
}

/// Where a body is, in the terms of a [`PayloadRef`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The file, relative to the bundle.
    pub path: String,
    /// First byte of the body, where it is not the whole file.
    pub offset: Option<u64>,
    /// Length of the body in bytes, where it is not the whole file.
    pub length: Option<u64>,
    /// xxh3-128 of the body, where the store checks it.
    pub hash: Option<Box<str>>,
}

/// Why a body can't be had. Evidence that is not there is no error of ours: the rest of the bundle stands.
#[derive(Debug)]
pub struct PayloadError {
    place: String,
    why: Why,
}

#[derive(Debug)]
enum Why {
    Refused(&'static str),
    TooLarge(u64),
    Part,
    /// It has so many bytes, and should have so many.
    Short(u64, u64),
    Hash,
    Damaged(&'static str),
    Io(io::Error),
}

impl From<Refusal> for Why {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Path(reason) => Self::Refused(reason),
            Refusal::Io(error) => Self::Io(error),
        }
    }
}

impl PayloadError {
    fn new(reference: &PayloadRef, why: Why) -> Self {
        Self { place: reference.place(), why }
    }

    /// Whether the reference was not followed because it leads out of the bundle, or to no regular file in it.
    pub fn is_refused(&self) -> bool {
        matches!(self.why, Why::Refused(_))
    }

    /// Whether there is nothing where the reference leads.
    pub fn is_missing(&self) -> bool {
        matches!(&self.why, Why::Io(error) if error.kind() == io::ErrorKind::NotFound)
    }
}

impl fmt::Display for PayloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, why } = self;
        match why {
            Why::Refused(reason) => {
                write!(f, "payload path {place} {reason}; only regular files inside the bundle are read")
            }
            Why::TooLarge(bytes) => write!(f, "payload {place} has {bytes} bytes, more than are read"),
            Why::Part => write!(f, "payload {place} is named in part; in this bundle a file is one body"),
            Why::Short(found, named) => write!(
                f,
                "payload {place} has {found} of its {named} bytes; the rest was not on the disk when the machine went down"
            ),
            Why::Hash => write!(
                f,
                "payload {place} is not what was written: its hash differs; it was changed, or not on the disk when \
                 the machine went down"
            ),
            Why::Damaged(how) => write!(f, "payload {place} {how}"),
            Why::Io(error) => write!(f, "payload {place} can't be read: {error}"),
        }
    }
}

impl std::error::Error for PayloadError {}
