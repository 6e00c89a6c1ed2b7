//! The event log of a bundle as it is written: one line, one `write(2)`.
//!
//! A line is serialised without its seq, behind headroom, outside the lock. Under the lock, its seq is put into the
//! headroom and the line is written at once. After a short write or an error, the file is truncated to its last whole
//! line, and nothing is written until that has succeeded. So every line but the last is whole.

use std::cell::Cell;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use super::line_json;
use crate::bundle::fs::{DiskFile, ReleaseFile};
use crate::bundle::read::MAX_LINE_BYTES;
use crate::event::{RecordBody, SCHEMA_VERSION, Seq};

/// The beginning of every line, up to its seq.
const HEAD: &[u8] = br#"{"schema_version":1,"seq":"#;
const _: () = assert!(SCHEMA_VERSION == 1);

/// Length of `{"schema_version":1,"seq":18446744073709551615,`, the longest text in front of a serialised
/// [`RecordBody`], in bytes. Its last byte replaces the `{` of the body.
const HEADROOM: usize = 47;

/// Capacity of the largest line buffer that a thread keeps for its next line, in bytes.
const MAX_RETAINED_CAPACITY: usize = 64 * 1024;

/// A medium that a log is written to: a file, or in tests a buffer with faults.
pub(super) trait Medium: Send {
    /// Appends bytes with one `write(2)`, and returns how many were written.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Truncates the medium to `length` bytes. The next write appends there.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
    /// Returns `true` if the medium has not been deleted, so that a reader can find the written lines.
    fn is_linked(&self) -> bool;
    /// Releases resources that are not needed until the next write.
    fn release(&mut self);
    /// Returns a file whose `sync` syncs everything written so far. It is used outside the lock of the log.
    fn sync_handle(&self) -> io::Result<Arc<dyn DiskFile>>;
}

/// The writer of an event log: numbers the lines with ascending sequence numbers (`seq`) and appends them.
#[derive(Debug)]
pub(super) struct Log<M> {
    state: Mutex<LogState<M>>,
    /// Seq of the last line that has been synced to the disk. The lock is held during a sync: a caller that waited for
    /// it may find that its line has been synced meanwhile.
    synced: Mutex<Seq>,
    /// `true` if the file has been released since the last line.
    is_released: AtomicBool,
}

#[derive(Debug)]
struct LogState<M> {
    medium: M,
    next: Seq,
    /// Total length of the whole lines, in bytes.
    length: u64,
    /// `true` if the medium may hold bytes of a broken line beyond `length`.
    is_torn: bool,
    /// `true` if the log accepts no more lines.
    is_closed: bool,
}

/// An error of appending a line to a log.
#[derive(Debug)]
pub(super) enum AppendError {
    /// The log is closed: it accepts no more lines.
    Closed,
    /// The line has so many bytes that no reader would read it.
    TooLong(usize),
    /// The line cannot be serialised or written.
    Io(io::Error),
}

impl From<io::Error> for AppendError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl<M: Medium> Log<M> {
    /// Creates a log on an empty medium; the first line gets seq 1.
    pub(super) fn new(medium: M) -> Self {
        let state = LogState { medium, next: Seq(1), length: 0, is_torn: false, is_closed: false };
        Self { state: Mutex::new(state), synced: Mutex::new(Seq(0)), is_released: AtomicBool::new(false) }
    }

    /// Appends one line and returns its seq. On an error, nothing of the line stays in the log, and the next line gets
    /// its seq.
    pub(super) fn append(&self, body: &RecordBody<'_>) -> Result<Seq, AppendError> {
        self.append_closing(body, false)
    }

    /// Appends one line, returns its seq, and closes the log.
    pub(super) fn append_last(&self, body: &RecordBody<'_>) -> Result<Seq, AppendError> {
        self.append_closing(body, true)
    }

    fn append_closing(&self, body: &RecordBody<'_>, close: bool) -> Result<Seq, AppendError> {
        let mut line = LineBuf::take();
        let appended = match line.serialize(body) {
            Ok(()) if line.0.len() > MAX_LINE_BYTES => Err(AppendError::TooLong(line.0.len())),
            Ok(()) => self.append_serialized(&mut line, close),
            Err(error) => Err(error.into()),
        };
        line.recycle();
        appended
    }

    fn append_serialized(&self, line: &mut LineBuf, close: bool) -> Result<Seq, AppendError> {
        let mut state = self.state.lock().unwrap_or_else(|poisoned| {
            // The thread that held the lock panicked, possibly in the middle of a line.
            self.state.clear_poison();
            let mut state = PoisonError::into_inner(poisoned);
            state.is_torn = true;
            state
        });
        if state.is_closed {
            return Err(AppendError::Closed);
        }
        state.is_closed = close;
        Ok(state.append(line)?)
    }

