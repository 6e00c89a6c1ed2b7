//! The event log as it is written: one line, one `write(2)`.
//!
//! A line is serialised without its place, behind headroom, outside the lock. Under the lock its place is put in
//! front and the whole is written at once. After a short write or an error the file is cut back to what is known to
//! be whole, and nothing is written until that has succeeded: so a line is whole or it is the last one.

use std::cell::Cell;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use super::disk::DiskFile;
use super::line_json;
use super::open_logs::Rests;
use crate::event::{RecordBody, SCHEMA_VERSION, Seq};

/// What every line begins with, up to its seq.
const HEAD: &[u8] = br#"{"schema_version":1,"seq":"#;
const _: () = assert!(SCHEMA_VERSION == 1);

/// Room for `{"schema_version":1,"seq":18446744073709551615,`, whose last byte falls on the body's `{`.
const HEADROOM: usize = 47;

/// The largest line buffer that a thread keeps for its next line, in bytes.
const KEPT_CAPACITY: usize = 64 * 1024;

/// What a log is written to. A file; in tests, one with faults.
pub(super) trait Medium: Send {
    /// One `write(2)`.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Cuts to `length` bytes; what is written next follows there.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
    /// Whether what is written can still be found by its name.
    fn is_linked(&self) -> bool;
    /// Lets go of what need not be held until the next write.
    fn rest(&mut self);
    /// What forces to the disk what was written so far.
    fn to_sync(&self) -> io::Result<Arc<dyn DiskFile>>;
}

/// The one writer of a log.
#[derive(Debug)]
pub(super) struct Log<M> {
    state: Mutex<State<M>>,
    /// The last line that would survive the death of the machine. Held while lines are forced to the disk: those who
    /// wait for it find theirs there.
    synced: Mutex<Seq>,
    /// Whether the medium was let go of since the last line.
    rests: AtomicBool,
}

#[derive(Debug)]
struct State<M> {
    medium: M,
    next: Seq,
    /// Length of the whole lines, in bytes.
    length: u64,
    /// Whether there may be bytes beyond `length`.
    torn: bool,
    /// Whether the last line was asked for, or none will be.
    closed: bool,
}

/// Why a line is not in the log.
#[derive(Debug)]
pub(super) enum NotWritten {
    /// The log has had its last line.
    Closed,
    /// The medium refused.
    Io(io::Error),
}

impl From<io::Error> for NotWritten {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl<M: Medium> Log<M> {
    /// A log on an empty medium.
    pub(super) fn new(medium: M) -> Self {
        let state = State { medium, next: Seq(1), length: 0, torn: false, closed: false };
        Self { state: Mutex::new(state), synced: Mutex::new(Seq(0)), rests: AtomicBool::new(false) }
    }

    /// Appends one line and gives its place. On an error nothing of it stays, and its place goes to the next line.
    pub(super) fn append(&self, body: &RecordBody<'_>) -> Result<Seq, NotWritten> {
        self.append_and(body, false)
    }

    /// The same, and nothing after it.
    pub(super) fn append_last(&self, body: &RecordBody<'_>) -> Result<Seq, NotWritten> {
        self.append_and(body, true)
    }

    fn append_and(&self, body: &RecordBody<'_>, close: bool) -> Result<Seq, NotWritten> {
        let mut line = LineBuf::take();
        let appended = match line.serialize(body) {
            Ok(()) => self.append_serialized(&mut line, close),
            Err(error) => Err(error.into()),
        };
        line.give_back();
        appended
    }

    fn append_serialized(&self, line: &mut LineBuf, close: bool) -> Result<Seq, NotWritten> {
        let mut state = self.state.lock().unwrap_or_else(|poisoned| {
            // Whoever held the lock went down with it, perhaps in the middle of a line.
            self.state.clear_poison();
            let mut state = PoisonError::into_inner(poisoned);
            state.torn = true;
            state
        });
        if state.closed {
            return Err(NotWritten::Closed);
        }
        state.closed = close;
        Ok(state.append(line)?)
    }

    /// Takes no more lines.
    pub(super) fn close(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
    }

    /// Whether it takes no more lines.
    pub(super) fn is_closed(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).closed
    }

    /// Waits until this line and those before it would survive the death of the machine. Nobody who appends waits.
    pub(super) fn sync(&self, line: Seq) -> io::Result<()> {
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        if *synced >= line {
            return Ok(());
        }
        let (file, last) = {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            (state.medium.to_sync()?, Seq(state.next.0 - 1))
        };
        file.sync()?;
        *synced = last;
        Ok(())
    }

    /// The last line that was written; 0 where there is none.
    pub(super) fn last(&self) -> Seq {
        Seq(self.state.lock().unwrap_or_else(PoisonError::into_inner).next.0 - 1)
    }

    /// How long its lines are together, in bytes.
    pub(super) fn length(&self) -> u64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).length
    }

    /// Lets go of the medium until the next line.
    pub(super) fn rest(&self) {
        self.rest_locked(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn rest_locked(&self, state: &mut State<M>) {
        // What may be torn is cut off by the next line.
        if !state.torn {
            state.medium.rest();
            self.rests.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the medium was let go of; it is about to be needed.
    pub(super) fn wakes(&self) -> bool {
        self.rests.load(Ordering::Relaxed) && self.rests.swap(false, Ordering::Relaxed)
    }

    /// Whether the log can still be found by its name.
    pub(super) fn is_linked(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).medium.is_linked()
    }
}

impl<M: Medium> Rests for Log<M> {
    fn try_rest(&self) -> bool {
        match self.state.try_lock() {
            Ok(mut state) => self.rest_locked(&mut state),
            Err(TryLockError::Poisoned(_)) => {}
            Err(TryLockError::WouldBlock) => return false,
        }
        true
    }
}

impl<M: Medium> State<M> {
    fn append(&mut self, line: &mut LineBuf) -> io::Result<Seq> {
        if self.torn {
            self.medium.truncate(self.length)?;
            self.torn = false;
        }
        let seq = self.next;
        let bytes = line.placed(seq);
        match write_once(&mut self.medium, bytes) {
            Ok(()) => {
                self.next = Seq(seq.0 + 1);
                self.length += bytes.len() as u64;
                Ok(seq)
            }
            Err(error) => {
                self.torn = self.medium.truncate(self.length).is_err();
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
                let message = format!("only {written} of {} bytes of a line could be written", bytes.len());
                return Err(io::Error::new(io::ErrorKind::WriteZero, message));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A line with headroom for its place. Each thread keeps one.
struct LineBuf(Vec<u8>);

thread_local! {
    static KEPT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl LineBuf {
    /// This thread's buffer, or a new one where that is in use or the thread is ending.
    fn take() -> Self {
        Self(KEPT.try_with(Cell::take).unwrap_or_default())
    }

    fn give_back(self) {
        if self.0.capacity() <= KEPT_CAPACITY {
            // A thread that is ending keeps nothing.
            let _ = KEPT.try_with(|kept| kept.set(self.0));
        }
    }

    fn serialize(&mut self, body: &RecordBody<'_>) -> io::Result<()> {
        self.0.clear();
        self.0.resize(HEADROOM - 1, b' ');
        line_json::write(&mut self.0, body)?;
        self.0.push(b'\n');
        Ok(())
    }

    /// The whole line at its place: `{"schema_version":1,"seq":<seq>,` and the body without its `{`.
    fn placed(&mut self, seq: Seq) -> &[u8] {
        // From its end, without the detours of formatting: this runs under the lock.
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
