//! Records what is known of a response beside its body: ids, token usage and the time of its first token.

use std::time::Duration;

use super::inference::InferenceOperation;
use super::inference_progress::InferenceProgress;
use crate::event::{RawJson, RequestId, UnixMillis, Usage};
use crate::layer::session::reentrancy::lock;

impl InferenceOperation {
    /// Records that the first token of the response arrived now. Later calls are ignored.
    pub(in crate::layer) fn record_first_token(&self) {
        let _ = self
            .update(|progress| progress.first_token_at = progress.first_token_at.or_else(|| Some(UnixMillis::now())));
    }

    /// Records that the first token of the response arrived at this delay after the call was opened.
    pub(in crate::layer) fn record_first_token_after(&self, delay: Duration) {
        let at = self.opened_at.unix_ms().after(delay);
        let mut progress = lock(&self.progress);
        progress.first_token_at.get_or_insert(at);
        progress.has_reported_delay = true;
    }

    pub(in crate::layer) fn record_response_id(&self, id: &str) {
        let updated = self.update(|progress| progress.response_id = Some(id.into()));
        self.write_late_event(updated, || serde_json::json!({ "response_id": id }));
    }

    /// Records the id that the provider gave the HTTP request. `None` means that the provider gave none.
    pub(in crate::layer) fn record_upstream_request_id(&self, id: Option<&str>) {
        let updated = self.update(|progress| progress.upstream_request_id = id.map(RequestId::from).into());
        self.write_late_event(updated, || serde_json::json!({ "upstream_request_id": id }));
    }

    /// Records the HTTP status of the response.
    pub(in crate::layer) fn record_http_status(&self, status: u16) {
        // A status that comes after the end says nothing that the body does not.
        let _ = self.update(|progress| progress.http_status = Some(status));
    }

    pub(in crate::layer) fn record_usage(&self, usage: Usage) {
        let updated = self.update(|progress| progress.usage = Some(usage));
        self.write_late_event(updated, || serde_json::json!({ "usage": usage }));
    }

    /// Writes data that came after the end, and so is not in the end event, in a `late` event: it is still evidence.
    /// Does nothing if the data was accepted, that is, if `updated` is not `None`.
    fn write_late_event(&self, updated: Option<()>, detail: impl FnOnce() -> serde_json::Value) {
        if updated.is_none() {
            let metadata = serde_json::json!({ "inference_call_id": self.id.get(), "said": detail() });
            let summary = "data of an inference call that came after its end";
            self.turn().thread().record_other("late", summary, RawJson::from_value(&metadata));
        }
    }

    /// Stores data for the end event. Returns `None` if the call has already ended.
    fn update(&self, update: impl FnOnce(&mut InferenceProgress)) -> Option<()> {
        if self.session().is_off("data of an inference call") {
            return Some(());
        }
        self.lifecycle.unless_ended(|| update(&mut lock(&self.progress)))
    }
}
