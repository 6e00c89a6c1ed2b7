//! The one way to start and to end.

use std::sync::Mutex;

use super::OpenOperation;
use crate::bundle::Lost;
use crate::layer::recorder::{Inner, OpenKey, locked};
use crate::layer::reentrancy::{holding_calls_back, is_ignoring};

/// Pending, then open, then over, each once. What needs a place of its own first is opening while that is prepared.
#[derive(Debug, Default)]
pub(super) struct Life(Mutex<Phase>);

#[derive(Debug, Default, Clone, Copy)]
enum Phase {
    #[default]
    Pending,
    Opening(OpenKey),
    Open(OpenKey),
    Over {
        /// Whether a start is in the log.
        started: bool,
    },
}

impl Life {
    /// Writes the start if nobody has. Gives whether the window is open then. One whose start could not be written is
    /// over: an end without a start would only be in the way.
    ///
    /// It is among the open windows before its start is written, so that the shutdown waits for it and ends it.
    pub(super) fn start(
        &self,
        recorder: &Inner,
        operation: impl FnOnce() -> OpenOperation,
        write: impl FnOnce() -> Result<(), Lost>,
    ) -> bool {
        if is_ignoring() {
            return false;
        }
        holding_calls_back(|| self.start_locked(recorder, operation, write))
    }

    fn start_locked(
        &self,
        recorder: &Inner,
        operation: impl FnOnce() -> OpenOperation,
        write: impl FnOnce() -> Result<(), Lost>,
    ) -> bool {
        let mut phase = locked(&self.0);
        phase.prepare(recorder, operation, || Ok(()));
        phase.start(recorder, write)
    }

    /// Prepares what the start needs, if nobody has: the rest of the start follows without this lock, and anybody may
    /// [write](Self::start_prepared) it. A window that can't be prepared is over.
    pub(super) fn prepare(
        &self,
        recorder: &Inner,
        operation: impl FnOnce() -> OpenOperation,
        prepare: impl FnOnce() -> Result<(), Lost>,
    ) {
        if !is_ignoring() {
            holding_calls_back(|| locked(&self.0).prepare(recorder, operation, prepare));
        }
    }

    /// Writes the start of a window that was prepared, if nobody has.
    pub(super) fn start_prepared(&self, recorder: &Inner, write: impl FnOnce() -> Result<(), Lost>) {
        holding_calls_back(|| locked(&self.0).start(recorder, write));
    }

    /// Writes the end if the window is open. One that never started is over silently. What is still to be in the end
    /// must be put where it is read by [`before_end`](Self::before_end).
    pub(super) fn end(&self, recorder: &Inner, write: impl FnOnce()) {
        holding_calls_back(|| self.end_locked(recorder, write));
    }

    fn end_locked(&self, recorder: &Inner, write: impl FnOnce()) {
        let mut phase = locked(&self.0);
        match *phase {
            Phase::Pending => *phase = Phase::Over { started: false },
            Phase::Opening(key) => {
                *phase = Phase::Over { started: false };
                recorder.closed(key);
            }
            Phase::Open(key) => {
                *phase = Phase::Over { started: true };
                write();
                recorder.closed(key);
            }
            Phase::Over { .. } => {}
        }
    }

    /// Does something that the end shall say. None where that came first.
    pub(super) fn before_end<T>(&self, act: impl FnOnce() -> T) -> Option<T> {
        holding_calls_back(|| {
            let phase = locked(&self.0);
            match *phase {
                Phase::Pending | Phase::Opening(_) | Phase::Open(_) => Some(act()),
                Phase::Over { .. } => None,
            }
        })
    }

    /// Whether the window neither started nor ended.
    pub(super) fn is_pending(&self) -> bool {
        !is_ignoring() && matches!(*locked(&self.0), Phase::Pending | Phase::Opening(_))
    }

    /// Whether the window's start is in the log, be it open or over.
    pub(super) fn has_started(&self) -> bool {
        !is_ignoring() && matches!(*locked(&self.0), Phase::Open(_) | Phase::Over { started: true })
    }

    /// Whether the window ended, or never will start.
    pub(super) fn is_over(&self) -> bool {
        matches!(*locked(&self.0), Phase::Over { .. })
    }

    /// Whether the window started and has not ended.
    pub(super) fn is_open(&self) -> bool {
        matches!(*locked(&self.0), Phase::Open(_))
    }
}

impl Phase {
    fn prepare(
        &mut self,
        recorder: &Inner,
        operation: impl FnOnce() -> OpenOperation,
        prepare: impl FnOnce() -> Result<(), Lost>,
    ) {
        if let Self::Pending = self {
            *self = match recorder.opened(operation) {
                None => Self::Over { started: false },
                Some(key) => Self::after(recorder, key, prepare(), Self::Opening),
            };
        }
    }

    /// Gives whether it is open then.
    fn start(&mut self, recorder: &Inner, write: impl FnOnce() -> Result<(), Lost>) -> bool {
        if let Self::Opening(key) = *self {
            *self = Self::after(recorder, key, write(), Self::Open);
        }
        match self {
            Self::Open(_) => true,
            Self::Pending | Self::Opening(_) | Self::Over { .. } => false,
        }
    }

    fn after(recorder: &Inner, key: OpenKey, done: Result<(), Lost>, next: impl FnOnce(OpenKey) -> Self) -> Self {
        match done {
            Ok(()) => next(key),
            Err(_told) => {
                recorder.closed(key);
                Self::Over { started: false }
            }
        }
    }
}
