//! Ids of conversations that providers keep.

use std::fmt;
use std::sync::Arc;

/// The id of a conversation that a provider keeps. A request that names it lists only new items.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::reduce) struct ProviderConversationId(Arc<str>);

impl From<&str> for ProviderConversationId {
    fn from(id: &str) -> Self {
        Self(id.into())
    }
}

impl fmt::Display for ProviderConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
