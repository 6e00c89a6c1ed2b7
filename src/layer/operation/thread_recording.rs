//! The recording of one thread: writes its events and payloads to its bundle.

use std::ops::Deref;
use std::sync::Arc;

use super::bundle::Bundle;
use crate::bundle::{Body, Json, Lost, ReadyBody, Stored};
use crate::event::{AgentPath, Event, EventContext, Other, PayloadKind, PayloadRef, RawJson, ThreadId, Timestamp};
use crate::layer::session::live::{EventMeta, Live, with_live_span};
use crate::mask::Masked;
use crate::semconv;

/// Reason for the loss of an event or payload that a full bundle rejects.
pub(super) const BUNDLE_FULL: &str = "the bundle has reached its quota; raise `Limits::bundle`";

/// A started thread, with the bundle that its events and payloads are written to.
#[derive(Debug)]
pub(super) struct ThreadRecording {
    pub(super) id: ThreadId,
    pub(super) bundle: Arc<Bundle>,
    pub(super) agent_path: AgentPath,
    /// Id of the conversation, if the program gave it.
    pub(super) conversation_id: Option<ThreadId>,
    /// Number of agents above the thread.
    pub(super) depth: u32,
}

/// A payload that an event references as JSON.
pub(super) struct JsonPayload {
    pub(super) reference: PayloadRef,
    /// The recorded bytes, if they are not JSON. The event then references a JSON object with the id of this payload.
    pub(super) raw: Option<PayloadRef>,
}

impl ThreadRecording {
    /// Returns the context of events that belong to the thread and to no turn.
    pub(super) fn context(&self) -> EventContext {
        EventContext { thread_id: Some(self.id.clone()), ..EventContext::default() }
    }

    /// Returns the address of the bundle, which no other bundle has while a thread of this one exists.
    pub(super) fn bundle_address(&self) -> usize {
        Arc::as_ptr(&self.bundle).addr()
    }

    /// Returns the recording of a span of this thread, for its operations.
    pub(super) fn of<'a>(&'a self, live: &'a Live) -> SpanRecording<'a> {
        SpanRecording { thread: self, live }
    }

    /// Returns the recording of what belongs to no span.
    pub(super) fn of_no_span(&self) -> SpanRecording<'_> {
        self.of(&NO_LIVE_SPAN)
    }

    /// Stores a body that only a payload event will reference. Fails if the bundle is full, since a full bundle rejects
    /// payload events.
    pub(super) fn store_separate_payload(&self, kind: PayloadKind, body: &dyn Body) -> Result<Stored, Lost> {
        let writer = &self.bundle.writer;
        if writer.is_full() {
            return Err(writer.report_dependent_loss(Lost::Payload(kind), BUNDLE_FULL));
        }
        self.of_no_span().store_payload(kind, body)
    }

    /// Writes a payload event: an `other` event of kind `payload`, which references a stored payload that no other
    /// event has a field for.
    pub(super) fn write_payload_event(
        &self,
        context: &EventContext,
        payload: PayloadRef,
        metadata: &serde_json::Value,
        at: Timestamp,
    ) {
        let other = Other {
            kind: Other::PAYLOAD.to_owned(),
            summary: format!("a payload of kind {} that no other event references", payload.kind.name()),
            payloads: vec![payload],
            metadata: RawJson::from_value(metadata),
        };
        self.of_no_span().write_event(context, other, at);
    }
}

/// Returns the JSON object that an event references in place of bytes that are not JSON. It holds the id of their payload
/// and not the path, since the payload may be moved, or share one file with others.
pub(super) fn pointer_to(bytes: &PayloadRef) -> serde_json::Value {
    serde_json::json!({ (semconv::BYTES): bytes.raw_payload_id })
}

/// No live span.
static NO_LIVE_SPAN: Live = None;

/// The recording of a span: writes the events and payloads of its operations to the bundle of their thread.
#[derive(Debug, Clone, Copy)]
pub(super) struct SpanRecording<'a> {
    thread: &'a ThreadRecording,
    live: &'a Live,
}

impl Deref for SpanRecording<'_> {
    type Target = ThreadRecording;

    fn deref(&self) -> &ThreadRecording {
        self.thread
    }
}

impl SpanRecording<'_> {
    /// Stores a body of this thread. If there is a live span, it may inspect the body.
    pub(super) fn store_payload(self, kind: PayloadKind, body: &dyn Body) -> Result<Stored, Lost> {
        match self.live {
            None => self.bundle.writer.put(&self.id, kind, body),
            Some(_) => self.store_ready(self.bundle.options().prepare_body(kind, body)),
        }
    }

    /// Stores an encoded body of this thread. If there is a live span, it may inspect the body.
    pub(super) fn store_ready(self, ready: ReadyBody) -> Result<Stored, Lost> {
        // A response may be the bytes of a stream.
        let is_read = ready.is_json() || ready.kind() == PayloadKind::InferenceResponse;
        let live = self.live.as_ref().filter(|_| is_read);
        let on_stored = live.and_then(|live| Arc::clone(live).inspect(ready.kind(), ready.bytes()));
        let stored = self.bundle.writer.store(&self.id, ready)?;
        if let Some(on_stored) = on_stored {
            on_stored(&stored.reference.raw_payload_id);
        }
        Ok(stored)
    }

    /// Stores a body that its event must reference as JSON. Bytes that are not JSON are stored unchanged, and the event
    /// references a JSON object with their payload id.
    pub(super) fn store_json(self, kind: PayloadKind, body: &dyn Body) -> Result<JsonPayload, Lost> {
        let stored = self.store_payload(kind, body)?;
        self.json_payload(kind, stored)
    }

    /// Returns the payload that an event references as JSON, for a stored body: the body itself if it is JSON, else an
    /// object with its payload id.
    pub(super) fn json_payload(&self, kind: PayloadKind, stored: Stored) -> Result<JsonPayload, Lost> {
        let Stored { reference, is_json } = stored;
        if is_json {
            return Ok(JsonPayload { reference, raw: None });
        }
        let stored = self.of_no_span().store_payload(kind, &Json(&pointer_to(&reference)))?;
        Ok(JsonPayload { reference: stored.reference, raw: Some(reference) })
    }

    /// Writes an event for the span. Its texts and ids are masked here; the caller has applied the
    /// redactor of the program to them, holding none of the crate's locks. The
    /// writer reports an event that is lost, so the result is dropped here.
    pub(super) fn write_event(self, context: &EventContext, event: impl Into<Event>, at: Timestamp) {
        let _ = self.try_write_event(context, event, at);
    }

    /// Writes an event for the span, like [`write_event`](Self::write_event).
    ///
    /// # Errors
    /// [`Lost`] if the event was not written. The writer has counted and reported the loss.
    pub(super) fn try_write_event(
        self,
        context: &EventContext,
        event: impl Into<Event>,
        at: Timestamp,
    ) -> Result<(), Lost> {
        let masking = &self.bundle.options().masking;
        let event = Masked::new(event.into(), masking);
        let context = &*masking.masked_context(context);
        let with_span = with_live_span(self.live, context);
        let context = with_span.as_ref().unwrap_or(context);
        self.bundle.writer.append_masked(at, context, &event)?;
        if let Some(live) = self.live {
            let recording = &self.bundle.writer.manifest().trace_id;
            let conversation_id = self.conversation_id.as_ref().map(|id| masking.masked_id(id));
            let (bundle, conversation_id) = (self.bundle.directory_name(), conversation_id.as_deref());
            live.on_event(EventMeta { recording, bundle, conversation_id, at, context }, &event);
        }
        Ok(())
    }
}
