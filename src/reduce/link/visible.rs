//! Indexes items by thread and call id: the calls of tools and their outputs as the model saw them.

use std::collections::HashMap;

use super::producers::producing_inference;
use super::reused_ids::reused_calls;
use super::visible_call::{ReusedCalls, VisibleCall};
use crate::event::{CallId, Seq, ThreadId};
use crate::reduce::Work;
use crate::reduce::fold::Conversations;

/// The calls of a thread with one id.
#[derive(Debug)]
pub(super) enum CallsOfId {
    /// One call, which all items with the id belong to.
    One(VisibleCall),
    /// Several calls, because the id is reused.
    Several(ReusedCalls),
}

impl CallsOfId {
    /// Returns the seq of the response that made the only call. Returns `None` if there are several calls, and if no
    /// response made it.
    pub(super) fn only_response(&self, conversations: &Conversations) -> Option<Seq> {
        let Self::One(call) = self else { return None };
        let mut items = call.call_items.iter().filter_map(|item| conversations.items.get(item.index()));
        let made = items.find(|item| producing_inference(item).is_some())?;
        made.evidence.as_slice().first().map(|(seq, _)| *seq)
    }

    /// Returns `true` if the first call has no id, so that the name of its tool stands for the id.
    pub(super) fn first_call_has_no_id(&self, conversations: &Conversations) -> bool {
        let visible = match self {
            Self::One(call) => Some(call),
            Self::Several(calls) => calls.calls.first().map(|call| &call.visible),
        };
        let first = visible.and_then(|call| conversations.items.get(call.call_items.first()?.index()));
        first.is_some_and(|item| item.content.call_id.is_none())
    }
}

/// An index of the calls by thread and call id.
#[derive(Debug, Default)]
pub(super) struct VisibleCalls(HashMap<(ThreadId, CallId), CallsOfId>);

impl VisibleCalls {
    /// Indexes the items that have a call id, or the name of a tool in its place.
    pub(super) fn new(conversations: &Conversations, work: &mut Work) -> Self {
        let mut calls = HashMap::new();
        for (thread_id, call_id, several) in reused_calls(conversations, work) {
            calls.insert((thread_id, call_id), CallsOfId::Several(several));
        }
        for item in &conversations.items {
            let Some(call_id) = item.content.linking_id() else { continue };
            work.link_probes += 1;
            let key = (item.thread_id.clone(), call_id);
            match calls.entry(key).or_insert_with(|| CallsOfId::One(VisibleCall::default())) {
                CallsOfId::One(call) => call.add(item),
                CallsOfId::Several(_) => {}
            }
        }
        Self(calls)
    }

    /// Returns the calls with the given id in the given thread. Returns `None` if no item has the id.
    pub(super) fn with_id(&self, id: &(ThreadId, CallId)) -> Option<&CallsOfId> {
        self.0.get(id)
    }

    /// Iterates over all calls, with their threads and ids, in any order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&(ThreadId, CallId), &VisibleCall)> {
        self.0.iter().flat_map(|(id, calls)| {
            let (one, several) = match calls {
                CallsOfId::One(call) => (Some(call), None),
                CallsOfId::Several(calls) => (None, Some(&calls.calls)),
            };
            one.into_iter().chain(several.into_iter().flatten().map(|call| &call.visible)).map(move |call| (id, call))
        })
    }

    /// Returns the calls with a reused id. Returns `None` for other ids.
    pub(super) fn reused_mut(&mut self, id: &(ThreadId, CallId)) -> Option<&mut ReusedCalls> {
        match self.0.get_mut(id)? {
            CallsOfId::One(_) => None,
            CallsOfId::Several(calls) => Some(calls),
        }
    }

    /// Iterates over the reused ids with their calls.
    pub(super) fn reused(&self) -> impl Iterator<Item = (&(ThreadId, CallId), &ReusedCalls)> {
        self.0.iter().filter_map(|(id, calls)| match calls {
            CallsOfId::One(_) => None,
            CallsOfId::Several(calls) => Some((id, calls)),
        })
    }
}
