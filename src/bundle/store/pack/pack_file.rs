//! The file of a pack as it is written: a place is reserved, then written to, and nobody waits for anybody.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError, Weak};

use super::header::{HEAD, Header, MOST_HEADER};
use crate::bundle::disk::{Disk, DiskFile, Identity};
use crate::bundle::open_logs::{OpenLogs, Rests};
use crate::bundle::unlink_check::Looks;

/// Up to so many bytes are copied behind their header, so that a record is one write. A second write costs less than
/// to copy more.
const COPIED: usize = 32 * 1024;

/// The file of a pack. It is made when the first record comes, and opened again for the next one after it was let go
/// of.
#[derive(Debug)]
pub(super) struct PackFile {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    /// Where nothing is reserved yet.
    end: AtomicU64,
    state: Mutex<State>,
    looks: Looks,
    open_logs: Arc<OpenLogs>,
}

#[derive(Debug)]
enum State {
    Unmade,
    Open(Arc<dyn DiskFile>),
    Closed(Identity),
    /// Deleted while it was open: the bodies in it went with it.
    Deleted,
}

impl PackFile {
    pub(super) fn new(disk: Arc<dyn Disk>, path: PathBuf, open_logs: Arc<OpenLogs>) -> Self {
        let end = AtomicU64::new(HEAD.len() as u64);
        Self { disk, path, end, state: Mutex::new(State::Unmade), looks: Looks::default(), open_logs }
    }

    /// Writes a record and gives its offset. On an error there are bytes that no reference names, at most.
    pub(super) fn append(self: &Arc<Self>, header: &Header, stored: &[u8]) -> io::Result<u64> {
        if self.looks.is_time() {
            self.look();
        }
        let file = self.open()?;
        let length = (header.size() + stored.len()) as u64;
        let start = self.end.fetch_add(length, Ordering::Relaxed);
        let offset = start + header.size() as u64;
        match write_record(&*file, start, &header.to_bytes(offset)[MOST_HEADER - header.size()..], stored) {
            Ok(()) => Ok(offset),
            Err(error) => {
                // Given back, if nobody has reserved behind it: a file that may not grow has room for what is smaller.
                let _ = self.end.compare_exchange(start + length, start, Ordering::Relaxed, Ordering::Relaxed);
                Err(error)
            }
        }
    }

    /// One that was moved is whole where it is now.
    fn look(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Open(file) = &*state
            && !file.is_linked()
        {
            *state = State::Deleted;
        }
    }

    /// Whether what was written can still be found.
    pub(super) fn is_there(&self) -> bool {
        match &*self.state.lock().unwrap_or_else(PoisonError::into_inner) {
            State::Unmade => true,
            State::Open(file) => file.is_linked(),
            State::Closed(identity) => self.disk.identity(&self.path).is_ok_and(|found| found == *identity),
            State::Deleted => false,
        }
    }

    fn open(self: &Arc<Self>) -> io::Result<Arc<dyn DiskFile>> {
        let file = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let opened = match &*state {
                State::Open(file) => return Ok(Arc::clone(file)),
                State::Unmade => self.make()?,
                State::Closed(identity) => self.open_again(*identity)?,
                State::Deleted => return Err(io::Error::new(io::ErrorKind::NotFound, DELETED)),
            };
            *state = State::Open(Arc::clone(&opened));
            opened
        };
        let this: Arc<dyn Rests> = Arc::<Self>::clone(self);
        let this: Weak<dyn Rests> = Arc::downgrade(&this);
        self.open_logs.opened(this);
        Ok(file)
    }

    fn make(&self) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.disk.create_for_places(&self.path)?;
        if let Err(error) = file.write_all_at(&HEAD, 0) {
            drop(file);
            let _ = self.disk.remove_file(&self.path);
            return Err(error);
        }
        Ok(file)
    }

    fn open_again(&self, identity: Identity) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.disk.open_for_places(&self.path)?;
        if file.identity()? != identity {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the pack was replaced by another file"));
        }
        Ok(file)
    }

    /// How long the file is, or will be when it is made.
    pub(super) fn length(&self) -> u64 {
        self.end.load(Ordering::Relaxed)
    }

    /// Waits until what was written would survive the death of the machine: the bytes, and the file's name.
    pub(super) fn sync(self: &Arc<Self>) -> io::Result<()> {
        self.open()?.sync()?;
        self.path.parent().map_or(Ok(()), |bundle| self.disk.sync_dir(bundle))
    }

    /// Lets go of the file until the next record. Who writes one right now holds it until that is done.
    pub(super) fn rest(&self) {
        rest(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

const DELETED: &str = "the pack was deleted while it was written";

fn rest(state: &mut State) {
    if let State::Open(file) = state
        && let Ok(identity) = file.identity()
    {
        *state = State::Closed(identity);
    }
}

impl Rests for PackFile {
    fn try_rest(&self) -> bool {
        match self.state.try_lock() {
            Ok(mut state) => rest(&mut state),
            Err(TryLockError::Poisoned(_)) => {}
            Err(TryLockError::WouldBlock) => return false,
        }
        true
    }
}

fn write_record(file: &dyn DiskFile, start: u64, header: &[u8], stored: &[u8]) -> io::Result<()> {
    if stored.len() <= COPIED {
        return file.write_all_at(&[header, stored].concat(), start);
    }
    file.write_all_at(stored, start + header.len() as u64)?;
    file.write_all_at(header, start)
}
