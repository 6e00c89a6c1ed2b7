//! Collects the facts about a live span from the events and payloads that its operations record.

mod attempts;
mod ends;
mod starts;

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanContext, SpanId};
use serde::Deserialize;

use self::attempts::Attempt;
use super::export::LiveExport;
use super::link_target::{EarliestStart, LinkTarget, SpanOrder};
use super::tool_requests::{Requester, ToolRequests};
use crate::event::{
    CallId, EndDetail, Event, ExecutionStatus, PayloadKind, PayloadRef, RawPayloadId, ThreadId, Timestamp, ToolCallId,
    TraceId,
};
use crate::layer::live::EventMeta;
use crate::otlp::span::attribute;
use crate::otlp::span::content_policy::ContentPolicy;
use crate::otlp::span::digest::{InvocationDigest, RequestDigest, ResponseDigest, ResultDigest, RuntimeDigest};
use crate::otlp::span::facts::{SpanDetail, SpanFacts};

/// The facts about a live span so far.
#[derive(Debug)]
pub(super) struct LiveFacts {
    is_finished: bool,
    recording: Option<TraceId>,
    facts: Option<SpanFacts>,
    order: SpanOrder,
    earliest_start: Arc<EarliestStart>,
    /// The OpenTelemetry span. `None` until it has started.
    otel_span: Option<OtelSpan>,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    /// The other attempts of a call of a model; `facts` are those of the attempt that started or ended last.
    attempts: Vec<Attempt>,
    /// The start of the attempt that `facts` are about.
    attempt_started_at: Option<Timestamp>,
    /// Digests of payloads that no event has referenced yet.
    digests: Vec<(RawPayloadId, Digest)>,
    links: Vec<(LinkTarget, KeyValue)>,
    /// Inference call in the turn of a tool call whose response items were not recorded. It counts as the requester if
    /// no known response requested the tool call.
    unrecorded_response: Option<LinkTarget>,
    /// `true` for a tool call that a model may have requested and whose request is not known yet.
    may_be_requested: bool,
    /// Of a tool call: the id by which it is linked to the call that it runs, which is the name of the tool if the call
    /// has no id. `None` if it has neither.
    requested_as: Option<CallId>,
}

/// The digest of a payload, by kind.
#[derive(Debug)]
pub(super) enum Digest {
    Request(Box<RequestDigest>),
    Response(Box<ResponseDigest>),
    Invocation(InvocationDigest),
    Runtime(RuntimeDigest),
    Result(ResultDigest),
    Session(SessionDigest),
}

/// Digest of a `session_metadata` payload.
#[derive(Debug, Default, Deserialize)]
pub(super) struct SessionDigest {
    #[serde(default)]
    nickname: Option<String>,
    #[serde(default)]
    model: Option<String>,
}

/// The OpenTelemetry span of an operation, and its parent.
#[derive(Debug, Clone)]
pub(super) struct OtelSpan {
    pub(super) context: SpanContext,
    pub(super) parent: Option<SpanId>,
}

/// The target and the attribute of a link.
pub(super) type ResolvedLink = (SpanContext, KeyValue);

impl LiveFacts {
    /// Creates the facts about a span that was just opened.
    pub(super) fn new(earliest_start: Arc<EarliestStart>) -> Self {
        Self {
            is_finished: false,
            recording: None,
            facts: None,
            order: SpanOrder::default(),
            earliest_start,
            otel_span: None,
            started_at: None,
            ended_at: None,
            attempts: Vec::new(),
            attempt_started_at: None,
            digests: Vec::new(),
            links: Vec::new(),
            unrecorded_response: None,
            may_be_requested: false,
            requested_as: None,
        }
    }

    /// Returns the span as a target of links. Returns `None` before the OpenTelemetry span has started.
    fn link_target(&self) -> Option<LinkTarget> {
        Some(LinkTarget { span: self.otel_span.as_ref()?.context.clone(), order: self.order })
    }

    /// Returns `true` if the span may link to `target`: never to its parent, and only to a span that started before it,
    /// so that no chain of parents and links closes a cycle. Viewers render nothing of a cycle.
    fn may_link(&self, target: &LinkTarget) -> bool {
        let parent = self.otel_span.as_ref().and_then(|otel_span| otel_span.parent);
        target.order.is_before(self.order) && parent != Some(target.span.span_id())
    }

