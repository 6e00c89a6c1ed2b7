//! Inference calls with one request, which are attempts to get one response.

use std::collections::HashMap;

use super::conversation::ConversationBuilder;
use crate::event::InferenceId;
use crate::graph::{InferenceCall, Table};

/// The first inference call with the same request as each inference call, by their indices.
#[derive(Debug, Default)]
pub(in crate::reduce) struct Attempts(HashMap<usize, usize>);

impl Attempts {
    /// Collects the inference calls whose requests are known.
    pub(super) fn new(conversation: &mut ConversationBuilder<'_>, calls: &Table<InferenceId, InferenceCall>) -> Self {
        let mut first_calls = HashMap::new();
        let mut attempts = HashMap::new();
        for index in 0..calls.iter().len() {
            let Some(&path) = conversation.requests.get(&index) else { continue };
            let length = conversation.paths.len(path);
            let Some(step) = conversation.paths.step_holding(path, length) else { continue };
            attempts.insert(index, *first_calls.entry((step, length)).or_insert(index));
        }
        Self(attempts)
    }

    /// Returns the first inference call with the request of an inference call. Returns `None` if the request is unknown.
    pub(in crate::reduce) fn first(&self, call: usize) -> Option<usize> {
        self.0.get(&call).copied()
    }
}
