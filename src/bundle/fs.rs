//! The files of a bundle: how they are created and opened, on a disk that tests can replace.

mod bundle_directory;
mod directory;
mod disk;
pub(crate) mod file;
pub(crate) mod hole;
mod open_files;
mod unlink_check;

pub(crate) use bundle_directory::BundleDirectory;
pub use directory::Directory;
pub(crate) use directory::{EntryKind, OpenError};
pub(crate) use disk::{Disk, DiskFile, FileIdentity, RealDisk};
pub(crate) use open_files::{OpenFiles, ReleaseFile};
pub(crate) use unlink_check::UnlinkCheck;
