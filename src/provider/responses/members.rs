//! The known members of the bodies of the Responses API.
//!
//! Items that are kept as JSON, such as hosted calls, and parts that are kept whole, such as images, have no shape:
//! nothing of them is left out.

use crate::provider::members::{EMPTY, Members, Nested, OF_ANOTHER_API, Reason, Shape};

pub(super) static MEMBERS: Members = Members {
    request: Shape {
        name: "request",
        read: &[
            "input",
            "instructions",
            "tools",
            "previous_response_id",
            "conversation",
            "temperature",
            "top_p",
            "max_output_tokens",
            "stream",
            "reasoning",
        ],
        unread: &[
            (
                Reason::Setting,
                &[
                    "access_programs",
                    "background",
                    "cache_control",
                    "context_management",
                    "debug",
                    "frequency_penalty",
                    "generate",
                    "image_config",
                    "include",
                    "max_tool_calls",
                    "max_turns",
                    "modalities",
                    "models",
                    "moderation",
                    "multi_agent",
                    "parallel_tool_calls",
                    "plugins",
                    "presence_penalty",
                    "prompt",
                    "prompt_cache_key",
                    "prompt_cache_options",
                    "prompt_cache_retention",
                    "provider",
                    "route",
                    "safety_identifier",
                    "search_parameters",
                    "seed",
                    "service_tier",
                    "session_id",
                    "stop_server_tools_when",
                    "store",
                    "stream_options",
                    "text",
                    "tool_choice",
                    "top_k",
                    "top_logprobs",
                    "truncation",
                ],
            ),
            (Reason::Repeated, &["model"]),
            // Input for a response that is still running names that.
            (Reason::Bookkeeping, &["agent_reference", "event_id", "response_id", "stream_id", "type", "user"]),
            (Reason::Program, &["metadata", "client_metadata", "trace"]),
        ],
        ..EMPTY
    },
    entries: ITEM,
    response: Shape {
        name: "response",
        read: &["id", "response_id", "model", "status", "conversation", "citations"],
        nested: &[
            ("output", ITEM),
            ("output_items", ITEM),
            ("usage", Nested::One(&USAGE)),
            ("token_usage", Nested::One(&TOKEN_USAGE)),
            ("incomplete_details", Nested::One(&INCOMPLETE_DETAILS)),
        ],
        unread: &[
            (
                // The response repeats the request.
                Reason::Repeated,
                &[
                    "access_programs",
                    "background",
                    "context_management",
                    "frequency_penalty",
                    "include",
                    "input",
                    "instructions",
                    "max_output_tokens",
                    "max_tool_calls",
                    "output_parsed",
                    "output_text",
                    "parallel_tool_calls",
                    "presence_penalty",
                    "previous_response_id",
                    "prompt",
                    "prompt_cache_key",
                    "prompt_cache_options",
                    "prompt_cache_retention",
                    "reasoning",
                    "safety_identifier",
                    "seed",
                    "service_tier",
                    "store",
                    "stream",
                    "temperature",
                    "text",
                    "tool_choice",
                    "tools",
                    "top_logprobs",
                    "top_p",
                    "truncation",
                    "upstream_request_id",
                    "user",
                    // The end event of the call has the error.
                    "error",
                    "error_type",
                ],
            ),
            (
                Reason::Bookkeeping,
                &[
                    "agent_reference",
                    "billing",
                    "completed_at",
                    "created_at",
                    "debug_output",
                    "end_turn",
                    "object",
                    "openrouter_metadata",
                    "provider",
                    "type",
                ],
            ),
            (Reason::Scores, &["content_filters", "moderation"]),
            (Reason::Breakdown, &["prompt_cache_diagnostics", "tool_usage"]),
            (Reason::Program, &["metadata"]),
        ],
        ..EMPTY
    },
};

/// Members of items that identify or describe an item to the API.
const BOOKKEEPING: &[&str] =
    &["agent", "agent_reference", "created_by", "internal_chat_message_metadata_passthrough", "response_id", "status"];

/// An element of `input` or `output`.
const ITEM: Nested = Nested::Tagged {
    tag: "type",
    shapes: &[
        (&["message"], &MESSAGE),
        (&["reasoning"], &REASONING),
        (&["function_call"], &FUNCTION_CALL),
        (&["custom_tool_call"], &CUSTOM_TOOL_CALL),
        (&["function_call_output", "custom_tool_call_output"], &OUTPUT),
        (&["compaction", "compaction_summary", "context_compaction"], &COMPACTION),
        (&["agent_message"], &AGENT_MESSAGE),
        (&["item_reference"], &ITEM_REFERENCE),
        (&["additional_tools"], &ADDITIONAL_TOOLS),
        (&["compaction_trigger", "configuration_update"], &DIRECTIVE),
        // Steps of the Interactions API.
        (&["user_input", "model_output", "thought", "function_result", "text"], &OF_ANOTHER_API),
    ],
    untagged: Some(&MESSAGE),
};

static MESSAGE: Shape = Shape {
    name: "message",
    read: &["type", "id", "role", "phase"],
    nested: &[("content", PART)],
    unread: &[(Reason::Bookkeeping, BOOKKEEPING), (Reason::Program, &["metadata"])],
    ..EMPTY
};

static REASONING: Shape = Shape {
    name: "reasoning item",
    read: &["type", "id", "encrypted_content", "signature"],
    nested: &[("content", PART), ("summary", PART)],
    unread: &[(Reason::Bookkeeping, BOOKKEEPING), (Reason::Bookkeeping, &["format"]), (Reason::Program, &["metadata"])],
    ..EMPTY
};

