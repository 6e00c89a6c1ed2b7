//! The calls of responses that were recorded without content, as the model finds them.

use std::collections::BTreeSet;

use otel_trace::event::ExecutionStatus;
use otel_trace::graph::{Item, ItemId, Role};

use super::{Call, Found, List, ListKind, Model};

impl<'g> Model<'g> {
    /// Returns the inference call whose response, recorded without content, contained an item of a list, and the seq of
    /// its end: "what a request shows behind the request of an inference call is its response."
    fn lost_response(&self, list: &List, at: usize) -> Option<(String, u64)> {
        let earlier = self.lists.iter().take_while(|other| !std::ptr::eq(*other, list));
        let common = |other: &List| other.items.iter().zip(&list.items).take_while(|(one, two)| one == two).count();
        let start = earlier.map(common).max().unwrap_or_default();
        let is_model = |id: &ItemId| self.content(*id).role == Role::Assistant;
        let is_behind = list.kind == ListKind::Request && start <= at && list.items[start..=at].iter().all(is_model);
        let is_made = self.graph.inference_calls.iter().any(|call| call.response_item_ids.contains(&list.items[at]));
        if start == 0 || !is_behind || is_made {
            return None;
        }
        let mut completed: Vec<(u64, String, bool)> = Vec::new();
        for call in self.graph.inference_calls.iter() {
            let Some(ended) = call.execution.ended.filter(|ended| ended.seq.0 < list.seq) else { continue };
            let is_same = self.graph.snapshot(&call.inference_call_id).eq(list.items[..start].iter().copied());
            if call.execution.status == ExecutionStatus::Completed && is_same {
                let id = call.inference_call_id.to_string();
                completed.push((ended.seq.0, id, call.response_item_ids.is_empty()));
            }
        }
        match &completed[..] {
            [(ended, id, true)] => Some((id.clone(), *ended)),
            _ => None,
        }
    }

    /// Adds the calls in a list that are of responses without content, and returns their numbers.
    pub(super) fn add_lost(&self, list: &List, positions: &[usize], found: &mut Found<'g>) -> Vec<Option<usize>> {
        let mut in_list: Vec<String> = Vec::new();
        let mut add = |at: &usize| {
            let (inference, ended) = self.lost_response(list, *at)?;
            let known = found.call_of(list.items[*at]).map(|call| &found.calls[call].response);
            if known.is_some_and(|response| response.as_ref().is_none_or(|(other, _)| *other != inference)) {
                return None;
            }
            let count = in_list.iter().filter(|other| **other == inference).count();
            in_list.push(inference.clone());
            let known = found.lost.iter().filter(|(other, _)| *other == inference).nth(count).map(|(_, call)| *call);
            Some(known.unwrap_or_else(|| {
                let response = Some((inference.clone(), ended));
                found.calls.push(Call { began: Some(list.items[*at]), response, ..Call::default() });
                found.lost.push((inference, found.calls.len() - 1));
                found.calls.len() - 1
            }))
        };
        positions.iter().map(&mut add).collect()
    }

    /// Returns `true` if a response without content made a call after another call with its id was made or shown.
    pub(super) fn is_reused_by_lost(&self, calls: &[&&'g Item]) -> bool {
        let mut known = BTreeSet::new();
        let mut is_reused = false;
        for list in &self.lists {
            for (at, id) in list.items.iter().enumerate().filter(|(_, id)| calls.iter().any(|it| it.item_id == **id)) {
                let is_new = self.lost_response(list, at).is_some_and(|(inference, _)| known.insert(inference));
                is_reused |= is_new && calls[0].item_id < *id;
            }
        }
        is_reused
    }
}
