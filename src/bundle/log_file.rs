//! The file of a log, which need not be open all the time.

use std::fs::{File, Metadata};
use std::io::{self, Write};
use std::path::PathBuf;

use super::file;
use super::log::Medium;

/// The file of a log. It is opened again for the next write after it was let go of.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    state: State,
}

#[derive(Debug)]
enum State {
    Open(File),
    /// Let go of, and what it was.
    Closed(Identity),
}

/// What tells a file from another that took its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    #[cfg(unix)]
    device_and_inode: (u64, u64),
}

impl Identity {
    #[cfg(unix)]
    pub(super) fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self { device_and_inode: (metadata.dev(), metadata.ino()) }
    }

    #[cfg(not(unix))]
    pub(super) fn of(_: &Metadata) -> Self {
        Self {}
    }
}

impl LogFile {
    /// The open file at this path.
    pub(super) fn new(file: File, path: PathBuf) -> Self {
        Self { path, state: State::Open(file) }
    }

    fn open(&mut self) -> io::Result<&mut File> {
        if let State::Closed(identity) = self.state {
            let file = file::open_to_append(&self.path)?;
            if Identity::of(&file.metadata()?) != identity {
                return Err(io::Error::new(io::ErrorKind::NotFound, "the log was replaced by another file"));
            }
            self.state = State::Open(file);
        }
        match &mut self.state {
            State::Open(file) => Ok(file),
            State::Closed(_) => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl Medium for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.open()?.write(bytes)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        // Opened for appending: the next write goes to the new end.
        self.open()?.set_len(length)
    }

    fn is_linked(&self) -> bool {
        match &self.state {
            #[cfg(unix)]
            State::Open(file) => {
                file.metadata().is_ok_and(|metadata| std::os::unix::fs::MetadataExt::nlink(&metadata) > 0)
            }
            #[cfg(not(unix))]
            State::Open(_) => true,
            State::Closed(identity) => {
                self.path.symlink_metadata().is_ok_and(|metadata| Identity::of(&metadata) == *identity)
            }
        }
    }

    fn rest(&mut self) {
        if let State::Open(file) = &self.state
            && let Ok(metadata) = file.metadata()
        {
            self.state = State::Closed(Identity::of(&metadata));
        }
    }
}
