//! The recorded parts of a tool call, and how it ended: [`ToolCallProgress`].

use super::end::{End, SHUT_DOWN, WITHOUT_RESULT};
use crate::event::{ExecutionStatus, PayloadRef};

/// Parts of a tool call that have been recorded so far.
#[derive(Debug, Default)]
pub(super) struct ToolCallProgress {
    pub(super) invocation: Option<PayloadRef>,
    /// The invocation that the start event references.
    pub(super) started_invocation: Option<PayloadRef>,
    pub(super) result: Option<PayloadRef>,
    /// `true` if `result` was made from the fields of the span.
    pub(super) is_result_from_fields: bool,
    pub(super) error: Option<String>,
    /// `true` if there was a result, whether it was stored or lost.
    pub(super) has_result: bool,
}

impl ToolCallProgress {
    /// Records a result, stored or lost. Returns the result that it replaces, unless that was made from the fields of the
    /// span.
    pub(super) fn set_result(&mut self, result: Option<PayloadRef>) -> Option<PayloadRef> {
        self.has_result = true;
        let was_from_fields = std::mem::take(&mut self.is_result_from_fields);
        self.result.replace(result?).filter(|_| !was_from_fields)
    }
}

/// Returns the final status of a call that ends with `end`, with its error or reason. If its span closed, an error
/// fails the call, a result completes it, a panic that unwinds through it fails it, and a call without any of these is
/// cancelled. `unwound` is the error of such a panic.
pub(super) fn outcome<'a>(
    end: &'a End,
    progress: &'a ToolCallProgress,
    unwound: Option<&'a str>,
) -> (ExecutionStatus, Option<&'a str>) {
    match end {
        End::Completed | End::ClosedOk => (ExecutionStatus::Completed, None),
        End::Failed(error) => (ExecutionStatus::Failed, Some(error)),
        End::Cancelled(reason) => (ExecutionStatus::Cancelled, Some(reason)),
        End::Shutdown => (ExecutionStatus::Cancelled, Some(SHUT_DOWN)),
        End::Closed => match &progress.error {
            Some(error) => (ExecutionStatus::Failed, Some(error)),
            None if progress.has_result => (ExecutionStatus::Completed, None),
            None => match unwound {
                Some(error) => (ExecutionStatus::Failed, Some(error)),
                None => (ExecutionStatus::Cancelled, Some(WITHOUT_RESULT)),
            },
        },
    }
}
