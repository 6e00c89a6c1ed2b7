//! The `tracing` layer that feeds a recorder: [`RecordLayer`].

use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;

use smallvec::SmallVec;
use tracing::dispatcher::WeakDispatch;
use tracing::level_filters::{LevelFilter, STATIC_MAX_LEVEL};
use tracing::span::{Attributes, Id, Record};
use tracing::{Callsite, Dispatch, Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, Registry, SpanRef};

use super::entered_spans;
use super::extension::SpanExtension;
use super::fields::{Fields, has_kind_field};
use super::implicit::ImplicitOperations;
use super::instant::Instant;
use super::instant_address::Resolved;
use super::outcome_event::OutcomeEvent;
use super::probe::PROBE;
use super::span_state::{SpanPosition, SpanState};
use super::wire_event::WireEvent;
use crate::layer::session::Session;
use crate::layer::session::ids::LayerNumber;
use crate::layer::session::live::{Live, NewSpan};
use crate::layer::session::reentrancy::is_recording_suppressed;
use crate::layer::session::stderr::report;
use crate::layer::span::callsites::{HANDLE_TARGET, is_instant, may_be_outcome_event, may_be_wire_event};

/// A layer that records the spans of one subscriber. Created by [`Recorder::layer`](crate::layer::Recorder::layer).
///
/// The layer examines every span that it is given and acts on those with a recognized kind. Put
/// [`Recorder::filter`](crate::layer::Recorder::filter) on it.
///
/// A filter on the whole subscriber, such as an `EnvFilter` that is added like a layer, also filters the spans and
/// events that this layer receives. Put such filters on the layer that they are meant for.
#[derive(Debug)]
pub struct RecordLayer<S> {
    session: Arc<Session>,
    /// Number of the layer among the layers of its recorder.
    number: LayerNumber,
    /// `true` once this layer has printed a warning on stderr. It prints one at most.
    warned: AtomicBool,
    /// The subscriber that the layer is part of. Unset if the layer was added by a reload.
    dispatch: OnceLock<WeakDispatch>,
    subscriber: PhantomData<fn(S)>,
}

