//! What a span's fields said of its call, told before the call ends.

use std::sync::Arc;

use super::field_bodies::ResponseBody;
use super::fields::Fields;
use super::json_text::JsonText;
use super::operation::{InferenceOperation, ToolCallOperation};
use crate::bundle::Json;

/// Of an inference call: its answer, usage and error. `wire_reply` is what a framework logged as the answer, which
/// counts where the span does not say what it was.
pub(super) fn of_inference(inference: &Arc<InferenceOperation>, fields: &Fields, wire_reply: Option<&str>) {
    if let Some(id) = &fields.response_id {
        inference.response_id(id);
    }
    if let Some(id) = &fields.upstream_request_id {
        inference.upstream_request_id(id);
    }
    if let Some(delay) = fields.time_to_first_chunk {
        inference.first_token_after(delay);
    }
    if let Some(usage) = fields.usage() {
        inference.usage(usage);
    }
    inference.note_error(fields.error());
    match (wire_reply, ResponseBody::of(fields)) {
        (Some(reply), _) if fields.output_messages.is_none() => {
            inference.response_of_fields(&JsonText::of(reply));
        }
        (_, Some(body)) => inference.response_of_fields(&Json(&body)),
        (_, None) => {}
    }
    if let Some(id) = fields.upstream_request_id.as_ref().filter(|_| !inference.is_answered()) {
        inference.note_error_if_none(|| {
            format!("the provider answered request {id} with no response; the span does not say with what")
        });
    }
}

/// Of a tool call: its arguments, result and error.
pub(super) fn of_tool(tool: &Arc<ToolCallOperation>, fields: &Fields) {
    if let Some(arguments) = &fields.arguments {
        tool.late_arguments(arguments);
    }
    if let Some(result) = &fields.result {
        tool.output_of_fields(result);
    }
    tool.note_error(fields.error());
}
