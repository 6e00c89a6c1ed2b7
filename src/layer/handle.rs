//! Typed handles: spans of this crate whose attributes and bodies do not go through span fields.
//!
//! A handle holds a span and the state that the recorders keep for it. It is `Send + Sync + Clone`, costs no more than
//! a disabled span if recording is disabled, and ends its operation once: explicitly, or when its last clone is
//! dropped.

mod child_process;
mod code_cell;
mod compaction;
mod inference;
mod thread;
mod tool;
mod turn;

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

pub use child_process::ChildProcess;
pub use code_cell::{CodeCell, CodeCellMeta};
pub use compaction::Compaction;
pub use inference::{Inference, Model};
use smallvec::SmallVec;
pub use thread::{AgentThread, ThreadMeta};
pub use tool::{ToolCall, ToolCallMeta};
use tracing::{Dispatch, Span, dispatcher};
use tracing_subscriber::registry::{LookupSpan, Registry};
pub use turn::Turn;

use super::extension::SpanExtension;
use super::operation::End;
use super::operations::Operations;
use super::span_state::SpanState;
use crate::bundle::Body;
use crate::event::PayloadKind;
use crate::semconv;

/// Target of the spans that handles create.
pub(super) const HANDLE_TARGET: &str = "otel_trace::handle";

/// The methods that all typed handles, and [`AnyOperation`], have in common.
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

/// The state that each recorder keeps for a span. A subscriber usually has one recorder.
type SpanStates = SmallVec<[Arc<SpanState>; 1]>;

/// A span and the state that each recorder keeps for it. Each state counts the clones of the handle, and ends its
/// operations when the last clone is dropped.
#[derive(Debug)]
struct Handle {
    span: Span,
    states: SpanStates,
}

impl Clone for Handle {
    fn clone(&self) -> Self {
        self.states.iter().for_each(|state| state.add_holder());
        Self { span: self.span.clone(), states: self.states.clone() }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.states.iter().for_each(|state| state.release_holder());
        // A registry that closes a span releases the span's parent through the current subscriber, and panics if that
        // is another subscriber.
        let span = std::mem::replace(&mut self.span, Span::none());
        match other_subscriber(&span) {
            Some(own) => dispatcher::with_default(&own, || drop(span)),
            None => drop(span),
        }
    }
}

impl Handle {
    /// Creates a handle for a new span. `open` opens the operations in the state of each recorder.
    fn new(span: Span, open: impl Fn(&SpanState)) -> Self {
        let states = span_states(&span);
        for state in &states {
            state.add_holder();
            open(state);
        }
        Self { span, states }
    }

    fn states(&self) -> &[Arc<SpanState>] {
        &self.states
    }

    fn span(&self) -> &Span {
        &self.span
    }

    fn is_recording(&self) -> bool {
        is_recording(&self.states)
    }

    /// Calls `act` with the operation that `pick` selects, for each recorder that has one.
    fn for_each<W>(&self, pick: impl Fn(&Operations) -> Option<&Arc<W>>, act: impl Fn(&Arc<W>)) {
        self.states().iter().filter_map(|state| pick(state.operations()?)).for_each(act);
    }

    fn payload(&self, kind: PayloadKind, body: &dyn Body) {
        for state in self.states() {
            state.record_payload(kind, body);
        }
    }

    fn child_process(&self) -> ChildProcess {
        ChildProcess::register(self.states())
    }

    fn end(&self, end: ExplicitEnd<'_>) {
        end_operations(&self.span, &self.states, end);
    }
}

fn is_recording(states: &[Arc<SpanState>]) -> bool {
    states.iter().any(|state| state.is_recording())
}

