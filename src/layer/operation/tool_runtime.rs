//! Records what the runtime, an MCP client and child processes report of a tool call.

use std::sync::Arc;

use super::thread_recording::{BUNDLE_FULL, JsonPayload};
use super::tool::ToolCallOperation;
use crate::bundle::{Body, Lost};
use crate::event::{
    Event, EventContext, EventKind, ExecutionStatus, McpCallId, McpToolCallCorrelationAssigned, PayloadKind,
    PayloadRef, Timestamp, ToolCallId, ToolCallRuntimeEnded, ToolCallRuntimeStarted,
};

impl ToolCallOperation {
    /// Records that the runtime begins to run the tool, with a `tool_runtime_event` body.
    pub(in crate::layer) fn record_runtime_started(self: &Arc<Self>, body: &dyn Body) {
        let event = |tool_call_id, runtime_payload| ToolCallRuntimeStarted { tool_call_id, runtime_payload }.into();
        self.record_runtime_event(body, EventKind::ToolCallRuntimeStarted, event);
    }

    /// Records that the runtime has finished running the tool, with a `tool_runtime_event` body.
    pub(in crate::layer) fn record_runtime_ended(self: &Arc<Self>, status: ExecutionStatus, body: &dyn Body) {
        let event =
            |tool_call_id, runtime_payload| ToolCallRuntimeEnded { tool_call_id, status, runtime_payload }.into();
        self.record_runtime_event(body, EventKind::ToolCallRuntimeEnded, event);
    }

    /// Stores a `tool_runtime_event` body and writes the event that references it.
    fn record_runtime_event(
        self: &Arc<Self>,
        body: &dyn Body,
        kind: EventKind,
        event: impl FnOnce(ToolCallId, PayloadRef) -> Event,
    ) {
        let at = Timestamp::now();
        if self.session().is_off(kind.name()) {
            return;
        }
        let Some((recording, scope, id)) = self.ensure_started(at) else {
            return self.count_loss_without_start(Lost::Event(kind));
        };
        let writer = &recording.bundle.writer;
        if kind == EventKind::ToolCallRuntimeStarted && writer.is_full() {
            // Rejected here, since the store accepts these bodies even in a full bundle: they may belong to an end
            // event.
            writer.report_dependent_loss(Lost::Payload(PayloadKind::ToolRuntimeEvent), BUNDLE_FULL);
            writer.report_dependent_loss(Lost::Event(kind), BUNDLE_FULL);
            return;
        }
        match recording.store_json(PayloadKind::ToolRuntimeEvent, body) {
            Ok(JsonPayload { reference, raw }) => {
                recording.write_event(&scope.context, event(id.clone(), reference), at);
                self.write_raw_payload_event(raw, at);
            }
            Err(_counted) => {
                recording.bundle.writer.report_dependent_loss(Lost::Event(kind), "its body could not be stored");
            }
        }
    }

    /// Counts the data of this call as lost because its start event was lost, so that the log cannot refer to the call.
    pub(super) fn count_loss_without_start(&self, lost: Lost) {
        if let Some(recording) = self.turn().thread().started() {
            recording.bundle.writer.report_dependent_loss(lost, "the start of its tool call could not be written");
        }
    }

    /// Registers a child process that this call spawns and returns the value of `OTEL_TRACE_PARENT` for it. Returns
    /// `None` if the call is not recorded.
    pub(in crate::layer) fn register_child_process(self: &Arc<Self>) -> Option<String> {
        let at = Timestamp::now();
        if self.session().is_off("a child process") {
            return None;
        }
        let Some((recording, scope, id)) = self.ensure_started(at) else {
            self.count_loss_without_start(Lost::Event(EventKind::Other));
            return None;
        };
        recording.register_child_process(&scope.context, Some(id.clone()), at)
    }

    /// Records the id that an MCP client gave the call.
    pub(in crate::layer) fn record_mcp_call_id(self: &Arc<Self>, id: &str) {
        let at = Timestamp::now();
        if self.session().is_off("an MCP call id") {
            return;
        }
        let Some((recording, _, tool_call_id)) = self.ensure_started(at) else { return };
        let event =
            McpToolCallCorrelationAssigned { tool_call_id: tool_call_id.clone(), mcp_call_id: McpCallId::from(id) };
        // The event has no thread and turn in other recordings of the format, since an MCP client knows neither.
        recording.write_event(&EventContext::default(), event, at);
    }
}
