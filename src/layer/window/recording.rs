//! A thread that started: where what it says is written.

use std::sync::Arc;

use super::bundle::Bundle;
use crate::bundle::{Body, Json, Lost, Stored};
use crate::event::{AgentPath, Event, EventContext, Other, PayloadKind, PayloadRef, RawJson, ThreadId, UnixMillis};

/// A thread that started.
#[derive(Debug)]
pub(super) struct Recording {
    pub(super) id: ThreadId,
    pub(super) bundle: Arc<Bundle>,
    pub(super) agent_path: AgentPath,
    pub(super) depth: u32,
}

/// A body that an event names as JSON.
pub(super) struct AsJson {
    pub(super) reference: PayloadRef,
    /// What it was, where that is not JSON.
    pub(super) bytes: Option<PayloadRef>,
}

impl Recording {
    /// What happens in the thread, and in no turn.
    pub(super) fn context(&self) -> EventContext {
        EventContext { thread_id: Some(self.id.clone()), ..EventContext::default() }
    }

    /// Stores a body of this thread.
    pub(super) fn put(&self, kind: PayloadKind, body: &dyn Body) -> Result<Stored, Lost> {
        self.bundle.writer.put(&self.id, kind, body)
    }

    /// Stores a body that only an event of its own will name. A bundle that is full takes no such event.
    pub(super) fn put_beside(&self, kind: PayloadKind, body: &dyn Body) -> Result<Stored, Lost> {
        let writer = &self.bundle.writer;
        if writer.is_full() {
            return Err(writer.lose_dependent(Lost::Payload(kind), "the bundle is full; see `Limits::bundle`"));
        }
        self.put(kind, body)
    }

    /// Stores a body that its event must name as JSON. Bytes that are none are kept as they are, and what is named
    /// says where.
    pub(super) fn put_json(&self, kind: PayloadKind, body: &dyn Body) -> Result<AsJson, Lost> {
        let Stored { reference, is_json } = self.put(kind, body)?;
        if is_json {
            return Ok(AsJson { reference, bytes: None });
        }
        let pointer = serde_json::json!({ "otel_trace.bytes": reference.path });
        let stored = self.put(kind, &Json(&pointer))?;
        Ok(AsJson { reference: stored.reference, bytes: Some(reference) })
    }

    /// Writes an event, whose texts were masked where no lock of ours is held. The writer tells where one is lost, and
    /// no more can be done about it here.
    pub(super) fn say(&self, context: &EventContext, event: impl Into<Event>, at: UnixMillis) {
        let _ = self.bundle.writer.append_redacted(at, context, &event.into());
    }

    /// Names a stored body that has no place in an event of its own.
    pub(super) fn say_beside(
        &self,
        context: &EventContext,
        payload: PayloadRef,
        about: &serde_json::Value,
        at: UnixMillis,
    ) {
        let other = Other {
            kind: "payload".to_owned(),
            summary: format!("a body of kind {} that no other event names", payload.kind.name()),
            payloads: vec![payload],
            metadata: RawJson::of(about),
        };
        self.say(context, other, at);
    }
}
