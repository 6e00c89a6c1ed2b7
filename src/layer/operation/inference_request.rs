//! Records the requests of inference calls, which start the calls.

use std::sync::Arc;

use super::inference::{InferenceFacts, InferenceOperation};
use crate::bundle::{Body, Json, Lost, Stored};
use crate::event::{EventKind, InferenceStarted, PayloadKind, PayloadRef, Timestamp};
use crate::layer::session::reentrancy::lock;
use crate::provider::ends_in_user_message;

impl InferenceOperation {
    /// Records the request, which starts the call. Bytes that are not one JSON value do not start it: they become the
    /// `wire_payload` of its start event.
    pub(in crate::layer) fn record_request(self: &Arc<Self>, body: &dyn Body) {
        self.record_request_at(body, Timestamp::now());
    }

    /// Records the request with the time at which it became known.
    pub(in crate::layer) fn record_request_at(self: &Arc<Self>, body: &dyn Body, at: Timestamp) {
        if self.session().is_off("an inference request") {
            return;
        }
        if self.turn().may_be_over() && self.lifecycle.is_pending() {
            return self.record_request_after_answer(body, at);
        }
        let Some((recording, _)) = self.recording(at) else { return };
        self.refer_to_request(recording.store_payload(PayloadKind::InferenceRequest, body), at);
    }

    /// Records a request that comes after an answer. If the user asks the next question in it, it begins a turn.
    fn record_request_after_answer(self: &Arc<Self>, body: &dyn Body, at: Timestamp) {
        let ready = self.session().options.prepare_body(PayloadKind::InferenceRequest, body);
        if ends_in_user_message(ready.bytes()) {
            let _ = self.asked_in.set(self.turn().ask_next(at));
        }
        let Some((recording, _)) = self.recording(at) else { return };
        self.refer_to_request(recording.store_ready(ready), at);
    }

    /// Starts the call with a request that was stored, or refers to the request in another way.
    fn refer_to_request(self: &Arc<Self>, stored: Result<Stored, Lost>, at: Timestamp) {
        let separate = match stored {
            Ok(Stored { reference, .. }) if !self.lifecycle.is_pending() => {
                // The call has started or ended already. If a shutdown ended it, the request counts as late.
                Some(reference).filter(|_| !self.session().is_off("an inference request"))
            }
            Ok(Stored { reference, is_json: false }) => lock(&self.progress).wire_request.replace(reference),
            Ok(Stored { reference, is_json: true }) => self.start(reference, at),
            Err(_counted) => {
                self.abandon("its request could not be stored");
                None
            }
        };
        // After a shutdown the request has already been counted as late.
        if let Some(reference) = separate.filter(|_| !self.session().is_shut()) {
            self.write_payload_event(reference, at);
        }
    }

    /// Starts the call. Returns the request if the call has meanwhile started or ended without it.
    fn start(self: &Arc<Self>, request_payload: PayloadRef, at: Timestamp) -> Option<PayloadRef> {
        let (recording, scope) = self.recording(at)?;
        // An answer that came before the next question is complete.
        self.turn().thread().inside().settled.release_all();
        let InferenceFacts { model, provider_name, settings: _ } = lock(&self.facts).clone();
        let started = InferenceStarted {
            inference_call_id: self.id(&recording).clone(),
            thread_id: recording.id.clone(),
            turn_id: scope.turn_id.clone(),
            model,
            provider_name,
            request_payload: request_payload.clone(),
            request_input_mode: None,
            wire_payload: lock(&self.progress).wire_request.clone().map(Box::new),
        };
        let mut unreferenced = Some(request_payload);
        let write = || {
            unreferenced = None;
            recording.try_write_event(&scope.context, started, at)?;
            self.turn().progress().start_inside();
            self.turn().progress().last_call().start(&**self);
            Ok(())
        };
        self.lifecycle.start(self.session(), self, write);
        self.session().remove_unwritten(&**self);
        unreferenced
    }

    /// Ends a call that cannot be recorded: its start event must reference a request.
    fn abandon(self: &Arc<Self>, reason: &str) {
        let Some((recording, _)) = self.recording(self.opened_at) else { return };
        let abandon =
            || Err(recording.bundle.writer.report_dependent_loss(Lost::Event(EventKind::InferenceStarted), reason));
        self.lifecycle.start(self.session(), self, abandon);
        self.session().remove_unwritten(&**self);
    }

    /// Starts a call whose request was not recorded, with an object of its settings as its request.
    pub(super) fn start_without_request(self: &Arc<Self>, at: Timestamp) {
        if !self.lifecycle.is_pending() || self.session().is_off("an inference request") {
            return;
        }
        let Some((recording, _)) = self.recording(at) else { return };
        let settings = lock(&self.facts).settings.clone();
        match recording.store_payload(PayloadKind::InferenceRequest, &Json(&settings)) {
            // If the request came in the meantime, no event references the placeholder.
            Ok(stored) => drop(self.start(stored.reference, at)),
            Err(_counted) => self.abandon("its request could not be stored"),
        }
    }
}
