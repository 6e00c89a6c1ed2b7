//! Opens and closes operations. Every operation, thread and turn of the graph is closed here, at most once.

use crate::event::ExecutionStatus;
use crate::graph::{Execution, Moment};

/// The time and status with which an operation ends: those of its own end event, or of the end of the enclosing
/// operation.
#[derive(Debug, Clone, Copy)]
pub(super) struct OperationEnd {
    pub(super) when: Moment,
    pub(super) status: ExecutionStatus,
}

/// The error of ending an operation that has already ended.
#[derive(Debug)]
pub(super) struct AlreadyEnded;

impl Execution {
    /// Creates the execution of an operation that starts at `when` and is running.
    pub(in crate::reduce) fn open(when: Moment) -> Self {
        Self { started: when, ended: None, status: ExecutionStatus::Running }
    }

    /// Ends the operation at its own end event `own`. If the enclosing operation ended before, its end is applied
    /// first.
    ///
    /// # Errors
    /// Returns [`AlreadyEnded`] if the operation has ended; its time and status are unchanged.
    pub(super) fn end(&mut self, own: OperationEnd, enclosing_end: Option<OperationEnd>) -> Result<(), AlreadyEnded> {
        self.end_with(enclosing_end.filter(|end| end.when.seq < own.when.seq));
        if self.ended.is_some() {
            return Err(AlreadyEnded);
        }
        self.close(own);
        Ok(())
    }

    /// Ends the operation at the end of the enclosing operation, unless it has ended or started later.
    pub(super) fn end_with(&mut self, enclosing_end: Option<OperationEnd>) {
        if let Some(end) = enclosing_end
            && self.ended.is_none()
            && self.started.seq < end.when.seq
        {
            self.close(end);
        }
    }

    fn close(&mut self, end: OperationEnd) {
        let OperationEnd { when, status } = end;
        self.ended = Some(when);
        self.status = status;
    }
}
