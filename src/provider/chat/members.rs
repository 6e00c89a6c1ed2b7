//! The known members of the bodies of Chat Completions, with the dialects of compatible servers.

pub(in crate::provider) mod settings;

use crate::provider::members::{
    CONTEXT_MANAGEMENT, EMPTY, INPUT_TRANSFORMATION, Members, Nested, Reason, SIGNED_EXTENSION, Shape,
};

pub(super) static MEMBERS: Members = Members {
    request: Shape {
        name: "request",
        read: &[
            "messages",
            "documents",
            "tools",
            "functions",
            "temperature",
            "top_p",
            "max_completion_tokens",
            "max_tokens",
            "stream",
            "reasoning_effort",
            "cached_content",
        ],
        unread: &[
            (Reason::Setting, settings::OPENAI),
            (Reason::Setting, settings::GATEWAYS),
            (Reason::Setting, settings::HOSTED),
            (Reason::Setting, settings::LOCAL),
            (Reason::Repeated, &["model"]),
            (Reason::Bookkeeping, &["request_id", "rid", "usage", "user", "user_id", "user_security_context"]),
            (Reason::Program, &["metadata", "trace"]),
        ],
        ..EMPTY
    },
    entries: Nested::One(&MESSAGE),
    response: Shape {
        name: "response",
        read: &[
            "id",
            "response_id",
            "model",
            // What the provider found for the answer.
            "citations",
            "images",
            "related_questions",
            "search_results",
            "videos",
            "web_search",
        ],
        nested: &[("choices", Nested::One(&CHOICE)), ("usage", Nested::One(&USAGE))],
        unread: &[
            (
                Reason::Bookkeeping,
                &[
                    "_hidden_params",
                    "created",
                    "debug_output",
                    "ec_transfer_params",
                    "kv_transfer_params",
                    "nvext",
                    "object",
                    "openrouter_metadata",
                    "prompt_progress",
                    "provider",
                    "request_id",
                    "service_tier",
                    "service_tier_used",
                    "sglext",
                    "status",
                    "system_fingerprint",
                    "type",
                    "warnings",
                    "x_groq",
                ],
            ),
            (
                Reason::Repeated,
                &[
                    // The request is recorded, and the answer stands in the choices.
                    "__verbose",
                    "prompt",
                    "prompt_text",
                    "prompt_token_ids",
                    // The end event of the call has the error.
                    "base_resp",
                    "error",
                ],
            ),
            (
                Reason::Scores,
                &[
                    "content_filter",
                    "input_sensitive",
                    "input_sensitive_type",
                    "moderation",
                    "output_sensitive",
                    "output_sensitive_int",
                    "output_sensitive_type",
                    "prompt_filter_results",
                    "prompt_logprobs",
                ],
            ),
            (
                Reason::Breakdown,
                &[
                    "copilot_usage",
                    "cost",
                    "metrics",
                    "perf_metrics",
                    "response_ms",
                    "time_info",
                    "timings",
                    "usage_breakdown",
                ],
            ),
            (Reason::Program, &["metadata"]),
        ],
        ..EMPTY
    },
};

static CHOICE: Shape = Shape {
    name: "choice",
    // Servers answer with `text` or `delta` where a message is expected.
    read: &["finish_reason", "error", "text"],
    nested: &[
        ("message", Nested::One(&MESSAGE)),
        ("delta", Nested::One(&MESSAGE)),
        ("usage", Nested::One(&USAGE)),
        ("provider_specific_fields", Nested::One(&CHOICE_OF_GATEWAY)),
    ],
    unread: &[
        (Reason::Bookkeeping, &["index", "meta_info", "native_finish_reason", "routed_experts", "seed", "stop_reason"]),
        // The prompt, and the answer before the server split it into the members of the message: as text or tokens.
        (Reason::Repeated, &["prompt_token_ids", "raw_output", "token_ids", "tokens"]),
        (
            Reason::Scores,
            &[
                "content_filter_offsets",
                "content_filter_result",
                "content_filter_results",
                "hidden_states",
                "logprobs",
                "matched_stop",
                "reasoning_logprobs",
            ],
        ),
    ],
    ..EMPTY
};

