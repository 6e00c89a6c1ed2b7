//! Typed handles: spans of ours whose facts and bodies never go through fields.
//!
//! A handle is a span and a way to the state that recorders keep for it. It is `Send + Sync + Clone`, costs a disabled
//! span where nothing records, and ends its window once: explicitly, or when its last clone is dropped.

mod cell;
mod child_process;
mod compaction;
mod inference;
mod thread;
mod tool;
mod turn;

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

pub use cell::{CodeCell, CodeCellMeta};
pub use child_process::ChildProcess;
pub use compaction::Compaction;
pub use inference::{Inference, Model};
use smallvec::SmallVec;
pub use thread::{AgentThread, ThreadMeta};
pub use tool::{ToolCall, ToolCallMeta};
use tracing::{Dispatch, Span, dispatcher};
use tracing_subscriber::registry::{LookupSpan, Registry};
pub use turn::Turn;

use super::extension::PerSpan;
use super::operation::End;
use super::operations::Operations;
use super::span_state::SpanState;
use crate::bundle::Body;
use crate::event::PayloadKind;

/// The target of the spans that handles make.
pub(super) const HANDLE_TARGET: &str = "otel_trace::handle";

/// What all handles can do.
///
/// A window ends once: later ends, from whichever clone, are ignored.
pub trait Operation: Clone + Send + Sync {
    /// The span. Instrument futures with it, or enter it, so that spans below find it.
    fn span(&self) -> &Span;

    /// Whether anybody records this window. Bodies need not be built where nobody does.
    fn is_recording(&self) -> bool;

    /// Records a body. It is encoded once a recorder, and not at all where none is.
    ///
    /// A body that the window's own events have a place for goes there: requests and responses of an inference call,
    /// results of a tool call. Any other is kept in an event of its own.
    fn record_payload(&self, kind: PayloadKind, body: impl Body);

    /// A process that is about to be spawned in this window, by this tool call where it is one. The recording says so
    /// from now on; of the first recorder, where several record. Free, and without effect, where nobody does.
    fn child_process(&self) -> ChildProcess;

    /// Ends the window: it did what it was for.
    fn complete(&self);

    /// Ends the window: it failed.
    fn fail(&self, error: impl Display);

    /// Ends the window: somebody chose to stop it, or nobody waits for it any more.
    fn cancel(&self, reason: impl Display);
}

/// What a span is to each recorder of its subscriber: to one, as a rule.
type States = SmallVec<[Arc<SpanState>; 1]>;

/// The span and its states. Each state counts the clones, and ends with the last of them.
#[derive(Debug)]
struct Handle {
    span: Span,
    states: States,
}

impl Clone for Handle {
    fn clone(&self) -> Self {
        self.states.iter().for_each(|state| state.held());
        Self { span: self.span.clone(), states: self.states.clone() }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.states.iter().for_each(|state| state.let_go());
        // A registry that closes a span lets go of its parent through the current subscriber, and panics where that
        // is another.
        let span = std::mem::replace(&mut self.span, Span::none());
        match subscriber_elsewhere(&span) {
            Some(own) => dispatcher::with_default(&own, || drop(span)),
            None => drop(span),
        }
    }
}

