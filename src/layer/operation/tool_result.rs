//! Records the results of tool calls.

use std::sync::Arc;

use super::end::End;
use super::thread_recording::JsonPayload;
use super::tool::ToolCallOperation;
use super::tool_invocation::FUNCTION_OUTPUT;
use super::tool_progress::outcome;
use crate::bundle::{Body, Json, Lost, ReadyBody};
use crate::event::{ExecutionStatus, PayloadKind, Timestamp};
use crate::layer::session::reentrancy::lock;

impl ToolCallOperation {
    /// Records the result, a `tool_result` body. Bytes that are not JSON are the text that the tool returned, if they are
    /// UTF-8.
    pub(in crate::layer) fn record_result(self: &Arc<Self>, body: &dyn Body) {
        let at = Timestamp::now();
        if self.session().is_off("a tool result") {
            return;
        }
        let Some((recording, _, _)) = self.ensure_started(at) else {
            return self.count_loss_without_start(Lost::Payload(PayloadKind::ToolResult));
        };
        let ready = self.session().options.prepare_body(PayloadKind::ToolResult, body);
        if let Some(text) = ready.text() {
            return self.record_output(text);
        }
        let stored = recording.store_ready(ready);
        let (result, raw) = match stored.and_then(|stored| recording.json_payload(PayloadKind::ToolResult, stored)) {
            Ok(JsonPayload { reference, raw }) => (Some(reference), raw),
            Err(_counted) => (None, None),
        };
        let set_result = || lock(&self.progress).set_result(result.clone());
        // A result that comes after the end, or that a later result replaces, is referenced by a separate payload
        // event.
        let separate = self.lifecycle.unless_ended(set_result).unwrap_or(result);
        for reference in separate.into_iter().chain(raw) {
            self.write_payload_event(reference, at);
        }
    }

    /// Records the text that the tool returned to the model, or to the code cell that made the call.
    pub(in crate::layer) fn record_output(self: &Arc<Self>, text: &str) {
        if self.facts.cell.is_some() {
            return self.record_result(&Json(&serde_json::json!({ "type": "code_mode_response", "value": text })));
        }
        let call_id = self.facts.call_id.as_ref();
        let item_type = self.output_item_type.unwrap_or(FUNCTION_OUTPUT);
        let item = serde_json::json!({ "type": item_type, "call_id": call_id, "output": text });
        self.record_result(&Json(&serde_json::json!({ "type": "direct_response", "response_item": item })));
    }

    /// Records a result from the fields of the span, unless the program has recorded a result body. Replaces an earlier
    /// result from fields.
    pub(in crate::layer) fn record_output_from_fields(self: &Arc<Self>, text: &str) {
        let is_known = {
            let progress = lock(&self.progress);
            progress.result.is_some() && !progress.is_result_from_fields
        };
        if !is_known {
            self.record_output(text);
            lock(&self.progress).is_result_from_fields = true;
        }
    }

    /// Returns `true` if there was a result, whether it was stored or lost.
    pub(in crate::layer) fn has_result(&self) -> bool {
        lock(&self.progress).has_result
    }

    /// Returns a result body for a call that fails without a result. Returns `None` if none is needed.
    pub(super) fn error_result(&self, end: &End) -> Option<ReadyBody> {
        let progress = lock(&self.progress).clone();
        // No body is encoded while a panic unwinds: a redactor of the program could panic again.
        let (status, error) = outcome(end, &progress, None);
        let error = error.filter(|_| status == ExecutionStatus::Failed && progress.result.is_none())?;
        let body = serde_json::json!({ "type": "error", "error": error });
        Some(self.session().options.prepare_body(PayloadKind::ToolResult, &Json(&body)))
    }
}
