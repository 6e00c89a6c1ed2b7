//! Events that name no operation which is recorded: [`OrphanEvent`].

use std::sync::Arc;

use serde_json::{Map, Value};

use super::thread::ThreadOperation;
use crate::bundle::Body;
use crate::event::{EventKind, Other, PayloadKind, RawJson, Timestamp};

/// An event of the program that is about no recorded operation. It is evidence all the same.
pub(in crate::layer) struct OrphanEvent<'a> {
    /// Name of the event. Empty if it has none.
    pub(in crate::layer) name: &'a str,
    /// Name of the reason why it is an orphan.
    pub(in crate::layer) reason: &'static str,
    /// The texts of the event, by the names of their fields.
    pub(in crate::layer) fields: Map<String, Value>,
    /// The body of the event, and the kind that its payload would have.
    pub(in crate::layer) body: Option<(PayloadKind, &'a dyn Body)>,
}

impl ThreadOperation {
    /// Records an event that is about no recorded operation in the bundle of this thread, as an `other` event of kind
    /// `orphan_event`.
    pub(in crate::layer) fn record_orphan_event(self: &Arc<Self>, orphan: OrphanEvent<'_>) {
        let at = Timestamp::now();
        let Some(recording) = self.ensure_started(at) else { return };
        let OrphanEvent { name, reason, fields, body } = orphan;
        let options = &self.session().options;
        // The event is written even if its payload is lost.
        let stored = body.and_then(|(kind, body)| recording.store_separate_payload(kind, body).ok());
        let metadata = RawJson::from_value(&serde_json::json!({ "event": name, "reason": reason, "fields": fields }));
        let other = Other {
            kind: Other::ORPHAN_EVENT.to_owned(),
            summary: options.redact_text(EventKind::Other, &summary(name, reason)).into_owned(),
            payloads: stored.map(|stored| stored.reference).into_iter().collect(),
            metadata: options.redact_json(EventKind::Other, metadata),
        };
        recording.of_no_span().write_event(&recording.context(), other, at);
    }
}

/// Returns a description of an orphan for a person.
pub(in crate::layer) fn summary(name: &str, reason: &str) -> String {
    match reason {
        "unknown_name" => format!("an event of target `otel_trace` has the unknown name `{name}`"),
        "ambiguous" => format!("an event `{name}` is about one of several operations"),
        _ => format!("an event `{name}` is about no recorded operation"),
    }
}
