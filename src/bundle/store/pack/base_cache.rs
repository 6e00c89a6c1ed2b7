//! A cache of the bases of deltas: the last request of each thread, within a budget.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::hashing::PrefixHash;
use crate::event::ThreadId;

/// Maximum size of all cached payloads, in bytes, over all bundles that share the cache.
const BUDGET: usize = 64 * 1024 * 1024;

/// A cache of the last payload of each thread, as the base of the next delta. All writers of a program should share
/// one.
///
/// Its lock is held while a payload is looked up or replaced, never while one is compared, written or freed. So two
/// payloads of a thread that are written at once are compared with the same base.
pub(crate) struct BaseCache {
    state: Mutex<CacheState>,
    budget: usize,
}

/// Identifies a pack in the cache, which several packs share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct StoreId(u64);

/// A payload that is in the pack, as a candidate for the base of the next delta.
#[derive(Debug, Clone)]
pub(super) struct PreviousPayload {
    pub(super) offset: u64,
    pub(super) depth: u16,
    pub(super) body: Arc<Vec<u8>>,
    /// Hash state of the payload's first bytes, from which the hash of the next payload can be resumed. `None` for a
    /// short payload.
    pub(super) prefix_hash: Option<PrefixHash>,
}

/// Maximum number of consecutive requests that do not continue the cached one. After that the thread is taken to have a
/// new history.
const MAX_SKIPPED: u8 = 8;

/// A cached payload with its age.
#[derive(Debug)]
struct CacheEntry {
    age: Age,
    previous: PreviousPayload,
    /// Number of later payloads of the thread that did not replace this one.
    skipped: u8,
}

/// A counter that orders the cached payloads by the time at which they were cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Age(u64);

#[derive(Default)]
struct CacheState {
    stores: HashMap<StoreId, HashMap<ThreadId, CacheEntry>>,
    by_age: BTreeMap<Age, (StoreId, ThreadId)>,
    bytes: usize,
    last_age: u64,
    last_store: u64,
}

impl Default for BaseCache {
    fn default() -> Self {
        Self::with_budget(BUDGET)
    }
}

impl BaseCache {
    /// Creates a cache that holds at most `budget` bytes.
    pub(super) fn with_budget(budget: usize) -> Self {
        Self { state: Mutex::default(), budget }
    }

    fn state(&self) -> MutexGuard<'_, CacheState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a new id for a pack that uses the cache.
    pub(super) fn new_store(&self) -> StoreId {
        let mut state = self.state();
        state.last_store += 1;
        StoreId(state.last_store)
    }

    /// Returns the cached payload of a thread in the given pack. Returns `None` if there is none.
    pub(super) fn get(&self, store: StoreId, thread: &ThreadId) -> Option<PreviousPayload> {
        self.state().stores.get(&store)?.get(thread).map(|entry| entry.previous.clone())
    }

    /// Counts a payload that does not build on the cached payload of its thread. Returns `true` if the cached payload
    /// stays, and `false` if the new payload should replace it.
    pub(super) fn skip(&self, store: StoreId, thread: &ThreadId) -> bool {
        let mut state = self.state();
        let entry = state.stores.get_mut(&store).and_then(|threads| threads.get_mut(thread));
        entry.is_some_and(|entry| {
            entry.skipped += 1;
            entry.skipped <= MAX_SKIPPED
        })
    }

    /// Replaces the cached payload of a thread. Returns the buffer of a payload that was removed, for reuse. Returns
    /// `None` if no payload was removed, or if another thread is reading the buffer.
    pub(super) fn replace(&self, store: StoreId, thread: &ThreadId, body: PreviousPayload) -> Option<Vec<u8>> {
        let mut dropped = Vec::new();
        {
            let mut state = self.state();
            dropped.extend(state.remove(store, thread));
            if body.body.capacity() <= self.budget {
                state.add(store, thread, body);
            } else {
                dropped.push(body);
            }
            while state.bytes > self.budget
                && let Some((_, (store, thread))) = state.by_age.pop_first()
            {
                dropped.extend(state.remove(store, &thread));
            }
        }
        // All other removed payloads are freed here, outside of the lock.
        dropped.into_iter().next().and_then(|previous| Arc::try_unwrap(previous.body).ok())
    }

