//! The lifecycle of an operation: the only code that starts and ends one, each at most once.

use std::sync::{Arc, Mutex};

use super::end::{End, UNWOUND};
use super::span_end::SpanEnd;
use crate::bundle::Lost;
use crate::layer::session::Session;
use crate::layer::session::open_operations::{OpenKey, OpenOperation};
use crate::layer::session::reentrancy::{defer_callbacks, is_recording_suppressed, lock};

/// The lifecycle of an operation: pending, opening, open, ended. Each state is entered at most once, and opening only
/// while the operation is being started.
#[derive(Debug)]
pub(super) struct Lifecycle {
    phase: Mutex<Phase>,
    /// `true` if a panic was unwinding when the operation was opened.
    opened_unwinding: bool,
    /// What the span of the operation tells of its end.
    span_end: Mutex<SpanEnd>,
}

#[derive(Debug, Default, Clone, Copy)]
enum Phase {
    /// Neither started nor ended.
    #[default]
    Pending,
    /// Listed as open, and prepared: the start event can be written.
    Opening(OpenKey),
    /// The start event is in the log, the end event is not.
    Open(OpenKey),
    /// Ended, or unable to start.
    Ended {
        /// `true` if the start event is in the log.
        started: bool,
    },
}

impl Lifecycle {
    /// Creates the lifecycle of an operation that is opened now.
    pub(super) fn new() -> Self {
        Self { phase: Mutex::default(), opened_unwinding: std::thread::panicking(), span_end: Mutex::default() }
    }

    /// Sets what the span of the operation tells of its end.
    pub(super) fn set_span_end(&self, span_end: SpanEnd) {
        *lock(&self.span_end) = span_end;
    }

    /// Records that the operation had settled, and ends while its span stays open.
    pub(super) fn set_settled(&self) {
        lock(&self.span_end).is_settled = true;
    }

    /// Takes what the span of the operation tells of its end, for the end event.
    pub(super) fn take_span_end(&self) -> SpanEnd {
        std::mem::take(&mut *lock(&self.span_end))
    }

