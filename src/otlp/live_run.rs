//! What the live spans of a recorder's runs have to know of each other: which of them link to which.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use opentelemetry::trace::{SpanContext, TraceContextExt};
use opentelemetry::{Context, KeyValue};
use tracing::dispatcher::WeakDispatch;
use tracing_opentelemetry::get_otel_context;

use super::bridge::is_called;
use super::live_span::AsLive;
use super::span_facts::SpanFacts;
use super::{Mapping, attribute};
use crate::event::{AgentResultObserved, CallId, ThreadId, ToolCallId, TraceId, TurnId};
use crate::layer::live::{LiveSpan, LiveSpans, Opened};

/// Takes what a span was, and how long it took.
pub(super) type OnEnd = Arc<dyn Fn(&SpanFacts, Duration) + Send + Sync>;

/// The runs of a recorder that are exported as they are recorded.
pub(super) struct LiveRun {
    pub(super) mapping: Mapping,
    /// Told of each span that ends, sampled or not.
    pub(super) on_end: Option<OnEnd>,
    caller: Option<Context>,
    /// That of the bridge.
    pub(super) subscriber: OnceLock<WeakDispatch>,
    recordings: Mutex<HashMap<TraceId, Spans>>,
    /// Counts opened and started spans: the next number of a [`SpanOrder`].
    next_order: AtomicU64,
}

/// When a live span was opened and when its operation started, as numbers that count up over a run.
///
/// A parent is always opened before its child. A link leads only to a span that was opened *and* started earlier, so
/// parents and links together never close a circle.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SpanOrder {
    opened: u64,
    /// 0 before the start.
    started: u64,
}

impl SpanOrder {
    pub(super) fn opened(run: &LiveRun) -> Self {
        Self { opened: run.next_order(), started: 0 }
    }

    pub(super) fn start(&mut self, run: &LiveRun) {
        self.started = run.next_order();
    }

    pub(super) fn is_before(self, later: Self) -> bool {
        self.opened < later.opened && self.started < later.started
    }
}

/// A span that others may link to.
#[derive(Debug, Clone)]
pub(super) struct LinkTarget {
    pub(super) span: SpanContext,
    pub(super) order: SpanOrder,
}

/// The spans of one recording that others may link to.
#[derive(Debug, Default)]
struct Spans {
    threads: HashMap<ThreadId, ThreadSpans>,
    /// The last answer of each open turn, where it may have asked for anything.
    unheard: HashMap<TurnId, LinkTarget>,
}

/// Those of one thread. What was called in it goes with its end.
#[derive(Debug, Default)]
struct ThreadSpans {
    itself: Option<LinkTarget>,
    turns: HashMap<TurnId, LinkTarget>,
    tools: HashMap<ToolCallId, LinkTarget>,
    calls: HashMap<CallId, Asked>,
    /// The turns of spawned threads whose results reached it since its last inference call started.
    results: Vec<LinkTarget>,
}

/// A call that a model asked for, or that a tool answers.
#[derive(Debug, Default)]
struct Asked {
    /// The inference call that asked first.
    by: Option<LinkTarget>,
    /// Of several tool calls that answer it the first is the one that was asked for.
    is_taken: bool,
}

impl fmt::Debug for LiveRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveRun").field("mapping", &self.mapping).finish_non_exhaustive()
    }
}

impl LiveRun {
    pub(super) fn new(mapping: Mapping, on_end: Option<OnEnd>, caller: Option<Context>) -> Self {
        Self {
            mapping,
            on_end,
            caller,
            subscriber: OnceLock::new(),
            recordings: Mutex::default(),
            next_order: AtomicU64::new(1),
        }
    }

    fn next_order(&self) -> u64 {
        self.next_order.fetch_add(1, Ordering::Relaxed)
    }

    /// What is late finds nothing, and leaves nothing behind.
    fn spans<T>(&self, recording: &TraceId, act: impl FnOnce(&mut Spans) -> T) -> Option<T> {
        let mut recordings = self.recordings.lock().unwrap_or_else(PoisonError::into_inner);
        recordings.get_mut(recording).map(act)
    }

    fn thread_spans<T>(
        &self,
        recording: &TraceId,
        thread: &ThreadId,
        act: impl FnOnce(&mut ThreadSpans) -> T,
    ) -> Option<T> {
        self.spans(recording, |spans| match spans.threads.get_mut(thread) {
            Some(thread) => act(thread),
            None => act(spans.threads.entry(thread.clone()).or_default()),
        })
    }

    pub(super) fn thread(&self, recording: &TraceId, thread: &ThreadId, span: Option<LinkTarget>) {
        self.thread_spans(recording, thread, |spans| spans.itself = span);
    }

    pub(super) fn turn(&self, recording: &TraceId, thread: &ThreadId, turn: &TurnId, span: Option<LinkTarget>) {
        let Some(span) = span else { return };
        self.thread_spans(recording, thread, |spans| spans.turns.insert(turn.clone(), span));
    }

    /// Who still links to the thread finds it; nobody links to what was called in it any more.
    pub(super) fn thread_ended(&self, recording: &TraceId, thread: &ThreadId) {
        self.thread_spans(recording, thread, |spans| {
            let (itself, turns) = (spans.itself.take(), std::mem::take(&mut spans.turns));
            *spans = ThreadSpans { itself, turns, ..ThreadSpans::default() };
        });
    }

    pub(super) fn tool(&self, recording: &TraceId, thread: &ThreadId, tool: &ToolCallId, span: Option<LinkTarget>) {
        let Some(span) = span else { return };
        self.thread_spans(recording, thread, |spans| spans.tools.insert(tool.clone(), span));
    }

