//! What all typed handles are made of: a span, the state that each recorder keeps for it, and the end that a program
//! requests.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use smallvec::SmallVec;
use tracing::{Dispatch, Span, dispatcher};
use tracing_subscriber::registry::{LookupSpan, Registry};

use super::child_process::ChildProcess;
use super::operation_ids::OperationIds;
use crate::bundle::Body;
use crate::event::PayloadKind;
use crate::layer::operation::{AnyHandle, End, HandleLink};
use crate::layer::session::Session;
use crate::layer::span::extension::SpanExtension;
use crate::layer::span::operations::{Enclosing, Operations};
use crate::layer::span::span_state::SpanState;

/// The state that each recorder keeps for a span. A subscriber usually has one recorder.
pub(super) type SpanStates = SmallVec<[Arc<SpanState>; 1]>;

/// A span and the state that each recorder keeps for it. Each state counts the clones of the handle. When the last clone of
/// a handle that opened operations is dropped, they end.
#[derive(Debug)]
pub(super) struct Handle {
    /// The span. Disabled if the handle was found and no handle has opened the operation.
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
        let released: SmallVec<[Span; 1]> = self.states.iter().filter_map(|state| state.release_holder()).collect();
        // A registry that closes a span releases the span's parent through the current subscriber, and panics if that
        // is another subscriber.
        let span = std::mem::replace(&mut self.span, Span::none());
        match other_subscriber(&span) {
            Some(own) => dispatcher::with_default(&own, || drop((released, span))),
            None => drop((released, span)),
        }
    }
}

impl Handle {
    /// Creates a handle for a new span. `open` opens the operations in the state of each recorder.
    pub(super) fn new(span: Span, open: impl Fn(&SpanState)) -> Self {
        let states = span_states(&span);
        for state in &states {
            state.hold(&span);
            open(state);
        }
        Self { span, states }
    }

    /// Creates a handle for a new span inside of `parent`. `make` makes the span, in the subscriber of `parent`.
    pub(super) fn new_inside(parent: &Self, make: impl FnOnce() -> Span, open: impl Fn(&SpanState)) -> Self {
        Self::new(in_subscriber_of(parent.span(), make), |state| {
            parent.enclose(state);
            open(state);
        })
    }

    /// Returns the handle of an operation that was found by its id: a clone of the one that opened it, or else one that
    /// leaves the operation open when it is dropped. `operations` are the operation alone.
    pub(super) fn found(session: &Arc<Session>, link: &HandleLink, operations: impl FnOnce() -> Operations) -> Self {
        let opener = link.opener::<SpanState>();
        if let Some(span) = opener.as_ref().and_then(|state| state.hold_again()) {
            let states = span_states(&span);
            let others = states.iter().filter(|other| opener.as_ref().is_some_and(|state| !Arc::ptr_eq(other, state)));
            others.for_each(|other| other.add_holder());
            return Self { span, states };
        }
        let plain = opener.filter(|state| !state.has_handle());
        let state = plain.unwrap_or_else(|| link.found(|| SpanState::detached(session, operations())));
        state.add_holder();
        Self { span: Span::none(), states: SpanStates::from_iter([state]) }
    }

    /// Makes the operations of this handle those that enclose a span, if the handle has no span of its own that could be
    /// the parent.
    fn enclose(&self, state: &SpanState) {
        if !self.span.is_disabled() {
            return;
        }
        let same = self.states.iter().find(|own| Arc::ptr_eq(own.session(), state.session()));
        if let Some(enclosing) = same.and_then(|own| Enclosing::within(own.operations()?)) {
            state.set_enclosing(enclosing);
        }
    }

    /// Returns a clone of the handle for its operation to keep. Returns `None` if the handle leaves its operation open
    /// anyway, or if recording is disabled.
    pub(super) fn to_kept(&self) -> Option<AnyHandle> {
        let is_kept = !self.span.is_disabled() && !self.states.is_empty();
        is_kept.then(|| Box::new(self.clone()) as AnyHandle)
    }

    pub(super) fn states(&self) -> &[Arc<SpanState>] {
        &self.states
    }

    pub(super) fn span(&self) -> &Span {
        &self.span
    }

    pub(super) fn is_recording(&self) -> bool {
        is_recording(self.states())
    }

    pub(super) fn ids(&self) -> OperationIds {
        recorded_ids(self.states())
    }

    /// Calls `act` with the operation that `pick` selects, for each recorder that has one.
    pub(super) fn for_each<W>(&self, pick: impl Fn(&Operations) -> Option<&Arc<W>>, act: impl Fn(&Arc<W>)) {
        self.states().iter().filter_map(|state| pick(state.operations()?)).for_each(act);
    }

    pub(super) fn payload(&self, kind: PayloadKind, body: &dyn Body) {
        for state in self.states() {
            state.record_payload(kind, body);
        }
    }

    pub(super) fn child_process(&self) -> ChildProcess {
        ChildProcess::register(self.states())
    }

    pub(super) fn end(&self, end: ExplicitEnd<'_>) {
        end_operations(self.span(), self.states(), end);
    }
}

pub(super) fn is_recording(states: &[Arc<SpanState>]) -> bool {
    states.iter().any(|state| state.is_recording())
}

/// Returns the ids of the span's operations in the log of the first recorder that records them.
pub(super) fn recorded_ids(states: &[Arc<SpanState>]) -> OperationIds {
    let ids = states.iter().filter_map(|state| {
        Some(OperationIds::from_operations(state.operations()?).masked_by(&state.session().options.masking))
    });
    ids.into_iter().find(|ids| *ids != OperationIds::default()).unwrap_or_default()
}

/// An end that the program requests with `complete`, `fail` or `cancel`.
#[derive(Clone, Copy)]
pub(super) enum ExplicitEnd<'a> {
    Completed,
    Failed(&'a dyn Display),
    Cancelled(&'a dyn Display),
}

/// Ends the operations of a span in every recorder, and sets the status of the span if they failed.
pub(super) fn end_operations(span: &Span, states: &[Arc<SpanState>], end: ExplicitEnd<'_>) {
    if states.is_empty() && span.is_disabled() {
        return;
    }
    let end = match end {
        ExplicitEnd::Completed => End::Completed,
        ExplicitEnd::Failed(error) => {
            let error = display_text(error);
            span.record("otel.status_code", "ERROR");
            span.record("otel.status_description", error.as_str());
            End::Failed(error)
        }
        ExplicitEnd::Cancelled(reason) => End::Cancelled(display_text(reason)),
    };
    for state in states {
        state.end(&end);
    }
}

/// Formats an error or a reason that the program passed. If its `Display` implementation panics, returns a text that
/// reports the panic, which must not reach the host program.
fn display_text(value: &dyn Display) -> String {
    catch_unwind(AssertUnwindSafe(|| value.to_string()))
        .unwrap_or_else(|_| "the `Display` implementation of this value panicked".to_owned())
}

/// Runs `act` with the subscriber of `span` as the current one. Other subscribers do not have the span, and a handle
/// may be used where another subscriber is the current one, or none is.
pub(super) fn in_subscriber_of<T>(span: &Span, act: impl FnOnce() -> T) -> T {
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
pub(super) fn span_states(span: &Span) -> SpanStates {
    span.with_subscriber(|(id, dispatch)| {
        let registry = dispatch.downcast_ref::<Registry>()?;
        let span = registry.span(id)?;
        let extensions = span.extensions();
        Some(extensions.get::<SpanExtension>()?.states().cloned().collect())
    })
    .flatten()
    .unwrap_or_default()
}
