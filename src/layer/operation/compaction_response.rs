//! Records the responses of compaction requests, whole, incomplete or in chunks.

use std::sync::Arc;

use super::compaction::CompactionOperation;
use super::end::End;
use super::inference_progress::Unanswered;
use crate::bundle::{Body, Json, ReadyBody, Stored};
use crate::event::{PayloadKind, Timestamp};
use crate::layer::session::reentrancy::lock;
use crate::provider::stream_fault;

impl CompactionOperation {
    /// Records the model's response, a `compaction_response` body. Bytes that are not JSON are referenced by a separate
    /// payload event; if they are a stream that ends without its last event, they are a part of a response.
    pub(in crate::layer) fn record_response(self: &Arc<Self>, body: &dyn Body) {
        let at = Timestamp::now();
        if self.session().is_off("a compaction response") {
            return;
        }
        self.start_without_request();
        let Some((recording, _)) = self.recording(at) else { return };
        if !self.lifecycle.is_open() {
            return self.record_separate_response(body);
        }
        let ready = self.session().options.prepare_body(PayloadKind::CompactionResponse, body);
        let is_json = ready.is_json();
        let fault = if is_json { None } else { stream_fault(ready.bytes()) };
        let Ok(Stored { reference, .. }) = recording.store_ready(ready) else { return };
        let set_response = || {
            let mut progress = lock(&self.progress);
            match is_json {
                true => progress.response.replace(reference.clone()),
                false => {
                    progress.unanswered = fault.map(Unanswered::from);
                    progress.wire_response = Some(reference.clone());
                    Some(reference.clone())
                }
            }
        };
        let separate = self.lifecycle.unless_ended(set_response).unwrap_or(Some(reference));
        separate.into_iter().for_each(|body| self.write_payload_event(body, at));
    }

    /// Records a response of the provider that is incomplete or reports an error, which the end event does not reference.
    pub(in crate::layer) fn record_failed_response(self: &Arc<Self>, body: &dyn Body, is_refusal: bool) {
        if self.session().is_off("a compaction response") {
            return;
        }
        let unanswered = Unanswered::in_failed_response(&self.session().options, body, is_refusal);
        self.start_without_request();
        self.lifecycle.unless_ended(|| lock(&self.progress).unanswered = Some(unanswered));
        self.record_separate_response(body);
    }

    fn record_separate_response(self: &Arc<Self>, body: &dyn Body) {
        let metadata = serde_json::json!({ "compaction_request_id": self.id.get() });
        self.turn().record_separate_payload(PayloadKind::CompactionResponse, body, &metadata);
    }

    /// Records one chunk of a streamed response.
    pub(in crate::layer) fn record_chunk(self: &Arc<Self>, number: u64, body: &dyn Body) {
        self.start_without_request();
        let metadata = serde_json::json!({ "compaction_request_id": self.id.get(), "chunk": number });
        self.turn().record_separate_payload(PayloadKind::CompactionResponse, body, &metadata);
    }

    /// Records the HTTP status of the response.
    pub(in crate::layer) fn record_http_status(&self, status: u16) {
        if self.session().is_off("data of a compaction request") {
            return;
        }
        // A status that comes after the end says nothing that the body does not.
        let _ = self.lifecycle.unless_ended(|| lock(&self.progress).http_status = Some(status));
    }

    /// Returns the body that stands for the response of a request that completes without JSON, since the end event must
    /// reference a response: it names the bytes that arrived, if any. Returns `None` if no such body is needed.
    pub(super) fn missing_response(&self, end: &End) -> Option<ReadyBody> {
        let body = lock(&self.progress).missing_response(end)?;
        Some(self.session().options.prepare_body(PayloadKind::CompactionResponse, &Json(&body)))
    }
}
