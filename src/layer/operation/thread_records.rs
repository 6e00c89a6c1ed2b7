//! What is recorded of a thread besides its start and its end.

use std::sync::Arc;

use super::thread::ThreadOperation;
use super::thread_recording::JsonPayload;
use crate::bundle::{Body, Lost};
use crate::event::{EventContext, EventKind, Other, PayloadKind, ProtocolEventObserved, RawJson, Timestamp};

impl ThreadOperation {
    /// Records an event that the program sends to its own clients.
    pub(in crate::layer) fn record_protocol_event(self: &Arc<Self>, event_type: &str, body: &dyn Body) {
        let at = Timestamp::now();
        if self.session().is_off("a protocol event") {
            return;
        }
        let Some(recording) = self.ensure_started(at) else { return };
        match recording.of_no_span().store_json(PayloadKind::ProtocolEvent, body) {
            Ok(JsonPayload { reference, raw }) => {
                let event_type =
                    self.session().options.redact_text(EventKind::ProtocolEventObserved, event_type).into_owned();
                let event = ProtocolEventObserved { event_type, event_payload: reference };
                recording.of(self.live()).write_event(&EventContext::default(), event, at);
                if let Some(raw) = raw {
                    recording.write_payload_event(&EventContext::default(), raw, &serde_json::Value::Null, at);
                }
            }
            Err(_counted) => {
                let lost = Lost::Event(EventKind::ProtocolEventObserved);
                recording.bundle.writer.report_dependent_loss(lost, "its body could not be stored");
            }
        }
    }

    /// Records an `other` event, for which format 1 defines no event type.
    pub(in crate::layer) fn record_other(self: &Arc<Self>, kind: &str, summary: &str, metadata: RawJson) {
        let at = Timestamp::now();
        if self.session().is_off("an `other` event") {
            return;
        }
        let Some(recording) = self.ensure_started(at) else { return };
        let summary = self.session().options.redact_text(EventKind::Other, summary).into_owned();
        let metadata = self.session().options.redact_json(EventKind::Other, metadata);
        let other = Other { kind: kind.to_owned(), summary, payloads: Vec::new(), metadata };
        recording.of(self.live()).write_event(&recording.context(), other, at);
    }

    /// Registers a child process of this thread and returns the value of `OTEL_TRACE_PARENT` for it. Returns `None` if
    /// the thread is not recorded.
    pub(in crate::layer) fn register_child_process(self: &Arc<Self>) -> Option<String> {
        let at = Timestamp::now();
        if self.session().is_off("a child process") {
            return None;
        }
        let recording = self.ensure_started(at)?;
        recording.register_child_process(&recording.context(), None, at)
    }

    /// Records a body of any kind in a payload event.
    pub(in crate::layer) fn record_payload(self: &Arc<Self>, kind: PayloadKind, body: &dyn Body) {
        let at = Timestamp::now();
        if self.session().is_off("a body") {
            return;
        }
        let Some(recording) = self.ensure_started(at) else { return };
        if let Ok(stored) = recording.of_no_span().store_payload(kind, body) {
            recording.write_payload_event(&recording.context(), stored.reference, &serde_json::Value::Null, at);
        }
    }
}
