//! The conversation of every thread: items, each once, and what the model would see next.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::content_index::ContentIndex;
use super::paths::{Path, Paths, ToldBy};
use super::reasoning::{Merged, merged};
use super::walk::{History, Walked};
use crate::event::{CallId, RawPayloadId, RequestInputMode, ResponseId, ThreadId, TurnId};
use crate::graph::{Code, Content, Evidence, Item, ItemId, ItemKind, Prefix, Producer, Snapshot};
use crate::reduce::Problems;
use crate::reduce::decode::{At, Body, ContentId, ConversationFact, Known, Oddity, Readings, Request, RequestItems};

/// Where items come from.
pub(super) struct Source<'a> {
    pub(super) at: &'a At<ConversationFact>,
    pub(super) thread: &'a ThreadId,
    pub(super) turn: &'a TurnId,
    pub(super) payload: &'a RawPayloadId,
    /// What made the items that are new.
    pub(super) producer: Option<Producer>,
    /// What to call it in messages.
    pub(super) what: &'a str,
}

/// Items of all threads and what is known of the snapshots that they make up.
pub(super) struct Conversation<'a> {
    pub(super) readings: &'a Readings,
    items: Vec<Item>,
    /// Of each item: the reading it was last found by, and what tells items of the same content.
    identities: Vec<(Option<ContentId>, u128)>,
    pub(super) paths: Paths,
    live: HashMap<ThreadId, Live>,
    /// Of each call, by place: its request.
    requests: HashMap<usize, Path>,
    /// Of each call: its request followed by its response, once somebody asked.
    ends: HashMap<usize, Path>,
    responses: HashMap<usize, Vec<ItemId>>,
    by_response_id: HashMap<(ThreadId, ResponseId), usize>,
    by_call_id: HashMap<(ThreadId, CallId, ItemKind), u128>,
    /// What was told once and is not told for every request that repeats it.
    told: HashSet<(ThreadId, ContentId)>,
}

/// What the model of a thread would see next.
#[derive(Default)]
struct Live {
    path: Path,
    /// What an installed compaction put in place of it, until a full request was compared with that.
    replacement: Option<Vec<ItemId>>,
    /// What tells the contents of all items of the thread.
    said: HashSet<u128>,
    index: ContentIndex,
}

impl<'a> Conversation<'a> {
    pub(super) fn new(readings: &'a Readings) -> Self {
        Self {
            readings,
            items: Vec::new(),
            identities: Vec::new(),
            paths: Paths::default(),
            live: HashMap::new(),
            requests: HashMap::new(),
            ends: HashMap::new(),
            responses: HashMap::new(),
            by_response_id: HashMap::new(),
            by_call_id: HashMap::new(),
            told: HashSet::new(),
        }
    }

    pub(super) fn work(&self) -> u64 {
        self.paths.work
    }

    pub(super) fn into_items(self) -> Vec<Item> {
        self.items
    }

    /// Whether any item of the thread has this content.
    pub(super) fn has_said(&self, thread: &ThreadId, same: u128) -> bool {
        self.live.get(thread).is_some_and(|live| live.said.contains(&same))
    }

    /// Where on a path of the thread the `nth` item of a content is.
    pub(super) fn position(&mut self, thread: &ThreadId, place: (Path, u128), nth: usize) -> Option<usize> {
        let Self { live, paths, identities, .. } = self;
        let identity = |item: ItemId| identities.get(item.index()).map(|&(_, same)| same);
        live.get_mut(thread)?.index.position(place, nth, paths, identity)
    }

    /// What the model would see next.
    pub(super) fn live_path(&self, thread: &ThreadId) -> Path {
        self.live.get(thread).and_then(|live| live.path)
    }

    pub(super) fn replace(&mut self, thread: &ThreadId, replacement: Vec<ItemId>) {
        self.live.entry(thread.clone()).or_default().replacement = Some(replacement);
    }

    /// The items of a request, and those of them that are new. They become what the model would see next.
    #[expect(clippy::too_many_arguments, reason = "each says another thing about the one request")]
    pub(super) fn request(
        &mut self,
        source: &Source<'_>,
        call: usize,
        mode: Option<&RequestInputMode>,
        previous: Option<&ResponseId>,
        prefix: Option<&Body<Request>>,
        items: &[ContentId],
        problems: &mut Problems,
    ) -> (Snapshot, Vec<ItemId>) {
        let items = self.readable(source, items, problems);
        let first_new = self.items.len();
        let (path, snapshot) = match (mode, previous) {
            (Some(RequestInputMode::FullSnapshot), _) | (None, None) => self.full(source, call, &items, problems),
            (Some(RequestInputMode::Incremental { previous_response_id: previous }), _) | (None, Some(previous)) => {
                self.incremental(source, call, previous, &items, problems)
            }
            (Some(RequestInputMode::IncrementalWithUntracedPrefix { .. }), _) => {
                self.after_untraced(source, call, prefix, &items, problems)
            }
        };
        self.requests.insert(call, path);
        self.live.entry(source.thread.clone()).or_default().path = path;
        (snapshot, (first_new..self.items.len()).map(ItemId::at).collect())
    }

