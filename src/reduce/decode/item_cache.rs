//! A cache of decoded items: each distinct item is decoded and kept once, however often bodies repeat it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::content_hash::ContentHashes;
use super::decode_error::DecodeError;
use super::item_format::ItemFormat;
use super::item_notice::ItemNotice;
use super::listed_item::{ContentId, ListedId, ListedItem, ProviderIdKey};
use super::parsed_item::{ItemResult, ParsedItem};
use super::unread_fields::UnreadFieldCache;
use crate::graph::{Content, ProviderItemId};
use crate::keyed_hash::keyed_hash;

/// A conversation item after decoding.
#[derive(Debug, Clone)]
pub(in crate::reduce) struct DecodedItem {
    pub(in crate::reduce) content: Arc<Content>,
    /// Hash that is equal for items with the same content. Of reasoning with encrypted content, it covers the encrypted
    /// content alone.
    pub(in crate::reduce) identity: u128,
    /// The `identity` that the item has without what clients drop: the id of a tool call, the phase of a message. `None`
    /// if the item has neither.
    pub(in crate::reduce) reduced: Option<u128>,
    /// A peculiarity of the item that is reported as a diagnostic. `None` if there is nothing to report.
    pub(in crate::reduce) notice: Option<ItemNotice>,
}

/// A cache of decoded items that finds them by the hash of their text. The decoding threads share it.
#[derive(Debug, Default)]
pub(in crate::reduce) struct ItemCache {
    state: Mutex<CacheState>,
    /// Members that no rule reads, of each distinct element of a conversation.
    pub(super) unread: UnreadFieldCache,
}

/// The contents of the cache, behind its lock.
#[derive(Debug, Default)]
struct CacheState {
    /// Ranges of the items in each text, by the format and the hash of the text.
    by_text: HashMap<(ItemFormat, u128), ItemRange>,
    /// Decoded items by the hash of their complete content and their notice.
    by_content: HashMap<(u128, Option<ItemNotice>), ContentId>,
    /// Concatenated items of all texts.
    items: Vec<ListedItem>,
    decoded_items: Vec<Result<DecodedItem, DecodeError>>,
    /// Numbers of the ids that the provider gave items.
    id_keys: HashMap<ProviderItemId, ProviderIdKey>,
    /// The ids by their numbers.
    provider_ids: Vec<ProviderItemId>,
    /// Number of items listed by bodies, repetitions included.
    listed: u64,
}

/// The range of `CacheState::items` that holds the items of one text.
#[derive(Debug, Clone, Copy)]
struct ItemRange {
    first: u32,
    count: u32,
}

impl ItemCache {
    /// Parses texts from a body, such as the elements of its item list, and returns their items. Each distinct text is
    /// parsed once, however many bodies repeat it.
    pub(super) fn parse_all<'t>(
        &self,
        texts: impl IntoIterator<Item = &'t str>,
        format: ItemFormat,
    ) -> Vec<ListedItem> {
        let key = |text: &str| (format, keyed_hash(text.as_bytes()));
        let texts: Vec<_> = texts.into_iter().map(|text| (text, key(text))).collect();
        let cached: Vec<Option<ItemRange>> = {
            let state = self.lock();
            texts.iter().map(|(_, key)| state.by_text.get(key).copied()).collect()
        };
        let new = |(text, key)| {
            let parsed = format.parse(text);
            self.lock().insert(key, parsed)
        };
        let ranges: Vec<ItemRange> =
            texts.into_iter().zip(cached).map(|(text, cached)| cached.unwrap_or_else(|| new(text))).collect();
        let mut state = self.lock();
        let items: Vec<ListedItem> = ranges.into_iter().flat_map(|range| state.items_in(range)).copied().collect();
        state.listed += items.len() as u64;
        items
    }

    /// Returns all decoded items when decoding is done.
    pub(in crate::reduce) fn into_decoded_items(self) -> DecodedItems {
        let CacheState { decoded_items, provider_ids, listed, .. } =
            self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        DecodedItems { decoded_items, provider_ids, listed }
    }

    fn lock(&self) -> MutexGuard<'_, CacheState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CacheState {
    /// Adds the parsed items of a text and returns their range, or the range that another thread added first.
    fn insert(&mut self, text: (ItemFormat, u128), parsed: Vec<ItemResult>) -> ItemRange {
        if let Some(&range) = self.by_text.get(&text) {
            return range;
        }
        let range = ItemRange { first: index(self.items.len()), count: index(parsed.len()) };
        for item in parsed {
            let item = self.insert_item(item);
            self.items.push(item);
        }
        self.by_text.insert(text, range);
        range
    }

    /// Adds a decoded item. An item with the content of an earlier one shares it.
    fn insert_item(&mut self, item: ItemResult) -> ListedItem {
        let next = ContentId(index(self.decoded_items.len()));
        match item {
            Ok(ParsedItem { content, hashes, id, notice }) => {
                let id = id.map(|id| self.key_of(id));
                let content = *self.by_content.entry((hashes.complete, notice.clone())).or_insert_with(|| {
                    let ContentHashes { complete: _, identity, reduced } = hashes;
                    let content = Arc::new(content);
                    self.decoded_items.push(Ok(DecodedItem { content, identity, reduced, notice }));
                    next
                });
                ListedItem { content, id }
            }
            Err(error) => {
                self.decoded_items.push(Err(error));
                ListedItem { content: next, id: ListedId::Absent }
            }
        }
    }

    /// Returns the number of an id that the provider gave an item, and assigns one to a new id.
    fn key_of(&mut self, id: ProviderItemId) -> ProviderIdKey {
        let next = ProviderIdKey(index(self.provider_ids.len()));
        *self.id_keys.entry(id.clone()).or_insert_with(|| {
            self.provider_ids.push(id);
            next
        })
    }

    /// Returns the items in a range of `items`.
    fn items_in(&self, range: ItemRange) -> &[ListedItem] {
        let first = range.first as usize;
        self.items.get(first..first.saturating_add(range.count as usize)).unwrap_or_default()
    }
}

fn index(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

/// All decoded items of a bundle, by [`ContentId`].
#[derive(Debug)]
pub(in crate::reduce) struct DecodedItems {
    decoded_items: Vec<Result<DecodedItem, DecodeError>>,
    provider_ids: Vec<ProviderItemId>,
    listed: u64,
}

impl DecodedItems {
    /// Returns the decoded item with the given id.
    ///
    /// # Errors
    /// Returns the reason if the item could not be decoded.
    pub(in crate::reduce) fn get(&self, id: ContentId) -> Result<&DecodedItem, DecodeError> {
        match self.decoded_items.get(id.0 as usize) {
            Some(Ok(cached)) => Ok(cached),
            Some(Err(error)) => Err(error),
            None => Err("it was not read"),
        }
    }

    /// Returns the provider's id with the given number. Returns `None` if there is no such id.
    pub(in crate::reduce) fn provider_id(&self, key: ProviderIdKey) -> Option<&ProviderItemId> {
        self.provider_ids.get(key.0 as usize)
    }

    /// Returns the number of distinct items.
    pub(in crate::reduce) fn len(&self) -> usize {
        self.decoded_items.len()
    }

    /// Returns the number of items that bodies listed, repetitions included.
    pub(in crate::reduce) fn listed(&self) -> u64 {
        self.listed
    }
}
