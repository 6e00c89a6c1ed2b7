//! What a span's fields said of its call, told before the call ends.

use std::sync::Arc;

use super::field_bodies::ResponseBody;
use super::fields::Fields;
use super::window::{InferenceWindow, ToolWindow};
use crate::bundle::Json;

/// Of an inference call: its answer, usage and error.
pub(super) fn of_inference(inference: &Arc<InferenceWindow>, fields: &Fields) {
    if let Some(id) = &fields.response_id {
        inference.response_id(id);
    }
    if let Some(usage) = fields.usage() {
        inference.usage(usage);
    }
    inference.note_error(fields.error());
    if let Some(body) = ResponseBody::of(fields) {
        inference.response_of_fields(&Json(&body));
    }
}

/// Of a tool call: its arguments, result and error.
pub(super) fn of_tool(tool: &Arc<ToolWindow>, fields: &Fields) {
    if let Some(arguments) = &fields.arguments {
        tool.late_arguments(arguments);
    }
    if let Some(result) = &fields.result {
        tool.output_of_fields(result);
    }
    tool.note_error(fields.error());
}