    fn full(
        &mut self,
        source: &Source<'_>,
        call: usize,
        items: &[ContentId],
        problems: &mut Problems,
    ) -> (Path, Snapshot) {
        let live = self.live.entry(source.thread.clone()).or_default();
        let (path, history) = match live.replacement.take() {
            Some(replacement) => (None, History::Items(replacement)),
            None => (live.path, History::Path(live.path)),
        };
        let Walked { ids, kept } = self.walk(source, history, items, problems);
        let kept = if path.is_some() { kept } else { 0 };
        self.branch(call, path, kept, ids.get(kept..).unwrap_or_default().to_vec())
    }

    /// The items follow the request and the response of an earlier call.
    fn incremental(
        &mut self,
        source: &Source<'_>,
        call: usize,
        previous: &ResponseId,
        items: &[ContentId],
        problems: &mut Problems,
    ) -> (Path, Snapshot) {
        let live = self.live_path(source.thread);
        let prefix = match self.by_response_id.get(&(source.thread.clone(), previous.clone())) {
            Some(&earlier) => self.end_of(earlier),
            None => {
                let message = format!(
                    "{} continues response {previous}, which no completed call of its thread has; \
                     it is taken to continue what the model saw last",
                    source.what
                );
                problems.add(source.at, Code::UnknownPreviousResponse, message, Some(source.payload));
                live
            }
        };
        let length = self.paths.len(prefix);
        let mut branched = false;
        let mut ids = Vec::with_capacity(items.len());
        for (index, &content) in items.iter().enumerate() {
            let there = if live == prefix { None } else { self.paths.at(live, length + index) };
            let same = there.filter(|&there| self.is_same(there, content));
            branched |= there.is_some() && same.is_none();
            match same {
                Some(item) => {
                    self.complete(source, item, content, problems);
                    ids.push(item);
                }
                None => ids.extend(self.create(source, content, problems)),
            }
        }
        if branched {
            let message = format!(
                "{} continues response {previous} otherwise than the conversation had gone on; its items are new",
                source.what
            );
            problems.add(source.at, Code::HistoryBranched, message, Some(source.payload));
        }
        self.branch(call, prefix, length, ids)
    }

    /// The items follow history that no call holds.
    fn after_untraced(
        &mut self,
        source: &Source<'_>,
        call: usize,
        prefix: Option<&Body<Request>>,
        items: &[ContentId],
        problems: &mut Problems,
    ) -> (Path, Snapshot) {
        let path = self.live_path(source.thread);
        let Walked { mut ids, kept } = match prefix {
            Some(Ok(request)) => match &request.items {
                RequestItems::Listed(prefix) => {
                    let prefix = self.readable(source, prefix, problems);
                    self.walk(source, History::Path(path), &prefix, problems)
                }
                RequestItems::NotRecorded | RequestItems::UnknownShape => {
                    let message = format!("the prefix of {} has no list of items; it is left out", source.what);
                    problems.add(source.at, Code::BadPayload, message, Some(source.payload));
                    Walked::default()
                }
            },
            Some(Err(unread)) => {
                let message = format!("the prefix of {} counts as absent: {}", source.what, unread.why);
                problems.add(source.at, unread.code, message, Some(source.payload));
                Walked::default()
            }
            None => Walked::default(),
        };
        for &content in items {
            ids.extend(self.create(source, content, problems));
        }
        self.branch(call, path, kept, ids.get(kept..).unwrap_or_default().to_vec())
    }

    /// The request of `call` as the first `kept` items of `path` and then `ids`.
    fn branch(&mut self, call: usize, path: Path, kept: usize, ids: Vec<ItemId>) -> (Path, Snapshot) {
        let (prefix, told) = self.paths.told(path, kept);
        let mut tail = self.paths.items(path, told, kept);
        tail.extend(ids);
        // What no call tells is told by this one from now on, not again by each that follows.
        let path = self.paths.extend(path, told, tail.clone(), ToldBy::Request(call));
        (path, Snapshot { prefix: prefix.filter(|prefix: &Prefix| prefix.items + prefix.response_items > 0), tail })
    }

    /// A call's request followed by its response.
    fn end_of(&mut self, call: usize) -> Path {
        if let Some(&end) = self.ends.get(&call) {
            return end;
        }
        let request = self.requests.get(&call).copied().flatten();
        let response = self.responses.get(&call).cloned().unwrap_or_default();
        let end = self.paths.extend(request, self.paths.len(request), response, ToldBy::Response(call));
        self.ends.insert(call, end);
        end
    }

