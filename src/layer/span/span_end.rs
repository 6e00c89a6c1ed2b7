//! Passes field values of a span to its call before the call ends.

use std::sync::Arc;

use super::field_bodies::ResponseBody;
use super::fields::Fields;
use super::json_text::JsonText;
use crate::bundle::Json;
use crate::layer::operation::{Attempt, CompactionOperation, InferenceOperation, SpanEnd, ToolCallOperation};

/// An attempt of a call of a model, to which the fields of its span belong until the next attempt begins.
pub(in crate::layer) trait OutcomeFields: Attempt {
    /// Passes what the fields tell of the outcome to the attempt, which is about to end.
    fn apply_outcome(self: &Arc<Self>, outcome: &Fields);
}

impl OutcomeFields for InferenceOperation {
    fn apply_outcome(self: &Arc<Self>, outcome: &Fields) {
        store_response(self, outcome, None);
        apply_to_inference(self, outcome);
        self.set_span_end(end_of_attempt(outcome));
    }
}

impl OutcomeFields for CompactionOperation {
    fn apply_outcome(self: &Arc<Self>, outcome: &Fields) {
        apply_to_compaction(self, outcome);
        self.set_span_end(end_of_attempt(outcome));
    }
}

/// Returns what the span tells of the end of an attempt that another one follows. The own fields of the span belong to the
/// last attempt.
fn end_of_attempt(fields: &Fields) -> SpanEnd {
    let (error_type, is_error_event) = (fields.outcome.error_type.clone(), fields.outcome.is_error_event());
    SpanEnd { error_type, is_error_event, ..SpanEnd::default() }
}

/// Records the response in the fields of its span for an inference call. `wire_reply` is the response that a framework
/// logged; it is used if the span has no output messages.
pub(super) fn store_response(inference: &Arc<InferenceOperation>, fields: &Fields, wire_reply: Option<&str>) {
    match (wire_reply, ResponseBody::from_fields(fields)) {
        (Some(reply), _) if fields.output_messages.is_none() => {
            inference.record_response_from_fields(&JsonText::parse(reply), true);
        }
        (_, Some(body)) => inference.record_response_from_fields(&Json(&body), fields.output_messages.is_some()),
        (_, None) => {}
    }
}

/// Records the result in the fields of its span for a tool call.
pub(super) fn store_result(tool: &Arc<ToolCallOperation>, fields: &Fields) {
    if let Some(result) = fields.result.as_ref().or(fields.outcome.returned.as_ref()) {
        tool.record_output_from_fields(result);
    }
}

/// Passes ids, token usage and error in the fields of its span to an inference call, whose response is recorded.
pub(super) fn apply_to_inference(inference: &Arc<InferenceOperation>, fields: &Fields) {
    if let Some(id) = &fields.response_id {
        inference.record_response_id(id);
    }
    if let Some(id) = &fields.upstream_request_id {
        // An empty id tells that the provider gave none.
        inference.record_upstream_request_id(Some(id.as_str()).filter(|id| !id.is_empty()));
    }
    if let Some(delay) = fields.time_to_first_chunk {
        inference.record_first_token_after(delay);
    }
    if let Some(usage) = fields.usage.usage() {
        inference.record_usage(usage);
    }
    inference.set_error(fields.outcome.error());
    if !inference.has_response() {
        inference.set_error(fields.outcome.error().or_else(|| fields.outcome.logged_error.clone()));
    }
    let is_unexplained = !inference.has_response() && !inference.is_refused();
    if let Some(id) = fields.upstream_request_id.as_ref().filter(|id| !id.is_empty() && is_unexplained) {
        inference.set_error_if_none(|| {
            format!("the provider answered request {id} with no response, and the span does not record why")
        });
    }
}

/// Passes the error in the fields of its span to a compaction request, whose response is recorded.
pub(super) fn apply_to_compaction(compaction: &CompactionOperation, fields: &Fields) {
    let logged = fields.outcome.logged_error.clone().filter(|_| !compaction.has_response());
    compaction.set_error(fields.outcome.error().or(logged));
}

/// Passes the error in the fields of its span to a tool call, whose result is recorded.
pub(super) fn apply_to_tool(tool: &Arc<ToolCallOperation>, fields: &Fields) {
    let logged = fields.outcome.logged_error.clone().filter(|_| !tool.has_result());
    tool.set_error(fields.outcome.error().or(logged));
}
