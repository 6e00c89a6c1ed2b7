//! The completed inference calls, by the places at which later requests show their responses.

use std::collections::{HashMap, HashSet};

use super::conversation::ConversationBuilder;
use super::lists::RecordedList;
use super::paths::StepId;
use crate::event::{ExecutionStatus, InferenceId, Seq};
use crate::graph::{InferenceCall, Item, Producer, Table};

/// The completed inference calls by the place at which their requests end.
///
/// What a later request shows behind the request of an inference call is its response. If the response was recorded
/// without its content, this is the only evidence for the calls of tools that it contained. If the program rewrote the
/// response, its calls are found by this place.
pub(super) struct AnsweredRequests<'a> {
    calls: &'a Table<InferenceId, InferenceCall>,
    /// The indices of the calls in `by_place`, each with its place.
    places: HashSet<(Place, usize)>,
    by_place: HashMap<Place, Vec<CompletedCall>>,
    /// By the place, and the hash of the instructions beside the items of the request.
    by_instructions: HashMap<(Place, Option<u128>), Vec<CompletedCall>>,
}

/// The end of a request: the step that holds it, and the number of items up to it.
type Place = (StepId, usize);

/// A completed inference call.
#[derive(Debug, Clone, Copy)]
pub(super) struct CompletedCall {
    pub(super) index: usize,
    ended: Seq,
    /// `true` if the response was recorded without its content.
    pub(super) is_lost: bool,
}

impl<'a> AnsweredRequests<'a> {
    pub(super) fn new(
        conversation: &mut ConversationBuilder<'_>,
        calls: &'a Table<InferenceId, InferenceCall>,
    ) -> Self {
        let mut places = HashSet::new();
        let (mut by_place, mut by_instructions) = (HashMap::<_, Vec<_>>::new(), HashMap::<_, Vec<_>>::new());
        for (index, call) in calls.iter().enumerate() {
            let ended = call.execution.ended.filter(|_| call.execution.status == ExecutionStatus::Completed);
            let (Some(ended), Some(&path)) = (ended, conversation.requests.get(&index)) else { continue };
            let length = conversation.paths.len(path);
            let Some(step) = conversation.paths.step_holding(path, length) else { continue };
            let is_lost = conversation.unknown_responses.contains(&index);
            let instructions = conversation.separate_instructions.get(&index).copied();
            places.insert(((step, length), index));
            let call = CompletedCall { index, ended: ended.seq, is_lost };
            by_place.entry((step, length)).or_default().push(call);
            by_instructions.entry(((step, length), instructions)).or_default().push(call);
        }
        let of_places = by_place.values_mut().chain(by_instructions.values_mut());
        of_places.for_each(|calls| calls.sort_by_key(|call| call.ended));
        Self { calls, places, by_place, by_instructions }
    }

    /// Returns `true` if the request of a completed inference call ends at a place.
    pub(super) fn end_at(&self, place: Place) -> bool {
        self.by_place.contains_key(&place)
    }

    /// Returns `true` if an item is of the response of an inference call whose request does not end at a place.
    pub(super) fn is_of_other_response(&self, place: Place, item: &Item) -> bool {
        let response = item.produced_by.iter().find_map(|producer| match producer {
            Producer::Inference { inference_call_id } => self.calls.index_of(inference_call_id),
            Producer::UserInput
            | Producer::Tool { .. }
            | Producer::CodeCell { .. }
            | Producer::InteractionEdge { .. }
            | Producer::Compaction { .. }
            | Producer::Harness => None,
        });
        response.is_some_and(|response| !self.places.contains(&(place, response)))
    }

    /// Returns the inference call whose response a list shows behind a place: the only one that completed with the same
    /// request. If several did, it is the only one whose request also has the instructions of the list. Returns `None` if
    /// there is none.
    pub(super) fn at(&self, place: Place, list: &RecordedList) -> Option<CompletedCall> {
        let only = |calls: &Vec<CompletedCall>| {
            let mut earlier = calls.iter().take_while(|call| call.ended < list.seq);
            let only = earlier.next()?;
            earlier.next().is_none().then_some(*only)
        };
        let with_instructions = || self.by_instructions.get(&(place, list.instructions)).and_then(only);
        self.by_place.get(&place).and_then(only).or_else(with_instructions)
    }
}
