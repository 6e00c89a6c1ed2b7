//! Builds the conversation of every thread: its items, each once, and its live snapshot, which is the list of items
//! that its model would see next.

use std::collections::{HashMap, HashSet};
use std::mem::Discriminant;
use std::sync::Arc;

use super::answered_calls::AnsweredCalls;
use super::calls_without_ids::CallsWithoutIds;
use super::copies::{MergedCopies, merge_copies};
use super::item_identity::ItemIdentity;
use super::item_notices::ItemNotices;
pub(super) use super::item_source::ItemSource;
use super::lists::{ListOrigin, RecordedList, ShortenedRequest};
use super::live_snapshot::{LiveSnapshot, Replacement};
use super::named_calls::NamedCalls;
use super::paths::{ListedBy, Path, Paths, StepId};
use super::provider_compactions::CompactionPlace;
use super::server_conversations::ServerConversations;
use crate::event::{RequestInputMode, ResponseId, ThreadId, TurnId};
use crate::graph::{Code, Content, Evidence, Item, ItemId, Part, Producer};
use crate::reduce::Diagnostics;
use crate::reduce::decode::{ContentId, DecodedItem, DecodedItems, ListedItem, ProviderIdKey};

/// Identifies a request body that several requests reference: the address of its list of items in memory, and the input
/// mode in the event, which determines the meaning of the list.
type RequestBodyKey = (usize, Option<Discriminant<RequestInputMode>>);

/// The items of all threads, and the requests and responses built from them, while facts are folded.
pub(super) struct ConversationBuilder<'a> {
    pub(super) decoded_items: &'a DecodedItems,
    pub(super) items: Vec<Item>,
    /// The identity of each item, by the index of the item.
    pub(super) identities: Vec<ItemIdentity>,
    pub(super) paths: Paths,
    pub(super) live: HashMap<ThreadId, LiveSnapshot>,
    /// Items of each call's request, as a path (see `paths`), by the index of the call.
    pub(super) requests: HashMap<usize, Path>,
    /// Items of each call's request and response, as a path, by the index of the call; computed on first use.
    pub(super) ends: HashMap<usize, Path>,
    /// Hash of the instructions of each call's request, by the index of the call. Calls without instructions are left
    /// out.
    pub(super) instructions: HashMap<usize, u128>,
    /// Hash of the instructions beside the items of each call's request, by the index of the call.
    pub(super) separate_instructions: HashMap<usize, u128>,
    /// Items of each call's response, by the index of the call.
    pub(super) responses: HashMap<usize, Vec<ItemId>>,
    /// Thread and items of each request body that was added, and the index of the last call with it. A retry with the
    /// same body has the same items.
    pub(super) requests_by_body: HashMap<RequestBodyKey, (ThreadId, Path, usize)>,
    /// Thread and items of each body with an untraced prefix that was added: a path, and the number of its items that
    /// are the prefix. By the address of the body's list of items.
    pub(super) prefixes_by_body: HashMap<usize, (ThreadId, Path, usize)>,
    /// Place of the last item of each request body that replaces what stands before it, by the address of the body's list
    /// of items. `None` if the body has no such item.
    pub(super) compactions_by_body: HashMap<usize, Option<CompactionPlace>>,
    /// The last compaction by the provider in the conversation that it keeps and that a call continues, by the index of
    /// the call.
    pub(super) continued_compactions: HashMap<usize, ItemId>,
    /// The last compaction by the provider in the response of a call, by the index of the call.
    pub(super) response_compactions: HashMap<usize, ItemId>,
    /// Turn of the completed call whose response ends a path. A request of another turn that ends with a user's message
    /// is no retry of the call.
    pub(super) completed_turns: HashMap<StepId, TurnId>,
    /// Index of the completed call with a response id in a thread, for requests that continue the response.
    pub(super) by_response_id: HashMap<(ThreadId, ResponseId), usize>,
    pub(super) server_conversations: ServerConversations,
    /// The last created item of a thread for each id that the provider gave an item.
    pub(super) by_provider_id: HashMap<(ThreadId, ProviderIdKey), ItemId>,
    pub(super) named_calls: NamedCalls,
    pub(super) answered_calls: AnsweredCalls,
    pub(super) calls_without_ids: CallsWithoutIds,
    item_notices: ItemNotices,
    /// The lists that models were shown or returned, in order of the log.
    pub(super) lists: Vec<RecordedList>,
    /// The full requests that lack some of the items before them.
    pub(super) shortened: Vec<ShortenedRequest>,
    /// Number of steps of paths that existed when the last list was recorded.
    pub(super) listed_steps: usize,
    /// Items of responses that were cut off.
    pub(super) cut_items: HashSet<ItemId>,
    /// Indices of the calls whose responses were recorded without readable items.
    pub(super) unknown_responses: HashSet<usize>,
    /// `true` if an output was created that names its tool and no call, since the last list in which such outputs were
    /// given the ids of calls.
    pub(super) has_unanswering_output: bool,
    /// Items that were reported in a thread already. A request that repeats them does not report them again.
    reported: HashSet<(ThreadId, ContentId)>,
}

