//! The producers of items.

use crate::event::InferenceId;
use crate::graph::{Item, ItemId, Producer};

/// Returns the inference call whose response contains the item. Returns `None` if no response does.
pub(super) fn producing_inference(item: &Item) -> Option<&InferenceId> {
    item.produced_by.iter().find_map(|producer| match producer {
        Producer::Inference { inference_call_id } => Some(inference_call_id),
        Producer::UserInput
        | Producer::Tool { .. }
        | Producer::CodeCell { .. }
        | Producer::InteractionEdge { .. }
        | Producer::Compaction { .. }
        | Producer::Harness => None,
    })
}

/// Adds a producer to the item with the given id.
pub(super) fn add_producer(items: &mut [Item], item: ItemId, producer: Producer) {
    if let Some(item) = items.get_mut(item.index()) {
        item.produced_by.push(producer);
    }
}
