//! The conversation of every thread: items, each once, and what the model would see next.

use std::collections::{HashMap, HashSet};
use std::mem::Discriminant;
use std::sync::Arc;

use super::content_index::ContentIndex;
use super::paths::{Path, Paths, ToldBy};
use super::reasoning::{Merged, merged};
use crate::event::{CallId, RawPayloadId, RequestInputMode, ResponseId, ThreadId, TurnId};
use crate::graph::{Code, Content, Evidence, Item, ItemId, ItemKind, Producer};
use crate::reduce::Problems;
use crate::reduce::decode::{At, ContentId, ConversationFact, Known, Oddity, Readings};

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

/// A request's body, by its address, and as what its event says it is.
type AskedWith = (usize, Option<Discriminant<RequestInputMode>>);

/// Items of all threads and what is known of the snapshots that they make up.
pub(super) struct Conversation<'a> {
    pub(super) readings: &'a Readings,
    pub(super) items: Vec<Item>,
    /// Of each item: the reading it was last found by, and what tells items of the same content.
    identities: Vec<(Option<ContentId>, u128)>,
    pub(super) paths: Paths,
    pub(super) live: HashMap<ThreadId, Live>,
    /// Of each call, by place: its request.
    pub(super) requests: HashMap<usize, Path>,
    /// Of each call: its request followed by its response, once somebody asked.
    pub(super) ends: HashMap<usize, Path>,
    pub(super) responses: HashMap<usize, Vec<ItemId>>,
    /// What came of each body.
    pub(super) asked: HashMap<AskedWith, (ThreadId, Path)>,
    pub(super) by_response_id: HashMap<(ThreadId, ResponseId), usize>,
    by_call_id: HashMap<(ThreadId, CallId, ItemKind), u128>,
    /// What was told once and is not told for every request that repeats it.
    told: HashSet<(ThreadId, ContentId)>,
}

/// What the model of a thread would see next.
#[derive(Default)]
pub(super) struct Live {
    pub(super) path: Path,
    /// What an installed compaction put in place of it, until a full request was compared with that.
    pub(super) replacement: Option<Vec<ItemId>>,
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
            asked: HashMap::new(),
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
            first_seen_at: source.at.when.at.unix_ms(),
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