    /// Returns the error of an operation that closes because a panic unwinds through it. Returns `None` for any other
    /// end. An operation that a destructor opened while a panic was already unwinding may close normally.
    pub(super) fn unwound(&self, end: &End) -> Option<&'static str> {
        let is_unwound = matches!(end, End::Closed) && !self.opened_unwinding && std::thread::panicking();
        is_unwound.then_some(UNWOUND)
    }

    /// Writes the start event if the operation is pending. Returns `true` if the operation is open afterwards.
    ///
    /// An operation whose start event cannot be written ends at once: an end event without a start event would be of no
    /// use. The operation is listed as open before its start event is written, so that the shutdown waits for it and
    /// ends it. The caller has checked that recording is not off.
    pub(super) fn start(
        &self,
        session: &Session,
        operation: &Arc<impl OpenOperation + 'static>,
        write: impl FnOnce() -> Result<(), Lost>,
    ) -> bool {
        if is_recording_suppressed() {
            return false;
        }
        defer_callbacks(|| self.start_locked(session, operation, write))
    }

    fn start_locked(
        &self,
        session: &Session,
        operation: &Arc<impl OpenOperation + 'static>,
        write: impl FnOnce() -> Result<(), Lost>,
    ) -> bool {
        let mut phase = lock(&self.phase);
        phase.prepare(session, operation, || Ok(()));
        phase.start(session, write)
    }

    /// Prepares the start of a pending operation. The rest of the start then proceeds without this lock, and any thread
    /// may [write](Self::start_prepared) the start event. An operation that cannot be prepared ends at once. The caller has
    /// checked that recording is not off.
    pub(super) fn prepare(
        &self,
        session: &Session,
        operation: &Arc<impl OpenOperation + 'static>,
        prepare: impl FnOnce() -> Result<(), Lost>,
    ) {
        if !is_recording_suppressed() {
            defer_callbacks(|| lock(&self.phase).prepare(session, operation, prepare));
        }
    }

    /// Writes the start event of an operation that is prepared and not yet started. Does nothing in a copy of the process.
    pub(super) fn start_prepared(&self, session: &Session, write: impl FnOnce() -> Result<(), Lost>) {
        if !session.is_copy() {
            defer_callbacks(|| lock(&self.phase).start(session, write));
        }
    }

    /// Writes the end event if the operation is open. An operation that never started ends without one. Data for the
    /// end event must be stored with [`unless_ended`](Self::unless_ended) where `write` reads it. Does nothing in a copy of
    /// the process.
    pub(super) fn end(&self, session: &Session, write: impl FnOnce()) {
        self.end_after(session, || Some(()), |()| write());
    }

    /// Ends the operation like [`end`](Self::end). `prepare` stores the payloads of the end event if the operation is open,
    /// before the lock is taken: other threads should wait for no more than one line.
    pub(super) fn end_after<T>(&self, session: &Session, prepare: impl FnOnce() -> Option<T>, write: impl FnOnce(T)) {
        if session.is_copy() {
            return;
        }
        let prepared = self.is_open().then(prepare).flatten();
        let write = || {
            if let Some(prepared) = prepared {
                write(prepared);
            }
        };
        defer_callbacks(|| self.end_locked(session, write));
    }

    fn end_locked(&self, session: &Session, write: impl FnOnce()) {
        let mut phase = lock(&self.phase);
        match *phase {
            Phase::Pending => *phase = Phase::Ended { started: false },
            Phase::Opening(key) => {
                *phase = Phase::Ended { started: false };
                session.unregister_open(key);
            }
            Phase::Open(key) => {
                *phase = Phase::Ended { started: true };
                write();
                session.unregister_open(key);
            }
            Phase::Ended { .. } => {}
        }
    }

    /// Runs `act`, which stores data for the end event. Returns `None`, without running it, if the operation has ended.
    pub(super) fn unless_ended<T>(&self, act: impl FnOnce() -> T) -> Option<T> {
        defer_callbacks(|| {
            let phase = lock(&self.phase);
            match *phase {
                Phase::Pending | Phase::Opening(_) | Phase::Open(_) => Some(act()),
                Phase::Ended { .. } => None,
            }
        })
    }

    /// Returns `true` if the operation has neither started nor ended. Always `false` inside a callback of the program,
    /// where nothing starts.
    pub(super) fn is_pending(&self) -> bool {
        !is_recording_suppressed() && matches!(*lock(&self.phase), Phase::Pending | Phase::Opening(_))
    }

    /// Returns `true` if the start event is in the log, whether the operation is open or has ended. Always `false`
    /// inside a callback of the program.
    pub(super) fn has_started(&self) -> bool {
        !is_recording_suppressed() && matches!(*lock(&self.phase), Phase::Open(_) | Phase::Ended { started: true })
    }

    /// Returns `true` if the operation has ended or will never start.
    pub(super) fn is_ended(&self) -> bool {
        matches!(*lock(&self.phase), Phase::Ended { .. })
    }

    /// Returns `true` if the operation has started and not ended.
    pub(super) fn is_open(&self) -> bool {
        matches!(*lock(&self.phase), Phase::Open(_))
    }
}

impl Phase {
    fn prepare(
        &mut self,
        session: &Session,
        operation: &Arc<impl OpenOperation + 'static>,
        prepare: impl FnOnce() -> Result<(), Lost>,
    ) {
        if let Self::Pending = self {
            *self = match session.register_open(operation.clone()) {
                None => Self::Ended { started: false },
                Some(key) => Self::next_or_ended(session, key, prepare(), Self::Opening),
            };
        }
    }

    /// Writes the start event of a prepared operation. Returns `true` if the operation is open afterwards.
    fn start(&mut self, session: &Session, write: impl FnOnce() -> Result<(), Lost>) -> bool {
        if let Self::Opening(key) = *self {
            *self = Self::next_or_ended(session, key, write(), Self::Open);
        }
        match self {
            Self::Open(_) => true,
            Self::Pending | Self::Opening(_) | Self::Ended { .. } => false,
        }
    }

    /// Returns the next phase if `result` is a success. Otherwise removes the operation from the open ones and returns
    /// the phase of an operation that never started.
    fn next_or_ended(
        session: &Session,
        key: OpenKey,
        result: Result<(), Lost>,
        next: impl FnOnce(OpenKey) -> Self,
    ) -> Self {
        match result {
            Ok(()) => next(key),
            Err(_counted) => {
                session.unregister_open(key);
                Self::Ended { started: false }
            }
        }
    }
}
