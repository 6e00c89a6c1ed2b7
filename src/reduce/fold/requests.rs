//! Folds request bodies: finds or creates the items of each request and updates the live snapshot of its thread.

use super::conversation::{ConversationBuilder, ItemSource};
use super::history::{History, MatchedItems};
use super::paths::{ListedBy, Path};
use crate::event::{RequestInputMode, ResponseId, ThreadId};
use crate::graph::{Code, ItemId, Prefix, Snapshot};
use crate::reduce::Diagnostics;
use crate::reduce::decode::{ContentId, Payload, Request, RequestItems};

impl ConversationBuilder<'_> {
    /// Adds a request to the conversation of its thread. Returns its snapshot and the items that it created.
    ///
    /// `call` is the index of the inference call. `prefix` is the payload with the history that no recorded call
    /// contains, if the request has one. The request's items become the live snapshot of the thread.
    #[expect(clippy::too_many_arguments, reason = "each is an independent property of the request")]
    pub(super) fn add_request(
        &mut self,
        source: &ItemSource<'_>,
        call: usize,
        mode: Option<&RequestInputMode>,
        previous: Option<&ResponseId>,
        prefix: Option<&Payload<Request>>,
        items: &[ContentId],
        diagnostics: &mut Diagnostics,
    ) -> (Snapshot, Vec<ItemId>) {
        let body = (items.as_ptr().addr(), mode.map(std::mem::discriminant));
        if let Some((thread, path)) = self.requests_by_body.get(&body).cloned().filter(|_| !items.is_empty()) {
            return self.repeat_request(source, call, &thread, path, diagnostics);
        }
        let items = self.readable_items(source, items, diagnostics);
        let first_new = self.items.len();
        let (path, snapshot) = match (mode, previous) {
            (Some(RequestInputMode::FullSnapshot), _) | (None, None) => {
                self.full_request(source, call, &items, diagnostics)
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
        self.requests_by_body.insert(body, (source.thread.clone(), path));
        (snapshot, (first_new..self.items.len()).map(ItemId::from_index).collect())
    }

    /// Adds a request that references the body of an earlier request, as a retry may. It has the items of the earlier
    /// request.
    ///
    /// A body of another thread is reported and treated as absent; otherwise a single line could create a second
    /// conversation of any size.
    fn repeat_request(
        &mut self,
        source: &ItemSource<'_>,
        call: usize,
        thread: &ThreadId,
        path: Path,
        diagnostics: &mut Diagnostics,
    ) -> (Snapshot, Vec<ItemId>) {
        if thread != source.thread {
            let message = format!(
                "{} is treated as absent: its body already belongs to a request of thread {thread}",
                source.subject
            );
            diagnostics.add(source.at, Code::BadPayload, message, Some(source.payload));
            return (Snapshot::default(), Vec::new());
        }
        let (path, snapshot) = self.branch(call, path, self.paths.len(path), Vec::new());
        self.requests.insert(call, path);
        self.live.entry(source.thread.clone()).or_default().path = path;
        (snapshot, Vec::new())
    }

    /// Adds a request that lists the whole conversation. If a compaction was installed in the thread, the request is
    /// compared with the compaction's replacement items instead of the live snapshot, once.
    fn full_request(
        &mut self,
        source: &ItemSource<'_>,
        call: usize,
        items: &[ContentId],
        diagnostics: &mut Diagnostics,
    ) -> (Path, Snapshot) {
        let live = self.live.entry(source.thread.clone()).or_default();
        let (path, history) = match live.replacement.take() {
            Some(replacement) => (None, History::Items(replacement)),
            None => (live.path, History::Path(live.path)),
        };
        let MatchedItems { ids, common_prefix } = self.match_history(source, history, items, diagnostics);
        let common_prefix = if path.is_some() { common_prefix } else { 0 };
        self.branch(call, path, common_prefix, ids.get(common_prefix..).unwrap_or_default().to_vec())
    }

    /// Adds a request whose items follow the request and the response of an earlier call.
    ///
    /// If no completed call of the thread has the response id `previous`, the items follow the live snapshot instead.
    fn incremental_request(
        &mut self,
        source: &ItemSource<'_>,
        call: usize,
        previous: &ResponseId,
        items: &[ContentId],
        diagnostics: &mut Diagnostics,
    ) -> (Path, Snapshot) {
        let live = self.live_path(source.thread);
        let prefix = match self.by_response_id.get(&(source.thread.clone(), previous.clone())) {
            Some(&earlier) => self.path_after_call(earlier),
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
        let length = self.paths.len(prefix);
        let mut branched = false;
        let mut ids = Vec::with_capacity(items.len());
        for (index, &content) in items.iter().enumerate() {
            let existing = if live == prefix { None } else { self.paths.item_at(live, length + index) };
            let same = existing.filter(|&existing| self.is_same(existing, content));
            branched |= existing.is_some() && same.is_none();
            match same {
                Some(item) => {
                    self.update(source, item, content, diagnostics);
                    ids.push(item);
                }
                None => ids.extend(self.create(source, content, diagnostics)),
            }
        }
        if branched {
            let message = format!(
                "{} continues response {previous} with other items than the conversation did; its items are added as \
                 new ones",
                source.subject
            );
            diagnostics.add(source.at, Code::HistoryBranched, message, Some(source.payload));
        }
        self.branch(call, prefix, length, ids)
    }

    /// Adds a request whose items follow a history that no recorded call contains. `prefix` is the payload with that
    /// history.
    fn request_after_untraced_prefix(
        &mut self,
        source: &ItemSource<'_>,
        call: usize,
        prefix: Option<&Payload<Request>>,
        items: &[ContentId],
        diagnostics: &mut Diagnostics,
    ) -> (Path, Snapshot) {
        let path = self.live_path(source.thread);
        let MatchedItems { mut ids, common_prefix } = match prefix {
            Some(Ok(request)) => match &request.items {
                RequestItems::Listed(prefix) => {
                    let prefix = self.readable_items(source, prefix, diagnostics);
                    self.match_history(source, History::Path(path), &prefix, diagnostics)
                }
                RequestItems::NotRecorded | RequestItems::UnknownShape => {
                    let message =
                        format!("the prefix of {} has no list of items; the prefix is left out", source.subject);
                    diagnostics.add(source.at, Code::BadPayload, message, Some(source.payload));
                    MatchedItems::default()
                }
            },
            Some(Err(unusable)) => {
                let message = format!("the prefix of {} is treated as absent: {}", source.subject, unusable.reason);
                diagnostics.add(source.at, unusable.code, message, Some(source.payload));
                MatchedItems::default()
            }
            None => MatchedItems::default(),
        };
        for &content in items {
            ids.extend(self.create(source, content, diagnostics));
        }
        self.branch(call, path, common_prefix, ids.get(common_prefix..).unwrap_or_default().to_vec())
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

    /// Returns the last of the `items` that a request lists, for which the provider drops the items before it.
    pub(super) fn compaction_in_request(&mut self, call: usize, items: &[ContentId]) -> Option<ItemId> {
        let decoded_items = self.decoded_items;
        let readable = items.iter().rev().filter_map(|&item| decoded_items.get(item).ok());
        let behind = readable.map(|item| &item.content).position(|content| content.replaces_history)?;
        let request = self.requests.get(&call).copied()?;
        self.paths.item_at(request, self.paths.len(request).checked_sub(behind + 1)?)
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
