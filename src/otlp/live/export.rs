//! Shared state of the live spans of a recorder: the spans that others link to.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use opentelemetry::{Context, KeyValue};
use tracing::dispatcher::WeakDispatch;

use super::link_target::LinkTarget;
use super::tool_requests::ToolRequests;
use crate::event::{CallId, RawJson, ThreadId, ToolCallId, TraceId, TurnId};
use crate::graph::CellIds;
use crate::otlp::span::attribute;
use crate::otlp::span::facts::SpanFacts;
use crate::otlp::span::mapping::Mapping;

/// Callback that receives the facts and the duration of a span that ended.
pub(super) type OnEnd = Arc<dyn Fn(&SpanFacts, Duration) + Send + Sync>;

/// State of the live export of a recorder's runs.
pub(super) struct LiveExport {
    pub(super) mapping: Mapping,
    /// Called for each span that ends, sampled or not.
    pub(super) on_end: Option<OnEnd>,
    remote_parent: Option<Context>,
    /// Attributes of the resource that spans are sent with, if this crate sends them.
    resource: Option<RawJson>,
    /// The subscriber that the bridge is a layer of.
    pub(super) subscriber: OnceLock<WeakDispatch>,
    runs: Mutex<HashMap<TraceId, LinkTargets>>,
    /// The next ordinal.
    next_order: AtomicU64,
}

/// The spans of one run that other spans may link to.
#[derive(Debug, Default)]
struct LinkTargets {
    threads: HashMap<ThreadId, ThreadTargets>,
    /// Last completed inference call of each open turn, if the items of its response were not recorded: it may have
    /// requested any tool call.
    unrecorded_responses: HashMap<TurnId, LinkTarget>,
    cell_ids: CellIds,
}

/// The spans of one thread that other spans may link to. Tool calls and requested calls are dropped when the thread
/// ends.
#[derive(Debug, Default)]
struct ThreadTargets {
    tools: HashMap<ToolCallId, LinkTarget>,
    requests: ToolRequests,
    /// Spans of the turns whose results reached this thread since its last inference call started.
    results: Vec<LinkTarget>,
}

impl fmt::Debug for LiveExport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveExport").field("mapping", &self.mapping).finish_non_exhaustive()
    }
}

impl LiveExport {
    pub(super) fn new(
        mapping: Mapping,
        on_end: Option<OnEnd>,
        remote_parent: Option<Context>,
        resource: Option<RawJson>,
    ) -> Self {
        Self {
            mapping,
            on_end,
            remote_parent,
            resource,
            subscriber: OnceLock::new(),
            runs: Mutex::default(),
            next_order: AtomicU64::new(1),
        }
    }

    /// Returns an ordinal between those of the starts so far and those of later starts.
    pub(super) fn ordinal(&self) -> u64 {
        self.next_order.fetch_add(1, Ordering::Relaxed)
    }

    /// Returns the context of the span in the parent process, from the environment of this process.
    pub(super) fn remote_parent(&self) -> Option<&Context> {
        self.remote_parent.as_ref()
    }

    /// Returns the attributes of the resource that spans are sent with. Returns `None` if another pipeline sends them.
    pub(super) fn resource(&self) -> Option<&RawJson> {
        self.resource.as_ref()
    }

    /// Begins a run: its spans may be linked to from now on.
    pub(super) fn begin_run(&self, recording: &TraceId) {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.insert(recording.clone(), LinkTargets::default());
    }