impl<S> RecordLayer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    pub(in crate::layer) fn new(session: Arc<Session>) -> Self {
        let (warned, dispatch) = (AtomicBool::new(false), OnceLock::new());
        Self { number: session.register_layer(), session, warned, dispatch, subscriber: PhantomData }
    }

    /// Returns the state that this recorder keeps for a span.
    fn state(&self, span: &SpanRef<'_, S>) -> Option<Arc<SpanState>> {
        span.extensions().get::<SpanExtension>()?.state(self.session.id()).cloned()
    }

    /// Returns the state of a span by id. Spans whose callsite has no kind field have no state and cost no lookup of
    /// extensions.
    fn state_of(&self, id: &Id, ctx: &Context<'_, S>) -> Option<Arc<SpanState>> {
        let span = ctx.span(id)?;
        let may_have = has_kind_field(span.metadata());
        may_have.then(|| self.state(&span)).flatten()
    }

    /// Returns the position of a new span: below the nearest span with a state, or else with the implicit operations of
    /// its root span.
    fn position(&self, span: &SpanRef<'_, S>, attributes: &Attributes<'_>) -> SpanPosition {
        let (layer, metadata) = (self.number, span.metadata());
        let has_handle = span.metadata().target() == HANDLE_TARGET;
        let parent = span.scope().skip(1).find_map(|above| self.state(&above));
        let enclosing = parent.as_ref().map_or(&None, |parent| parent.live());
        let live = self.new_live_span(attributes, &span.id(), enclosing);
        if let Some(parent) = parent {
            let implicit = Arc::clone(parent.implicit());
            return SpanPosition { layer, metadata, has_handle, parent: Some(parent), implicit, live };
        }
        let fresh = Arc::<ImplicitOperations>::default();
        let implicit = match span.scope().last() {
            Some(top) => {
                if !has_kind_field(top.metadata()) {
                    self.session.note_implicit_at_plain_span();
                }
                SpanExtension::implicit(&mut top.extensions_mut(), self.session.id(), fresh)
            }
            None => fresh,
        };
        SpanPosition { layer, metadata, has_handle, parent: None, implicit, live }
    }

    /// Creates the live span of a new span. Returns `None` if live spans are not exported.
    fn new_live_span(&self, attributes: &Attributes<'_>, id: &Id, enclosing: &Live) -> Live {
        let live = self.session.live.get()?;
        live.on_new_span(NewSpan { id, attributes, enclosing, subscriber: self.dispatch.get() })
    }

    /// Records an instant for the operation that it is about.
    fn record_instant(&self, event: &Event<'_>, ctx: &Context<'_, S>) {
        let scope = ctx.event_scope(event).into_iter().flatten();
        let states: SmallVec<[Arc<SpanState>; 4]> = scope.filter_map(|span| self.state(&span)).collect();
        let is_own = match states.first() {
            Some(state) => self.owns(state),
            None => self.session.is_first_layer(self.number),
        };
        let Some(instant) = Instant::from_event(event).filter(|_| is_own) else { return };
        if self.session.is_off("an event of target `otel_trace`") {
            return;
        }
        match instant.resolve(&self.session, &states) {
            Resolved::Found(target) => instant.record(&target),
            Resolved::Orphan(reason, home) => instant.record_orphan(&self.session, reason, home.as_ref()),
        }
    }

    /// Records a logged request or response body in the nearest enclosing span, if that is an inference call.
    fn record_wire_event(&self, event: &Event<'_>, ctx: &Context<'_, S>) {
        let Some(scope) = ctx.event_scope(event) else { return };
        let mut states = scope.filter_map(|span| self.state(&span));
        let Some(state) = states.find(|state| state.is_recognized()).filter(|state| state.is_plain_inference()) else {
            return;
        };
        if let Some(wire) = WireEvent::from_event(event).filter(|_| self.owns(&state)) {
            state.apply_wire_event(wire);
        }
    }

    /// Records how the function of a span ended in the operation of that span, or a logged error in the nearest enclosing
    /// operation.
    fn record_outcome(&self, event: &Event<'_>, ctx: &Context<'_, S>) {
        let Some(scope) = ctx.event_scope(event) else { return };
        let mut states = scope.map(|span| self.state(&span).filter(|state| state.is_recognized()));
        let (state, is_inside) = match states.next() {
            Some(Some(direct)) => (Some(direct), false),
            Some(None) | None => (states.flatten().next(), true),
        };
        let Some(state) = state else { return self.record_returned_error(event, ctx) };
        if !self.owns(&state) {
            return;
        }
        let Some(outcome) = OutcomeEvent::from_event(event) else { return };
        let outcome = if is_inside { outcome.for_enclosing(event.metadata()) } else { Some(outcome) };
        if let Some(outcome) = outcome {
            if let OutcomeEvent::ReturnedError(error) = &outcome {
                state.fail_unanswered(error);
            }
            state.merge_fields(outcome.into());
        }
    }

    /// Records the error that a function around an agent returned, in the turns that the layer has supplied below the root
    /// span of the function. Frameworks record in the span of a call that could not be sent neither an answer nor an error.
    fn record_returned_error(&self, event: &Event<'_>, ctx: &Context<'_, S>) {
        let root = ctx.event_scope(event).and_then(|scope| scope.last());
        let implicit = root.and_then(|root| root.extensions().get::<SpanExtension>()?.supplied(self.session.id()));
        if let Some(implicit) = implicit
            && let Some(OutcomeEvent::ReturnedError(error)) = OutcomeEvent::from_event(event)
        {
            implicit.fail_unanswered(&error);
        }
    }

    /// Returns `true` if this layer records the instants of a span. If a recorder has several layers in one subscriber,
    /// the layer that created the state of the span does, as long as it exists.
    fn owns(&self, state: &SpanState) -> bool {
        state.layer() == self.number || !self.session.has_layer(state.layer())
    }

    /// Counts a span as lost if it has a recognized kind, because it is opened after the shutdown.
    fn count_late(&self, attrs: &Attributes<'_>) {
        let mut fields = Fields::default();
        attrs.record(&mut fields);
        if fields.kind().is_some() {
            self.session.report_late(attrs.metadata().name());
        }
    }

    /// Prints a warning on stderr, at most one per layer.
    fn warn(&self, message: &str) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            report(format_args!("{message}"));
        }
    }
}

impl<S> Drop for RecordLayer<S> {
    fn drop(&mut self) {
        self.session.unregister_layer(self.number);
    }
}