/// How the call of a response ended.
#[derive(Clone, Copy)]
pub(super) enum ResponseEnd<'a> {
    /// The call completed. A later request may continue it by the response id, if there is one.
    Completed(Option<&'a ResponseId>),
    /// The call failed, was cancelled or never ended.
    Cut,
}

impl<'a> ConversationBuilder<'a> {
    pub(super) fn new(decoded_items: &'a DecodedItems) -> Self {
        Self {
            decoded_items,
            items: Vec::new(),
            identities: Vec::new(),
            paths: Paths::default(),
            live: HashMap::new(),
            requests: HashMap::new(),
            ends: HashMap::new(),
            instructions: HashMap::new(),
            separate_instructions: HashMap::new(),
            responses: HashMap::new(),
            requests_by_body: HashMap::new(),
            prefixes_by_body: HashMap::new(),
            compactions_by_body: HashMap::new(),
            continued_compactions: HashMap::new(),
            response_compactions: HashMap::new(),
            completed_turns: HashMap::new(),
            by_response_id: HashMap::new(),
            server_conversations: ServerConversations::default(),
            by_provider_id: HashMap::new(),
            named_calls: NamedCalls::default(),
            answered_calls: AnsweredCalls::default(),
            calls_without_ids: CallsWithoutIds::default(),
            item_notices: ItemNotices::default(),
            lists: Vec::new(),
            shortened: Vec::new(),
            listed_steps: 0,
            cut_items: HashSet::new(),
            unknown_responses: HashSet::new(),
            has_unanswering_output: false,
            reported: HashSet::new(),
        }
    }

    /// Returns the number of items that were compared, placed or looked up, for [`Work`](crate::reduce::Work).
    pub(super) fn step_count(&self) -> u64 {
        self.paths.step_count
    }

    pub(super) fn into_items(self) -> Vec<Item> {
        self.items
    }

    /// Returns `true` if an item of the thread is recognized by the given identity hash of a content.
    pub(super) fn has_content(&self, thread: &ThreadId, identity: u128) -> bool {
        self.live.get(thread).is_some_and(|live| live.contents.contains(&identity))
    }

    /// Returns the position of the `nth` item (from 0) with a given content on a path of the thread. `key` is the path
    /// and the identity hash of the content. Returns `None` if there are fewer such items.
    pub(super) fn position(&mut self, thread: &ThreadId, key: (Path, u128), nth: usize) -> Option<usize> {
        let Self { live, paths, identities, .. } = self;
        let hashes = |item: ItemId| identities.get(item.index()).into_iter().flat_map(ItemIdentity::hashes);
        live.get_mut(thread)?.index.position(key, nth, paths, hashes)
    }

    /// Returns the number of items with a given content before a position on a path of the thread. `key` is the path and
    /// the identity hash of the content.
    pub(super) fn count_before(&mut self, thread: &ThreadId, key: (Path, u128), position: usize) -> usize {
        let Self { live, paths, identities, .. } = self;
        let hashes = |item: ItemId| identities.get(item.index()).into_iter().flat_map(ItemIdentity::hashes);
        live.get_mut(thread).map_or(0, |live| live.index.count_before(key, position, paths, hashes))
    }

    /// Returns the identity hashes by which an item of the graph is recognized.
    pub(super) fn hashes(&self, item: ItemId) -> impl Iterator<Item = u128> {
        self.identities.get(item.index()).into_iter().flat_map(ItemIdentity::hashes)
    }

    /// Returns the live snapshot of the thread: the path of the items that its model would see next.
    pub(super) fn live_path(&self, thread: &ThreadId) -> Path {
        self.live.get(thread).and_then(|live| live.path)
    }

