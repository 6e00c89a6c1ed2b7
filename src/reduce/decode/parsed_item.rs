//! The result of parsing one item: its content, its hashes and a notice.

use super::content_hash::{self, ContentHashes};
use super::decode_error::DecodeError;
use super::delivery::delivery;
use super::draft::ItemDraft;
use super::item_notice::ItemNotice;
use crate::graph::Content;

/// The content, the hashes and the notice of a parsed item.
pub(super) type ParsedItem = (Content, ContentHashes, Option<ItemNotice>);

/// A parsed item, or the reason why it cannot be read.
pub(super) type ItemResult = Result<ParsedItem, DecodeError>;

impl ItemDraft {
    /// Finishes the item. Returns its content, and the hashes by which it is recognized in later requests.
    pub(super) fn finish(self) -> (Content, ContentHashes) {
        let hashes = content_hash::hashes(&self);
        let delivery = delivery(&self);
        let Self { role, channel, kind, call_id, name, agent_message, parts, replaces_history } = self;
        let parts = parts.into_iter().map(|part| part.part).collect();
        let content = Content { role, channel, kind, call_id, name, agent_message, parts, delivery, replaces_history };
        (content, hashes)
    }
}
