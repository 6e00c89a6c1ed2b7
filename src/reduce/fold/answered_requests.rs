//! The completed inference calls, by the places at which later requests show their responses.

use std::collections::HashMap;

use super::conversation::ConversationBuilder;
use super::paths::StepId;
use crate::event::{ExecutionStatus, InferenceId, Seq};
use crate::graph::{InferenceCall, Table};

/// The completed inference calls by the place at which their requests end.
///
/// What a later request shows behind the request of an inference call is its response. If the response was recorded
/// without its content, this is the only evidence for the calls of tools that it contained. If the program rewrote the
/// response, its calls are found by this place.
pub(super) struct AnsweredRequests(HashMap<(StepId, usize), Vec<CompletedCall>>);

/// A completed inference call.
#[derive(Debug, Clone, Copy)]
pub(super) struct CompletedCall {
    pub(super) index: usize,
    ended: Seq,
    /// `true` if the response was recorded without its content.
    pub(super) is_lost: bool,
}

impl AnsweredRequests {
    pub(super) fn new(conversation: &mut ConversationBuilder<'_>, calls: &Table<InferenceId, InferenceCall>) -> Self {
        let mut completed: HashMap<_, Vec<_>> = HashMap::new();
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

    /// Returns `true` if the request of a completed inference call ends at a place.
    pub(super) fn end_at(&self, place: (StepId, usize)) -> bool {
        self.0.contains_key(&place)
    }

    /// Returns the inference call whose response a list shows behind a place. `seq` is that of the event that contains
    /// the list. Returns `None` if several inference calls completed with the same request.
    pub(super) fn at(&self, place: (StepId, usize), seq: Seq) -> Option<CompletedCall> {
        let mut earlier = self.0.get(&place)?.iter().take_while(|call| call.ended < seq);
        let only = earlier.next()?;
        earlier.next().is_none().then_some(*only)
    }
}
