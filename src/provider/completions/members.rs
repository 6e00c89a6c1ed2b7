//! The known members of the bodies of completions. The choices of a response are those of Chat Completions.

use crate::provider::chat::members::settings;
use crate::provider::members::{EMPTY, Members, Nested, Reason, Shape};
use crate::provider::ollama::members::OPTIONS;

pub(super) static MEMBERS: Members = Members {
    request: Shape {
        name: "request",
        read: &["prompt", "system", "temperature", "top_p", "max_tokens", "think", "stream"],
        nested: &[("options", Nested::One(&OPTIONS))],
        unread: &[
            (Reason::Setting, settings::OPENAI),
            (Reason::Setting, settings::GATEWAYS),
            (Reason::Setting, settings::HOSTED),
            (Reason::Setting, settings::LOCAL),
            (Reason::Setting, &["best_of", "echo", "format", "keep_alive", "raw", "shift", "template", "truncate"]),
            (Reason::Repeated, &["model"]),
            (Reason::Bookkeeping, &["request_id", "user"]),
            (Reason::Program, &["metadata"]),
        ],
        ..EMPTY
    },
    // Prompts are texts.
    entries: Nested::One(&EMPTY),
    response: Shape {
        name: "response",
        read: &["model", "response", "thinking", "done_reason", "prompt_eval_count", "eval_count"],
        unread: &[
            (
                Reason::Bookkeeping,
                &[
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
            // The tokens of the conversation, which the program may send with its next prompt.
            (Reason::Repeated, &["context", "error"]),
            (Reason::Scores, &["logprobs"]),
        ],
        ..EMPTY
    },
};
