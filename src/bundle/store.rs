//! Where bodies are kept: the last step of their way to the disk.

mod files;

use std::{fmt, io};

pub(super) use files::Files;

use super::BodyBuf;
use crate::event::{PayloadKind, PayloadRef, ThreadId};

/// Keeps bodies. One store serves one bundle, from any number of threads at once.
pub trait PayloadStore: Send + Sync + fmt::Debug {
    /// Keeps a body and says where. It is complete when this returns. `number` is used once in a bundle; `thread`
    /// and `kind` say what the body may have in common with earlier ones.
    ///
    /// # Errors
    /// What the file system said. Nothing of the body stays.
    fn put(&self, number: u64, thread: &ThreadId, kind: PayloadKind, body: &BodyBuf) -> io::Result<Location>;

    /// Waits until the bodies that were put at these places would survive the death of the machine, names and all.
    ///
    /// # Errors
    /// What the file system said. Any of them may not survive then.
    fn sync(&self, places: &[Location]) -> io::Result<()>;

    /// The body that `reference` names.
    ///
    /// # Errors
    /// [`BadPayload`] where it is not there, or not to be had.
    fn get(&self, reference: &PayloadRef) -> Result<Vec<u8>, BadPayload>;
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
pub struct BadPayload {
    path: String,
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
    Io(io::Error),
}

impl BadPayload {
    /// Whether the reference was not followed because it leads out of the bundle, or to no regular file in it.
    pub fn is_refused(&self) -> bool {
        matches!(self.why, Why::Refused(_))
    }

    /// Whether there is nothing where the reference leads.
    pub fn is_missing(&self) -> bool {
        matches!(&self.why, Why::Io(error) if error.kind() == io::ErrorKind::NotFound)
    }
}

impl fmt::Display for BadPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, why } = self;
        match why {
            Why::Refused(reason) => {
                write!(f, "payload path {path:?} {reason}; only regular files inside the bundle are read")
            }
            Why::TooLarge(bytes) => write!(f, "payload {path:?} has {bytes} bytes, more than are read"),
            Why::Part => write!(f, "payload {path:?} is named in part; in this bundle a file is one body"),
            Why::Short(found, named) => write!(
                f,
                "payload {path:?} has {found} of its {named} bytes; the rest was not on the disk when the machine went down"
            ),
            Why::Hash => write!(
                f,
                "payload {path:?} is not what was written: its hash differs; it was changed, or not on the disk when \
                 the machine went down"
            ),
            Why::Io(error) => write!(f, "payload {path:?} can't be read: {error}"),
        }
    }
}

impl std::error::Error for BadPayload {}
