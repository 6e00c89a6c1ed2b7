//! The known members of the bodies of Cohere's chat, version 2.

use crate::provider::members::{EMPTY, Members, Nested, Reason, Shape};

pub(super) static MEMBERS: Members = Members {
    request: Shape {
        name: "request",
        read: &["messages", "documents", "tools", "max_tokens", "temperature", "p", "stream"],
        unread: &[
            (
                Reason::Setting,
                &[
                    "citation_options",
                    "frequency_penalty",
                    "k",
                    "logprobs",
                    "presence_penalty",
                    "priority",
                    "raw_prompting",
                    "response_format",
                    "return_prompt",
                    "safety_mode",
                    "seed",
                    "stop_sequences",
                    "strict_tools",
                    "thinking",
                    "tool_choice",
                ],
            ),
            (Reason::Repeated, &["model"]),
        ],
        ..EMPTY
    },
    entries: Nested::One(&MESSAGE),
    response: Shape {
        name: "response",
        read: &["id", "finish_reason"],
        nested: &[("message", Nested::One(&MESSAGE)), ("usage", Nested::One(&USAGE))],
        unread: &[(Reason::Repeated, &["prompt"]), (Reason::Scores, &["logprobs"])],
        ..EMPTY
    },
};

/// Citations are kept whole.
static MESSAGE: Shape = Shape {
    name: "message",
    read: &["role", "tool_plan", "citations", "tool_call_id"],
    nested: &[("content", PART), ("tool_calls", Nested::One(&CALL))],
    ..EMPTY
};

/// A part of a message. Parts that are kept whole, such as images, have no shape.
const PART: Nested = Nested::Tagged {
    tag: "type",
    shapes: &[(&["text"], &TEXT), (&["thinking"], &THINKING), (&["document"], &DOCUMENT_PART)],
    untagged: None,
};

static TEXT: Shape = Shape { name: "part", read: &["type", "text"], ..EMPTY };

static THINKING: Shape = Shape { name: "part", read: &["type", "thinking"], ..EMPTY };

static DOCUMENT_PART: Shape =
    Shape { name: "part", read: &["type"], nested: &[("document", Nested::One(&DOCUMENT))], ..EMPTY };

static DOCUMENT: Shape =
    Shape { name: "document", read: &["data"], unread: &[(Reason::Bookkeeping, &["id"])], ..EMPTY };

static CALL: Shape =
    Shape { name: "call", read: &["id", "type"], nested: &[("function", Nested::One(&FUNCTION))], ..EMPTY };

static FUNCTION: Shape = Shape { name: "call", read: &["name", "arguments"], ..EMPTY };

static USAGE: Shape = Shape {
    name: "usage",
    read: &["cached_tokens"],
    nested: &[("tokens", Nested::One(&COUNTS)), ("billed_units", Nested::One(&COUNTS))],
    ..EMPTY
};

static COUNTS: Shape = Shape {
    name: "usage",
    read: &["input_tokens", "output_tokens"],
    unread: &[(Reason::Breakdown, &["classifications", "image_tokens", "images", "search_units"])],
    ..EMPTY
};
