//! Folds the ends of inference calls, and their responses.

use super::calls::{close, turn_end_for_call};
use super::state::{InferenceFold, with_hint};
use crate::event::{RequestId, UpstreamRequestId};
use crate::graph::{Code, InferenceCall, Pointer, Producer};
use crate::reduce::Diagnostics;
use crate::reduce::decode::{
    ConversationFact, InferenceEnd, Logged, Outcome, RecordedResponse, ResponseItems, StreamedResponse,
};
use crate::reduce::fold::conversation::{ItemSource, ResponseEnd};
use crate::reduce::fold::{history_edits, provider_error, usage};

impl InferenceFold<'_> {
    /// Records the end of an inference call. The first end event that references a response payload provides the
    /// response, even if it is recorded after the end of the call.
    pub(super) fn end(&mut self, at: &Logged<ConversationFact>, end: &InferenceEnd, diagnostics: &mut Diagnostics) {
        let InferenceEnd {
            inference_call_id,
            outcome,
            response_id,
            upstream_request_id,
            first_token_at,
            usage,
            response_payload,
            response,
            detail: _,
        } = end;
        let payload = response_payload.as_ref();
        let index = self.calls.index_of(inference_call_id);
        let Some((index, call)) = index.and_then(|index| Some((index, self.calls.get_index_mut(index)?))) else {
            let message =
                format!("inference call {inference_call_id} ends, but was never started; the end is left out");
            diagnostics.add(at, Code::UnknownObject, message, payload);
            return;
        };
        let subject = format!("inference call {inference_call_id}");
        diagnostics.use_before_start(at, call.execution.started.seq, Code::UnknownObject, &subject);
        call.evidence.add(at.when.seq, payload.cloned());
        call.span.fill_from(at.context.span.as_ref());
        let enclosing_end = turn_end_for_call(self.thread_tables, &call.turn_id);
        let had_usage = call.usage.is_some();
        close(call, at, end, enclosing_end, diagnostics);
        let completed = matches!(outcome, Outcome::Completed);
        let is_first = call.raw_response_payload_id.is_none();
        if let Some(response) = response {
            let reported =
                EndEventFields { response_id, upstream_request_id, usage: *usage, first_token_at, completed };
            self.respond(at, index, response, &reported, diagnostics);
        }
        // A stream shows if it is whole, and it has been reported if it is not.
        let is_stream = is_first && response.as_ref().is_some_and(RecordedResponse::is_stream);
        let has_usage = self.calls.get_index(index).is_some_and(|call| call.usage.is_some());
        if has_usage && !had_usage && !completed && !is_stream {
            let message = format!("{subject} ended without a complete response; the usage that was reported is kept");
            diagnostics.add(at, Code::PartialUsage, message, payload);
        }
    }

    /// Records what arrived of the response of an inference call that never ended.
    pub(super) fn streamed(
        &mut self,
        at: &Logged<ConversationFact>,
        streamed: &StreamedResponse,
        diagnostics: &mut Diagnostics,
    ) {
        let StreamedResponse { inference_call_id, response } = streamed;
        if let Some(index) = self.calls.index_of(inference_call_id) {
            self.respond(at, index, response, &EndEventFields::NONE, diagnostics);
        }
    }

    /// Adds the response of an inference call to the conversation of its thread. Sets the call's response id, token
    /// counts and other fields of the response. The first response of a call counts.
    fn respond(
        &mut self,
        at: &Logged<ConversationFact>,
        index: usize,
        response: &RecordedResponse,
        reported: &EndEventFields<'_>,
        diagnostics: &mut Diagnostics,
    ) {
        let Some(call) = self.calls.get_index_mut(index) else { return };
        if call.raw_response_payload_id.is_some() {
            return;
        }
        let RecordedResponse { payload, body, chunks, without_content, unusable } = response;
        call.raw_response_payload_id = Some(payload.clone());
        call.raw_response_chunk_ids = chunks.iter().map(|(_, payload)| payload.clone()).collect();
        add_response_evidence(call, at, response);
        let subject = format!("the response of inference call {}", call.inference_call_id);
        let absent = |reason: &str| format!("{subject} is treated as absent: {reason}");
        let report = |(code, reason): (Code, &str)| diagnostics.add(at, code, absent(reason), Some(payload));
        let body = self.responses.open(index, body).map_err(report).ok();
        for (payload, bad) in unusable {
            let message = format!("{subject} is taken from other payloads: {}", bad.reason);
            diagnostics.add(at, bad.code, message, Some(payload));
        }
        let without_content = without_content.as_deref();
        let id = reported.response_id.as_ref().or_else(|| body?.response_id.as_ref());
        let id = id.or_else(|| without_content?.response_id.as_ref());
        call.response_id = id.cloned();
        // The first producers used one id for both, and recorded no id of the request.
        let of_response = || id.filter(|_| reported.upstream_request_id.is_unrecorded());
        let of_request = reported.upstream_request_id.given().cloned();
        call.upstream_request_id = of_request.or_else(|| of_response().map(|id| RequestId::from(id.as_str())));
        call.first_token_at = call.first_token_at.or(*reported.first_token_at);
        let usage = body.and_then(|body| body.usage.usage).or_else(|| without_content?.usage.usage);
        call.usage = usage.or(reported.usage).or(call.usage);
        if let Some(pointer) = body.and_then(|body| body.instructions).filter(|_| call.instructions.is_none()) {
            call.instructions = Some(Pointer { raw_payload_id: payload.clone(), pointer: pointer.into() });
        }
        if let Some(body) = body {
            usage::report_problems(at, &subject, &body.usage.problems, payload, diagnostics);
            // A completed response of an unknown shape may have what only looks like an error.
            let is_unknown =
                matches!(body.items, ResponseItems::UnknownShape | ResponseItems::Text | ResponseItems::Unrecognized);
            let is_known = !(reported.completed && is_unknown);
            if let Some(error) = body.error.as_ref().filter(|_| is_known) {
                provider_error::add((&mut call.error, &mut call.provider_error), error);
            }
        }
        if let Some(reason) = body.and_then(|body| body.partial.as_deref()) {
            let message =
                format!("{subject} is only a part of it: {reason}; the items and the usage that arrived are kept");
            diagnostics.add(at, Code::PartialStream, message, Some(payload));
        }
        if let Some(body) = body.filter(|body| !matches!(body.items, ResponseItems::UnknownShape)) {
            self.unread_fields.report(at, &subject, payload, &body.unread, diagnostics);
        }
        if !matches!(body.map(|body| &body.items), Some(ResponseItems::Listed(_))) {
            self.conversation.unknown_responses.insert(index);
        }
        let items = match body.map(|body| &body.items) {
            None => &[],
            Some(ResponseItems::Listed(items)) => &**items,
            Some(ResponseItems::NotRecorded) => {
                let message = with_hint(
                    &mut self.hint_given,
                    format!("{subject} was recorded without its content, so the output of the model is unknown"),
                );
                diagnostics.add(at, Code::ResponseUnknown, message, Some(payload));
                self.calls_without_content.insert(call.inference_call_id.clone());
                &[]
            }
            Some(ResponseItems::Encoded(encoding)) => {
                let message = format!(
                    "{subject} was recorded as {encoding}, which is not decoded, so the output of the model is unknown"
                );
                diagnostics.add(at, Code::ResponseUnknown, message, Some(payload));
                if reported.completed {
                    self.calls_without_content.insert(call.inference_call_id.clone());
                }
                &[]
            }
            Some(ResponseItems::Truncated(unusable)) => {
                diagnostics.add(at, unusable.code, absent(&unusable.reason), Some(payload));
                &[]
            }
            // A refused call has the provider's error in place of a response.
            Some(ResponseItems::UnknownShape | ResponseItems::Text | ResponseItems::Unrecognized)
                if !reported.completed && body.is_some_and(|body| body.error.is_some()) =>
            {
                &[]
            }
            Some(ResponseItems::Unrecognized) => {
                let message = format!(
                    "{subject} was recorded as bytes that are no response of a known API, so the output of the model is \
                     unknown; see the payload"
                );
                diagnostics.add(at, Code::ResponseUnknown, message, Some(payload));
                if reported.completed {
                    self.calls_without_content.insert(call.inference_call_id.clone());
                }
                &[]
            }
            Some(ResponseItems::UnknownShape | ResponseItems::Text) if !reported.completed => {
                let message = format!("{subject} has neither output nor a known form of an error; see the payload");
                diagnostics.add(at, Code::ResponseUnknown, message, Some(payload));
                &[]
            }
            Some(ResponseItems::Text) => {
                diagnostics.add(at, Code::BadPayload, absent("it is not a JSON object"), Some(payload));
                &[]
            }
            Some(ResponseItems::UnknownShape) => {
                let message = format!("{subject} has no list of output items, so the output of the model is unknown");
                diagnostics.add(at, Code::BadPayload, message, Some(payload));
                &[]
            }
        };
        let producer = Producer::Inference { inference_call_id: call.inference_call_id.clone() };
        let (thread, turn) = (&call.thread_id, &call.turn_id);
        let source = ItemSource { at, thread, turn, payload, producer: Some(producer), subject: &subject };
        if let Some(conversation) = body.and_then(|body| body.conversation_id.as_ref()) {
            self.conversation.server_conversations.assign(&source, index, conversation, diagnostics);
        }
        if reported.completed {
            self.conversation.server_conversations.complete(thread, index);
        }
        let end = if reported.completed { ResponseEnd::Completed(id) } else { ResponseEnd::Cut };
        call.response_item_ids = self.conversation.add_response(&source, index, end, items, diagnostics);
        if let Some(body) = body {
            let mut edits = history_edits::applied(&source, &body.applied_edits, diagnostics);
            let compaction = self.conversation.compaction_in_response(index);
            edits.extend(compaction.map(|item| history_edits::compaction(&source, item, diagnostics)));
            let possible = self.history_edits.permitted_in_response(index, body);
            edits.extend(self.history_edits.possible(&source, possible, &call.history_edits, diagnostics));
            call.history_edits.extend(edits);
        }
        let is_explained = body.is_none_or(|body| body.partial.is_some() || body.error.is_some());
        if response.is_stream() && !is_explained && self.conversation.are_empty(&call.response_item_ids) {
            let message = format!("{subject} has no output, although its stream is complete");
            diagnostics.add(at, Code::PartialStream, message, Some(payload));
        }
    }
}

/// Adds the payloads of a response to the evidence of its call, unless they are there.
fn add_response_evidence(call: &mut InferenceCall, at: &Logged<ConversationFact>, response: &RecordedResponse) {
    for (seq, chunk) in &response.chunks {
        call.evidence.add(*seq, Some(chunk.clone()));
    }
    let last = call.evidence.as_slice().last().and_then(|(_, payload)| payload.as_ref());
    if response.chunks.is_empty() && last != Some(&response.payload) {
        call.evidence.add(at.when.seq, Some(response.payload.clone()));
    }
}

/// The fields of an end event that describe the response, common to completed, failed and cancelled calls.
struct EndEventFields<'a> {
    response_id: &'a Option<crate::event::ResponseId>,
    upstream_request_id: &'a UpstreamRequestId,
    usage: Option<crate::event::Usage>,
    first_token_at: &'a Option<crate::event::UnixMillis>,
    /// `true` if the call completed, so that a later request may continue its response.
    completed: bool,
}

impl EndEventFields<'_> {
    /// The fields of a call without an end event.
    const NONE: Self = Self {
        response_id: &None,
        upstream_request_id: &UpstreamRequestId::None,
        usage: None,
        first_token_at: &None,
        completed: false,
    };
}
