//! The known members of the bodies of Anthropic Messages.

use crate::provider::members::{CONTEXT_MANAGEMENT, EMPTY, INPUT_TRANSFORMATION, Members, Nested, Reason, Shape};

pub(super) static MEMBERS: Members = Members {
    request: Shape {
        name: "request",
        read: &["messages", "tools", "max_tokens", "temperature", "top_p", "stream", "output_config"],
        nested: &[("system", PART), ("thread", Nested::One(&THREAD))],
        unread: &[
            (
                Reason::Setting,
                &[
                    "anthropic_beta",
                    "anthropic_version",
                    "betas",
                    "cache_control",
                    "compaction",
                    "container",
                    "context_management",
                    "diagnostics",
                    "fallback_credit_token",
                    "fallbacks",
                    "inference_geo",
                    "mcp_servers",
                    "output_format",
                    "service_tier",
                    "speed",
                    "stop_sequences",
                    "thinking",
                    "tool_choice",
                    "top_k",
                    "user_profile_id",
                    "workspace_id",
                ],
            ),
            (Reason::Repeated, &["model"]),
            (Reason::Program, &["metadata"]),
        ],
        ..EMPTY
    },
    entries: Nested::One(&MESSAGE),
    response: Shape {
        name: "response",
        read: &["id", "role", "model", "stop_reason", "stop_details"],
        nested: &[
            ("content", PART),
            ("context_management", Nested::One(&CONTEXT_MANAGEMENT)),
            ("input_transformations", Nested::One(&INPUT_TRANSFORMATION)),
            ("usage", Nested::One(&USAGE)),
        ],
        unread: &[
            (Reason::Bookkeeping, &["type", "stop_sequence", "container", "request_id", "diagnostics"]),
            // The end event of the call has the error.
            (Reason::Repeated, &["error"]),
        ],
        ..EMPTY
    },
};

/// The conversation that the provider keeps for some minutes.
static THREAD: Shape = Shape { name: "thread", read: &["type", "previous_message_id"], ..EMPTY };

static MESSAGE: Shape = Shape {
    name: "message",
    read: &["role"],
    nested: &[("content", PART)],
    unread: &[
        (Reason::Bookkeeping, &["id", "type", "stop_reason", "stop_sequence", "usage", "model", "container"]),
        (Reason::Setting, &["cache_control"]),
    ],
    ..EMPTY
};

/// A part of a message. Parts that are kept whole, such as images and results of server tools, have no shape.
const PART: Nested = Nested::Tagged {
    tag: "type",
    shapes: &[
        (&["text"], &TEXT),
        (&["thinking", "redacted_thinking"], &THINKING),
        (&["tool_use"], &TOOL_USE),
        (&["tool_result"], &TOOL_RESULT),
        (&["compaction"], &COMPACTION),
        (&["connector_text"], &CONNECTOR_TEXT),
        (&["mid_conv_system"], &INSTRUCTIONS),
    ],
    untagged: None,
};

static TEXT: Shape = Shape {
    name: "part",
    read: &["type", "text", "citations"],
    unread: &[(Reason::Setting, &["cache_control"])],
    ..EMPTY
};

static CONNECTOR_TEXT: Shape = Shape {
    name: "part",
    read: &["type", "connector_text"],
    unread: &[(Reason::Setting, &["cache_control"]), (Reason::Bookkeeping, &["signature"])],
    ..EMPTY
};

/// Instructions in the middle of the conversation. Changes of the tools among them are kept whole.
static INSTRUCTIONS: Shape = Shape {
    name: "part",
    read: &["type"],
    nested: &[("content", Nested::Tagged { tag: "type", shapes: &[(&["text"], &TEXT)], untagged: None })],
    unread: &[(Reason::Setting, &["cache_control"])],
    ..EMPTY
};

static THINKING: Shape = Shape {
    name: "part",
    read: &["type", "thinking", "signature", "data"],
    unread: &[(Reason::Setting, &["cache_control"])],
    ..EMPTY
};

static TOOL_USE: Shape = Shape {
    name: "call",
    read: &["type", "id", "name", "input"],
    unread: &[(Reason::Setting, &["cache_control"]), (Reason::Bookkeeping, &["caller", "toolset_name"])],
    ..EMPTY
};

static TOOL_RESULT: Shape = Shape {
    name: "output",
    read: &["type", "tool_use_id", "content", "is_error"],
    unread: &[(Reason::Setting, &["cache_control"])],
    ..EMPTY
};

static COMPACTION: Shape = Shape {
    name: "part",
    read: &["type", "content", "signature", "encrypted_content"],
    unread: &[(Reason::Setting, &["cache_control"])],
    ..EMPTY
};

static USAGE: Shape = Shape {
    name: "usage",
    read: &["input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"],
    nested: &[
        ("cache_creation", Nested::One(&CACHE_CREATION)),
        ("output_tokens_details", Nested::One(&OUTPUT_DETAILS)),
        ("iterations", Nested::One(&ITERATION)),
    ],
    unread: &[(Reason::Breakdown, &["inference_geo", "server_tool_use", "service_tier", "speed"])],
    ..EMPTY
};

static CACHE_CREATION: Shape =
    Shape { name: "usage", read: &["ephemeral_1h_input_tokens", "ephemeral_5m_input_tokens"], ..EMPTY };

static OUTPUT_DETAILS: Shape = Shape { name: "usage", read: &["thinking_tokens"], ..EMPTY };

static ITERATION: Shape = Shape {
    name: "usage",
    read: &["type", "input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"],
    nested: &[
        ("cache_creation", Nested::One(&CACHE_CREATION)),
        ("output_tokens_details", Nested::One(&OUTPUT_DETAILS)),
    ],
    unread: &[(Reason::Breakdown, &["model"])],
    ..EMPTY
};
