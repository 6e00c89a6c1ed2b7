//! Events by which a framework logs the bodies of its requests and responses.

use std::fmt;

use tracing::Event;
use tracing::field::{Field, Visit};

use super::debug_text::format_debug;
use crate::layer::span::callsites::may_be_wire_event;

/// A request or response body that was logged inside the span of its call.
///
/// rig logs them as `TRACE` events whose message is `<API> request: <JSON>`, `reply: <JSON>` or `<API> response:
/// <JSON>`.
#[derive(Debug)]
pub(super) struct WireEvent {
    pub(super) kind: WireKind,
    /// JSON text.
    pub(super) body: String,
}

/// The direction of a logged body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WireKind {
    Request,
    Reply,
}

impl WireEvent {
    /// Reads a body from an event. Returns `None` if the event does not log a body.
    pub(super) fn from_event(event: &Event<'_>) -> Option<Self> {
        if !may_be_wire_event(event.metadata()) {
            return None;
        }
        let mut message = MessageVisitor(None);
        event.record(&mut message);
        Self::parse(&message.0?)
    }

    /// Parses the message of an event. Returns `None` if it announces neither a request nor a response.
    fn parse(message: &str) -> Option<Self> {
        let (label, body) = message.split_once(": ")?;
        let kind = match label.rsplit(' ').next()? {
            "request" => WireKind::Request,
            "reply" | "response" => WireKind::Reply,
            _ => return None,
        };
        Some(Self { kind, body: body.to_owned() })
    }
}

/// A visitor that captures the message of an event.
struct MessageVisitor(Option<String>);

impl Visit for MessageVisitor {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format_debug(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_replies_are_recognized_by_their_prefix() {
        let read = |message: &str| WireEvent::parse(message).map(|event| (event.kind, event.body));
        let request = read("OpenAI Chat Completions request: {\"a\": 1}");
        assert_eq!(request, Some((WireKind::Request, "{\"a\": 1}".to_owned())));
        assert_eq!(read("reply: {}"), Some((WireKind::Reply, "{}".to_owned())));
        assert_eq!(read("OpenAI Responses completion response: []"), Some((WireKind::Reply, "[]".to_owned())));
        assert_eq!(read("requesting: {}"), None);
        assert_eq!(read("request"), None);
    }
}
