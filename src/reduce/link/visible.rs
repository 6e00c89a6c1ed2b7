//! Indexes items by thread and call id: calls and outputs as the model saw them.

use std::collections::HashMap;

use crate::event::{CallId, ThreadId};
use crate::graph::{Item, ItemId, ItemKind};
use crate::reduce::Work;

/// The items with one call id, in order of number.
#[derive(Debug, Default)]
pub(super) struct CallItems {
    /// Function calls and custom tool calls.
    pub(super) calls: Vec<ItemId>,
    /// Outputs of function calls and of custom tool calls.
    pub(super) outputs: Vec<ItemId>,
    /// Custom tool calls alone, which contain the source of a code cell.
    pub(super) custom_calls: Vec<ItemId>,
    /// Outputs of custom tool calls alone.
    pub(super) custom_outputs: Vec<ItemId>,
}

/// Items by thread and call id.
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

    /// Returns the items of a call. Returns `None` if no item has this call id in the thread.
    pub(super) fn for_call(&self, thread: &ThreadId, call: &CallId) -> Option<&CallItems> {
        self.0.get(&(thread.clone(), call.clone()))
    }
}
