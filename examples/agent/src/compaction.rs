//! Remote compaction: a history that has grown too long is replaced by the shorter one that the endpoint returns.

use std::sync::atomic::Ordering;

use otel_trace::{Json, Model, Operation, Turn};
use serde_json::{Value, json};
use tracing::Instrument;

use crate::agent::Agent;
use crate::failure::Failure;
use crate::inference::INSTRUCTIONS;

impl Agent {
    /// Compacts the history if it exceeds the limit. If compaction fails, the agent continues with the whole history.
    pub(super) async fn compact_if_long(&mut self, turn: &Turn) {
        let setup = &self.ctx.setup;
        if self.context_tokens <= setup.context_limit || !setup.can_compact.load(Ordering::Relaxed) {
            return;
        }
        match self.compact(turn).await {
            Ok(replacement) => {
                let (before, after) = (self.history.len(), replacement.len());
                self.history = replacement;
                self.context_tokens = 0;
                self.ctx.screen.print_note(&format!("  compacted {before} items to {after}"));
            }
            Err(failure) => {
                let message = &failure.message;
                let rest = if failure.is_unknown_route {
                    setup.can_compact.store(false, Ordering::Relaxed);
                    "the endpoint can't compact, so the whole history goes along"
                } else {
                    "the history could not be compacted this time"
                };
                self.ctx.screen.print_warning(&format!("{rest}: {message}"));
            }
        }
    }

    /// Requests a compaction and records it. Once it has succeeded, the replacement is recorded as installed.
    async fn compact(&self, turn: &Turn) -> Result<Vec<Value>, Failure> {
        let setup = &self.ctx.setup;
        let request = json!({"model": setup.model, "input": self.history, "instructions": INSTRUCTIONS});
        let compaction = turn.compaction(Model { name: &setup.model, provider: "openai" });
        let outcome = setup.client.compact(&request).instrument(compaction.span().clone()).await;
        match &outcome {
            Ok(replacement) => {
                compaction.complete();
                let checkpoint = json!({"input_history": self.history, "replacement_history": replacement});
                compaction.installed(Json(&checkpoint));
            }
            Err(failure) => compaction.fail(&failure.message),
        }
        outcome
    }
}
