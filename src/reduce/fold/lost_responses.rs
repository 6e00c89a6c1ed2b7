//! The responses that were recorded without their content, by the places at which later requests show their items.

use std::collections::HashMap;

use super::conversation::ConversationBuilder;
use super::paths::StepId;
use crate::event::{ExecutionStatus, InferenceId, Seq};
use crate::graph::{InferenceCall, Table};

/// The completed inference calls by the place at which their requests end.
///
/// What a later request shows behind the request of an inference call is its response. Without the content of the
/// response, this is the only evidence for the calls of tools that it contained.
pub(super) struct LostResponses(HashMap<(StepId, usize), Vec<CompletedCall>>);

/// A completed inference call.
struct CompletedCall {
    index: usize,
    ended: Seq,
    is_lost: bool,
}

impl LostResponses {
    pub(super) fn new(conversation: &mut ConversationBuilder<'_>, calls: &Table<InferenceId, InferenceCall>) -> Self {
        let mut completed: HashMap<_, Vec<_>> = HashMap::new();
        if conversation.unknown_responses.is_empty() {
            return Self(completed);
        }
        for (index, call) in calls.iter().enumerate() {
            let ended = call.execution.ended.filter(|_| call.execution.status == ExecutionStatus::Completed);
            let (Some(ended), Some(&path)) = (ended, conversation.requests.get(&index)) else { continue };
            let length = conversation.paths.len(path);
            let Some(step) = conversation.paths.step_holding(path, length) else { continue };
            let is_lost = conversation.unknown_responses.contains(&index);
            completed.entry((step, length)).or_default().push(CompletedCall { index, ended: ended.seq, is_lost });
        }
        completed.values_mut().for_each(|calls| calls.sort_by_key(|call| call.ended));
        Self(completed)
    }

    /// Returns the index of the inference call whose response a list shows behind a place. `seq` is that of the event
    /// that contains the list. Returns `None` if the response was recorded, or if several inference calls completed with
    /// the same request.
    pub(super) fn at(&self, place: (StepId, usize), seq: Seq) -> Option<usize> {
        let mut earlier = self.0.get(&place)?.iter().take_while(|call| call.ended < seq);
        let only = earlier.next().filter(|call| call.is_lost)?;
        earlier.next().is_none().then_some(only.index)
    }
}
