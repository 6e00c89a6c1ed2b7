//! The result of parsing one item: its content, its hashes, its id and a notice.

use super::content_hash::{self, ContentHashes};
use super::decode_error::DecodeError;
use super::delivery::delivery;
use super::draft::ItemDraft;
use super::item_notice::ItemNotice;
use super::listed_item::ListedId;
use crate::graph::{Content, ProviderItemId};

/// A parsed item.
#[derive(Debug)]
pub(super) struct ParsedItem {
    pub(super) content: Content,
    pub(super) hashes: ContentHashes,
    /// The id that the provider gave the item.
    pub(super) id: ListedId<ProviderItemId>,
    /// A peculiarity of the item that is reported as a diagnostic. `None` if there is nothing to report.
    pub(super) notice: Option<ItemNotice>,
}

/// A parsed item, or the reason why it cannot be read.
pub(super) type ItemResult = Result<ParsedItem, DecodeError>;

impl ItemDraft {
    /// Finishes an item to which the provider gave no id.
    pub(super) fn finish(self, notice: Option<ItemNotice>) -> ParsedItem {
        let hashes = content_hash::hashes(&self);
        let delivery = delivery(&self);
        let Self {
            role,
            channel,
            kind,
            call_id,
            name,
            namespace,
            is_error,
            agent_message,
            parts,
            history_effect,
            is_executed: _,
        } = self;
        let parts = parts.into_iter().map(|part| part.part).collect();
        let content = Content {
            role,
            channel,
            kind,
            call_id,
            name,
            namespace,
            is_error,
            agent_message,
            parts,
            delivery,
            history_effect,
        };
        ParsedItem { content, hashes, id: ListedId::Absent, notice }
    }
}