    /// Ends a run and removes its link targets.
    pub(super) fn end_run(&self, recording: &TraceId) {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).remove(recording);
    }

    /// Calls `act` with the link targets of a run. Returns `None` after the run's end: late events neither find nor
    /// leave anything.
    fn with_targets<T>(&self, recording: &TraceId, act: impl FnOnce(&mut LinkTargets) -> T) -> Option<T> {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.get_mut(recording).map(act)
    }

    /// Calls `act` with the link targets of a thread. Returns `None` after the run's end.
    fn with_thread<T>(
        &self,
        recording: &TraceId,
        thread: &ThreadId,
        act: impl FnOnce(&mut ThreadTargets) -> T,
    ) -> Option<T> {
        self.with_targets(recording, |targets| match targets.threads.get_mut(thread) {
            Some(thread) => act(thread),
            None => act(targets.threads.entry(thread.clone()).or_default()),
        })
    }

    /// Removes the calls of a thread that ended. Results that were reported to it remain: an inference call may outlive
    /// its thread.
    pub(super) fn remove_thread_calls(&self, recording: &TraceId, thread: &ThreadId) {
        self.with_targets(recording, |targets| {
            let results = targets.threads.remove(thread).map(|ended| ended.results).unwrap_or_default();
            if !results.is_empty() {
                targets.threads.insert(thread.clone(), ThreadTargets { results, ..ThreadTargets::default() });
            }
        });
    }

    /// Adds the span of a tool call. Does nothing if it is not exported.
    pub(super) fn add_tool_span(
        &self,
        recording: &TraceId,
        thread: &ThreadId,
        tool: &ToolCallId,
        span: Option<LinkTarget>,
    ) {
        let Some(span) = span else { return };
        self.with_thread(recording, thread, |targets| targets.tools.insert(tool.clone(), span));
    }

    /// Returns the id of the next code cell of a call id in a thread, as the graph names it.
    pub(super) fn assign_cell_id(&self, recording: &TraceId, thread: &ThreadId, call: &CallId) -> Arc<str> {
        let assign = |targets: &mut LinkTargets| targets.cell_ids.assign(thread, call);
        let id = self.with_targets(recording, assign).unwrap_or_else(|| CellIds::default().assign(thread, call));
        id.map_or_else(|taken| taken.as_str().into(), |id| id.as_str().into())
    }

    /// Calls `act` with the requests for tools in a thread. Does nothing after the run's end.
    pub(super) fn update_tool_requests(
        &self,
        recording: &TraceId,
        thread: &ThreadId,
        act: impl FnOnce(&mut ToolRequests),
    ) {
        self.with_thread(recording, thread, |targets| act(&mut targets.requests));
    }

    /// Calls `act` with the requests for tools in a thread. Returns `None` after the thread's end.
    pub(super) fn with_tool_requests<T>(
        &self,
        recording: &TraceId,
        thread: &ThreadId,
        act: impl FnOnce(&mut ToolRequests) -> T,
    ) -> Option<T> {
        let of_thread = |targets: &mut LinkTargets| Some(act(&mut targets.threads.get_mut(thread)?.requests));
        self.with_targets(recording, of_thread).flatten()
    }

    /// Records that an inference call of the turn has a complete response. If the items of the response are not known,
    /// keeps the call for [`unrecorded_response`](Self::unrecorded_response); otherwise removes a call that was kept
    /// before.
    pub(super) fn record_response(
        &self,
        recording: &TraceId,
        turn: &TurnId,
        has_known_items: bool,
        span: Option<LinkTarget>,
    ) {
        self.with_targets(recording, |targets| match span.filter(|_| !has_known_items) {
            None => drop(targets.unrecorded_responses.remove(turn)),
            Some(span) => drop(targets.unrecorded_responses.insert(turn.clone(), span)),
        });
    }

    /// Returns the inference call that may have requested any tool call of the turn.
    pub(super) fn unrecorded_response(&self, recording: &TraceId, turn: &TurnId) -> Option<LinkTarget> {
        self.with_targets(recording, |targets| targets.unrecorded_responses.get(turn).cloned()).flatten()
    }

    /// Removes the inference call that is kept for [`unrecorded_response`](Self::unrecorded_response), because its turn
    /// ended.
    pub(super) fn remove_turn_response(&self, recording: &TraceId, turn: &TurnId) {
        self.with_targets(recording, |targets| drop(targets.unrecorded_responses.remove(turn)));
    }

    /// Keeps the span that reported a result for the next inference call of the thread that received the result.
    pub(super) fn add_agent_result(&self, recording: &TraceId, receiver: &ThreadId, reporter: Option<LinkTarget>) {
        let Some(reporter) = reporter else { return };
        self.with_thread(recording, receiver, |targets| {
            let is_known = |known: &LinkTarget| known.span.span_id() == reporter.span.span_id();
            if !targets.results.iter().any(is_known) {
                targets.results.push(reporter);
            }
        });
    }

    /// Returns links to the turns that reported results to a thread since its last inference call started.
    pub(super) fn take_agent_result_links(
        &self,
        recording: &TraceId,
        thread: &ThreadId,
    ) -> Vec<(LinkTarget, KeyValue)> {
        let take = |targets: &mut LinkTargets| {
            targets.threads.get_mut(thread).map(|thread| std::mem::take(&mut thread.results))
        };
        let results = self.with_targets(recording, take).flatten().unwrap_or_default();
        results.into_iter().map(|turn| (turn, KeyValue::new(attribute::LINK, "agent_result"))).collect()
    }

    /// Returns the link of a spawned thread to the tool call that spawned it. Returns `None` if the span of the tool call
    /// is unknown or not exported.
    pub(super) fn spawn_link(
        &self,
        recording: &TraceId,
        parent: &ThreadId,
        tool: &ToolCallId,
    ) -> Option<(LinkTarget, KeyValue)> {
        let find = |targets: &mut LinkTargets| targets.threads.get(parent)?.tools.get(tool).cloned();
        let target = self.with_targets(recording, find).flatten()?;
        Some((target, KeyValue::new(attribute::LINK, "spawned_by")))
    }
}