/// What LiteLLM has of the choices of other providers.
static CHOICE_OF_GATEWAY: Shape = Shape {
    name: "choice",
    unread: &[(Reason::Bookkeeping, &["native_finish_reason"]), (Reason::Scores, &["content_filter_results"])],
    ..EMPTY
};

static MESSAGE: Shape = Shape {
    name: "message",
    read: &[
        "role",
        "tool_call_id",
        "name",
        "refusal",
        "audio",
        "audio_content",
        "images",
        "annotations",
        "reasoning",
        "reasoning_content",
        "reasoning_opaque",
        "reasoning_text",
        "thinking",
        "thinking_blocks",
        "tool_name",
        "is_error",
        "status",
        // What the provider ran and found for the answer.
        "citations",
        "executed_tools",
        "search_results",
    ],
    nested: &[
        ("content", PART),
        ("extra_content", Nested::One(&SIGNED_EXTENSION)),
        ("context", Nested::One(&CONTEXT)),
        ("provider_specific_fields", Nested::One(&GATEWAY)),
        ("tool_calls", Nested::One(&CALL)),
        ("function_call", Nested::One(&FUNCTION)),
        ("reasoning_details", REASONING_DETAIL),
    ],
    unread: &[
        (Reason::Setting, &["cache_control", "prefix", "partial", "weight"]),
        (Reason::Bookkeeping, &["end_turn", "id", "index", "padding", "type"]),
        // Clients parse the content.
        (Reason::Repeated, &["parsed"]),
        (Reason::Bookkeeping, &["provider_metadata"]),
    ],
    ..EMPTY
};

/// What Azure found in the user's data.
static CONTEXT: Shape = Shape { name: "context", read: &["intent", "citations", "all_retrieved_documents"], ..EMPTY };

/// What LiteLLM has of other providers.
static GATEWAY: Shape = Shape {
    name: "message",
    read: &[
        "citations",
        "web_search_results",
        "tool_results",
        "reasoning",
        "reasoning_content",
        "thinking_blocks",
        "reasoning_details",
        "thoughtSignature",
        "thought_signature",
        "thought_signatures",
        "compaction_blocks",
        "server_side_tool_invocations",
    ],
    nested: &[
        ("context_management", Nested::One(&CONTEXT_MANAGEMENT)),
        ("input_transformations", Nested::One(&INPUT_TRANSFORMATION)),
        // A provider's own members, with a signature.
        ("google", Nested::One(&SIGNED_EXTENSION)),
        ("vertex_ai", Nested::One(&SIGNED_EXTENSION)),
    ],
    unread: &[(Reason::Bookkeeping, &["container", "native_finish_reason"])],
    ..EMPTY
};

static CALL: Shape = Shape {
    name: "call",
    read: &["id", "type", "name", "arguments", "input", "args", "thoughtSignature", "thought_signature"],
    nested: &[
        ("function", Nested::One(&FUNCTION)),
        ("custom", Nested::One(&CUSTOM)),
        ("extra_content", Nested::One(&SIGNED_EXTENSION)),
        ("provider_specific_fields", Nested::One(&SIGNED_EXTENSION)),
    ],
    unread: &[(Reason::Bookkeeping, &["index"])],
    ..EMPTY
};

static FUNCTION: Shape = Shape {
    name: "call",
    read: &["name", "arguments", "thoughtSignature", "thought_signature"],
    nested: &[
        ("extra_content", Nested::One(&SIGNED_EXTENSION)),
        ("provider_specific_fields", Nested::One(&SIGNED_EXTENSION)),
    ],
    // Clients parse the arguments.
    unread: &[(Reason::Repeated, &["parsed_arguments"])],
    ..EMPTY
};

static CUSTOM: Shape = Shape { name: "call", read: &["name", "input"], ..EMPTY };

const REASONING_DETAIL: Nested = Nested::Tagged {
    tag: "type",
    shapes: &[(&["reasoning.text", "reasoning.summary", "reasoning.encrypted"], &DETAIL)],
    untagged: Some(&DETAIL),
};

