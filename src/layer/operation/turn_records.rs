//! What is recorded of a turn besides its start and its end.

use std::sync::Arc;

use super::turn::TurnOperation;
use crate::bundle::Body;
use crate::event::{AgentResultObserved, EventKind, PayloadKind, PayloadRef, Timestamp};

impl TurnOperation {
    /// Stores a body that no event has a field for, and writes a payload event for it. `metadata` names the operation
    /// that it belongs to.
    pub(super) fn record_separate_payload(
        self: &Arc<Self>,
        kind: PayloadKind,
        body: &dyn Body,
        metadata: &serde_json::Value,
    ) {
        let at = Timestamp::now();
        if self.session().is_off("a body") {
            return;
        }
        let Some((recording, _)) = self.ensure_started(at) else { return };
        if let Ok(stored) = recording.store_separate_payload(kind, body) {
            self.write_payload_event(stored.reference, metadata, at);
        }
    }

    /// Writes a payload event for a stored payload. `metadata` names the operation that it belongs to.
    pub(super) fn write_payload_event(
        self: &Arc<Self>,
        payload: PayloadRef,
        metadata: &serde_json::Value,
        at: Timestamp,
    ) {
        if self.session().is_off("a body") {
            return;
        }
        if let Some((recording, scope)) = self.ensure_started(at) {
            recording.write_payload_event(&scope.context, payload, metadata, at);
        }
    }

    /// Registers a child process of this turn and returns the value of `OTEL_TRACE_PARENT` for it. Returns `None` if
    /// the turn is not recorded.
    pub(in crate::layer) fn register_child_process(self: &Arc<Self>) -> Option<String> {
        let at = Timestamp::now();
        if self.session().is_off("a child process") {
            return None;
        }
        let (recording, scope) = self.ensure_started(at)?;
        recording.register_child_process(&scope.context, None, at)
    }

    /// Records that the result of this turn reached the thread that spawned its thread. If no thread did, only the body
    /// is kept, in a payload event.
    pub(in crate::layer) fn record_agent_result(self: &Arc<Self>, message: &str, body: &dyn Body) {
        let at = Timestamp::now();
        if self.session().is_off("an agent's result") {
            return;
        }
        let Some((recording, scope)) = self.ensure_started(at) else { return };
        let message = self.session().options.redact_text(EventKind::AgentResultObserved, message);
        // The event is written even if its payload is lost.
        let carried = recording.of(self.live()).store_json(PayloadKind::AgentResult, body).ok();
        let (carried_payload, raw) = carried.map_or((None, None), |body| (Some(body.reference), body.raw));
        let Some(parent) = self.thread().parent_id() else {
            let metadata = serde_json::json!({ "message": message });
            carried_payload.into_iter().chain(raw).for_each(|body| self.write_payload_event(body, &metadata, at));
            return;
        };
        let event = AgentResultObserved {
            edge_id: format!("edge:agent_result:{}:{}:{parent}", recording.id, scope.turn_id).into(),
            child_thread_id: recording.id.clone(),
            child_turn_id: scope.turn_id.clone(),
            parent_thread_id: parent.clone(),
            message: message.into_owned(),
            carried_payload,
        };
        // An implicit turn has no live span, so the event is attributed to the span of its thread.
        let live = if self.live().is_some() { self.live() } else { self.thread().live() };
        recording.of(live).write_event(&scope.context, event, at);
        raw.into_iter().for_each(|raw| self.write_payload_event(raw, &serde_json::Value::Null, at));
    }

    /// Records a body of any kind in a payload event.
    pub(in crate::layer) fn record_payload(self: &Arc<Self>, kind: PayloadKind, body: &dyn Body) {
        self.record_separate_payload(kind, body, &serde_json::Value::Null);
    }
}
