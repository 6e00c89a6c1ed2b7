//! Indexes items by thread and call id: tool calls and their outputs as the model saw them.

use std::collections::HashMap;

use crate::event::{CallId, ThreadId};
use crate::graph::{Item, ItemId, ItemKind};
use crate::reduce::Work;

/// The items of a thread that have one call id, in order of item number.
#[derive(Debug, Default)]
pub(super) struct CallItems {
    /// Function calls and custom tool calls.
    pub(super) calls: Vec<ItemId>,
    /// Outputs of function calls and of custom tool calls.
    pub(super) outputs: Vec<ItemId>,
    /// Custom tool calls alone, whose input may be the script of a code cell.
    pub(super) custom_calls: Vec<ItemId>,
    /// Outputs of custom tool calls alone.
    pub(super) custom_outputs: Vec<ItemId>,
}

/// An index of the items that have a call id, by thread and call id.
#[derive(Debug, Default)]
pub(super) struct VisibleItems(HashMap<(ThreadId, CallId), CallItems>);

impl VisibleItems {
    /// Indexes the items that have a call id.
    pub(super) fn new(items: &[Item], work: &mut Work) -> Self {
        let mut items_by_call: HashMap<_, CallItems> = HashMap::new();
        for item in items {
            let Some(call_id) = &item.content.call_id else { continue };
            work.link_probes += 1;
            let found = items_by_call.entry((item.thread_id.clone(), call_id.clone())).or_default();
            match item.content.kind {
                ItemKind::FunctionCall => found.calls.push(item.item_id),
                ItemKind::CustomToolCall => {
                    found.calls.push(item.item_id);
                    found.custom_calls.push(item.item_id);
                }
                ItemKind::FunctionCallOutput => found.outputs.push(item.item_id),
                ItemKind::CustomToolCallOutput => {
                    found.outputs.push(item.item_id);
                    found.custom_outputs.push(item.item_id);
                }
                ItemKind::Message | ItemKind::Reasoning | ItemKind::CompactionMarker => {}
            }
        }
        Self(items_by_call)
    }

    /// Returns the items of a thread with the given call id. Returns `None` if there are none.
    pub(super) fn for_call(&self, thread: &ThreadId, call: &CallId) -> Option<&CallItems> {
        self.0.get(&(thread.clone(), call.clone()))
    }
}
