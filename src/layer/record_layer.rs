//! The layer: what a subscriber tells us of its spans.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use tracing::callsite::Identifier;
use tracing::dispatcher::WeakDispatch;
use tracing::field::FieldSet;
use tracing::metadata::Kind as MetadataKind;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Callsite, Dispatch, Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, Registry, SpanRef};

use super::extension::PerSpan;
use super::fields::{Fields, can_say_kind};
use super::filter::is_ours;
use super::handle::HANDLE_TARGET;
use super::implicit::Supplied;
use super::instant::Instant;
use super::live::{Live, Opened};
use super::recorder::{Inner, LayerNumber};
use super::reentrancy::is_ignoring;
use super::span_state::{Place, SpanState};
use super::stderr::tell;
use super::wire_event::{WireEvent, may_be_wire};

/// Feeds a recording with the spans of one subscriber. Made by [`Recorder::layer`](super::Recorder::layer).
///
/// It looks at every span it is given, acts on those that say what they are, and lets every other span pass. Put
/// [`Recorder::filter`](super::Recorder::filter) on it. A subscriber-wide filter, as `EnvFilter` is when it is added
/// like a layer, also filters what this layer sees: put such filters on the layer they are meant for.
#[derive(Debug)]
pub struct RecordLayer<S> {
    recorder: Arc<Inner>,
    /// Which layer of the recorder it is.
    number: LayerNumber,
    warned: AtomicBool,
    dispatch: OnceLock<WeakDispatch>,
    subscriber: PhantomData<fn(S)>,
}

impl<S> RecordLayer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    pub(super) fn new(recorder: Arc<Inner>) -> Self {
        let (warned, dispatch) = (AtomicBool::new(false), OnceLock::new());
        Self { number: recorder.next_layer(), recorder, warned, dispatch, subscriber: PhantomData }
    }

    fn state(&self, span: &SpanRef<'_, S>) -> Option<Arc<SpanState>> {
        span.extensions().get::<PerSpan>()?.state(self.recorder.id()).cloned()
    }

    /// The state of a span that may have one.
    fn state_of(&self, id: &Id, ctx: &Context<'_, S>) -> Option<Arc<SpanState>> {
        let span = ctx.span(id)?;
        let may_have = can_say_kind(span.metadata());
        may_have.then(|| self.state(&span)).flatten()
    }

    /// Where a span stands: what of ours is above it, else what is supplied at the top of its scope.
    fn place(&self, span: &SpanRef<'_, S>, live: Live) -> Place {
        let (layer, metadata) = (self.number, span.metadata());
        let is_handled = span.metadata().target() == HANDLE_TARGET;
        if let Some(parent) = span.scope().skip(1).find_map(|above| self.state(&above)) {
            let supplied = Arc::clone(parent.supplied());
            return Place { layer, metadata, is_handled, parent: Some(parent), supplied, live };
        }
        let fresh = Arc::<Supplied>::default();
        let supplied = match span.scope().last() {
            Some(top) => {
                if !can_say_kind(top.metadata()) {
                    self.recorder.supplies_elsewhere();
                }
                PerSpan::supplied(&mut top.extensions_mut(), self.recorder.id(), fresh)
            }
            None => fresh,
        };
        Place { layer, metadata, is_handled, parent: None, supplied, live }
    }

    /// The live span that a span is, where something exports it.
    fn live(&self, attributes: &Attributes<'_>, id: &Id) -> Live {
        let live = self.recorder.live.get()?;
        live.opened(Opened { id, attributes, subscriber: self.dispatch.get() })
    }

    /// What happened in the nearest span that it can be about.
    fn instant(&self, event: &Event<'_>, ctx: &Context<'_, S>) {
        let Some(instant) = Instant::of(event) else { return };
        let Some(scope) = ctx.event_scope(event) else { return };
        let states = scope.filter_map(|span| self.state(&span)).inspect(|state| state.touch());
        let Some(state) = { states }.find(|state| instant.is_about(state)) else { return };
        if self.speaks_for(&state) {
            instant.happen_in(&state);
        }
    }

    /// What the nearest call of a model sent or was sent.
    fn wire(&self, event: &Event<'_>, ctx: &Context<'_, S>) {
        let Some(scope) = ctx.event_scope(event) else { return };
        let mut states = scope.filter_map(|span| self.state(&span));
        let Some(state) = states.find(|state| state.is_something()).filter(|state| state.asks_a_model()) else {
            return;
        };
        if let Some(wire) = WireEvent::of(event).filter(|_| self.speaks_for(&state)) {
            state.wire(wire);
        }
    }

    /// Should a recorder have two layers in a subscriber, the one that saw the span says what happens in it.
    fn speaks_for(&self, state: &SpanState) -> bool {
        state.layer() == self.number || !self.recorder.has_layer(state.layer())
    }

    /// Counts a span of ours that is opened after the shutdown.
    fn count_late(&self, attrs: &Attributes<'_>) {
        let mut fields = Fields::default();
        attrs.record(&mut fields);
        if fields.kind().is_some() {
            self.recorder.lose_late(attrs.metadata().name());
        }
    }

    fn warn(&self, message: &str) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            tell(format_args!("{message}"));
        }
    }
}

