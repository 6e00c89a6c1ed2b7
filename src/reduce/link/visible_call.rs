//! The calls of tools as the model saw them.

use crate::event::Seq;
use crate::graph::{Item, ItemId, Part};
use crate::reduce::fold::Conversations;
use crate::reduce::requested_calls::ArgumentsHash;

/// A call of a tool as the model saw it.
#[derive(Debug, Default)]
pub(super) struct VisibleCall {
    /// The items that contain the call, in order of item number.
    pub(super) call_items: Vec<ItemId>,
    /// The items that contain outputs of the call, in order of item number.
    pub(super) output_items: Vec<ItemId>,
}

impl VisibleCall {
    pub(super) fn add(&mut self, item: &Item) {
        if item.content.kind.is_call() {
            self.call_items.push(item.item_id);
        } else if item.content.kind.is_output() {
            self.output_items.push(item.item_id);
        }
    }

    /// Returns the arguments of the call. Returns `None` if they are not JSON.
    pub(super) fn arguments(&self, conversations: &Conversations) -> Option<ArgumentsHash> {
        let item = conversations.items.get(self.call_items.first()?.index())?;
        item.content.parts.iter().find_map(|part| match part {
            Part::Json { summary } => Some(ArgumentsHash::of_summary(summary)),
            Part::Text(_)
            | Part::LabelledText { .. }
            | Part::Summary(_)
            | Part::Encoded { .. }
            | Part::Code { .. }
            | Part::PayloadRef { .. } => None,
        })
    }
}

/// A call whose id other calls of its thread have too.
#[derive(Debug, Default)]
pub(super) struct ReusedCall {
    pub(super) visible: VisibleCall,
    /// Identity hash of the first item that contained the call.
    pub(super) content: u128,
    /// The response that made the call. `None` if it was not recorded.
    pub(super) response: Option<MakingResponse>,
    /// Seq of the first request that showed the call. `None` if a response or a checkpoint contained it first.
    pub(super) requested: Option<Seq>,
    /// `true` if the place of the first output in a list leaves no doubt that it belongs to the call.
    pub(super) is_placed: bool,
    /// Seq of the first list that showed an output of the call.
    pub(super) answered: Option<Seq>,
    /// Identity hashes of the outputs.
    pub(super) output_contents: Vec<u128>,
}

/// The calls of a reused id.
#[derive(Debug, Default)]
pub(super) struct ReusedCalls {
    /// In order of their first items.
    pub(super) calls: Vec<ReusedCall>,
    /// The outputs that belong to no call.
    pub(super) other_outputs: Vec<OtherOutput>,
    /// The call items that requests and checkpoints contain, each with the output behind it in the list that showed the
    /// call item first.
    pub(super) answered_items: Vec<(ItemId, ItemId)>,
    /// The calls that lists show and that they do not set apart from other calls, in order of the lists.
    pub(super) doubts: Vec<Doubt>,
}

/// A call in a list that is the same whether the list means this call or another one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Doubt {
    /// Number of the call that the items of the list belong to. `None` if only a tool that ran the other call makes the
    /// list doubtful.
    pub(super) shown: Option<usize>,
    /// The other call.
    pub(super) rival: Rival,
    /// Seq of the list.
    pub(super) seq: Seq,
}

/// A call that a list may mean in place of another one.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rival {
    /// The call with a number.
    Call(usize),
    /// An unknown call, if a response of the thread was recorded without its content.
    OfLostResponse {
        /// `true` if the call in the list had another output before.
        is_further: bool,
    },
}

/// An output that belongs to no call of a response.
#[derive(Debug, Clone, Copy)]
pub(super) struct OtherOutput {
    pub(super) item: ItemId,
    /// Identity hash of the content.
    pub(super) content: u128,
    /// Seq of the list that showed the output first.
    pub(super) seq: Seq,
}

impl ReusedCall {
    /// Returns the arguments of the call. Returns `None` if they are not JSON.
    pub(super) fn arguments(&self, conversations: &Conversations) -> Option<ArgumentsHash> {
        self.visible.arguments(conversations)
    }
}

/// The response that made a call.
#[derive(Debug, Clone, Copy)]
pub(super) struct MakingResponse {
    /// Index of the inference call.
    pub(super) call: usize,
    /// Seq of the event that contains the response.
    pub(super) seq: Seq,
}