impl Handle {
    /// A handle on a span just made. `open` opens its windows in each recorder's state.
    fn new(span: Span, open: impl Fn(&SpanState)) -> Self {
        let states = states_of(&span);
        for state in &states {
            state.held();
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

    /// Does something with this window of each recorder that has it.
    fn each<W>(&self, pick: impl Fn(&Operations) -> Option<&Arc<W>>, act: impl Fn(&Arc<W>)) {
        self.states().iter().filter_map(|state| pick(state.operations()?)).for_each(act);
    }

    fn payload(&self, kind: PayloadKind, body: &dyn Body) {
        for state in self.states() {
            state.payload(kind, body);
        }
    }

    fn child_process(&self) -> ChildProcess {
        ChildProcess::of(self.states())
    }

    fn end(&self, how: Explicit<'_>) {
        end_span(&self.span, &self.states, how);
    }
}

fn is_recording(states: &[Arc<SpanState>]) -> bool {
    states.iter().any(|state| state.is_recording())
}

/// An end that a program asks for.
#[derive(Clone, Copy)]
enum Explicit<'a> {
    Completed,
    Failed(&'a dyn Display),
    Cancelled(&'a dyn Display),
}

fn end_span(span: &Span, states: &[Arc<SpanState>], how: Explicit<'_>) {
    if states.is_empty() && span.is_disabled() {
        return;
    }
    let end = match how {
        Explicit::Completed => End::Completed,
        Explicit::Failed(error) => {
            let error = text_of(error);
            span.record("otel.status_code", "ERROR");
            span.record("otel.status_description", error.as_str());
            End::Failed(error)
        }
        Explicit::Cancelled(reason) => End::Cancelled(text_of(reason)),
    };
    for state in states {
        state.end(&end);
    }
}

/// What a program's value shows of itself. One that panics is not the host's problem.
fn text_of(value: &dyn Display) -> String {
    catch_unwind(AssertUnwindSafe(|| value.to_string())).unwrap_or_else(|_| "its text panicked".to_owned())
}

/// Does something in the subscriber that has `span`: no other knows it, and a handle may be used where another one is
/// the current one, or none.
fn within<T>(span: &Span, act: impl FnOnce() -> T) -> T {
    match subscriber_elsewhere(span) {
        Some(own) => dispatcher::with_default(&own, act),
        None => act(),
    }
}

/// The subscriber of a span, where it is not the current one.
fn subscriber_elsewhere(span: &Span) -> Option<Dispatch> {
    span.with_subscriber(|(_, own)| (!is_current(own)).then(|| own.clone())).flatten()
}

fn is_current(own: &Dispatch) -> bool {
    let registry = |dispatch: &Dispatch| dispatch.downcast_ref::<Registry>().map(std::ptr::from_ref);
    dispatcher::get_default(|current| registry(own).is_some() && registry(own) == registry(current))
}

/// What a span is to every recorder of its subscriber. Through the registry, which every stack of layers hands out,
/// and not through the layer, which `Filtered`, `Option`, `Vec` and `reload` hide.
fn states_of(span: &Span) -> States {
    span.with_subscriber(|(id, dispatch)| {
        let registry = dispatch.downcast_ref::<Registry>()?;
        let span = registry.span(id)?;
        let extensions = span.extensions();
        Some(extensions.get::<PerSpan>()?.states().cloned().collect())
    })
    .flatten()
    .unwrap_or_default()
}

/// Gives each handle type the common methods.
macro_rules! operation {
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
                self.0.end($crate::layer::handle::Explicit::Completed);
            }

            fn fail(&self, error: impl std::fmt::Display) {
                self.0.end($crate::layer::handle::Explicit::Failed(&error));
            }

            fn cancel(&self, reason: impl std::fmt::Display) {
                self.0.end($crate::layer::handle::Explicit::Cancelled(&reason));
            }
        }
    };
}
use operation;

/// The windows of a span that a program made itself, with `#[instrument]` or `info_span!`. Unlike a typed handle it
/// does not own them: the span ends them when it closes, unless they were ended before.
#[derive(Debug, Clone)]
pub struct AnyOperation {
    span: Span,
    states: States,
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
            state.payload(kind, &body);
        }
    }

    fn child_process(&self) -> ChildProcess {
        self.touch();
        ChildProcess::of(&self.states)
    }

    fn complete(&self) {
        self.end(Explicit::Completed);
    }

    fn fail(&self, error: impl Display) {
        self.end(Explicit::Failed(&error));
    }

    fn cancel(&self, reason: impl Display) {
        self.end(Explicit::Cancelled(&reason));
    }
}

impl AnyOperation {
    fn touch(&self) {
        for state in &self.states {
            state.touch();
        }
    }

    fn end(&self, how: Explicit<'_>) {
        self.touch();
        end_span(&self.span, &self.states, how);
    }
}

/// From a span to the windows it opened.
pub trait SpanExt {
    /// The windows of this span. They record nothing where the span says nothing of what it is.
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
        AnyOperation { span: self.clone(), states: states_of(self) }
    }
}