impl<S> Layer<S> for RecordLayer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_register_dispatch(&self, subscriber: &Dispatch) {
        // Called once per layer, so this cannot fail.
        let _ = self.dispatch.set(subscriber.downgrade());
        let registry = subscriber.downcast_ref::<Registry>();
        if let Some(registry) = registry {
            self.session.set_registry(self.number, std::ptr::from_ref(registry).addr());
        }
        if registry.is_none() {
            self.warn(
                "this subscriber is not built on `tracing_subscriber::Registry`; typed handles record nothing under it",
            );
        } else if STATIC_MAX_LEVEL < LevelFilter::INFO {
            self.warn(
                "this program is compiled without spans of level `INFO`, so that neither spans nor handles are recorded; \
                 remove the feature of `tracing` whose name begins with `max_level_` or `release_max_level_`",
            );
        } else if !is_enabled(subscriber, PROBE.metadata()) {
            self.warn(
                "a filter on the whole subscriber disables spans that would be recorded: those of typed handles, and any \
                 other that it does not let through; put that filter on the layer it is meant for: \
                 `fmt::layer().with_filter(filter)`",
            );
        }
    }

    fn on_new_span(&self, attrs: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        if !has_kind_field(attrs.metadata()) || is_recording_suppressed() {
            return;
        }
        if self.session.is_shut() {
            return self.count_late(attrs);
        }
        let Some(span) = ctx.span(id) else { return };
        // Another layer of the same recorder has already created the state.
        if self.state(&span).is_some() {
            return;
        }
        let state = SpanState::new(Arc::clone(&self.session), self.position(&span, attrs));
        SpanExtension::insert(&mut span.extensions_mut(), self.session.id(), Arc::clone(&state));
        if !state.has_handle() {
            let mut fields = Fields::default();
            attrs.record(&mut fields);
            state.merge_fields(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, ctx: Context<'_, S>) {
        let Some(state) = self.state_of(id, &ctx) else { return };
        // Losses of a handle are counted by the handle itself.
        if self.session.is_shut() && !state.has_handle() {
            return self.session.report_late("fields of a span");
        }
        let mut fields = Fields::default();
        values.record(&mut fields);
        state.merge_fields(fields);
    }

    fn on_follows_from(&self, id: &Id, follows: &Id, ctx: Context<'_, S>) {
        let Some(state) = self.state_of(id, &ctx) else { return };
        let Some(other) = ctx.span(follows) else { return };
        if let Some(other) = other.scope().find_map(|above| self.state(&above)) {
            state.follows(&other);
        }
    }

    fn on_enter(&self, id: &Id, ctx: Context<'_, S>) {
        if let Some(state) = self.state_of(id, &ctx) {
            entered_spans::push(self.session.id(), id);
            state.enter();
        }
    }

    fn on_exit(&self, id: &Id, ctx: Context<'_, S>) {
        if entered_spans::pop(self.session.id(), id)
            && let Some(state) = self.state_of(id, &ctx)
        {
            state.exit();
        }
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        if is_instant(event.metadata()) {
            if !is_recording_suppressed() {
                self.record_instant(event, &ctx);
            }
        } else if may_be_wire_event(event.metadata()) && !is_recording_suppressed() {
            self.record_wire_event(event, &ctx);
        } else if may_be_outcome_event(event.metadata()) && !is_recording_suppressed() && !self.session.is_shut() {
            self.record_outcome(event, &ctx);
        }
    }

    fn on_close(&self, id: Id, ctx: Context<'_, S>) {
        if let Some(span) = ctx.span(&id) {
            close(&self.session, &span);
        }
    }
}

/// Ends the operations that a recorder keeps for a closed span. Does nothing for a span that was closed already.
pub(in crate::layer) fn close<'a, S: LookupSpan<'a>>(session: &Session, span: &SpanRef<'a, S>) {
    // Most spans of a program take this path, and take no lock of the span extensions.
    if !has_kind_field(span.metadata()) && !session.has_implicit_at_plain_span() {
        return;
    }
    let (state, implicit) = {
        let mut extensions = span.extensions_mut();
        let Some(extension) = extensions.get_mut::<SpanExtension>() else { return };
        extension.take(session.id())
    };
    if let Some(state) = state {
        state.close();
    }
    if let Some(implicit) = implicit {
        implicit.end();
    }
}

/// Returns `true` if a subscriber enables spans of this callsite. Asks in a thread of its own: filters of layers keep in the
/// thread what they answered, until the span exists that was asked for.
fn is_enabled(subscriber: &Dispatch, metadata: &'static Metadata<'static>) -> bool {
    if subscriber.register_callsite(metadata).is_never() {
        return false;
    }
    thread::scope(|scope| {
        let asked = thread::Builder::new().spawn_scoped(scope, || subscriber.enabled(metadata));
        // A thread that cannot be started does not tell.
        asked.ok().and_then(|asked| asked.join().ok()).unwrap_or(true)
    })
}
