//! The calls of responses that requests show behind the requests of their inference calls, as the model finds them.

use std::collections::BTreeSet;

use otel_trace::event::ExecutionStatus;
use otel_trace::graph::{InferenceCall, Item, ItemId, Role};

use super::{Call, Found, List, ListKind, Model};

/// A call of a response, by its number among the calls of the response with its id.
struct OfResponse<'g> {
    inference: &'g InferenceCall,
    ended: u64,
    number: usize,
}

impl OfResponse<'_> {
    fn is_lost(&self) -> bool {
        self.inference.response_item_ids.is_empty()
    }
}

impl<'g> Model<'g> {
    /// "What a request shows behind the request of an inference call is its response", if no other inference call
    /// completed with this request, and nothing of another response stands there.
    fn of_response(&self, list: &List, positions: &[usize], at: usize) -> Option<OfResponse<'g>> {
        let earlier = self.lists.iter().take_while(|other| !std::ptr::eq(*other, list));
        let common = |other: &List| other.items.iter().zip(&list.items).take_while(|(one, two)| one == two).count();
        let start = earlier.map(common).max().unwrap_or_default();
        if list.kind != ListKind::Request || at < start {
            return None;
        }
        let mut calls: Vec<(usize, u64, &InferenceCall)> = Vec::new();
        for call in self.graph.inference_calls.iter() {
            let Some(ended) = call.execution.ended.filter(|_| call.execution.status == ExecutionStatus::Completed)
            else {
                continue;
            };
            let request: Vec<_> = self.graph.snapshot(&call.inference_call_id).collect();
            let is_start = !request.is_empty() && list.items[..=at].starts_with(&request) && request.len() <= at;
            let is_model = |id: &ItemId| self.content(*id).role == Role::Assistant;
            if is_start && list.items[request.len()..=at].iter().all(is_model) {
                calls.push((request.len(), ended.seq.0, call));
            }
        }
        let end = calls.iter().map(|(end, ..)| *end).max()?;
        let is_of_other = |id: &ItemId| {
            let mut made = self.graph.inference_calls.iter().filter(|call| call.response_item_ids.contains(id));
            let is_here = |call: &InferenceCall| {
                let is_completed = call.execution.status == ExecutionStatus::Completed;
                is_completed && self.graph.snapshot(&call.inference_call_id).eq(list.items[..end].iter().copied())
            };
            made.next().is_some_and(|call| !is_here(call))
        };
        if list.items[end..=at].iter().any(is_of_other) {
            return None;
        }
        calls.retain(|(other, ended, _)| *other == end && *ended < list.seq);
        let number = positions.iter().filter(|position| (end..at).contains(*position)).count();
        let is_made = self.graph.inference_calls.iter().any(|call| call.response_item_ids.contains(&list.items[at]));
        match calls[..] {
            [(_, ended, inference)] => {
                Some(OfResponse { inference, ended, number }).filter(|call| !(call.is_lost() && is_made))
            }
            _ => None,
        }
    }

    /// Finds the calls in a list by the responses that it shows: those of responses without content, and those that have
    /// no output.
    pub(super) fn add_of_responses(
        &self,
        list: &List,
        positions: &[usize],
        of_id: &dyn Fn(&Item) -> bool,
        found: &mut Found<'g>,
    ) -> Vec<Option<usize>> {
        let lost = |at: &usize| self.add_lost(list, positions, *at, of_id, found);
        let mut numbers: Vec<Option<usize>> = positions.iter().map(lost).collect();
        for (n, &at) in positions.iter().enumerate() {
            if numbers[n].is_none() {
                let made = self.find_made(list, positions, at, found);
                numbers[n] = made.filter(|call| !numbers.contains(&Some(*call)));
            }
        }
        numbers
    }

    /// Returns the call of a response without content at a position. Such a response shows the same calls in each list
    /// that has their outputs.
    fn add_lost(
        &self,
        list: &List,
        positions: &[usize],
        at: usize,
        of_id: &dyn Fn(&Item) -> bool,
        found: &mut Found<'g>,
    ) -> Option<usize> {
        let OfResponse { inference, ended, number } =
            self.of_response(list, positions, at).filter(OfResponse::is_lost)?;
        let id = inference.inference_call_id.to_string();
        let known = found.call_of(list.items[at]).map(|call| &found.calls[call].response);
        if known.is_some_and(|response| response.as_ref().is_none_or(|(other, _)| *other != id)) {
            return None;
        }
        if let Some(&(.., call)) = found.lost.iter().find(|(other, n, _)| *other == id && *n == number) {
            let output = self.first_output(list, at, of_id).map(|at| self.content(list.items[at]));
            let is_shown = match output {
                Some(output) => found.calls[call].answered.is_none() || found.outputs_of.contains(&(output, call)),
                None => self.has_content(call, self.content(list.items[at]), &found.calls),
            };
            return is_shown.then_some(call);
        }
        let response = Some((id.clone(), ended));
        found.calls.push(Call { began: Some(list.items[at]), response, ..Call::default() });
        found.lost.push((id, number, found.calls.len() - 1));
        Some(found.calls.len() - 1)
    }

    /// Returns the call of a recorded response at a position, if it has no output. "The program may have rewritten it."
    fn find_made(&self, list: &List, positions: &[usize], at: usize, found: &Found<'g>) -> Option<usize> {
        let of_response = self.of_response(list, positions, at).filter(|call| !call.is_lost())?;
        let id = of_response.inference.inference_call_id.as_str();
        let &(_, call) = found.made.iter().filter(|(other, _)| other == id).nth(of_response.number)?;
        let item = list.items[at];
        let names = |id: ItemId| (&self.content(id).namespace, &self.content(id).name);
        let is_other = found.call_of(item).is_some_and(|known| known != call)
            && !self.has_content(call, self.content(item), &found.calls);
        let first = *found.calls[call].items.first()?;
        (found.calls[call].answered.is_none() && names(first) == names(item) && !is_other).then_some(call)
    }

    /// Returns `true` if a response without content made a call after another call with its id was made or shown.
    pub(super) fn is_reused_by_lost(&self, calls: &[&&'g Item]) -> bool {
        let mut known = BTreeSet::new();
        let mut is_reused = false;
        let is_call = |id: &ItemId| calls.iter().any(|it| it.item_id == *id);
        for list in &self.lists {
            let positions: Vec<_> = (0..list.items.len()).filter(|at| is_call(&list.items[*at])).collect();
            for &at in &positions {
                let lost = self.of_response(list, &positions, at).filter(OfResponse::is_lost);
                let is_new = lost.is_some_and(|lost| known.insert(lost.inference.inference_call_id.to_string()));
                is_reused |= is_new && calls[0].item_id < list.items[at];
            }
        }
        is_reused
    }

    /// Returns `true` if the calls with an id name different tools, or if they have different contents and a response of
    /// the thread was recorded without content.
    pub(super) fn is_reused_by_contents(&self, calls: &[&&'g Item]) -> bool {
        let is_lost = |call: &InferenceCall| {
            call.execution.status == ExecutionStatus::Completed
                && call.response_item_ids.is_empty()
                && calls.first().is_some_and(|item| item.thread_id == call.thread_id)
        };
        let differ =
            |one: &&'g Item, two: &&'g Item| one.content.name != two.content.name || one.content != two.content;
        let has_lost = self.graph.inference_calls.iter().any(is_lost);
        calls
            .windows(2)
            .any(|pair| pair[0].content.name != pair[1].content.name || (has_lost && differ(pair[0], pair[1])))
    }
}