/// An end that the program calls for.
#[derive(Clone, Copy)]
enum ExplicitEnd<'a> {
    Completed,
    Failed(&'a dyn Display),
    Cancelled(&'a dyn Display),
}

/// Ends the operations of a span in every recorder, and sets the status of the span if they failed.
fn end_operations(span: &Span, states: &[Arc<SpanState>], end: ExplicitEnd<'_>) {
    if states.is_empty() && span.is_disabled() {
        return;
    }
    let end = match end {
        ExplicitEnd::Completed => End::Completed,
        ExplicitEnd::Failed(error) => {
            let error = display_text(error);
            span.record(semconv::OTEL_STATUS_CODE, "ERROR");
            span.record(semconv::OTEL_STATUS_DESCRIPTION, error.as_str());
            End::Failed(error)
        }
        ExplicitEnd::Cancelled(reason) => End::Cancelled(display_text(reason)),
    };
    for state in states {
        state.end(&end);
    }
}

/// Formats a value of the program. A panic in its `Display` implementation must not reach the host.
fn display_text(value: &dyn Display) -> String {
    catch_unwind(AssertUnwindSafe(|| value.to_string()))
        .unwrap_or_else(|_| "the `Display` implementation of this value panicked".to_owned())
}

/// Runs `act` with the subscriber of `span` as the current one. Other subscribers do not have the span, and a handle
/// may be used where another subscriber is the current one, or none is.
fn in_subscriber_of<T>(span: &Span, act: impl FnOnce() -> T) -> T {
    match other_subscriber(span) {
        Some(own) => dispatcher::with_default(&own, act),
        None => act(),
    }
}

/// Returns the subscriber of `span`. Returns `None` if it is the current one.
fn other_subscriber(span: &Span) -> Option<Dispatch> {
    span.with_subscriber(|(_, own)| (!is_current(own)).then(|| own.clone())).flatten()
}

/// Returns `true` if `own` and the current subscriber have the same registry.
fn is_current(own: &Dispatch) -> bool {
    let registry = |dispatch: &Dispatch| dispatch.downcast_ref::<Registry>().map(std::ptr::from_ref);
    dispatcher::get_default(|current| registry(own).is_some() && registry(own) == registry(current))
}

/// Returns the state that each recorder of the span's subscriber keeps for it. Looks it up in the registry, which every
/// stack of layers exposes, and not in the layer, which `Filtered`, `Option`, `Vec` and `reload` hide.
fn span_states(span: &Span) -> SpanStates {
    span.with_subscriber(|(id, dispatch)| {
        let registry = dispatch.downcast_ref::<Registry>()?;
        let span = registry.span(id)?;
        let extensions = span.extensions();
        Some(extensions.get::<SpanExtension>()?.states().cloned().collect())
    })
    .flatten()
    .unwrap_or_default()
}

/// Implements [`Operation`] for a handle type.
macro_rules! impl_operation {
    ($handle:ident) => {
        impl $crate::layer::handle::Operation for $handle {
            fn span(&self) -> &tracing::Span {
                self.0.span()
            }

            fn is_recording(&self) -> bool {
                self.0.is_recording()
            }

            fn record_payload(&self, kind: $crate::event::PayloadKind, body: impl $crate::bundle::Body) {
                self.0.payload(kind, &body);
            }

            fn child_process(&self) -> $crate::layer::handle::ChildProcess {
                self.0.child_process()
            }

            fn complete(&self) {
                self.0.end($crate::layer::handle::ExplicitEnd::Completed);
            }

            fn fail(&self, error: impl std::fmt::Display) {
                self.0.end($crate::layer::handle::ExplicitEnd::Failed(&error));
            }

            fn cancel(&self, reason: impl std::fmt::Display) {
                self.0.end($crate::layer::handle::ExplicitEnd::Cancelled(&reason));
            }
        }
    };
}
use impl_operation;

/// The operations of a span that the program created itself, with `#[instrument]` or `info_span!`. See
/// [`SpanExt::otel_trace`].
///
/// Unlike a typed handle it does not own its operations: they end when the span closes, unless the program ends them
/// before. Dropping it has no effect.
#[derive(Debug, Clone)]
pub struct AnyOperation {
    span: Span,
    states: SpanStates,
}

impl Operation for AnyOperation {
    fn span(&self) -> &Span {
        &self.span
    }

    fn is_recording(&self) -> bool {
        is_recording(&self.states)
    }

    fn record_payload(&self, kind: PayloadKind, body: impl Body) {
        for state in &self.states {
            state.record_payload(kind, &body);
        }
    }

    fn child_process(&self) -> ChildProcess {
        self.touch();
        ChildProcess::register(&self.states)
    }

    fn complete(&self) {
        self.end(ExplicitEnd::Completed);
    }

    fn fail(&self, error: impl Display) {
        self.end(ExplicitEnd::Failed(&error));
    }

    fn cancel(&self, reason: impl Display) {
        self.end(ExplicitEnd::Cancelled(&reason));
    }
}

impl AnyOperation {
    /// Starts the operations of the span that can start by now.
    fn touch(&self) {
        for state in &self.states {
            state.touch();
        }
    }

    fn end(&self, end: ExplicitEnd<'_>) {
        self.touch();
        end_operations(&self.span, &self.states, end);
    }
}

/// Gives access to the operations of a span that the program created itself.
pub trait SpanExt {
    /// Returns the operations that this span opened. If the span's fields do not identify an operation, nothing is
    /// recorded through the returned value.
    ///
    /// ```
    /// use otel_trace::{Json, PayloadKind, SpanExt, Operation};
    ///
    /// let span = tracing::info_span!("chat", gen_ai.operation.name = "chat", gen_ai.request.model = "m");
    /// span.otel_trace().record_payload(PayloadKind::InferenceRequest, Json(&"…"));
    /// ```
    fn otel_trace(&self) -> AnyOperation;
}

impl SpanExt for Span {
    fn otel_trace(&self) -> AnyOperation {
        AnyOperation { span: self.clone(), states: span_states(self) }
    }
}
