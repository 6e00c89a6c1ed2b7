//! The file of a log, which need not be open all the time.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::disk::{Disk, DiskFile, Identity};
use super::log::Medium;
use super::unlink_check::Looks;

/// The file of a log. It is opened again for the next write after it was let go of.
#[derive(Debug)]
pub(super) struct LogFile {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    state: State,
    looks: Looks,
}

#[derive(Debug)]
enum State {
    Open(Arc<dyn DiskFile>),
    /// Let go of, and what it was.
    Closed(Identity),
    /// Deleted while it was open: what was written to it went with it.
    Deleted,
}

impl LogFile {
    /// The open file at this path.
    pub(super) fn new(disk: Arc<dyn Disk>, file: Arc<dyn DiskFile>, path: PathBuf) -> Self {
        Self { disk, path, state: State::Open(file), looks: Looks::default() }
    }

    /// The file, opened again if it was let go of; then it is not kept.
    fn opened(&self) -> io::Result<Arc<dyn DiskFile>> {
        match &self.state {
            State::Open(file) => Ok(Arc::clone(file)),
            State::Closed(identity) => {
                let file = self.disk.open(&self.path)?;
                if file.identity()? != *identity {
                    return Err(io::Error::new(io::ErrorKind::NotFound, "the log was replaced by another file"));
                }
                Ok(file)
            }
            State::Deleted => Err(io::Error::new(io::ErrorKind::NotFound, DELETED)),
        }
    }

    fn keep_open(&mut self) -> io::Result<&dyn DiskFile> {
        if let State::Closed(_) = self.state {
            self.state = State::Open(self.opened()?);
        }
        match &self.state {
            State::Open(file) => Ok(&**file),
            State::Closed(_) | State::Deleted => Err(io::Error::new(io::ErrorKind::NotFound, DELETED)),
        }
    }
}

const DELETED: &str = "the log was deleted while it was written";

impl Medium for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // One that was moved is whole where it is now.
        if let State::Open(file) = &self.state
            && self.looks.is_time()
            && !file.is_linked()
        {
            self.state = State::Deleted;
        }
        self.keep_open()?.write(bytes)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.keep_open()?.set_len(length)
    }

    fn is_linked(&self) -> bool {
        match &self.state {
            State::Open(file) => file.is_linked(),
            State::Closed(identity) => self.disk.identity(&self.path).is_ok_and(|found| found == *identity),
            State::Deleted => false,
        }
    }

    fn rest(&mut self) {
        if let State::Open(file) = &self.state
            && let Ok(identity) = file.identity()
        {
            self.state = State::Closed(identity);
        }
    }

    fn to_sync(&self) -> io::Result<Arc<dyn DiskFile>> {
        self.opened()
    }
}
