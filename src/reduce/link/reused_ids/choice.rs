//! How the calls in a list were chosen: [`Choice`].

use std::collections::HashMap;

use crate::graph::ItemId;

/// How a call in a list was chosen among the calls of its id.
#[derive(Debug, Clone, Copy)]
pub(super) enum Choice {
    /// The call has the content, as other calls may.
    Equal { content: u128 },
    /// The call has another content than the item, which the program rewrote.
    Rewritten { item: ItemId },
}

/// The choices of a list, by the places of the calls.
pub(super) type Choices = HashMap<u128, Choice>;
