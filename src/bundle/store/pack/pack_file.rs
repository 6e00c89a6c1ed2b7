//! The writing side of a pack: each writer reserves a range of the file by an atomic add and writes to it outside of
//! all locks, so that no writer waits for another.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError, Weak};

use super::header::{FILE_HEADER, Header, MAX_HEADER};
use crate::bundle::disk::{Disk, DiskFile, FileIdentity};
use crate::bundle::open_files::{OpenFiles, ReleaseFile};
use crate::bundle::unlink_check::UnlinkCheck;

/// Maximum number of stored bytes that are copied after their header, so that the record is one write. For more bytes a
/// second write is cheaper than the copy.
const MAX_COPIED: usize = 32 * 1024;

/// The file of a pack. It is created with the first record. After it was closed, the next record reopens it.
#[derive(Debug)]
pub(super) struct PackFile {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    /// Offset of the next record: the end of all ranges that writers have reserved.
    end: AtomicU64,
    state: Mutex<FileState>,
    unlink_check: UnlinkCheck,
    open_files: Arc<OpenFiles>,
}

/// The state of the pack's file.
#[derive(Debug)]
enum FileState {
    NotCreated,
    Open(Arc<dyn DiskFile>),
    Closed(FileIdentity),
    /// The file was deleted while it was open, with the payloads in it.
    Deleted,
}

impl PackFile {
    pub(super) fn new(disk: Arc<dyn Disk>, path: PathBuf, open_files: Arc<OpenFiles>) -> Self {
        let end = AtomicU64::new(FILE_HEADER.len() as u64);
        Self {
            disk,
            path,
            end,
            state: Mutex::new(FileState::NotCreated),
            unlink_check: UnlinkCheck::default(),
            open_files,
        }
    }

    /// Writes a record and returns the offset of its stored bytes. After an error the file may have bytes that no
    /// reference names.
    pub(super) fn append(self: &Arc<Self>, header: &Header, stored: &[u8]) -> io::Result<u64> {
        if self.unlink_check.is_due() {
            self.check_unlinked();
        }
        let file = self.open()?;
        let length = (header.size() + stored.len()) as u64;
        let start = self.end.fetch_add(length, Ordering::Relaxed);
        let offset = start + header.size() as u64;
        match write_record(&*file, start, &header.to_bytes(offset)[MAX_HEADER - header.size()..], stored) {
            Ok(()) => Ok(offset),
            Err(error) => {
                // Returns the range unless a later one is reserved: a file that cannot grow may have room for a smaller
                // record.
                let _ = self.end.compare_exchange(start + length, start, Ordering::Relaxed, Ordering::Relaxed);
                Err(error)
            }
        }
    }

    /// Checks if the open file was deleted. A file that was moved still has a name, and writing to it goes on.
    fn check_unlinked(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let FileState::Open(file) = &*state
            && !file.is_linked()
        {
            *state = FileState::Deleted;
        }
    }

    /// Returns `true` if the file of the pack still exists, or is not created yet.
    pub(super) fn is_there(&self) -> bool {
        match &*self.state.lock().unwrap_or_else(PoisonError::into_inner) {
            FileState::NotCreated => true,
            FileState::Open(file) => file.is_linked(),
            FileState::Closed(identity) => self.disk.identity(&self.path).is_ok_and(|found| found == *identity),
            FileState::Deleted => false,
        }
    }

    /// Returns the open file of the pack; creates or reopens it if needed.
    fn open(self: &Arc<Self>) -> io::Result<Arc<dyn DiskFile>> {
        let file = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let opened = match &*state {
                FileState::Open(file) => return Ok(Arc::clone(file)),
                FileState::NotCreated => self.create()?,
                FileState::Closed(identity) => self.reopen(*identity)?,
                FileState::Deleted => return Err(io::Error::new(io::ErrorKind::NotFound, DELETED)),
            };
            *state = FileState::Open(Arc::clone(&opened));
            opened
        };
        let this: Arc<dyn ReleaseFile> = Arc::<Self>::clone(self);
        let this: Weak<dyn ReleaseFile> = Arc::downgrade(&this);
        self.open_files.register(this);
        Ok(file)
    }

    fn create(&self) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.disk.create_for_write_at(&self.path)?;
        if let Err(error) = file.write_all_at(&FILE_HEADER, 0) {
            drop(file);
            let _ = self.disk.remove_file(&self.path);
            return Err(error);
        }
        Ok(file)
    }

    /// Reopens the file of the pack.
    ///
    /// # Errors
    /// Returns an error if another file has replaced it at its path.
    fn reopen(&self, identity: FileIdentity) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.disk.open_for_write_at(&self.path)?;
        if file.identity()? != identity {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "the pack was replaced by another file while it was closed",
            ));
        }
        Ok(file)
    }

    /// Returns the length of the pack in bytes, or the length that its file will have when it is created.
    pub(super) fn length(&self) -> u64 {
        self.end.load(Ordering::Relaxed)
    }

    /// Waits until the written records and the file's name are on the disk.
    pub(super) fn sync(self: &Arc<Self>) -> io::Result<()> {
        self.open()?.sync()?;
        self.path.parent().map_or(Ok(()), |bundle| self.disk.sync_dir(bundle))
    }

    /// Closes the file until the next record. A writer that is writing a record keeps it open until it is done.
    pub(super) fn close(&self) {
        close(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

const DELETED: &str = "the pack was deleted while it was being written; its payloads are lost";

fn close(state: &mut FileState) {
    if let FileState::Open(file) = state
        && let Ok(identity) = file.identity()
    {
        *state = FileState::Closed(identity);
    }
}

impl ReleaseFile for PackFile {
    fn try_release_file(&self) -> bool {
        match self.state.try_lock() {
            Ok(mut state) => close(&mut state),
            Err(TryLockError::Poisoned(_)) => {}
            Err(TryLockError::WouldBlock) => return false,
        }
        true
    }
}

fn write_record(file: &dyn DiskFile, start: u64, header: &[u8], stored: &[u8]) -> io::Result<()> {
    if stored.len() <= MAX_COPIED {
        return file.write_all_at(&[header, stored].concat(), start);
    }
    file.write_all_at(stored, start + header.len() as u64)?;
    file.write_all_at(header, start)
}