    /// Sets the items with which the next full request of the thread is compared, after a compaction.
    pub(super) fn set_replacement(&mut self, thread: &ThreadId, replacement: Vec<ItemId>) {
        let live = self.live.entry(thread.clone()).or_default();
        live.replacement = Some(Replacement { items: replacement, instructions: live.instructions });
    }

    /// Returns `true` if none of the items has a content, such as a text or a call.
    pub(super) fn are_empty(&self, items: &[ItemId]) -> bool {
        let is_empty = |item: &Item| {
            let content = &item.content;
            content.call_id.is_none() && content.parts.iter().all(Part::is_empty)
        };
        items.iter().filter_map(|id| self.items.get(id.index())).all(is_empty)
    }

    /// Adds a response, and returns its items. They are always new unless they are references, and follow the live
    /// snapshot.
    ///
    /// `call` is the index of the inference call.
    pub(super) fn add_response(
        &mut self,
        source: &ItemSource<'_>,
        call: usize,
        end: ResponseEnd<'_>,
        items: &[ListedItem],
        diagnostics: &mut Diagnostics,
    ) -> Vec<ItemId> {
        let items = self.readable_items(source, items, diagnostics);
        let mut ids = Vec::with_capacity(items.len());
        for listed in items {
            let item = self.referenced_or_new(source, listed, diagnostics);
            item.into_iter().for_each(|item| self.add_named_call(source.thread, item, listed));
            ids.extend(item);
        }
        let live = self.live_path(source.thread);
        self.responses.insert(call, ids.clone());
        let after_call = self.requests.contains_key(&call).then(|| self.path_after_call(call));
        let path = match after_call {
            Some(path) if self.requests.get(&call) == Some(&live) => path,
            Some(_) | None => self.paths.extend(live, self.paths.len(live), ids.clone(), ListedBy::NoCall),
        };
        self.record_list(after_call.unwrap_or(path), ListOrigin::Response { call }, (call, 0), source.at.when.seq);
        let instructions = self.instructions.get(&call).copied();
        let thread = self.live.entry(source.thread.clone()).or_default();
        thread.path = path;
        thread.by_instructions.extend(instructions.map(|instructions| (instructions, after_call.unwrap_or(path))));
        match end {
            ResponseEnd::Completed(id) => {
                self.by_response_id.extend(id.map(|id| ((source.thread.clone(), id.clone()), call)));
                let ends = [path, after_call.flatten()].into_iter().flatten();
                self.completed_turns.extend(ends.map(|end| (end, source.turn.clone())));
            }
            ResponseEnd::Cut => self.cut_items.extend(&ids),
        }
        ids
    }

    /// Returns the ids of those items that could be decoded. Reports the others, once per thread.
    pub(super) fn readable_items(
        &mut self,
        source: &ItemSource<'_>,
        items: &[ListedItem],
        diagnostics: &mut Diagnostics,
    ) -> Vec<ListedItem> {
        let decoded_items = self.decoded_items;
        let mut readable_items = Vec::with_capacity(items.len());
        for (index, &item) in items.iter().enumerate() {
            self.paths.step_count += 1;
            match decoded_items.get(item.content) {
                Ok(_) => readable_items.push(item),
                Err(why) if self.reported.insert((source.thread.clone(), item.content)) => {
                    let message = format!("item {index} of {} is left out: {why}", source.subject);
                    diagnostics.add(source.at, Code::BadItem, message, Some(source.payload));
                }
                Err(_) => {}
            }
        }
        readable_items
    }

