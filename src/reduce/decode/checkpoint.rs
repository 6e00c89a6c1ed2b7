//! Decodes `compaction_checkpoint` payloads.

use super::item_cache::ItemCache;
use super::items;
use super::listed_item::ListedItem;
use super::payloads::{NOT_AN_OBJECT, PayloadShape};
use super::unread_fields::UnreadMember;
use crate::provider::{ApiSet, Object};

const BEFORE: &str = "input_history";
const AFTER: &str = "replacement_history";

/// The conversation before and after a compaction.
#[derive(Debug)]
pub(in crate::reduce) struct Checkpoint {
    /// Items of the history before the compaction, from the field `input_history`.
    pub(in crate::reduce) before: Vec<ListedItem>,
    /// Items of the shorter history, from the field `replacement_history`.
    pub(in crate::reduce) after: Vec<ListedItem>,
    /// Members of the items that no rule reads.
    pub(in crate::reduce) unread: Vec<UnreadMember>,
}

impl PayloadShape for Checkpoint {
    fn parse(text: &str, cache: &ItemCache) -> Result<Self, String> {
        let body = Object::parse(text).ok_or(NOT_AN_OBJECT)?;
        let history = |name: &str| {
            let items = body.get(name).and_then(|items| items::responses(items, cache));
            items.ok_or_else(|| format!("has no list `{name}`"))
        };
        let (before, after) = (history(BEFORE)?, history(AFTER)?);
        let unread = [BEFORE, AFTER].into_iter().flat_map(|name| {
            let items = body.list(name).unwrap_or_default();
            cache.unread.of_entries(&items, ApiSet::responses(), name)
        });
        Ok(Self { before, after, unread: unread.collect() })
    }
}