impl<S> Drop for RecordLayer<S> {
    fn drop(&mut self) {
        self.recorder.layer_dropped(self.number);
    }
}

impl<S> Layer<S> for RecordLayer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_register_dispatch(&self, subscriber: &Dispatch) {
        // Told once.
        let _ = self.dispatch.set(subscriber.downgrade());
        if subscriber.downcast_ref::<Registry>().is_none() {
            self.warn(
                "this subscriber is not built on `tracing_subscriber::Registry`; typed handles record nothing under it",
            );
        } else if subscriber.register_callsite(PROBE.metadata()).is_never() {
            self.warn(
                "a filter on the whole subscriber disables the spans of typed handles, so they record nothing; \
                 put that filter on the layer it is meant for: `fmt::layer().with_filter(filter)`",
            );
        }
    }

    fn on_new_span(&self, attrs: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        if !can_say_kind(attrs.metadata()) || is_ignoring() {
            return;
        }
        if self.recorder.is_shut() {
            return self.count_late(attrs);
        }
        let Some(span) = ctx.span(id) else { return };
        // Another layer of the same recorder has it.
        if self.state(&span).is_some() {
            return;
        }
        let live = self.live(attrs, id);
        let state = SpanState::new(Arc::clone(&self.recorder), self.place(&span, live));
        PerSpan::insert(&mut span.extensions_mut(), self.recorder.id(), Arc::clone(&state));
        if !state.is_handled() {
            let mut fields = Fields::default();
            attrs.record(&mut fields);
            state.learn(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, ctx: Context<'_, S>) {
        let Some(state) = self.state_of(id, &ctx) else { return };
        // What a handle says it counts itself.
        if self.recorder.is_shut() && !state.is_handled() {
            return self.recorder.lose_late("fields of a span");
        }
        let mut fields = Fields::default();
        values.record(&mut fields);
        state.learn(fields);
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
            state.enter();
        }
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        if is_ours(event.metadata()) {
            if !is_ignoring() {
                self.instant(event, &ctx);
            }
        } else if may_be_wire(event.metadata()) && !is_ignoring() {
            self.wire(event, &ctx);
        }
    }

    fn on_close(&self, id: Id, ctx: Context<'_, S>) {
        if let Some(span) = ctx.span(&id) {
            close(&self.recorder, &span);
        }
    }
}

/// What a span is to a recorder ends with it, once.
pub(super) fn close<'a, S: LookupSpan<'a>>(recorder: &Inner, span: &SpanRef<'a, S>) {
    // Most spans of a program: they are spared the lock.
    if !can_say_kind(span.metadata()) && !recorder.has_supplied_elsewhere() {
        return;
    }
    let (state, supplied) = {
        let mut extensions = span.extensions_mut();
        let Some(per_span) = extensions.get_mut::<PerSpan>() else { return };
        per_span.take(recorder.id())
    };
    if let Some(state) = state {
        state.close();
    }
    if let Some(supplied) = supplied {
        supplied.end();
    }
}

/// A callsite like those of our own spans, to ask a subscriber whether it would let them in.
struct Probe;

static PROBE: Probe = Probe;

static PROBE_METADATA: Metadata<'static> = Metadata::new(
    "invoke_agent",
    HANDLE_TARGET,
    Level::INFO,
    None,
    None,
    None,
    FieldSet::new(&["otel_trace.kind"], Identifier(&PROBE)),
    MetadataKind::SPAN,
);

impl Callsite for Probe {
    fn set_interest(&self, _: Interest) {}

    fn metadata(&self) -> &'static Metadata<'static> {
        &PROBE_METADATA
    }
}
