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

/// A handle of any kind. `None` if recording is disabled.
#[derive(Debug, Clone)]
pub(super) struct Handle(Option<Arc<SharedHandle>>);

/// What the clones of a handle share: a span, and the state that each recorder keeps for it.
#[derive(Debug)]
struct SharedHandle {
    span: Span,
    states: SpanStates,
    on_drop: OnDrop,
}

/// What becomes of the operations when the last clone of a handle is dropped.
#[derive(Debug, Clone, Copy)]
enum OnDrop {
    /// They end: the handle has opened them.
    End,
    /// They stay open: the handle was found, and spans of the program or the layer have opened them.
    LeaveOpen,
}

/// The span of a handle that has none.
static NO_SPAN: Span = Span::none();

impl Drop for SharedHandle {
    fn drop(&mut self) {
        match self.on_drop {
            OnDrop::End => self.states.iter().for_each(|state| state.end_dropped()),
            OnDrop::LeaveOpen => {}
        }
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
    pub(super) fn new(span: Span, open: impl Fn(&SpanState)) -> Self {
        if span.is_disabled() {
            return Self(None);
        }
        let shared = Arc::new(SharedHandle { states: span_states(&span), span, on_drop: OnDrop::End });
        for state in &shared.states {
            open(state);
            let links = state.operations().into_iter().flat_map(Operations::links);
            let handle: AnyHandle = Arc::<SharedHandle>::clone(&shared);
            links.for_each(|link| link.set_handle(&handle));
        }
        Self(Some(shared))
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
        if let Some(shared) = link.handle() {
            return Self(Some(shared));
        }
        let state = link.span().unwrap_or_else(|| SpanState::detached(session, operations()));
        let states = SpanStates::from_iter([state]);
        let shared = Arc::new(SharedHandle { span: Span::none(), states, on_drop: OnDrop::LeaveOpen });
        let handle: AnyHandle = Arc::<SharedHandle>::clone(&shared);
        link.set_handle(&handle);
        Self(Some(shared))
    }

    /// Makes the operations of this handle those that enclose a span, if the handle has no span of its own that could be
    /// the parent.
    fn enclose(&self, state: &SpanState) {
        if !self.span().is_disabled() {
            return;
        }
        let same = self.states().iter().find(|own| Arc::ptr_eq(own.session(), state.session()));
        if let Some(enclosing) = same.and_then(|own| Enclosing::within(own.operations()?)) {
            state.set_enclosing(enclosing);
        }
    }

    /// Returns a clone of the handle for its operation to keep. Returns `None` if the handle leaves its operation open
    /// anyway, or if recording is disabled.
    pub(super) fn to_kept(&self) -> Option<AnyHandle> {
        let shared = self.0.as_ref().filter(|shared| matches!(shared.on_drop, OnDrop::End))?;
        Some(Arc::<SharedHandle>::clone(shared))
    }

    pub(super) fn states(&self) -> &[Arc<SpanState>] {
        self.0.as_ref().map_or(&[], |shared| &shared.states)
    }

    pub(super) fn span(&self) -> &Span {
        self.0.as_ref().map_or(&NO_SPAN, |shared| &shared.span)
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
    let ids = states.iter().filter_map(|state| Some(OperationIds::from_operations(state.operations()?)));
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