    /// Closes the log: it accepts no more lines.
    pub(super) fn close(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).is_closed = true;
    }

    /// Returns `true` if the log accepts no more lines.
    pub(super) fn is_closed(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).is_closed
    }

    /// Syncs the log to the disk, up to and including the given line. Does not block threads that append.
    pub(super) fn sync(&self, line: Seq) -> io::Result<()> {
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        if *synced >= line {
            return Ok(());
        }
        let (file, last) = {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            (state.medium.sync_handle()?, Seq(state.next.0 - 1))
        };
        file.sync()?;
        *synced = last;
        Ok(())
    }

    /// Returns the seq of the last line, or 0 if the log is empty.
    pub(super) fn last_seq(&self) -> Seq {
        Seq(self.state.lock().unwrap_or_else(PoisonError::into_inner).next.0 - 1)
    }

    /// Returns the total length of the lines, in bytes.
    pub(super) fn length(&self) -> u64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).length
    }

    /// Releases the file of the log until the next line.
    pub(super) fn release_file(&self) {
        self.release_file_locked(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn release_file_locked(&self, state: &mut LogState<M>) {
        // A torn log keeps its file open, because the next line must truncate it first.
        if !state.is_torn {
            state.medium.release();
            self.is_released.store(true, Ordering::Relaxed);
        }
    }

    /// Returns `true` if [`release_file`](Self::release_file) has released the file since the last call. The next line
    /// opens the file again.
    pub(super) fn take_released(&self) -> bool {
        self.is_released.load(Ordering::Relaxed) && self.is_released.swap(false, Ordering::Relaxed)
    }

    /// Returns `true` if the log has not been deleted.
    pub(super) fn is_linked(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).medium.is_linked()
    }
}

impl<M: Medium> ReleaseFile for Log<M> {
    fn try_release_file(&self) -> bool {
        match self.state.try_lock() {
            Ok(mut state) => self.release_file_locked(&mut state),
            Err(TryLockError::Poisoned(_)) => {}
            Err(TryLockError::WouldBlock) => return false,
        }
        true
    }
}

impl<M: Medium> LogState<M> {
    fn append(&mut self, line: &mut LineBuf) -> io::Result<Seq> {
        if self.is_torn {
            self.medium.truncate(self.length)?;
            self.is_torn = false;
        }
        let seq = self.next;
        let bytes = line.with_seq(seq);
        match write_once(&mut self.medium, bytes) {
            Ok(()) => {
                self.next = Seq(seq.0 + 1);
                self.length += bytes.len() as u64;
                Ok(seq)
            }
            Err(error) => {
                self.is_torn = self.medium.truncate(self.length).is_err();
                Err(error)
            }
        }
    }
}

fn write_once(medium: &mut impl Medium, bytes: &[u8]) -> io::Result<()> {
    loop {
        match medium.write(bytes) {
            Ok(written) if written == bytes.len() => return Ok(()),
            Ok(written) => {
                let message = format!("short write: {written} of the {} bytes of a line", bytes.len());
                return Err(io::Error::new(io::ErrorKind::WriteZero, message));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A buffer for one line, with headroom for its seq. Each thread keeps a buffer for its next line.
struct LineBuf(Vec<u8>);

thread_local! {
    static LINE_BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl LineBuf {
    /// Takes the buffer of the current thread. Allocates a new one if that buffer is in use or the thread is being
    /// destroyed.
    fn take() -> Self {
        Self(LINE_BUFFER.try_with(Cell::take).unwrap_or_default())
    }

    /// Returns the allocation to the current thread, for its next line.
    fn recycle(self) {
        if self.0.capacity() <= MAX_RETAINED_CAPACITY {
            // Fails in a thread that is being destroyed, which needs no buffer.
            let _ = LINE_BUFFER.try_with(|buffer| buffer.set(self.0));
        }
    }

    fn serialize(&mut self, body: &RecordBody<'_>) -> io::Result<()> {
        self.0.clear();
        self.0.resize(HEADROOM - 1, b' ');
        line_json::write(&mut self.0, body)?;
        self.0.push(b'\n');
        Ok(())
    }

    /// Puts the seq into the headroom and returns the whole line: `{"schema_version":1,"seq":<seq>,` and the serialised
    /// [`RecordBody`] without its `{`.
    fn with_seq(&mut self, seq: Seq) -> &[u8] {
        // Written digit by digit from the end, which is faster than formatting: this runs under the lock.
        let mut start = HEADROOM - 1;
        self.0[start] = b',';
        let mut rest = seq.0;
        loop {
            start -= 1;
            self.0[start] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        let head = start - HEAD.len();
        self.0[head..start].copy_from_slice(HEAD);
        &self.0[head..]
    }
}

#[cfg(test)]
mod tests;