    /// Removes the cached payloads of all threads in a pack.
    pub(super) fn remove_store(&self, store: StoreId) {
        let removed = {
            let mut state = self.state();
            let removed = state.stores.remove(&store);
            for CacheEntry { age, previous, .. } in removed.iter().flat_map(HashMap::values) {
                state.by_age.remove(age);
                state.bytes -= previous.body.capacity();
            }
            removed
        };
        drop(removed);
    }

    /// Removes the cached payload of a thread.
    pub(super) fn remove_thread(&self, store: StoreId, thread: &ThreadId) {
        let removed = self.state().remove(store, thread);
        // Freed outside of the lock.
        drop(removed);
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.state().bytes
    }
}

impl CacheState {
    fn add(&mut self, store: StoreId, thread: &ThreadId, body: PreviousPayload) {
        self.last_age += 1;
        let age = Age(self.last_age);
        self.bytes += body.body.capacity();
        self.by_age.insert(age, (store, thread.clone()));
        let entry = CacheEntry { age, previous: body, skipped: 0 };
        self.stores.entry(store).or_default().insert(thread.clone(), entry);
    }

    fn remove(&mut self, store: StoreId, thread: &ThreadId) -> Option<PreviousPayload> {
        let CacheEntry { age, previous, .. } = self.stores.get_mut(&store)?.remove(thread)?;
        self.by_age.remove(&age);
        self.bytes -= previous.body.capacity();
        Some(previous)
    }
}

impl fmt::Debug for BaseCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BaseCache").field("budget", &self.budget).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(bytes: usize) -> PreviousPayload {
        PreviousPayload { offset: 64, depth: 0, body: Arc::new(vec![0; bytes]), prefix_hash: None }
    }

    #[test]
    fn oldest_payloads_are_evicted_when_the_budget_is_full() {
        let cache = BaseCache::with_budget(100);
        let (one, two) = (cache.new_store(), cache.new_store());
        let has = |store, thread: &str| cache.get(store, &thread.into()).is_some();
        cache.replace(one, &"a".into(), body(40));
        cache.replace(two, &"a".into(), body(40));
        cache.replace(one, &"a".into(), body(40));
        assert!(has(one, "a") && has(two, "a"));
        cache.replace(one, &"b".into(), body(40));
        assert!(has(one, "a") && !has(two, "a") && has(one, "b"));
        cache.replace(one, &"b".into(), body(101));
        assert!(has(one, "a") && !has(one, "b"), "a payload larger than the budget evicts no other");
        assert_eq!(cache.bytes(), 40);
        cache.replace(two, &"a".into(), body(30));
        cache.remove_thread(two, &"a".into());
        assert_eq!((cache.bytes(), has(one, "a"), has(two, "a")), (40, true, false));
        cache.remove_store(one);
        assert_eq!((cache.bytes(), has(one, "a")), (0, false));
    }

    #[test]
    fn skips_in_a_row_are_limited() {
        let cache = BaseCache::with_budget(100);
        let store = cache.new_store();
        let skip = || cache.skip(store, &"a".into());
        assert!(!skip(), "nothing is cached yet");
        for _ in 0..2 {
            cache.replace(store, &"a".into(), body(40));
            assert!((0..MAX_SKIPPED).all(|_| skip()));
            assert!(!skip());
        }
    }

    #[test]
    fn replaced_buffer_is_returned_unless_it_is_in_use() {
        let cache = BaseCache::with_budget(100);
        let store = cache.new_store();
        assert_eq!(cache.replace(store, &"a".into(), body(40)), None);
        assert_eq!(cache.replace(store, &"a".into(), body(41)).map(|buffer| buffer.len()), Some(40));
        let in_use = cache.get(store, &"a".into());
        assert_eq!(cache.replace(store, &"a".into(), body(42)), None);
        drop(in_use);
    }
}
