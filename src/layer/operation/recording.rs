//! A thread that started: where what it says is written.

use std::sync::Arc;

use super::bundle::Bundle;
use crate::bundle::{Body, Json, Lost, ReadyBody, Stored};
use crate::event::{AgentPath, Event, EventContext, Other, PayloadKind, PayloadRef, RawJson, ThreadId, Timestamp};
use crate::layer::live::{Live, Said, in_span};

pub(super) const FULL: &str = "the bundle is full; see `Limits::bundle`";

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

    /// Stores a body of this thread, said of this span.
    pub(super) fn put(&self, live: &Live, kind: PayloadKind, body: &dyn Body) -> Result<Stored, Lost> {
        match live {
            None => self.bundle.writer.put(&self.id, kind, body),
            Some(_) => self.store(live, self.bundle.options().ready(kind, body)),
        }
    }

    /// The same, of a body that is ready.
    pub(super) fn store(&self, live: &Live, ready: ReadyBody) -> Result<Stored, Lost> {
        let read = live.as_ref().filter(|_| ready.is_json());
        let read = read.and_then(|live| Arc::clone(live).read(ready.kind(), ready.bytes()));
        let stored = self.bundle.writer.store(&self.id, ready)?;
        if let Some(read) = read {
            read(&stored.reference.raw_payload_id);
        }
        Ok(stored)
    }

    /// Stores a body that only an event of its own will name. A bundle that is full takes no such event.
    pub(super) fn put_beside(&self, kind: PayloadKind, body: &dyn Body) -> Result<Stored, Lost> {
        let writer = &self.bundle.writer;
        if writer.is_full() {
            return Err(writer.lose_dependent(Lost::Payload(kind), FULL));
        }
        self.put(&None, kind, body)
    }

    /// Stores a body that its event must name as JSON. Bytes that are none are kept as they are, and what is named
    /// says which: by their id, since they may be elsewhere by now, or in one file with others.
    pub(super) fn put_json(&self, live: &Live, kind: PayloadKind, body: &dyn Body) -> Result<AsJson, Lost> {
        let Stored { reference, is_json } = self.put(live, kind, body)?;
        if is_json {
            return Ok(AsJson { reference, bytes: None });
        }
        let pointer = serde_json::json!({ "otel_trace.bytes": reference.raw_payload_id });
        let stored = self.put(&None, kind, &Json(&pointer))?;
        Ok(AsJson { reference: stored.reference, bytes: Some(reference) })
    }

    /// Writes an event of this span, whose texts were masked where no lock of ours is held. The writer tells where one
    /// is lost, and no more can be done about it here.
    pub(super) fn say(&self, live: &Live, context: &EventContext, event: impl Into<Event>, at: Timestamp) {
        let _ = self.append(live, context, event, at);
    }

    /// The same, where it matters whether it is lost.
    pub(super) fn append(
        &self,
        live: &Live,
        context: &EventContext,
        event: impl Into<Event>,
        at: Timestamp,
    ) -> Result<(), Lost> {
        let event = event.into();
        let own = in_span(live, context);
        let context = own.as_ref().unwrap_or(context);
        self.bundle.writer.append_redacted(at, context, &event)?;
        if let Some(live) = live {
            let recording = &self.bundle.writer.manifest().trace_id;
            live.event(Said { recording, bundle: self.bundle.name(), at, context }, &event);
        }
        Ok(())
    }

    /// Names a stored body that has no place in an event of its own.
    pub(super) fn say_beside(
        &self,
        context: &EventContext,
        payload: PayloadRef,
        about: &serde_json::Value,
        at: Timestamp,
    ) {
        let other = Other {
            kind: "payload".to_owned(),
            summary: format!("a body of kind {} that no other event names", payload.kind.name()),
            payloads: vec![payload],
            metadata: RawJson::of(about),
        };
        self.say(&None, context, other, at);
    }
}
