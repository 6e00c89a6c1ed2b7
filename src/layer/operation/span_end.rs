//! What the span of an operation tells of the operation's end: [`SpanEnd`].

use super::end::End;
use crate::event::{EndDetail, EndedBy, RawJson};

/// What the span of an operation tells of the operation's end, beside its outcome.
#[derive(Debug, Default, Clone)]
pub(in crate::layer) struct SpanEnd {
    /// `true` if the span stays open: the operation had settled, and the run went on.
    pub(in crate::layer) is_settled: bool,
    /// `true` if an event in the span reported the error, if there is one.
    pub(in crate::layer) is_error_event: bool,
    /// The span's `error.type`.
    pub(in crate::layer) error_type: Option<String>,
    /// The own fields of the span.
    pub(in crate::layer) attributes: Option<RawJson>,
}

impl SpanEnd {
    /// Returns the details of the end of an operation, which `has_failed` or not.
    pub(super) fn detail(self, end: &End, has_failed: bool) -> EndDetail {
        let ended_by = match end {
            End::Shutdown => EndedBy::Shutdown,
            End::Completed | End::Failed(_) | End::Cancelled(_) => EndedBy::Handle,
            End::Closed | End::ClosedOk if self.is_settled => EndedBy::Settled,
            End::Closed if has_failed && self.is_error_event => EndedBy::ErrorEvent,
            End::Closed | End::ClosedOk => EndedBy::Close,
        };
        let error_type = self.error_type.filter(|_| has_failed).map(Into::into);
        EndDetail { ended_by: Some(ended_by), error_type, attributes: self.attributes }
    }
}