static FUNCTION_CALL: Shape = Shape {
    name: "call",
    read: &["type", "id", "call_id", "name", "namespace", "arguments"],
    unread: &[
        (Reason::Bookkeeping, BOOKKEEPING),
        (Reason::Bookkeeping, &["caller", "parsed_arguments"]),
        (Reason::Program, &["metadata"]),
    ],
    ..EMPTY
};

static CUSTOM_TOOL_CALL: Shape = Shape {
    name: "call",
    read: &["type", "id", "call_id", "name", "namespace", "input"],
    unread: &[(Reason::Bookkeeping, BOOKKEEPING), (Reason::Bookkeeping, &["caller"]), (Reason::Program, &["metadata"])],
    ..EMPTY
};

static OUTPUT: Shape = Shape {
    name: "output",
    read: &["type", "id", "call_id", "name", "output"],
    unread: &[
        (Reason::Bookkeeping, BOOKKEEPING),
        (Reason::Bookkeeping, &["caller"]),
        // The call has it.
        (Reason::Repeated, &["namespace"]),
        (Reason::Program, &["metadata"]),
    ],
    ..EMPTY
};

static COMPACTION: Shape = Shape {
    name: "compaction item",
    read: &["type", "id", "encrypted_content"],
    unread: &[(Reason::Bookkeeping, BOOKKEEPING), (Reason::Program, &["metadata"])],
    ..EMPTY
};

static AGENT_MESSAGE: Shape = Shape {
    name: "agent message",
    read: &["type", "id", "author", "recipient"],
    nested: &[("content", PART)],
    unread: &[(Reason::Bookkeeping, BOOKKEEPING), (Reason::Program, &["metadata"])],
    ..EMPTY
};

static ITEM_REFERENCE: Shape =
    Shape { name: "item reference", read: &["type", "id"], unread: &[(Reason::Bookkeeping, BOOKKEEPING)], ..EMPTY };

static DIRECTIVE: Shape = Shape {
    name: "directive",
    read: &["type", "id"],
    unread: &[(Reason::Bookkeeping, BOOKKEEPING), (Reason::Setting, &["reasoning"]), (Reason::Program, &["metadata"])],
    ..EMPTY
};

static ADDITIONAL_TOOLS: Shape = Shape {
    name: "tools item",
    read: &["type", "tools"],
    unread: &[(Reason::Bookkeeping, BOOKKEEPING), (Reason::Bookkeeping, &["id", "role"])],
    ..EMPTY
};

/// A part of an item. Parts that are kept whole, such as images and files, have no shape.
const PART: Nested = Nested::Tagged {
    tag: "type",
    shapes: &[
        (&["input_text", "output_text", "text"], &TEXT),
        (&["reasoning_text", "summary_text"], &REASONING_TEXT),
        (&["refusal"], &REFUSAL),
        (&["encrypted_content"], &ENCRYPTED),
    ],
    untagged: None,
};

static TEXT: Shape = Shape {
    name: "part",
    read: &["type", "text", "annotations"],
    unread: &[
        (Reason::Scores, &["logprobs"]),
        (Reason::Setting, &["cache_control", "prompt_cache_breakpoint"]),
        (Reason::Bookkeeping, &["parsed"]),
    ],
    ..EMPTY
};

static REASONING_TEXT: Shape = Shape { name: "part", read: &["type", "text"], ..EMPTY };

static REFUSAL: Shape = Shape { name: "part", read: &["type", "refusal"], ..EMPTY };

static ENCRYPTED: Shape = Shape { name: "part", read: &["type", "encrypted_content"], ..EMPTY };

static INCOMPLETE_DETAILS: Shape = Shape { name: "incomplete details", read: &["reason"], ..EMPTY };

static USAGE: Shape = Shape {
    name: "usage",
    read: &[
        "input_tokens",
        "output_tokens",
        "total_tokens",
        "cached_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
    ],
    nested: &[
        ("input_tokens_details", Nested::One(&INPUT_DETAILS)),
        ("output_tokens_details", Nested::One(&OUTPUT_DETAILS)),
    ],
    unread: &[(
        Reason::Breakdown,
        &[
            "attempts",
            "cost",
            "cost_details",
            "cost_in_usd_ticks",
            "is_byok",
            "num_server_side_tools_used",
            "num_sources_used",
            "server_tool_use_details",
            "server_side_tool_usage_details",
            "context_details",
            "orchestration_input_cached_tokens",
            "orchestration_input_tokens",
            "orchestration_output_tokens",
        ],
    )],
    ..EMPTY
};

static INPUT_DETAILS: Shape = Shape {
    name: "usage",
    read: &["cached_tokens", "cache_write_tokens", "cache_creation_tokens"],
    unread: &[(
        Reason::Breakdown,
        &[
            "audio_tokens",
            "cache_write_tokens_details",
            "image_tokens",
            "text_tokens",
            "orchestration_input_cached_tokens",
            "orchestration_input_tokens",
        ],
    )],
    ..EMPTY
};

static OUTPUT_DETAILS: Shape = Shape {
    name: "usage",
    read: &["reasoning_tokens"],
    unread: &[(
        Reason::Breakdown,
        &["audio_tokens", "image_tokens", "text_tokens", "tool_output_tokens", "orchestration_output_tokens"],
    )],
    ..EMPTY
};

/// The token counts of format 1.
static TOKEN_USAGE: Shape = Shape {
    name: "usage",
    read: &[
        "input_tokens",
        "cached_input_tokens",
        "cache_write_input_tokens",
        "cache_write_1h_input_tokens",
        "output_tokens",
        "reasoning_output_tokens",
        "total_tokens",
    ],
    ..EMPTY
};
