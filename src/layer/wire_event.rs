//! Events by which a framework logs what it sends to a provider, and what comes back.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::{Event, Metadata};

use super::debug_text::text_of_debug;

/// A body of the wire, logged inside the span of its call.
///
/// rig's are `TRACE` events whose message is `<what> request: <JSON>` and `reply: <JSON>`.
#[derive(Debug)]
pub(super) struct WireEvent {
    pub(super) kind: WireKind,
    /// JSON text.
    pub(super) body: String,
}

/// Which way a body went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WireKind {
    Request,
    Reply,
}

/// Whether events of this callsite may be of the wire. So may those that it only asks about before it makes them.
pub(super) fn may_be_wire(metadata: &Metadata<'_>) -> bool {
    !metadata.is_span() && matches!(metadata.target(), "rig::completions" | "rig::streaming")
}

impl WireEvent {
    /// What an event says of the wire; none where it says something else.
    pub(super) fn of(event: &Event<'_>) -> Option<Self> {
        if !may_be_wire(event.metadata()) {
            return None;
        }
        let mut message = Message(None);
        event.record(&mut message);
        Self::read(&message.0?)
    }

    fn read(message: &str) -> Option<Self> {
        let (what, body) = message.split_once(": ")?;
        let kind = match what.rsplit(' ').next()? {
            "request" => WireKind::Request,
            "reply" | "response" => WireKind::Reply,
            _ => return None,
        };
        Some(Self { kind, body: body.to_owned() })
    }
}

struct Message(Option<String>);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = text_of_debug(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_replies_are_told_by_their_words() {
        let read = |message: &str| WireEvent::read(message).map(|event| (event.kind, event.body));
        let request = read("OpenAI Chat Completions request: {\"a\": 1}");
        assert_eq!(request, Some((WireKind::Request, "{\"a\": 1}".to_owned())));
        assert_eq!(read("reply: {}"), Some((WireKind::Reply, "{}".to_owned())));
        assert_eq!(read("OpenAI Responses completion response: []"), Some((WireKind::Reply, "[]".to_owned())));
        assert_eq!(read("requesting: {}"), None);
        assert_eq!(read("request"), None);
    }
}
