//! The known members of the bodies of the Interactions API.
//!
//! Steps that are kept as JSON, such as searches, and parts that are kept whole, such as images, have no shape: nothing of
//! them is left out.

use crate::provider::members::{EMPTY, Members, Nested, OF_ANOTHER_API, Reason, Shape};

pub(super) static MEMBERS: Members = Members {
    request: Shape {
        name: "request",
        read: &["input", "system_instruction", "tools", "previous_interaction_id", "cached_content", "stream"],
        nested: &[("generation_config", Nested::One(&GENERATION_CONFIG))],
        unread: &[
            (Reason::Setting, SETTINGS),
            (Reason::Setting, &["background", "store", "stream_options"]),
            (Reason::Repeated, &["model"]),
            (Reason::Bookkeeping, &["agent", "continuation_token"]),
            (Reason::Program, &["labels"]),
        ],
        ..EMPTY
    },
    entries: STEP,
    response: Shape {
        name: "response",
        read: &["id", "model", "status", "errors", "outputs"],
        nested: &[("steps", STEP), ("usage", Nested::One(&USAGE))],
        unread: &[
            (Reason::Setting, SETTINGS),
            (
                // The response repeats the request, and clients join the texts of the steps.
                Reason::Repeated,
                &[
                    "cached_content",
                    "error",
                    "generation_config",
                    "input",
                    "output_audio",
                    "output_image",
                    "output_text",
                    "output_video",
                    "previous_interaction_id",
                    "system_instruction",
                    "tools",
                ],
            ),
            (
                Reason::Bookkeeping,
                &["agent", "continuation_token", "created", "environment_id", "object", "role", "updated"],
            ),
            (Reason::Program, &["labels"]),
        ],
        ..EMPTY
    },
};

/// Settings of a request, which a response repeats.
const SETTINGS: &[&str] = &[
    "agent_config",
    "environment",
    "response_format",
    "response_mime_type",
    "response_modalities",
    "safety_settings",
    "service_tier",
    "webhook_config",
];

static GENERATION_CONFIG: Shape = Shape {
    name: "generation config",
    read: &["temperature", "top_p", "max_output_tokens", "seed", "stop_sequences", "thinking_level"],
    unread: &[(
        Reason::Setting,
        &[
            "frequency_penalty",
            "image_config",
            "presence_penalty",
            "speech_config",
            "thinking_summaries",
            "tool_choice",
            "top_k",
            "video_config",
        ],
    )],
    ..EMPTY
};

/// An element of `input` or `steps`: a step, a part of a message, or a turn.
const STEP: Nested = Nested::Tagged {
    tag: "type",
    shapes: &[
        (&["user_input", "model_output"], &MESSAGE),
        (&["thought"], &THOUGHT),
        (&["function_call"], &FUNCTION_CALL),
        (&["function_result"], &FUNCTION_RESULT),
        (&["text"], &TEXT),
        (ITEMS, &OF_ANOTHER_API),
    ],
    untagged: Some(&MESSAGE),
};

/// Types of the items of the Responses API whose members are known.
const ITEMS: &[&str] = &[
    "additional_tools",
    "agent_message",
    "compaction",
    "compaction_summary",
    "compaction_trigger",
    "configuration_update",
    "context_compaction",
    "custom_tool_call",
    "custom_tool_call_output",
    "function_call_output",
    "item_reference",
    "message",
    "reasoning",
];

static MESSAGE: Shape = Shape { name: "message", read: &["type", "role"], nested: &[("content", PART)], ..EMPTY };

static THOUGHT: Shape = Shape { name: "thought", read: &["type", "signature"], nested: &[("summary", PART)], ..EMPTY };

static FUNCTION_CALL: Shape =
    Shape { name: "call", read: &["type", "id", "call_id", "name", "arguments", "signature"], ..EMPTY };

static FUNCTION_RESULT: Shape = Shape {
    name: "output",
    read: &["type", "call_id", "name", "result", "is_error"],
    unread: &[(Reason::Bookkeeping, &["signature"])],
    ..EMPTY
};

/// A part of a message. Parts that are kept whole, such as images and documents, have no shape.
const PART: Nested =
    Nested::Tagged { tag: "type", shapes: &[(&["text"], &TEXT), (PARTS_OF_ITEMS, &OF_ANOTHER_API)], untagged: None };

/// Types of the parts of the Responses API whose members are known.
const PARTS_OF_ITEMS: &[&str] =
    &["encrypted_content", "input_text", "output_text", "reasoning_text", "refusal", "summary_text"];

static TEXT: Shape = Shape { name: "part", read: &["type", "text", "annotations"], ..EMPTY };

static USAGE: Shape = Shape {
    name: "usage",
    read: &[
        "total_input_tokens",
        "total_output_tokens",
        "total_thought_tokens",
        "total_tool_use_tokens",
        "total_cached_tokens",
        "total_tokens",
    ],
    unread: &[(
        Reason::Breakdown,
        &[
            "cached_tokens_by_modality",
            "grounding_tool_count",
            "input_tokens_by_modality",
            "output_tokens_by_modality",
            "tool_use_tokens_by_modality",
        ],
    )],
    ..EMPTY
};
