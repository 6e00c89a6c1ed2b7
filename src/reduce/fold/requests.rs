//! Folds request bodies: finds or creates the items of each request and updates the live snapshot of its thread.

use std::fmt;

use super::conversation::{ConversationBuilder, ItemSource};
use super::history::{History, MatchedItems};
use super::list_kind::ListKind;
use super::lists::{ListOrigin, PreviousResponse, ShortenedRequest};
use super::paths::{ListedBy, Path};
use crate::event::{RequestInputMode, ResponseId, ThreadId};
use crate::graph::{Code, ItemId, ItemKind, Prefix, Role, Snapshot};
use crate::reduce::Diagnostics;
use crate::reduce::decode::{ListedItem, Payload, ProviderConversationId, Request, RequestItems};

/// The earlier part of the conversation that a request continues, as the request names it.
enum Continued<'a> {
    Response(&'a ResponseId),
    Conversation(&'a ProviderConversationId),
}

impl fmt::Display for Continued<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Response(response) => write!(f, "response {response}"),
            Self::Conversation(conversation) => write!(f, "conversation {conversation}"),
        }
    }
}

impl ConversationBuilder<'_> {
    /// Adds a request to the conversation of its thread, and returns its snapshot.
    ///
    /// `call` is the index of the inference call. `prefix` is the payload with the history that no recorded call
    /// contains, if the request has one. The request's items become the live snapshot of the thread.
    #[expect(clippy::too_many_arguments, reason = "each is an independent property of the request")]
    pub(super) fn add_request(
        &mut self,
        source: &ItemSource<'_>,
        call: usize,
        mode: Option<&RequestInputMode>,
        request: &Request,
        prefix: Option<&Payload<Request>>,
        items: &[ListedItem],
        diagnostics: &mut Diagnostics,
    ) -> Snapshot {
        let body = (items.as_ptr().addr(), mode.map(std::mem::discriminant));
        if let Some((thread, path, last)) = self.requests_by_body.get(&body).cloned().filter(|_| !items.is_empty()) {
            if thread != *source.thread {
                return Self::reject_body(source, &thread, diagnostics);
            }
            let (path, snapshot) = self.repeat_request(source, call, (path, last), items, diagnostics);
            self.requests_by_body.insert(body, (thread, path, call));
            return snapshot;
        }
        self.separate_instructions.extend(request.separate_instructions.map(|instructions| (call, instructions)));
        let items = self.readable_items(source, items, diagnostics);
        let (path, snapshot) = match (mode, &request.previous_response_id) {
            (Some(RequestInputMode::FullSnapshot), _) => self.full_request(source, call, &items, diagnostics),
            (None, None) => {
                self.request_of_conversation(source, call, request.conversation_id.as_ref(), &items, diagnostics)
            }
            (Some(RequestInputMode::Incremental { previous_response_id: previous }), _) | (None, Some(previous)) => {
                self.incremental_request(source, call, previous, &items, diagnostics)
            }
            (Some(RequestInputMode::IncrementalWithUntracedPrefix { .. }), _) => {
                self.request_after_untraced_prefix(source, call, prefix, &items, diagnostics)
            }
        };
        self.requests.insert(call, path);
        self.live.entry(source.thread.clone()).or_default().path = path;
        self.remember_instructions(source.thread, call, path);
        self.requests_by_body.insert(body, (source.thread.clone(), path, call));
        snapshot
    }

    /// Reports a request with the body of a request of another thread, and returns no items. Otherwise a single line could
    /// create a second conversation of any size.
    fn reject_body(source: &ItemSource<'_>, thread: &ThreadId, diagnostics: &mut Diagnostics) -> Snapshot {
        let message = format!(
            "{} is treated as absent: its body already belongs to a request of thread {thread}",
            source.subject
        );
        diagnostics.add(source.at, Code::BadPayload, message, Some(source.payload));
        Snapshot::default()
    }

    /// Adds a request that references the body of an earlier request of the thread, as a retry may. It has the items of
    /// the earlier request, but its last item is new if it begins a turn. `last` is the index of the last call with the
    /// body.
    fn repeat_request(
        &mut self,
        source: &ItemSource<'_>,
        call: usize,
        (path, last): (Path, usize),
        items: &[ListedItem],
        diagnostics: &mut Diagnostics,
    ) -> (Path, Snapshot) {
        self.repeat_compaction(call, last);
        let end = self.ends.get(&last).copied().flatten();
        let message = items.last().filter(|_| self.kind_of_request(source, end, items) == ListKind::BeginsTurn);
        let message = message.and_then(|message| self.create(source, *message, diagnostics));
        let length = self.paths.len(path).saturating_sub(usize::from(message.is_some()));
        let (path, snapshot) = self.branch(call, path, length, message.into_iter().collect());
        self.requests.insert(call, path);
        self.live.entry(source.thread.clone()).or_default().path = path;
        (path, snapshot)
    }

    /// Returns the kind of a request, or of a history before a compaction, that follows the path `history`. It begins a turn if it ends with a
    /// user's message, and the path with the response of a completed call of another turn. The path does not contain the
    /// message then, even if it has an equal one, unless the id of the message is known.
    pub(super) fn kind_of_request(&self, source: &ItemSource<'_>, history: Path, items: &[ListedItem]) -> ListKind {
        let completed_turn = history.and_then(|end| self.completed_turns.get(&end));
        let is_new = |last: &ListedItem| {
            let id = last.id.get().map(|id| (source.thread.clone(), id));
            let content = self.decoded(last.content).map(|decoded| &decoded.content);
            content.is_some_and(|content| content.kind == ItemKind::Message && content.role == Role::User)
                && !id.is_some_and(|id| self.by_provider_id.contains_key(&id))
        };
        match completed_turn.filter(|turn| *turn != source.turn).and(items.last()).filter(|last| is_new(last)) {
            Some(_) => ListKind::BeginsTurn,
            None => ListKind::Request,
        }
    }

    /// Adds a request that names a conversation of the provider, or none. Its items follow the request and the response
    /// of the last completed call of the conversation in the thread. Without such a call, the request lists the whole
    /// conversation, as far as it is known.
    ///
    /// Calls that run at the same time continue the same call: none of them saw the others' items. The next request
    /// continues the one that completed last.
    fn request_of_conversation(
        &mut self,
        source: &ItemSource<'_>,
        call: usize,
        conversation: Option<&ProviderConversationId>,
        items: &[ListedItem],
        diagnostics: &mut Diagnostics,
    ) -> (Path, Snapshot) {
        let earlier = conversation.and_then(|conversation| {
            Some((conversation, self.server_conversations.last_completed(source.thread, conversation)?))
        });
        let Some((conversation, earlier)) = earlier else {
            return self.full_request(source, call, items, diagnostics);
        };
        self.continue_compaction(call, Some(earlier));
        let prefix = self.path_after_call(earlier);
        let live = self.live_path(source.thread);
        // Another conversation of the thread may be the live one, which this request neither repeats nor branches.
        let length = self.paths.len(prefix);
        let follows = if self.paths.begins_with(live, prefix, length) { live } else { prefix };
        let continued = Continued::Conversation(conversation);
        let previous_response = self.previous_response(Some(earlier));
        self.continuing_request(source, call, (prefix, follows, &continued, previous_response), items, diagnostics)
    }

    /// Adds a request that lists the whole conversation. If a compaction was installed in the thread, the request is
    /// compared with the compaction's replacement items instead of the live snapshot, once. A request of another
    /// conversation of the thread is not.
    ///
    /// A program whose window slides over equal messages and answers sends equal requests. In another turn, such a request
    /// is no retry.
    fn full_request(
        &mut self,
        source: &ItemSource<'_>,
        call: usize,
        items: &[ListedItem],
        diagnostics: &mut Diagnostics,
    ) -> (Path, Snapshot) {
        let (path, history) = match self.replacement_for(source.thread, call, items) {
            Some(replacement) => (None, History::Items(replacement)),
            None => {
                let path = self.history_of(source.thread, call, items);
                (path, History::Path(path))
            }
        };
        let kind = self.kind_of_request(source, path, items);
        let MatchedItems { ids, common_prefix } = self.match_history(source, history, items, kind, diagnostics);
        self.answer_calls(&ids);
        let common_prefix = if path.is_some() { common_prefix } else { 0 };
        let is_shortened = common_prefix < self.paths.len(path);
        let ids = ids.get(common_prefix..).unwrap_or_default().to_vec();
        let (path, snapshot) = self.branch(call, path, common_prefix, ids);
        self.record_list(path, ListOrigin::Request, (call, 0), source.at.when.seq);
        if is_shortened {
            self.shortened.push(ShortenedRequest { path, seq: source.at.when.seq });
        }
        self.instructions.extend(self.instructions(call, items).map(|instructions| (call, instructions.hash)));
        (path, snapshot)
    }

    /// Adds a request whose items follow the request and the response of an earlier call.
    ///
    /// If no completed call of the thread has the response id `previous`, the items follow the live snapshot instead.
    fn incremental_request(
        &mut self,
        source: &ItemSource<'_>,
        call: usize,
        previous: &ResponseId,
        items: &[ListedItem],
        diagnostics: &mut Diagnostics,
    ) -> (Path, Snapshot) {
        let live = self.live_path(source.thread);
        let earlier = self.by_response_id.get(&(source.thread.clone(), previous.clone())).copied();
        let previous_response = self.previous_response(earlier);
        self.continue_compaction(call, earlier);
        let prefix = match earlier {
            Some(earlier) => self.path_after_call(earlier),
            None => {
                let message = format!(
                    "{} continues response {previous}, which no completed call of its thread has; \
                     it is treated as continuing the latest snapshot of the thread",
                    source.subject
                );
                diagnostics.add(source.at, Code::UnknownPreviousResponse, message, Some(source.payload));
                live
            }
        };
        let continued = Continued::Response(previous);
        self.continuing_request(source, call, (prefix, live, &continued, previous_response), items, diagnostics)
    }

    /// Adds a request whose items follow the path `prefix`.
    ///
    /// The items are compared with those that the path `live` has behind the prefix, since an earlier request may have
    /// added them. The last item of a request that begins a turn is new. `continued` is the name that the request gives
    /// the prefix, and `previous_response` the evidence for the response that ends the prefix.
    fn continuing_request(
        &mut self,
        source: &ItemSource<'_>,
        call: usize,
        (prefix, live, continued, previous_response): (Path, Path, &Continued<'_>, PreviousResponse),
        items: &[ListedItem],
        diagnostics: &mut Diagnostics,
    ) -> (Path, Snapshot) {
        let length = self.paths.len(prefix);
        // Another conversation of the thread has equal items at other places.
        let is_same_conversation = self.paths.begins_with(live, prefix, length);
        let kind = self.kind_of_request(source, live, items);
        let mut branched = false;
        let mut ids = Vec::with_capacity(items.len());
        for (index, &listed) in items.iter().enumerate() {
            let existing = if live == prefix { None } else { self.paths.item_at(live, length + index) };
            if let Some(item) = self.use_reference(source.thread, listed) {
                branched |= existing.is_some_and(|existing| existing != item);
                ids.push(item);
                continue;
            }
            let same = existing.filter(|&existing| self.repeats(source.thread, existing, listed));
            branched |= existing.is_some() && same.is_none();
            let is_new = kind == ListKind::BeginsTurn && index + 1 == items.len();
            let same = same.filter(|_| is_same_conversation && !is_new);
            ids.extend(self.matched_or_new(source, same, listed, diagnostics));
        }
        if branched {
            let message = format!(
                "{} continues {continued} with other items than the conversation did; its items are added as new ones",
                source.subject
            );
            diagnostics.add(source.at, Code::HistoryBranched, message, Some(source.payload));
        }
        let (path, snapshot) = self.branch(call, prefix, length, ids);
        self.record_list(path, ListOrigin::Continuation(previous_response), (call, length), source.at.when.seq);
        (path, snapshot)
    }

    /// Returns the evidence for the response of an inference call, given by its index.
    fn previous_response(&self, call: Option<usize>) -> PreviousResponse {
        match call.filter(|call| !self.unknown_responses.contains(call)) {
            Some(_) => PreviousResponse::Known,
            None => PreviousResponse::Unknown,
        }
    }

    /// Adds a request whose items follow a history that no recorded call contains. `prefix` is the payload with that
    /// history. A payload that several requests of a thread reference has the same items in all of them.
    fn request_after_untraced_prefix(
        &mut self,
        source: &ItemSource<'_>,
        call: usize,
        prefix: Option<&Payload<Request>>,
        items: &[ListedItem],
        diagnostics: &mut Diagnostics,
    ) -> (Path, Snapshot) {
        let prefix = self.prefix_items(source, prefix, diagnostics);
        let body = prefix.first().map(|first| std::ptr::from_ref(first).addr());
        let known = body.and_then(|body| self.prefixes_by_body.get(&body).cloned());
        let (path, mut ids, common_prefix, length) = match known {
            Some((thread, path, length)) if thread == *source.thread => (path, Vec::new(), length, length),
            Some((thread, ..)) => {
                let message = format!(
                    "the prefix of {} is treated as absent: it already belongs to a request of thread {thread}",
                    source.subject
                );
                diagnostics.add(source.at, Code::BadPayload, message, Some(source.payload));
                (None, Vec::new(), 0, 0)
            }
            None => {
                let path = self.live_path(source.thread);
                let prefix = self.readable_items(source, prefix, diagnostics);
                let matched = self.match_history(source, History::Path(path), &prefix, ListKind::Request, diagnostics);
                let MatchedItems { mut ids, common_prefix } = matched;
                let length = ids.len();
                (path, ids.split_off(common_prefix.min(length)), common_prefix, length)
            }
        };
        for &listed in items {
            ids.extend(self.referenced_or_new(source, listed, diagnostics));
        }
        let (path, snapshot) = self.branch(call, path, common_prefix, ids);
        self.record_list(path, ListOrigin::Request, (call, 0), source.at.when.seq);
        if let Some(body) = body {
            self.prefixes_by_body.entry(body).or_insert_with(|| (source.thread.clone(), path, length));
        }
        (path, snapshot)
    }

    /// Returns the items of a prefix. Reports a prefix that cannot be used, and returns no items.
    fn prefix_items<'p>(
        &self,
        source: &ItemSource<'_>,
        prefix: Option<&'p Payload<Request>>,
        diagnostics: &mut Diagnostics,
    ) -> &'p [ListedItem] {
        let (code, message) = match prefix {
            None => return &[],
            Some(Ok(request)) => match &request.items {
                RequestItems::Listed(items) => return items,
                RequestItems::NotRecorded | RequestItems::UnknownShape => {
                    let message =
                        format!("the prefix of {} has no list of items; the prefix is left out", source.subject);
                    (Code::BadPayload, message)
                }
            },
            Some(Err(unusable)) => {
                let message = format!("the prefix of {} is treated as absent: {}", source.subject, unusable.reason);
                (unusable.code, message)
            }
        };
        diagnostics.add(source.at, code, message, Some(source.payload));
        &[]
    }

    /// Sets the items of the request of `call`: the first `common_prefix` items of `path`, followed by `ids`. Returns
    /// its path and snapshot.
    fn branch(&mut self, call: usize, path: Path, common_prefix: usize, ids: Vec<ItemId>) -> (Path, Snapshot) {
        let (prefix, listed) = self.paths.listed_prefix(path, common_prefix);
        let mut tail = self.paths.items(path, listed, common_prefix);
        tail.extend(ids);
        // Items that no earlier call lists are listed by this call from now on, not again by each call that follows.
        let path = self.paths.extend(path, listed, tail.clone(), ListedBy::Request(call));
        (path, Snapshot { prefix: prefix.filter(|prefix: &Prefix| prefix.items + prefix.response_items > 0), tail })
    }

    /// Returns the path of an inference call's request followed by its response.
    pub(super) fn path_after_call(&mut self, call: usize) -> Path {
        if let Some(&end) = self.ends.get(&call) {
            return end;
        }
        let request = self.requests.get(&call).copied().flatten();
        let response = self.responses.get(&call).cloned().unwrap_or_default();
        let end = self.paths.extend(request, self.paths.len(request), response, ListedBy::Response(call));
        self.ends.insert(call, end);
        end
    }
}
