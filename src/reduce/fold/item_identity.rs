//! The properties by which items are recognized: [`ItemIdentity`].

use crate::reduce::decode::{ContentId, ProviderIdKey};

/// The properties by which an item of the graph is recognized in later bodies.
#[derive(Clone, Copy)]
pub(super) struct ItemIdentity {
    /// Identity hash of the item's content.
    pub(super) content: u128,
    /// Identity hash that the item would have without what clients drop: the id of a tool call, the phase of a message.
    /// `None` if the item has neither.
    pub(super) reduced: Option<u128>,
    /// The decoded item in which the item was last seen. `None` if no body contains the item.
    pub(super) last_seen_as: Option<ContentId>,
    /// The provider's id with which the item was last seen. `None` if no body has its id.
    pub(super) provider_id: Option<ProviderIdKey>,
}

impl ItemIdentity {
    /// Returns the identity hashes by which the item is recognized: the hash of its content and the hash
    /// without the id of a call or the phase of a message, because clients may drop them.
    pub(super) fn hashes(&self) -> impl Iterator<Item = u128> {
        [Some(self.content), self.reduced].into_iter().flatten()
    }
}
