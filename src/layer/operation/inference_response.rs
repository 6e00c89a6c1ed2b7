//! Records the responses of inference calls, whole, incomplete or in chunks.

use std::sync::Arc;

use super::inference::InferenceOperation;
use super::inference_progress::Unanswered;
use super::thread_recording::SpanRecording;
use crate::bundle::{Body, Lost, ReadyBody, Stored};
use crate::event::{PayloadKind, ResponseId, Timestamp};
use crate::layer::session::reentrancy::lock;
use crate::provider::{StreamFault, requested_tools, response_id, stream_fault};

/// What a response was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// A body of the program, or the bytes that its client received.
    Program,
    /// Fields of the span.
    Fields,
    /// Fields of the span, which do not tell the output.
    FieldsWithoutOutput,
}

/// What a call needs to know of its response.
#[derive(Debug, Default)]
struct ResponseFacts {
    /// The id in the body. Not read if the program has given one.
    id: Option<ResponseId>,
    /// The ids of the calls of tools that the response asks for. `None` if it asks for none, or is not read.
    calls: Option<Vec<String>>,
    /// `true` if the response was read and asks for no tool.
    is_final_answer: bool,
    /// Why the response is no answer, if it is a stream.
    fault: Option<StreamFault>,
}

impl ResponseFacts {
    fn read(body: &ReadyBody, has_id: bool) -> Self {
        let bytes = body.bytes();
        let id = (body.is_json() && !has_id).then(|| response_id(bytes)).flatten();
        let calls = requested_tools(bytes);
        let fault = if body.is_json() { None } else { stream_fault(bytes) };
        Self { id: id.map(ResponseId::from), is_final_answer: calls.is_none(), calls, fault }
    }
}

impl InferenceOperation {
    /// Records the model's response, complete or partial: the status of the call decides which.
    pub(in crate::layer) fn record_response(self: &Arc<Self>, body: &dyn Body) {
        self.record_response_of(Origin::Program, body);
    }

    fn record_response_of(self: &Arc<Self>, origin: Origin, body: &dyn Body) {
        let at = Timestamp::now();
        if self.session().is_off("an inference response") {
            return;
        }
        self.start_without_request(self.opened_at);
        let Some((recording, _)) = self.recording(at) else { return };
        let (stored, facts) = self.store_read_response(recording, body);
        let reference = stored.as_ref().ok().map(|stored| stored.reference.clone());
        if let Some(calls) = facts.calls {
            self.turn().add_requested_calls(calls);
        }
        let set_response = || {
            let mut progress = lock(&self.progress);
            progress.response_id = progress.response_id.take().or(facts.id);
            progress.is_final_answer = facts.is_final_answer;
            match &stored {
                Ok(stored) if !stored.is_json => {
                    progress.unanswered = facts.fault.map(Unanswered::from);
                }
                Ok(_) | Err(_) => progress.has_output |= origin != Origin::FieldsWithoutOutput,
            }
            progress.set_response(stored)
        };
        // A response that comes after the end, or that a later response replaces, is referenced by a separate payload
        // event.
        let separate = self.lifecycle.unless_ended(set_response).unwrap_or(reference);
        if let Some(reference) = separate {
            self.write_payload_event(reference, at);
        }
    }

    /// Stores a response. Also returns what the call needs to know of it.
    fn store_read_response(
        &self,
        recording: SpanRecording<'_>,
        body: &dyn Body,
    ) -> (Result<Stored, Lost>, ResponseFacts) {
        if !self.lifecycle.is_open() || recording.bundle.writer.is_noop() && self.live.is_none() {
            return (self.store_response(recording, body), ResponseFacts::default());
        }
        let ready = self.session().options.prepare_body(PayloadKind::InferenceResponse, body);
        let facts = ResponseFacts::read(&ready, lock(&self.progress).response_id.is_some());
        (recording.store_ready(ready), facts)
    }

    /// Stores a response. After the end only a payload event can reference it.
    fn store_response(&self, recording: SpanRecording<'_>, body: &dyn Body) -> Result<Stored, Lost> {
        match self.lifecycle.is_open() {
            true => recording.store_payload(PayloadKind::InferenceResponse, body),
            false => recording.store_separate_payload(PayloadKind::InferenceResponse, body),
        }
    }

    /// Records a complete response as the client received it. A failed response that came before it is referenced by a
    /// separate payload event.
    pub(in crate::layer) fn record_complete_response(self: &Arc<Self>, body: &dyn Body) {
        let failed = lock(&self.progress).failed_response.take();
        if let Some(reference) = failed {
            self.write_payload_event(reference, Timestamp::now());
        }
        self.record_response(body);
    }

    /// Records a response of the provider that is incomplete or reports an error.
    pub(in crate::layer) fn record_failed_response(self: &Arc<Self>, body: &dyn Body, is_refusal: bool) {
        let at = Timestamp::now();
        if self.session().is_off("an inference response") {
            return;
        }
        let unanswered = Unanswered::in_failed_response(&self.session().options, body, is_refusal);
        self.start_without_request(self.opened_at);
        let Some((recording, _)) = self.recording(at) else { return };
        let stored = self.store_response(recording, body);
        self.lifecycle.unless_ended(|| lock(&self.progress).unanswered = Some(unanswered));
        let Ok(Stored { reference, .. }) = stored else { return };
        let set_response = || lock(&self.progress).failed_response.replace(reference.clone());
        if let Some(reference) = self.lifecycle.unless_ended(set_response).unwrap_or(Some(reference)) {
            self.write_payload_event(reference, at);
        }
    }

    /// Records one chunk of a streamed response in a separate payload event. `number` counts the chunks from 1.
    pub(in crate::layer) fn record_chunk(self: &Arc<Self>, number: u64, body: &dyn Body) {
        self.start_without_request(self.opened_at);
        let Some((recording, _)) = self.recording(Timestamp::now()) else { return };
        let metadata = serde_json::json!({ "inference_call_id": self.id(&recording), "chunk": number });
        self.turn().record_separate_payload(PayloadKind::InferenceResponse, body, &metadata);
    }

    /// Records a response made from the fields of the span, unless the program has recorded a response body. Replaces an
    /// earlier response from fields, which had fewer of them.
    pub(in crate::layer) fn record_response_from_fields(self: &Arc<Self>, body: &dyn Body, has_output: bool) {
        let origin = if has_output { Origin::Fields } else { Origin::FieldsWithoutOutput };
        let is_known = {
            let progress = lock(&self.progress);
            progress.response.is_some() && !progress.is_response_from_fields
        };
        if !is_known {
            self.record_response_of(origin, body);
            lock(&self.progress).is_response_from_fields = true;
        }
    }
}
