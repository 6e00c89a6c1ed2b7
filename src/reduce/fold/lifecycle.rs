//! How every window opens and closes.

use crate::event::ExecutionStatus;
use crate::graph::{Execution, Moment};

/// An end, a window's own or that of what it ran in.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    pub(super) when: Moment,
    pub(super) status: ExecutionStatus,
}

/// A window that has an end already.
#[derive(Debug)]
pub(super) struct Late;

impl Execution {
    /// A window that begins here.
    pub(in crate::reduce) fn open(when: Moment) -> Self {
        Self { started: when, ended: None, status: ExecutionStatus::Running }
    }

    /// Ends it by its own end, unless it has one or what it ran in ended before.
    pub(super) fn end(&mut self, own: End, surroundings: Option<End>) -> Result<(), Late> {
        self.settle(surroundings.filter(|end| end.when.seq < own.when.seq));
        if self.ended.is_some() {
            return Err(Late);
        }
        self.close(own);
        Ok(())
    }

    /// Ends it with what it ran in, unless it has an end or began later.
    pub(super) fn settle(&mut self, surroundings: Option<End>) {
        if let Some(end) = surroundings
            && self.ended.is_none()
            && self.started.seq < end.when.seq
        {
            self.close(end);
        }
    }

    fn close(&mut self, end: End) {
        let End { when, status } = end;
        self.ended = Some(when);
        self.status = status;
    }
}
