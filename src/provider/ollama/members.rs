//! The known members of the bodies of Ollama's chat.

use crate::provider::members::{EMPTY, Members, Nested, Reason, Shape};

pub(super) static MEMBERS: Members = Members {
    request: Shape {
        name: "request",
        // Servers read `system` as other APIs have it.
        read: &["messages", "system", "tools", "think", "stream"],
        nested: &[("options", Nested::One(&OPTIONS))],
        unread: &[
            (
                Reason::Setting,
                &[
                    "_debug_render_only",
                    "dimensions",
                    "format",
                    "keep_alive",
                    "logprobs",
                    "shift",
                    "template",
                    "top_logprobs",
                    "truncate",
                ],
            ),
            (Reason::Repeated, &["model", "model_name"]),
        ],
        ..EMPTY
    },
    entries: Nested::One(&MESSAGE),
    response: Shape {
        name: "response",
        read: &["model", "done_reason", "error", "prompt_eval_count", "eval_count"],
        nested: &[("message", Nested::One(&MESSAGE))],
        unread: &[
            (
                Reason::Bookkeeping,
                &[
                    "_debug_info",
                    "created_at",
                    "done",
                    "eval_duration",
                    "load_duration",
                    "prompt_eval_duration",
                    "remote_host",
                    "remote_model",
                    "total_duration",
                ],
            ),
            (Reason::Scores, &["logprobs"]),
        ],
        ..EMPTY
    },
};

pub(in crate::provider) static OPTIONS: Shape = Shape {
    name: "options",
    read: &["temperature", "top_p", "num_predict"],
    unread: &[(
        Reason::Setting,
        &[
            "draft_num_predict",
            "embedding_only",
            "f16_kv",
            "frequency_penalty",
            "logits_all",
            "low_vram",
            "main_gpu",
            "min_p",
            "mirostat",
            "mirostat_eta",
            "mirostat_tau",
            "num_batch",
            "num_ctx",
            "num_gpu",
            "num_gqa",
            "num_keep",
            "num_thread",
            "numa",
            "penalize_newline",
            "presence_penalty",
            "repeat_last_n",
            "repeat_penalty",
            "seed",
            "stop",
            "tfs_z",
            "top_k",
            "typical_p",
            "use_mlock",
            "use_mmap",
            "vocab_only",
        ],
    )],
    ..EMPTY
};

static MESSAGE: Shape = Shape {
    name: "message",
    read: &["role", "content", "thinking", "audio", "images", "tool_name", "tool_call_id", "name"],
    nested: &[("tool_calls", Nested::One(&CALL))],
    ..EMPTY
};

static CALL: Shape = Shape {
    name: "call",
    read: &["id"],
    nested: &[("function", Nested::One(&FUNCTION))],
    unread: &[(Reason::Bookkeeping, &["type"])],
    ..EMPTY
};

static FUNCTION: Shape = Shape {
    name: "call",
    read: &["name", "arguments"],
    unread: &[(Reason::Bookkeeping, &["description", "index"])],
    ..EMPTY
};
