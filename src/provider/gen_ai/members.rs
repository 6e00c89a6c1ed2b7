//! The known members of bodies that are made of span attributes, with messages in the schema of the GenAI conventions.

use crate::provider::members::{EMPTY, Members, Nested, Reason, Shape};

/// Span attributes of the conventions. The exporter and the rules read those that they need; the others describe the
/// span.
const ATTRIBUTES: Shape = Shape { name: "attributes", read_prefixes: &["gen_ai."], ..EMPTY };

pub(super) static MEMBERS: Members =
    Members { request: ATTRIBUTES, entries: Nested::One(&MESSAGE), response: ATTRIBUTES };

static MESSAGE: Shape = Shape {
    name: "message",
    read: &["role", "name", "tool_call_id"],
    nested: &[("parts", PART), ("content", PART)],
    unread: &[(Reason::Repeated, &["finish_reason"])],
    ..EMPTY
};

/// A part of a message. Parts that are kept whole, such as files, have no shape.
const PART: Nested = Nested::Tagged {
    tag: "type",
    shapes: &[
        (&["text"], &TEXT),
        (&["reasoning"], &REASONING),
        (&["tool_call"], &CALL),
        (&["tool_call_response"], &RESPONSE),
    ],
    untagged: None,
};

static TEXT: Shape = Shape {
    name: "part",
    read: &["type", "content", "text", "thoughtSignature", "thought_signature"],
    unread: &[(Reason::Setting, &["cache_control"])],
    ..EMPTY
};

static REASONING: Shape = Shape {
    name: "part",
    read: &[
        "type",
        "content",
        "text",
        "thinking",
        "reasoning",
        "summary",
        "signature",
        "data",
        "thoughtSignature",
        "thought_signature",
    ],
    unread: &[(Reason::Bookkeeping, &["id"])],
    ..EMPTY
};

static CALL: Shape = Shape {
    name: "call",
    read: &["type", "id", "name", "arguments", "thoughtSignature", "thought_signature"],
    ..EMPTY
};

static RESPONSE: Shape =
    Shape { name: "output", read: &["type", "id", "name", "response", "result", "is_error", "status"], ..EMPTY };