    /// Digests a payload. Returns `None` for kinds of payloads that are not exported.
    pub(super) fn digest_payload(kind: PayloadKind, body: &[u8], content: ContentPolicy) -> Option<Digest> {
        Some(match kind {
            PayloadKind::InferenceRequest => Digest::Request(Box::new(RequestDigest::parse(body, content))),
            PayloadKind::InferenceResponse => Digest::Response(Box::new(ResponseDigest::parse_live(body, content))),
            PayloadKind::CompactionResponse => {
                Digest::Response(Box::new(ResponseDigest::parse(body, ContentPolicy::Omit)))
            }
            PayloadKind::ToolInvocation => Digest::Invocation(InvocationDigest::parse(body, content)),
            PayloadKind::ToolRuntimeEvent => Digest::Runtime(RuntimeDigest::parse(body)),
            PayloadKind::ToolResult => Digest::Result(ResultDigest::parse(body, content)),
            PayloadKind::SessionMetadata => Digest::Session(serde_json::from_slice(body).unwrap_or_default()),
            PayloadKind::CompactionRequest
            | PayloadKind::CompactionCheckpoint
            | PayloadKind::TerminalRuntimeEvent
            | PayloadKind::ProtocolEvent
            | PayloadKind::AgentResult => return None,
        })
    }

    /// Returns `true` if the facts were taken by [`finish`](Self::finish) already.
    pub(super) fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// Keeps the digest of a payload until an event references the payload.
    pub(super) fn add_digest(&mut self, id: RawPayloadId, digest: Digest) {
        if !self.is_finished {
            self.digests.push((id, digest));
        }
    }

    /// Takes the digest of a payload. Returns `None` if the payload was not digested or its digest was taken before.
    fn take_digest(&mut self, body: &PayloadRef) -> Option<Digest> {
        let index = self.digests.iter().position(|(id, _)| *id == body.raw_payload_id)?;
        Some(self.digests.swap_remove(index).1)
    }

    /// Links the span of a spawned thread to the tool call that spawned it.
    pub(super) fn add_spawn(&mut self, export: &LiveExport, parent: &ThreadId, tool: &ToolCallId) {
        if let Some(recording) = &self.recording {
            self.links.extend(export.spawn_link(recording, parent, tool));
        }
    }

    /// Ends the collection and returns the facts, the links and the duration. Returns `None` if no operation started in
    /// the span, and on every later call.
    pub(super) fn finish(
        &mut self,
        export: &LiveExport,
        otel_span: Option<OtelSpan>,
    ) -> Option<(SpanFacts, Vec<ResolvedLink>, Duration)> {
        self.otel_span = self.otel_span.take().or(otel_span);
        // A response may be complete only after the tool calls that it requested.
        self.link_to_requester(export);
        self.link_by_name(export);
        self.link_to_unrecorded_response(export);
        self.is_finished = true;
        self.digests.clear();
        let facts = self.facts.take()?;
        let ended_at = self.ended_at.unwrap_or_else(Timestamp::now);
        let millis = self.started_at.map_or(0, |started_at| ended_at.millis_since(started_at));
        let mut links = std::mem::take(&mut self.links);
        links.retain(|(target, _)| self.may_link(target));
        let links = links.into_iter().map(|(target, attribute)| (target.span, attribute)).collect();
        Some((facts, links, Duration::from_millis(millis)))
    }

    /// Links a tool call to the inference call that requested it, if its response is complete.
    fn link_to_requester(&mut self, export: &LiveExport) {
        self.link_to(export, ToolRequests::requester);
    }

    /// Links a tool call with an id that its client made up to the inference call that requested a tool of its name. A
    /// response of the turn that was not recorded may have the id.
    fn link_by_name(&mut self, export: &LiveExport) {
        if self.unrecorded_response.is_none() {
            self.link_to(export, ToolRequests::requester_by_name);
        }
    }

    /// Links a tool call to the inference call that `requester` returns for its call id.
    fn link_to(
        &mut self,
        export: &LiveExport,
        requester: impl FnOnce(&mut ToolRequests, &CallId, &ToolCallId) -> Option<Requester>,
    ) {
        let (Some(recording), Some((thread, call, tool))) = (&self.recording, self.requested_tool()) else { return };
        let find = |requests: &mut ToolRequests| requester(requests, call?, &tool);
        if let Some(Some(Requester(span))) = export.with_tool_requests(recording, thread, find) {
            self.links.extend(span.map(requested_by));
            self.may_be_requested = false;
        }
    }

    /// Links a tool call that no known response requested to the inference call in its turn whose response was not
    /// recorded.
    fn link_to_unrecorded_response(&mut self, export: &LiveExport) {
        let (Some(recording), Some((thread, call, tool))) = (&self.recording, self.requested_tool()) else { return };
        if let Some(call) = call {
            export.with_tool_requests(recording, thread, |requests| requests.remove_tool(call, &tool));
        }
        self.links.extend(self.unrecorded_response.take().map(requested_by));
        self.may_be_requested = false;
    }

    /// Returns thread, call id and id of a tool call that a model may have requested and whose request is not known yet.
    fn requested_tool(&self) -> Option<(&ThreadId, Option<&CallId>, ToolCallId)> {
        let facts = self.facts.as_ref().filter(|_| self.may_be_requested)?;
        let SpanDetail::Tool(_) = &facts.detail else { return None };
        Some((&facts.thread_id, self.requested_as.as_ref(), ToolCallId::from(Arc::clone(&facts.object_id))))
    }

