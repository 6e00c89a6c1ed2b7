//! Requests: the items of each, and what the model would see next.

use super::conversation::{Conversation, Source};
use super::paths::{Path, ToldBy};
use super::walk::{History, Walked};
use crate::event::{RequestInputMode, ResponseId, ThreadId};
use crate::graph::{Code, ItemId, Prefix, Snapshot};
use crate::reduce::Problems;
use crate::reduce::decode::{Body, ContentId, Request, RequestItems};

impl Conversation<'_> {
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
        let body = (items.as_ptr().addr(), mode.map(std::mem::discriminant));
        if let Some((thread, path)) = self.asked.get(&body).cloned().filter(|_| !items.is_empty()) {
            return self.again(source, call, &thread, path, problems);
        }
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
        self.asked.insert(body, (source.thread.clone(), path));
        (snapshot, (first_new..self.items.len()).map(ItemId::at).collect())
    }

    /// A body that an earlier request named too, as a retry may: it says what it said. In another thread it would be a
    /// second conversation of any size for a single line.
    fn again(
        &mut self,
        source: &Source<'_>,
        call: usize,
        thread: &ThreadId,
        path: Path,
        problems: &mut Problems,
    ) -> (Snapshot, Vec<ItemId>) {
        if thread != source.thread {
            let message = format!("{} counts as absent: it is the body of thread {thread} before", source.what);
            problems.add(source.at, Code::BadPayload, message, Some(source.payload));
            return (Snapshot::default(), Vec::new());
        }
        let (path, snapshot) = self.branch(call, path, self.paths.len(path), Vec::new());
        self.requests.insert(call, path);
        self.live.entry(source.thread.clone()).or_default().path = path;
        (snapshot, Vec::new())
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
    pub(super) fn end_of(&mut self, call: usize) -> Path {
        if let Some(&end) = self.ends.get(&call) {
            return end;
        }
        let request = self.requests.get(&call).copied().flatten();
        let response = self.responses.get(&call).cloned().unwrap_or_default();
        let end = self.paths.extend(request, self.paths.len(request), response, ToldBy::Response(call));
        self.ends.insert(call, end);
        end
    }
}
