//! The file of a log, which is closed when it is not in use and reopened for the next write.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::disk::{Disk, DiskFile, FileIdentity};
use super::log::Medium;
use super::unlink_check::UnlinkCheck;

/// The file of a log. After a release, it is reopened for the next write.
#[derive(Debug)]
pub(super) struct LogFile {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    state: FileState,
    unlink_check: UnlinkCheck,
}

#[derive(Debug)]
enum FileState {
    Open(Arc<dyn DiskFile>),
    /// The file was released. Its identity shows later if another file has replaced it at the path.
    Closed(FileIdentity),
    /// Deleted while it was open: the written lines are gone.
    Deleted,
}

impl LogFile {
    /// Creates the medium from an open log file and its path.
    pub(super) fn new(disk: Arc<dyn Disk>, file: Arc<dyn DiskFile>, path: PathBuf) -> Self {
        Self { disk, path, state: FileState::Open(file), unlink_check: UnlinkCheck::default() }
    }

    /// Returns the open log file. A released file is opened for this call only.
    fn open_file(&self) -> io::Result<Arc<dyn DiskFile>> {
        match &self.state {
            FileState::Open(file) => Ok(Arc::clone(file)),
            FileState::Closed(identity) => {
                let file = self.disk.open(&self.path)?;
                if file.identity()? != *identity {
                    let message = "the log was replaced by another file while the bundle was being written";
                    return Err(io::Error::new(io::ErrorKind::NotFound, message));
                }
                Ok(file)
            }
            FileState::Deleted => Err(io::Error::new(io::ErrorKind::NotFound, DELETED)),
        }
    }

    /// Returns the open log file. A released file is opened again and stays open.
    fn ensure_open(&mut self) -> io::Result<&dyn DiskFile> {
        if let FileState::Closed(_) = self.state {
            self.state = FileState::Open(self.open_file()?);
        }
        match &self.state {
            FileState::Open(file) => Ok(&**file),
            FileState::Closed(_) | FileState::Deleted => Err(io::Error::new(io::ErrorKind::NotFound, DELETED)),
        }
    }
}

const DELETED: &str = "the log was deleted while the bundle was being written";

impl Medium for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Compares no identities: a log that was only moved is still linked, and stays complete at its new path.
        if let FileState::Open(file) = &self.state
            && self.unlink_check.is_due()
            && !file.is_linked()
        {
            self.state = FileState::Deleted;
        }
        self.ensure_open()?.write(bytes)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.ensure_open()?.set_len(length)
    }

    fn is_linked(&self) -> bool {
        match &self.state {
            FileState::Open(file) => file.is_linked(),
            FileState::Closed(identity) => self.disk.identity(&self.path).is_ok_and(|found| found == *identity),
            FileState::Deleted => false,
        }
    }

    fn release(&mut self) {
        if let FileState::Open(file) = &self.state
            && let Ok(identity) = file.identity()
        {
            self.state = FileState::Closed(identity);
        }
    }

    fn sync_handle(&self) -> io::Result<Arc<dyn DiskFile>> {
        self.open_file()
    }
}