    /// Adds the facts of an event. Does nothing after [`finish`](Self::finish).
    pub(super) fn add_event(
        &mut self,
        export: &LiveExport,
        otel_span: Option<OtelSpan>,
        meta: EventMeta<'_>,
        event: &Event,
    ) {
        if self.is_finished {
            return;
        }
        self.otel_span = self.otel_span.take().or(otel_span);
        if self.recording.is_none() {
            self.recording = Some(meta.recording.clone());
        }
        match event {
            Event::ThreadStarted(event) => self.thread_started(export, meta, event),
            Event::ThreadEnded(event) => self.thread_ended(export, meta, event),
            Event::TurnStarted(event) => self.turn_started(export, meta, event),
            Event::TurnEnded(event) => self.turn_ended(export, meta, event),
            Event::InferenceStarted(event) => self.inference_started(export, meta, event),
            Event::InferenceCompleted(event) => self.inference_completed(export, meta, event),
            Event::InferenceFailed(event) => self.inference_failed(export, meta, event),
            Event::InferenceCancelled(event) => self.inference_cancelled(export, meta, event),
            Event::ToolCallStarted(event) => self.tool_started(export, meta, event),
            Event::McpToolCallCorrelationAssigned(event) => self.tool_correlated(event),
            Event::ToolCallRuntimeStarted(event) => self.tool_runtime(&event.runtime_payload),
            Event::ToolCallRuntimeEnded(event) => self.tool_runtime(&event.runtime_payload),
            Event::ToolCallEnded(event) => self.tool_ended(export, meta, event),
            Event::CodeCellStarted(event) => self.cell_started(export, meta, event),
            Event::CodeCellInitialResponse(event) => {
                self.cell_response(event.status, event.response_payload.as_ref());
            }
            Event::CodeCellEnded(event) => {
                self.cell_response(event.status, event.response_payload.as_ref());
                self.end(meta, event.status.into(), None, event.detail());
            }
            Event::CompactionRequestStarted(event) => self.compaction_started(export, meta, event),
            Event::CompactionRequestCompleted(event) => self.compaction_completed(meta, event),
            Event::CompactionRequestFailed(event) => self.compaction_failed(meta, event),
            Event::AgentResultObserved(event) => {
                // The event is recorded in the span of the reporting turn, or of its thread if the turn has none.
                export.add_agent_result(meta.recording, &event.parent_thread_id, self.link_target());
            }
            Event::RolloutStarted(_)
            | Event::RolloutEnded(_)
            | Event::CompactionInstalled(_)
            | Event::ProtocolEventObserved(_)
            | Event::Other(_) => {}
        }
    }

    /// Starts the facts of an operation. Only the first operation of a span counts: a span that opened a thread and its
    /// turn is the thread's. Of the attempts of a call of a model, the latest counts.
    fn start(
        &mut self,
        export: &LiveExport,
        meta: EventMeta<'_>,
        object_id: Arc<str>,
        thread_id: ThreadId,
        detail: SpanDetail,
    ) {
        match &self.facts {
            None => {
                self.order = SpanOrder::start(export.ordinal(), &self.earliest_start);
                self.started_at = Some(meta.at);
            }
            Some(known) if is_next_attempt(known, &detail) => self.put_aside(),
            Some(_) => return,
        }
        self.attempt_started_at = Some(meta.at);
        self.facts = Some(SpanFacts {
            bundle: meta.bundle.map(Arc::from),
            object_id,
            thread_id,
            conversation_id: meta.conversation_id.cloned(),
            turn_id: meta.context.turn_id.clone(),
            status: ExecutionStatus::Running,
            error: None,
            end: EndDetail::default(),
            payload_ids: Vec::new(),
            detail,
        });
    }

    /// Records the end of the operation.
    fn end(&mut self, meta: EventMeta<'_>, status: ExecutionStatus, error: Option<String>, end: EndDetail) {
        if let Some(facts) = &mut self.facts {
            (facts.status, facts.error, facts.end) = (status, error, end);
            self.ended_at = Some(meta.at);
        }
    }

    /// Adds the id of a payload of the operation.
    fn add_payload(&mut self, body: &PayloadRef) {
        if let Some(facts) = &mut self.facts
            && !facts.payload_ids.contains(&body.raw_payload_id)
        {
            facts.payload_ids.push(body.raw_payload_id.clone());
        }
    }
}

/// Returns `true` if an operation with these facts is the next attempt of a call of a model in the same span.
fn is_next_attempt(known: &SpanFacts, detail: &SpanDetail) -> bool {
    matches!(
        (&known.detail, detail),
        (SpanDetail::Inference(_), SpanDetail::Inference(_)) | (SpanDetail::Compaction(_), SpanDetail::Compaction(_))
    )
}

/// Returns the link of a tool call to the inference call that requested it.
fn requested_by(inference: LinkTarget) -> (LinkTarget, KeyValue) {
    (inference, KeyValue::new(attribute::LINK, "requested_by"))
}
