//! What a model saw of calls: items by the call id of their thread.

use std::collections::HashMap;

use crate::event::{CallId, ThreadId};
use crate::graph::{Item, ItemId, ItemKind};
use crate::reduce::Work;

/// The items of one call, by number.
#[derive(Debug, Default)]
pub(super) struct CallItems {
    pub(super) calls: Vec<ItemId>,
    pub(super) outputs: Vec<ItemId>,
    /// Those of the calls that bring a script.
    pub(super) custom_calls: Vec<ItemId>,
    /// Those of the outputs that answer one.
    pub(super) custom_outputs: Vec<ItemId>,
}

/// Items by thread and call id.
#[derive(Debug, Default)]
pub(super) struct Visible(HashMap<(ThreadId, CallId), CallItems>);

impl Visible {
    pub(super) fn of(items: &[Item], work: &mut Work) -> Self {
        let mut visible: HashMap<_, CallItems> = HashMap::new();
        for item in items {
            let Some(call_id) = &item.content.call_id else { continue };
            work.link_probes += 1;
            let found = visible.entry((item.thread_id.clone(), call_id.clone())).or_default();
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
        Self(visible)
    }

    pub(super) fn of_call(&self, thread: &ThreadId, call: &CallId) -> Option<&CallItems> {
        self.0.get(&(thread.clone(), call.clone()))
    }
}
