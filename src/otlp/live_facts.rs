//! What is known of a live span so far, from what was recorded of it.

mod ends;
mod starts;

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanContext, SpanId};
use serde::Deserialize;

use super::ContentPolicy;
use super::digest::{InvocationDigest, RequestDigest, ResponseDigest, ResultDigest, RuntimeDigest};
use super::live_run::{Link, LinkTarget, LiveRun, SpanOrder};
use super::live_span::Linked;
use super::span_facts::{SpanFacts, What};
use crate::event::{
    Event, ExecutionStatus, PayloadKind, PayloadRef, RawPayloadId, ThreadId, Timestamp, ToolCallId, TraceId,
};
use crate::layer::live::Said;

#[derive(Debug, Default)]
pub(super) struct Gathered {
    is_over: bool,
    recording: Option<TraceId>,
    facts: Option<SpanFacts>,
    order: SpanOrder,
    /// The OpenTelemetry span, once it has begun.
    own: Option<OwnSpan>,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    /// Bodies that no event has named yet.
    bodies: Vec<(RawPayloadId, Digest)>,
    links: Vec<(LinkTarget, KeyValue)>,
    /// The answer that a tool call may be of, should no answer be known to have asked for it.
    unheard: Option<LinkTarget>,
    /// Whether a model asked for the tool call that it is, as far as other calls leave that open.
    may_be_asked_for: bool,
}

/// What was read of a body.
#[derive(Debug)]
pub(super) enum Digest {
    Request(Box<RequestDigest>),
    Response(Box<ResponseDigest>),
    Invocation(InvocationDigest),
    Runtime(RuntimeDigest),
    Result(ResultDigest),
    Session(SessionDigest),
}

/// Of how a thread was configured.
#[derive(Debug, Default, Deserialize)]
pub(super) struct SessionDigest {
    #[serde(default)]
    nickname: Option<String>,
    #[serde(default)]
    model: Option<String>,
}

/// The OpenTelemetry span that facts are gathered for.
#[derive(Debug, Clone)]
pub(super) struct OwnSpan {
    pub(super) context: SpanContext,
    pub(super) parent: Option<SpanId>,
}

impl Gathered {
    /// Creates the facts of a span that was opened just now.
    pub(super) fn new(run: &LiveRun) -> Self {
        Self { order: SpanOrder::opened(run), ..Self::default() }
    }

    /// Returns the span as other spans may link to it. Returns `None` before it has begun.
    fn as_target(&self) -> Option<LinkTarget> {
        Some(LinkTarget { span: self.own.as_ref()?.context.clone(), order: self.order })
    }

    /// Returns whether the span may link to `target`: never to its parent, and only to a span that started before it, so
    /// that no chain of parents and links closes a circle. A viewer draws nothing of a circle.
    fn may_link(&self, target: &LinkTarget) -> bool {
        let parent = self.own.as_ref().and_then(|own| own.parent);
        target.order.is_before(self.order) && parent != Some(target.span.span_id())
    }

