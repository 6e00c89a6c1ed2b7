//! The known members of the bodies of Chat Completions, with the dialects of compatible servers.

use crate::provider::members::{EMPTY, Members, Nested, Reason, Shape};

pub(super) static MEMBERS: Members = Members {
    request: Shape {
        name: "request",
        read: &[
            "messages",
            "tools",
            "functions",
            "temperature",
            "top_p",
            "max_completion_tokens",
            "max_tokens",
            "stream",
            "reasoning_effort",
        ],
        unread: &[
            (
                Reason::Setting,
                &[
                    "audio",
                    "best_of",
                    "cached_content",
                    "chat_template_kwargs",
                    "deferred",
                    "documents",
                    "enable_thinking",
                    "extra_body",
                    "frequency_penalty",
                    "function_call",
                    "guardrails",
                    "include_reasoning",
                    "logit_bias",
                    "logprobs",
                    "max_search_results",
                    "min_p",
                    "modalities",
                    "models",
                    "n",
                    "parallel_tool_calls",
                    "plugins",
                    "prediction",
                    "presence_penalty",
                    "prompt_cache_key",
                    "prompt_cache_retention",
                    "prompt_mode",
                    "provider",
                    "random_seed",
                    "reasoning",
                    "reasoning_format",
                    "repetition_penalty",
                    "response_format",
                    "route",
                    "safe_prompt",
                    "safety_identifier",
                    "search_parameters",
                    "seed",
                    "service_tier",
                    "session_id",
                    "stop",
                    "store",
                    "stream_options",
                    "structured_outputs",
                    "thinking",
                    "thinking_budget",
                    "tool_choice",
                    "top_a",
                    "top_k",
                    "top_logprobs",
                    "transforms",
                    "verbosity",
                    "web_search_options",
                    "google",
                    "web_search",
                ],
            ),
            (Reason::Repeated, &["model"]),
            (Reason::Bookkeeping, &["user", "usage"]),
            (Reason::Program, &["metadata"]),
        ],
        ..EMPTY
    },
    entries: Nested::One(&MESSAGE),
    response: Shape {
        name: "response",
        read: &["id", "response_id", "model"],
        nested: &[("choices", Nested::One(&CHOICE)), ("usage", Nested::One(&USAGE))],
        unread: &[
            (
                Reason::Bookkeeping,
                &[
                    "created",
                    "object",
                    "provider",
                    "request_id",
                    "service_tier",
                    "system_fingerprint",
                    "x_groq",
                    "usage_breakdown",
                    "openrouter_metadata",
                    "time_info",
                    "kv_transfer_params",
                    "nvext",
                    "warnings",
                    "debug_output",
                    "status",
                ],
            ),
            // The request is recorded; the end event of the call has the error.
            (Reason::Repeated, &["error", "base_resp", "prompt_token_ids"]),
            (Reason::Scores, &["prompt_logprobs", "prompt_filter_results", "moderation"]),
            (Reason::Sources, &["citations", "search_results", "videos", "related_questions"]),
            (Reason::Program, &["metadata"]),
        ],
        ..EMPTY
    },
};

static CHOICE: Shape = Shape {
    name: "choice",
    read: &["finish_reason"],
    nested: &[("message", Nested::One(&MESSAGE)), ("usage", Nested::One(&USAGE))],
    unread: &[
        (Reason::Bookkeeping, &["index", "native_finish_reason", "stop_reason", "token_ids", "delta", "error"]),
        (Reason::Scores, &["logprobs", "content_filter_results", "content_filter_result", "matched_stop"]),
    ],
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
        "images",
        "annotations",
        "reasoning",
        "reasoning_content",
        "thinking",
        "thinking_blocks",
        "citations",
        "tool_name",
        // Signatures, in the members of servers.
        "extra_content",
        "provider_specific_fields",
    ],
    nested: &[
        ("content", PART),
        ("tool_calls", Nested::One(&CALL)),
        ("function_call", Nested::One(&FUNCTION)),
        ("reasoning_details", REASONING_DETAIL),
    ],
    unread: &[
        (Reason::Setting, &["cache_control", "prefix", "partial", "weight"]),
        (Reason::Bookkeeping, &["index", "id", "is_error", "context", "parsed", "type", "status"]),
        (Reason::Sources, &["executed_tools", "search_results", "provider_metadata"]),
    ],
    ..EMPTY
};

static CALL: Shape = Shape {
    name: "call",
    read: &[
        "id",
        "type",
        "name",
        "arguments",
        "input",
        "args",
        "extra_content",
        "provider_specific_fields",
        "thoughtSignature",
        "thought_signature",
    ],
    nested: &[("function", Nested::One(&FUNCTION)), ("custom", Nested::One(&CUSTOM))],
    unread: &[(Reason::Bookkeeping, &["index"])],
    ..EMPTY
};

static FUNCTION: Shape = Shape {
    name: "call",
    read: &["name", "arguments"],
    unread: &[(Reason::Bookkeeping, &["parsed_arguments", "thought_signature"])],
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