static DETAIL: Shape = Shape {
    name: "reasoning detail",
    read: &["type", "text", "summary", "data", "signature", "index"],
    unread: &[(Reason::Bookkeeping, &["id", "format"])],
    ..EMPTY
};

/// A part of a message. Parts that are kept whole, such as images and files, have no shape.
const PART: Nested = Nested::Tagged {
    tag: "type",
    shapes: &[(&["text", "output_text", "input_text"], &TEXT), (&["refusal"], &REFUSAL), (&["thinking"], &THINKING)],
    untagged: None,
};

static TEXT: Shape = Shape {
    name: "part",
    read: &["type", "text", "content", "annotations"],
    unread: &[(Reason::Setting, &["cache_control", "prompt_cache_breakpoint"]), (Reason::Scores, &["logprobs"])],
    ..EMPTY
};

static REFUSAL: Shape = Shape { name: "part", read: &["type", "refusal"], ..EMPTY };

/// Reasoning among the parts, as Mistral has it.
static THINKING: Shape = Shape {
    name: "part",
    read: &["type", "signature", "data"],
    nested: &[("thinking", THOUGHT), ("content", THOUGHT), ("text", THOUGHT)],
    unread: &[(Reason::Bookkeeping, &["closed"]), (Reason::Setting, &["cache_control"])],
    ..EMPTY
};

/// A piece of such reasoning.
const THOUGHT: Nested = Nested::Tagged { tag: "type", shapes: &[(&["text"], &TEXT)], untagged: None };

static USAGE: Shape = Shape {
    name: "usage",
    read: &[
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "prompt_cache_hit_tokens",
        "cached_tokens",
        "num_cached_tokens",
        "reasoning_tokens",
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
    ],
    nested: &[
        ("cache_creation", Nested::One(&CACHE_CREATION)),
        ("prompt_tokens_details", Nested::One(&PROMPT_DETAILS)),
        ("completion_tokens_details", Nested::One(&COMPLETION_DETAILS)),
    ],
    unread: &[
        // The tokens that were not read from the cache.
        (
            Reason::Repeated,
            &[
                "prompt_cache_miss_tokens",
                "input_tokens",
                "output_tokens",
                "input_tokens_details",
                "output_tokens_details",
            ],
        ),
        (
            Reason::Breakdown,
            &[
                "citation_tokens",
                "completion_time",
                "cost",
                "cost_details",
                "cost_in_usd_ticks",
                "estimated_cost",
                "extra_properties",
                "inference_geo",
                "is_byok",
                "num_search_queries",
                "num_sources_used",
                "prompt_audio_seconds",
                "prompt_time",
                "queue_time",
                "search_context_size",
                "server_tool_use",
                "server_tool_use_details",
                "service_tier",
                "total_characters",
                "total_time",
                "claude_cache_creation_1_h_tokens",
                "claude_cache_creation_5_m_tokens",
                "usage_source",
                "usage_semantic",
                "iterations",
                "speed",
            ],
        ),
    ],
    ..EMPTY
};

static CACHE_CREATION: Shape = Shape {
    name: "usage",
    read: &["ephemeral_1h_input_tokens"],
    unread: &[(Reason::Breakdown, &["ephemeral_5m_input_tokens"])],
    ..EMPTY
};

static PROMPT_DETAILS: Shape = Shape {
    name: "usage",
    read: &[
        "cached_tokens",
        "cache_write_tokens",
        "cache_creation_tokens",
        "cached_creation_tokens",
        "cache_creation_input_tokens",
    ],
    unread: &[(
        Reason::Breakdown,
        &[
            "audio_tokens",
            "image_tokens",
            "text_tokens",
            "video_tokens",
            "file_tokens",
            "cache_type",
            "cache_creation",
            "cache_creation_token_details",
            "web_search_requests",
        ],
    )],
    ..EMPTY
};

static COMPLETION_DETAILS: Shape = Shape {
    name: "usage",
    read: &["reasoning_tokens"],
    unread: &[(
        Reason::Breakdown,
        &[
            "accepted_prediction_tokens",
            "audio_tokens",
            "image_tokens",
            "rejected_prediction_tokens",
            "text_tokens",
            "video_tokens",
        ],
    )],
    ..EMPTY
};