    /// Reads a body, where anything of its kind is exported.
    pub(super) fn digest(kind: PayloadKind, body: &[u8], content: ContentPolicy) -> Option<Digest> {
        Some(match kind {
            PayloadKind::InferenceRequest => Digest::Request(Box::new(RequestDigest::of(body, content))),
            PayloadKind::InferenceResponse => Digest::Response(Box::new(ResponseDigest::of(body, content))),
            PayloadKind::ToolInvocation => Digest::Invocation(InvocationDigest::of(body, content)),
            PayloadKind::ToolRuntimeEvent => Digest::Runtime(RuntimeDigest::of(body)),
            PayloadKind::ToolResult => Digest::Result(ResultDigest::of(body, content)),
            PayloadKind::SessionMetadata => Digest::Session(serde_json::from_slice(body).unwrap_or_default()),
            PayloadKind::CompactionRequest
            | PayloadKind::CompactionCheckpoint
            | PayloadKind::CompactionResponse
            | PayloadKind::TerminalRuntimeEvent
            | PayloadKind::ProtocolEvent
            | PayloadKind::AgentResult => return None,
        })
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    pub(super) fn add_body(&mut self, id: RawPayloadId, digest: Digest) {
        if !self.is_over {
            self.bodies.push((id, digest));
        }
    }

    fn take(&mut self, body: &PayloadRef) -> Option<Digest> {
        let index = self.bodies.iter().position(|(id, _)| *id == body.raw_payload_id)?;
        Some(self.bodies.swap_remove(index).1)
    }

    pub(super) fn add_spawn(&mut self, run: &LiveRun, parent: &ThreadId, tool: &ToolCallId) {
        if let Some(recording) = &self.recording {
            self.links.extend(run.linked(recording, &Link::SpawnedBy { parent, tool }));
        }
    }

    /// Everything, once: none where there is nothing.
    pub(super) fn finish(&mut self, run: &LiveRun, own: Option<OwnSpan>) -> Option<(SpanFacts, Vec<Linked>, Duration)> {
        self.own = self.own.take().or(own);
        // An answer may be complete only after what it asked for. One that may have asked for anything comes last.
        let unheard = self.unheard.take();
        self.find_asker(run, unheard.as_ref());
        self.is_over = true;
        self.bodies.clear();
        let facts = self.facts.take()?;
        let ended_at = self.ended_at.unwrap_or_else(Timestamp::now);
        let millis = self.started_at.map_or(0, |started_at| ended_at.millis_since(started_at));
        let mut links = std::mem::take(&mut self.links);
        links.retain(|(target, _)| self.may_link(target));
        let links = links.into_iter().map(|(target, why)| (target.span, why)).collect();
        Some((facts, links, Duration::from_millis(millis)))
    }

    /// Links a tool call to the answer that asked for it, if that is known by now.
    fn find_asker(&mut self, run: &LiveRun, unheard: Option<&LinkTarget>) {
        let (Some(recording), Some(facts)) = (&self.recording, &self.facts) else { return };
        let What::Tool(tool) = &facts.what else { return };
        if !self.may_be_asked_for {
            return;
        }
        let (thread, call) = (&facts.thread_id, tool.call_id.as_ref());
        let found = run.linked(recording, &Link::RequestedBy { thread, call, unheard });
        self.may_be_asked_for = found.is_empty();
        self.links.extend(found);
    }

    pub(super) fn add_event(&mut self, run: &LiveRun, own: Option<OwnSpan>, said: Said<'_>, event: &Event) {
        if self.is_over {
            return;
        }
        self.own = self.own.take().or(own);
        if self.recording.is_none() {
            self.recording = Some(said.recording.clone());
        }
        match event {
            Event::ThreadStarted(event) => self.thread_started(run, said, event),
            Event::ThreadEnded(event) => self.thread_ended(run, said, event),
            Event::TurnStarted(event) => self.turn_started(run, said, event),
            Event::TurnEnded(event) => self.turn_ended(run, said, event),
            Event::InferenceStarted(event) => self.inference_started(run, said, event),
            Event::InferenceCompleted(event) => self.inference_completed(run, said, event),
            Event::InferenceFailed(event) => self.inference_failed(run, said, event),
            Event::InferenceCancelled(event) => self.inference_cancelled(run, said, event),
            Event::ToolCallStarted(event) => self.tool_started(run, said, event),
            Event::McpToolCallCorrelationAssigned(event) => self.tool_correlated(event),
            Event::ToolCallRuntimeStarted(event) => self.tool_runtime(&event.runtime_payload),
            Event::ToolCallRuntimeEnded(event) => self.tool_runtime(&event.runtime_payload),
            Event::ToolCallEnded(event) => self.tool_ended(run, said, event),
            Event::CodeCellStarted(event) => self.cell_started(run, said, event),
            Event::CodeCellInitialResponse(event) => {
                self.cell_said(said, event.status, event.response_payload.as_ref(), false);
            }
            Event::CodeCellEnded(event) => self.cell_said(said, event.status, event.response_payload.as_ref(), true),
            Event::CompactionRequestStarted(event) => self.compaction_started(run, said, event),
            Event::CompactionRequestCompleted(event) => {
                self.name(&event.response_payload);
                self.end(said, ExecutionStatus::Completed, None);
            }
            Event::CompactionRequestFailed(event) => {
                self.end(said, ExecutionStatus::Failed, Some(event.error.clone()));
            }
            Event::AgentResultObserved(event) => {
                run.result(said.recording, event);
            }
            Event::RolloutStarted(_)
            | Event::RolloutEnded(_)
            | Event::CompactionInstalled(_)
            | Event::ProtocolEventObserved(_)
            | Event::Other(_) => {}
        }
    }

    /// It is an object. One span is one; a thread and the turn in it are the thread.
    fn open(&mut self, run: &LiveRun, said: Said<'_>, object_id: Arc<str>, thread_id: ThreadId, what: What) {
        if self.facts.is_some() {
            return;
        }
        self.order.start(run);
        self.started_at = Some(said.at);
        self.facts = Some(SpanFacts {
            bundle: said.bundle.map(Arc::from),
            object_id,
            thread_id,
            turn_id: said.context.turn_id.clone(),
            status: ExecutionStatus::Running,
            error: None,
            payload_ids: Vec::new(),
            what,
        });
    }

    fn end(&mut self, said: Said<'_>, status: ExecutionStatus, error: Option<String>) {
        if let Some(facts) = &mut self.facts {
            (facts.status, facts.error) = (status, error);
            self.ended_at = Some(said.at);
        }
    }

    /// A body that tells of it.
    fn name(&mut self, body: &PayloadRef) {
        if let Some(facts) = &mut self.facts
            && !facts.payload_ids.contains(&body.raw_payload_id)
        {
            facts.payload_ids.push(body.raw_payload_id.clone());
        }
    }
}
