//! Changes of the conversation that a provider makes between a request and the model.

use serde::Serialize;

/// A change that the provider made of the conversation in a request before the model read it, or that the request
/// permits. So the model may not have seen all items of the request. In `state.json`, an element of `history_edits` of an
/// inference call.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct HistoryEdit {
    /// Name of the change, as the provider or the request has it: `clear_tool_uses_20250919`, `compaction`,
    /// `truncation: auto`.
    pub name: Box<str>,
    /// Evidence for the change.
    pub status: EditStatus,
    /// What the provider reports about the change, such as `cleared_tool_uses: 8, cleared_input_tokens: 50000`. `None`
    /// if it reports nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<Box<str>>,
}

/// The evidence for a change of the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EditStatus {
    /// The provider reports the change.
    Applied,
    /// The request permits the change, for example if the conversation exceeds the context window. The provider does not
    /// report whether it made it.
    Possible,
}

/// How much of an item the model of an inference call saw; see [`Graph::visibility`](super::Graph::visibility).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Visibility {
    /// The request has the item, and nothing is known to have changed it on the way to the model.
    Shown,
    /// The request has the item, but the provider changed the conversation, or may have, before the model read it.
    MayBeCleared,
    /// The request has the item, but the provider drops it, because a later item replaces it.
    Dropped,
    /// The request does not have the item.
    NotSent,
}
