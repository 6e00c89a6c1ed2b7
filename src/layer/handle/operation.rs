//! The methods that all handles have in common: [`Operation`].

use std::fmt::Display;

use tracing::Span;

use super::child_process::ChildProcess;
use super::operation_ids::OperationIds;
use crate::bundle::Body;
use crate::event::PayloadKind;

/// The methods that all typed handles, and [`AnyOperation`](super::AnyOperation), have in common.
///
/// An operation ends once: after the first call of [`complete`](Self::complete), [`fail`](Self::fail) or
/// [`cancel`](Self::cancel) on any clone, later calls are ignored.
pub trait Operation: Clone + Send + Sync {
    /// Returns the operation's span. Instrument a future with it, or enter it, so that the spans and operations opened
    /// inside become its children.
    fn span(&self) -> &Span;

    /// Returns `true` if at least one recorder records this operation. If it returns `false`, there is no need to build
    /// payloads.
    fn is_recording(&self) -> bool;

    /// Returns the ids of the operation and of those that enclose it, as the log has them. If several recorders record
    /// the operation, they are those of the first one. All are `None` if recording is disabled.
    fn ids(&self) -> OperationIds;

    /// Records `body` as a payload of this kind. The body is encoded once per recorder, and not at all if recording is
    /// disabled.
    ///
    /// A payload that one of the operation's own events has a field for is referenced by that event: the request and
    /// response of an inference call, or the result of a tool call. Any other payload is recorded in an event of its
    /// own.
    fn record_payload(&self, kind: PayloadKind, body: impl Body);

    /// Registers a child process that is about to be spawned, and returns the environment that links its recording to
    /// this operation. Call once per process.
    ///
    /// The log of this operation records the child from now on, before the process exists; if the operation is a tool
    /// call, as spawned by that call. If several recorders record this operation, the child is linked to the first one.
    /// Does nothing if recording is disabled.
    fn child_process(&self) -> ChildProcess;

    /// Ends the operation as completed.
    fn complete(&self);

    /// Ends the operation as failed, with `error` as its error. Also sets `otel.status_code` and
    /// `otel.status_description` of the span, if it declares these fields.
    fn fail(&self, error: impl Display);

    /// Ends the operation as cancelled, for example because the user stopped it or its result is no longer needed.
    fn cancel(&self, reason: impl Display);
}

/// Implements [`Operation`] for a handle type.
macro_rules! impl_operation {
    ($handle:ident) => {
        impl $crate::layer::handle::operation::Operation for $handle {
            fn span(&self) -> &tracing::Span {
                self.0.span()
            }

            fn is_recording(&self) -> bool {
                self.0.is_recording()
            }

            fn ids(&self) -> $crate::layer::handle::operation_ids::OperationIds {
                self.0.ids()
            }

            fn record_payload(&self, kind: $crate::event::PayloadKind, body: impl $crate::bundle::Body) {
                self.0.payload(kind, &body);
            }

            fn child_process(&self) -> $crate::layer::handle::child_process::ChildProcess {
                self.0.child_process()
            }

            fn complete(&self) {
                self.0.end($crate::layer::handle::span_handle::ExplicitEnd::Completed);
            }

            fn fail(&self, error: impl std::fmt::Display) {
                self.0.end($crate::layer::handle::span_handle::ExplicitEnd::Failed(&error));
            }

            fn cancel(&self, reason: impl std::fmt::Display) {
                self.0.end($crate::layer::handle::span_handle::ExplicitEnd::Cancelled(&reason));
            }
        }
    };
}
pub(super) use impl_operation;
