//! The one way to start and to end.

use std::sync::Mutex;

use super::AnOpenWindow;
use crate::bundle::Lost;
use crate::layer::ignoring::is_ignoring;
use crate::layer::recorder::{Inner, OpenKey, locked};

/// Pending, then open, then over, each once.
#[derive(Debug, Default)]
pub(super) struct Life(Mutex<Phase>);

#[derive(Debug, Default, Clone, Copy)]
enum Phase {
    #[default]
    Pending,
    Open(OpenKey),
    Over,
}

impl Life {
    /// Writes the start if nobody has. Gives whether the window is open then. One whose start could not be written is
    /// over: an end without a start would only be in the way.
    pub(super) fn start(
        &self,
        recorder: &Inner,
        window: impl FnOnce() -> AnOpenWindow,
        write: impl FnOnce() -> Result<(), Lost>,
    ) -> bool {
        if is_ignoring() {
            return false;
        }
        let mut phase = locked(&self.0);
        if let Phase::Pending = *phase {
            *phase = match write() {
                Ok(()) => Phase::Open(recorder.opened(window())),
                Err(_told) => Phase::Over,
            };
        }
        let opened = match *phase {
            Phase::Open(_) => true,
            Phase::Pending | Phase::Over => false,
        };
        drop(phase);
        opened
    }

    /// Writes the end if the window is open. One that never started is over silently.
    pub(super) fn end(&self, recorder: &Inner, write: impl FnOnce()) {
        if is_ignoring() {
            return;
        }
        let mut phase = locked(&self.0);
        let was = std::mem::replace(&mut *phase, Phase::Over);
        if let Phase::Open(key) = was {
            recorder.closed(key);
            write();
        }
    }

    /// Whether the window neither started nor ended.
    pub(super) fn is_pending(&self) -> bool {
        !is_ignoring() && matches!(*locked(&self.0), Phase::Pending)
    }

    /// Whether the window started and has not ended.
    pub(super) fn is_open(&self) -> bool {
        !is_ignoring() && matches!(*locked(&self.0), Phase::Open(_))
    }
}
