//! Records the results of tool calls.

use std::sync::Arc;

use serde::Serialize;

use super::end::End;
use super::thread_recording::JsonPayload;
use super::tool::ToolCallOperation;
use super::tool_invocation::FUNCTION_OUTPUT;
use super::tool_progress::outcome;
use crate::bundle::{Body, Json, Lost, ReadyBody};
use crate::event::{CallId, ExecutionStatus, PayloadKind, Timestamp};
use crate::layer::session::reentrancy::lock;

/// A `tool_result` body that is made of a text, in the shape of format 1.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum TextResult<'a> {
    /// The text that is returned to the model.
    DirectResponse { response_item: OutputItem<'a> },
    /// The text that is returned to the code cell that made the call.
    CodeModeResponse { value: &'a str },
    /// The error of a call that fails without a result.
    Error { error: &'a str },
}

/// The item that returns the output of a tool to the model.
#[derive(Serialize)]
struct OutputItem<'a> {
    r#type: &'static str,
    call_id: Option<&'a CallId>,
    output: &'a str,
}

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
        let (mut result, raw) = match stored.and_then(|stored| recording.json_payload(PayloadKind::ToolResult, stored))
        {
            Ok(JsonPayload { reference, raw }) => (Some(reference), raw),
            Err(_counted) => (None, None),
        };
        let replaced = self.lifecycle.unless_ended(|| lock(&self.progress).set_result(result.take()));
        // A result that comes after the end, or that a later result replaces, is referenced by a separate payload
        // event.
        let separate = replaced.unwrap_or(result);
        for reference in separate.into_iter().chain(raw) {
            self.write_payload_event(reference, at);
        }
    }

    /// Records the text that the tool returned to the model, or to the code cell that made the call.
    pub(in crate::layer) fn record_output(self: &Arc<Self>, text: &str) {
        if self.facts.cell.is_some() {
            return self.record_result(&Json(&TextResult::CodeModeResponse { value: text }));
        }
        let (r#type, call_id) = (self.output_item_type.unwrap_or(FUNCTION_OUTPUT), self.facts.call_id.as_ref());
        let response_item = OutputItem { r#type, call_id, output: text };
        self.record_result(&Json(&TextResult::DirectResponse { response_item }));
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
        let error = {
            let progress = lock(&self.progress);
            // No body is encoded while a panic unwinds: a redactor of the program could panic again.
            let (status, error) = outcome(end, &progress, None);
            error.filter(|_| status == ExecutionStatus::Failed && progress.result.is_none())?.to_owned()
        };
        let body = TextResult::Error { error: &error };
        Some(self.session().options.prepare_body(PayloadKind::ToolResult, &Json(&body)))
    }
}