    /// A tool call answers a call. Gives whether it is the first that does.
    pub(super) fn takes(&self, recording: &TraceId, thread: &ThreadId, call: &CallId) -> bool {
        let take = |spans: &mut ThreadSpans| {
            let asked = spans.calls.entry(call.clone()).or_default();
            !std::mem::replace(&mut asked.is_taken, true)
        };
        self.thread_spans(recording, thread, take).unwrap_or(false)
    }

    pub(super) fn asked(&self, recording: &TraceId, thread: &ThreadId, calls: &[CallId], span: Option<LinkTarget>) {
        let Some(span) = span.filter(|_| !calls.is_empty()) else { return };
        self.thread_spans(recording, thread, |spans| {
            for call in calls {
                let asked = spans.calls.entry(call.clone()).or_default();
                asked.by.get_or_insert_with(|| span.clone());
            }
        });
    }

    /// An answer of this turn is complete. What it asked for is known, or may be anything.
    pub(super) fn answered(&self, recording: &TraceId, turn: &TurnId, is_known: bool, span: Option<LinkTarget>) {
        self.spans(recording, |spans| match span.filter(|_| !is_known) {
            None => drop(spans.unheard.remove(turn)),
            Some(span) => drop(spans.unheard.insert(turn.clone(), span)),
        });
    }

    /// The answer that a call in this turn may be of, whatever it asked for.
    pub(super) fn unheard(&self, recording: &TraceId, turn: &TurnId) -> Option<LinkTarget> {
        self.spans(recording, |spans| spans.unheard.get(turn).cloned()).flatten()
    }

    pub(super) fn turn_ended(&self, recording: &TraceId, turn: &TurnId) {
        self.spans(recording, |spans| drop(spans.unheard.remove(turn)));
    }

    /// Keeps the reporting turn, or its thread where the turn is no span, for the next inference call of the thread
    /// that it reported to.
    pub(super) fn result(&self, recording: &TraceId, event: &AgentResultObserved) {
        self.spans(recording, |spans| {
            let reporter = spans.threads.get(&event.child_thread_id);
            let reporter = reporter.and_then(|child| child.turns.get(&event.child_turn_id).or(child.itself.as_ref()));
            if let Some(reporter) = reporter.cloned() {
                spans.threads.entry(event.parent_thread_id.clone()).or_default().results.push(reporter);
            }
        });
    }

    /// Returns links to the turns that reported to a thread since its last inference call started.
    pub(super) fn take_results(&self, recording: &TraceId, thread: &ThreadId) -> Vec<(LinkTarget, KeyValue)> {
        let take = |spans: &mut Spans| spans.threads.get_mut(thread).map(|thread| std::mem::take(&mut thread.results));
        let mut seen = HashSet::new();
        let mut results = self.spans(recording, take).flatten().unwrap_or_default();
        results.retain(|turn| seen.insert(turn.span.span_id()));
        results.into_iter().map(|turn| (turn, KeyValue::new(attribute::LINK, "agent_result"))).collect()
    }

    /// What a span links to by this.
    pub(super) fn linked(&self, recording: &TraceId, link: &Link<'_>) -> Vec<(LinkTarget, KeyValue)> {
        self.spans(recording, |spans| spans.linked(link)).unwrap_or_default()
    }
}

impl Spans {
    fn linked(&self, link: &Link<'_>) -> Vec<(LinkTarget, KeyValue)> {
        let (name, found): (_, Vec<_>) = match *link {
            Link::SpawnedBy { parent, tool } => {
                let parent = self.threads.get(parent);
                ("spawned_by", parent.and_then(|parent| parent.tools.get(tool)).cloned().into_iter().collect())
            }
            Link::RequestedBy { thread, call, unheard } => {
                let asked = self.threads.get(thread).and_then(|thread| thread.calls.get(call?)?.by.as_ref());
                ("requested_by", asked.or(unheard).cloned().into_iter().collect())
            }
        };
        found.into_iter().map(|span: LinkTarget| (span, KeyValue::new(attribute::LINK, name))).collect()
    }
}

/// Why a span links to others.
#[derive(Debug, Clone, Copy)]
pub(super) enum Link<'a> {
    /// The thread that it is was spawned by this tool call.
    SpawnedBy { parent: &'a ThreadId, tool: &'a ToolCallId },
    /// The tool call that it is was asked for by a model.
    RequestedBy {
        thread: &'a ThreadId,
        call: Option<&'a CallId>,
        /// The answer that may have asked for anything.
        unheard: Option<&'a LinkTarget>,
    },
}

/// The runs, as the recorder knows them.
#[derive(Debug)]
pub(super) struct LiveRuns(pub(super) Arc<LiveRun>);

impl LiveSpans for LiveRuns {
    fn opened(&self, span: Opened<'_>) -> Option<Arc<dyn LiveSpan>> {
        let Opened { id, attributes, subscriber } = span;
        let subscriber = subscriber.or_else(|| self.0.subscriber.get())?;
        let parent = match attributes.parent() {
            Some(parent) => subscriber.upgrade().and_then(|subscriber| get_otel_context(parent, &subscriber)),
            None => is_called(self.0.caller.as_ref(), attributes)
                .cloned()
                .or_else(|| attributes.is_contextual().then(Context::current)),
        };
        let parent = parent.map(|parent| parent.span().span_context().clone()).filter(SpanContext::is_valid);
        Some(Arc::new(AsLive::new(Arc::clone(&self.0), id.clone(), subscriber.clone(), parent)))
    }

    fn bundle_began(&self, recording: &TraceId) {
        let mut recordings = self.0.recordings.lock().unwrap_or_else(PoisonError::into_inner);
        recordings.insert(recording.clone(), Spans::default());
    }

    fn bundle_ended(&self, recording: &TraceId) {
        self.0.recordings.lock().unwrap_or_else(PoisonError::into_inner).remove(recording);
    }
}