    /// Returns the decoded item with the given id. Returns `None` if it could not be decoded.
    pub(super) fn decoded(&self, content: ContentId) -> Option<&'a DecodedItem> {
        self.decoded_items.get(content).ok()
    }

    /// Returns the identity hash of a decoded item's content. Returns `None` if the item could not be decoded.
    pub(super) fn identity(&self, content: ContentId) -> Option<u128> {
        self.decoded(content).map(|decoded| decoded.identity)
    }

    /// Returns the identity hash of the content of an item in the graph. Returns `None` if there is no such item.
    pub(super) fn item_identity(&self, item: ItemId) -> Option<u128> {
        self.identities.get(item.index()).map(|identity| identity.content)
    }

    /// Sets the hashes by which an item of the thread is recognized: with its call id, and without.
    pub(super) fn set_identity(&mut self, thread: &ThreadId, item: ItemId, content: u128, reduced: u128) {
        let Some(identity) = self.identities.get_mut(item.index()) else { return };
        identity.content = content;
        identity.reduced = Some(reduced);
        self.live.entry(thread.clone()).or_default().contents.insert(content);
    }

    /// Returns `true` if an item of the graph and a decoded item have the same content. The decoded item may be a tool
    /// call whose id a client dropped.
    pub(super) fn is_same(&self, item: ItemId, content: ContentId) -> bool {
        let (Some(identity), Some(item)) = (self.identity(content), self.identities.get(item.index())) else {
            return false;
        };
        item.hashes().any(|hash| hash == identity)
    }

    /// Creates an item of the graph from a decoded item. Reports a missing call id, an unknown type and a reference.
    /// Returns `None` if the item could not be decoded.
    pub(super) fn create(
        &mut self,
        source: &ItemSource<'_>,
        listed: ListedItem,
        diagnostics: &mut Diagnostics,
    ) -> Option<ItemId> {
        let DecodedItem { content, identity, reduced, notice } = self.decoded(listed.content)?;
        if let Some(notice) = notice {
            self.item_notices.report(source, content, notice, diagnostics);
        }
        let identity = ItemIdentity {
            content: *identity,
            reduced: *reduced,
            last_seen_as: Some(listed.content),
            provider_id: None,
        };
        self.has_unanswering_output |= content.kind.is_output() && content.call_id.is_none() && content.name.is_some();
        let is_unnamed_call = content.kind.is_call() && content.call_id.is_none();
        let item = self.add_with_identity(source, Arc::clone(content), identity);
        if is_unnamed_call {
            self.calls_without_ids.add(source.thread, identity.content, item);
        }
        self.set_provider_id(source, item, listed);
        Some(item)
    }

    /// Appends an item that no body contains to the graph's items, and returns its id. No later item has its content.
    pub(super) fn add(&mut self, source: &ItemSource<'_>, content: Arc<Content>) -> ItemId {
        let identity = ItemIdentity { content: 0, reduced: None, last_seen_as: None, provider_id: None };
        self.add_with_identity(source, content, identity)
    }

    /// Appends an item to the graph's items and returns its id.
    fn add_with_identity(&mut self, source: &ItemSource<'_>, content: Arc<Content>, identity: ItemIdentity) -> ItemId {
        self.paths.step_count += 1;
        let item_id = ItemId::from_index(self.items.len());
        self.items.push(Item {
            item_id,
            thread_id: source.thread.clone(),
            turn_id: Some(source.turn.clone()),
            first_seen_at: source.at.when.at.unix_ms(),
            content,
            provider_id: None,
            raw_payload_id: source.payload.clone(),
            produced_by: source.producer.iter().cloned().collect(),
            evidence: Evidence::new(source.at.when.seq, Some(source.payload.clone())),
        });
        let is_made = matches!(source.producer, Some(Producer::Inference { .. }));
        self.items.last().into_iter().for_each(|item| self.answered_calls.add_call(item, is_made));
        self.live.entry(source.thread.clone()).or_default().contents.extend(identity.hashes());
        self.identities.push(identity);
        item_id
    }

    /// Updates an item that a later payload repeats. The payload may contain more of the same item, such as the text of
    /// encrypted reasoning, which is added.
    pub(super) fn update(
        &mut self,
        source: &ItemSource<'_>,
        item: ItemId,
        listed: ListedItem,
        diagnostics: &mut Diagnostics,
    ) {
        self.set_provider_id(source, item, listed);
        self.learn_call_id(source.thread, item, listed);
        let content = listed.content;
        let (Some(ItemIdentity { last_seen_as, .. }), Some(decoded)) =
            (self.identities.get_mut(item.index()), self.decoded_items.get(content).ok())
        else {
            return;
        };
        if *last_seen_as == Some(content) {
            return;
        }
        let Some(item) = self.items.get_mut(item.index()) else { return };
        match merge_copies(&item.content, &decoded.content) {
            MergedCopies::Unchanged => *last_seen_as = Some(content),
            MergedCopies::Extended(more) => {
                *last_seen_as = Some(content);
                item.content = Arc::new(more);
                item.evidence.add(source.at.when.seq, Some(source.payload.clone()));
            }
            MergedCopies::Conflict => {
                if self.reported.insert((source.thread.clone(), content)) {
                    let message = format!(
                        "{} has reasoning with the same encrypted content as {} but other text; the first text is kept",
                        source.subject, item.item_id
                    );
                    diagnostics.add(source.at, Code::ReasoningConflict, message, Some(source.payload));
                }
            }
        }
    }
}