    /// The items of a response: always new, they follow what the model would see next. `id` is what later requests
    /// name to continue it.
    pub(super) fn response(
        &mut self,
        source: &Source<'_>,
        call: usize,
        id: Option<&ResponseId>,
        items: &[ContentId],
        problems: &mut Problems,
    ) -> Vec<ItemId> {
        let items = self.readable(source, items, problems);
        let ids: Vec<ItemId> = items.into_iter().filter_map(|content| self.create(source, content, problems)).collect();
        let live = self.live_path(source.thread);
        self.responses.insert(call, ids.clone());
        let path = if self.requests.get(&call).is_some_and(|&request| request == live) {
            self.end_of(call)
        } else {
            self.paths.extend(live, self.paths.len(live), ids.clone(), ToldBy::Nobody)
        };
        self.live.entry(source.thread.clone()).or_default().path = path;
        if let Some(id) = id {
            self.by_response_id.insert((source.thread.clone(), id.clone()), call);
        }
        ids
    }

    /// The items that can be read. What can't is told once a thread.
    pub(super) fn readable(
        &mut self,
        source: &Source<'_>,
        items: &[ContentId],
        problems: &mut Problems,
    ) -> Vec<ContentId> {
        let readings = self.readings;
        let mut readable = Vec::with_capacity(items.len());
        for (index, &item) in items.iter().enumerate() {
            self.paths.work += 1;
            match readings.get(item) {
                Ok(_) => readable.push(item),
                Err(why) if self.told.insert((source.thread.clone(), item)) => {
                    let message = format!("item {index} of {} is left out: {why}", source.what);
                    problems.add(source.at, Code::BadItem, message, Some(source.payload));
                }
                Err(_) => {}
            }
        }
        readable
    }

    fn known(&self, content: ContentId) -> Option<&'a Known> {
        self.readings.get(content).ok()
    }

    /// What tells items of the same content; `None` for what can't be read.
    pub(super) fn identity(&self, content: ContentId) -> Option<u128> {
        self.known(content).map(|known| known.same)
    }

    pub(super) fn item_identity(&self, item: ItemId) -> Option<u128> {
        self.identities.get(item.index()).map(|&(_, same)| same)
    }

    pub(super) fn is_same(&self, item: ItemId, content: ContentId) -> bool {
        self.item_identity(item).is_some_and(|same| self.identity(content) == Some(same))
    }

    /// A new item.
    pub(super) fn create(
        &mut self,
        source: &Source<'_>,
        content: ContentId,
        problems: &mut Problems,
    ) -> Option<ItemId> {
        let Known { content: said, same, oddity } = self.known(content)?;
        if let Some(call_id) = &said.call_id {
            let first = *self.by_call_id.entry((source.thread.clone(), call_id.clone(), said.kind)).or_insert(*same);
            if first != *same {
                let message = format!(
                    "{} has another item with call id {call_id} than the one that thread {} has; it is kept as a new item",
                    source.what, source.thread
                );
                problems.add(source.at, Code::CallIdReused, message, Some(source.payload));
            }
        }
        match oddity {
            Some(Oddity::UnknownType(unknown)) => {
                let message = format!("{} has an item of type {unknown:?}, which is kept as JSON", source.what);
                problems.add(source.at, Code::UnknownItemType, message, Some(source.payload));
            }
            Some(Oddity::CallWithoutId) => {
                let what = if said.kind.is_call() { "a call" } else { "the answer to a call" };
                let message = format!("{} has {what} without an id; it is linked to nothing", source.what);
                problems.add(source.at, Code::CallWithoutId, message, Some(source.payload));
            }
            None => {}
        }
        Some(self.add(source, Arc::clone(said), (Some(content), *same)))
    }

    pub(super) fn add(
        &mut self,
        source: &Source<'_>,
        content: Arc<Content>,
        identity: (Option<ContentId>, u128),
    ) -> ItemId {
        self.paths.work += 1;
        let item_id = ItemId::at(self.items.len());
        self.items.push(Item {
            item_id,
            thread_id: source.thread.clone(),
            turn_id: Some(source.turn.clone()),
            first_seen_at: source.at.when.at,
            content,
            raw_payload_id: source.payload.clone(),
            produced_by: source.producer.iter().cloned().collect(),
            evidence: Evidence::of(source.at.when.seq, Some(source.payload.clone())),
        });
        self.live.entry(source.thread.clone()).or_default().said.insert(identity.1);
        self.identities.push(identity);
        item_id
    }

    /// An item was found again. Reasoning may say more of itself this time.
    pub(super) fn complete(&mut self, source: &Source<'_>, item: ItemId, content: ContentId, problems: &mut Problems) {
        let (Some((known_by, _)), Some(known)) =
            (self.identities.get_mut(item.index()), self.readings.get(content).ok())
        else {
            return;
        };
        if *known_by == Some(content) {
            return;
        }
        let Some(item) = self.items.get_mut(item.index()) else { return };
        match merged(&item.content, &known.content) {
            Merged::AsBefore => *known_by = Some(content),
            Merged::More(more) => {
                *known_by = Some(content);
                item.content = Arc::new(more);
                item.evidence.add(source.at.when.seq, Some(source.payload.clone()));
            }
            Merged::Conflict => {
                if self.told.insert((source.thread.clone(), content)) {
                    let message = format!(
                        "{} has other text than {} with the same encrypted content; the first text stands",
                        source.what, item.item_id
                    );
                    problems.add(source.at, Code::ReasoningConflict, message, Some(source.payload));
                }
            }
        }
    }
}
