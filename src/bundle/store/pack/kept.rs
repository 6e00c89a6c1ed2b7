//! Bodies to compare the next ones with: the last of each thread, within a budget.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::hashing::Beginning;
use crate::event::ThreadId;

/// How many bytes are kept at most, of all bundles that share this.
const BUDGET: usize = 64 * 1024 * 1024;

/// The last body of each thread that could keep it. All writers of a program should share one.
///
/// Its lock is held to look a body up or to put one in its place, never while one is compared, written or freed: two
/// bodies of a thread at once are compared with the same earlier one.
pub(crate) struct KeptBodies {
    shelf: Mutex<Shelf>,
    budget: usize,
}

/// One of the stores that share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct StoreId(u64);

/// A body that is in the pack, and where.
#[derive(Debug, Clone)]
pub(super) struct Previous {
    pub(super) offset: u64,
    pub(super) depth: u16,
    pub(super) body: Arc<Vec<u8>>,
    /// Where its hash can go on from.
    pub(super) beginning: Option<Beginning>,
}

/// How many bodies in a row may say nothing of a thread's history. After that there is another history.
const MOST_PASSED_OVER: u8 = 8;

/// A body, since when, and how many others were not kept in its place since.
#[derive(Debug)]
struct Kept {
    age: Age,
    previous: Previous,
    passed_over: u8,
}

/// When a body was kept, in an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Age(u64);

#[derive(Default)]
struct Shelf {
    stores: HashMap<StoreId, HashMap<ThreadId, Kept>>,
    by_age: BTreeMap<Age, (StoreId, ThreadId)>,
    bytes: usize,
    last_age: u64,
    last_store: u64,
}

impl Default for KeptBodies {
    fn default() -> Self {
        Self::within(BUDGET)
    }
}

impl KeptBodies {
    /// One that keeps so many bytes at most.
    pub(super) fn within(budget: usize) -> Self {
        Self { shelf: Mutex::default(), budget }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn new_store(&self) -> StoreId {
        let mut shelf = self.shelf();
        shelf.last_store += 1;
        StoreId(shelf.last_store)
    }

    /// The last body of this thread.
    pub(super) fn get(&self, store: StoreId, thread: &ThreadId) -> Option<Previous> {
        self.shelf().stores.get(&store)?.get(thread).map(|kept| kept.previous.clone())
    }

    /// Whether the thread's last body shall stay kept, though a later one does not build on it.
    pub(super) fn passes_over(&self, store: StoreId, thread: &ThreadId) -> bool {
        let mut shelf = self.shelf();
        let kept = shelf.stores.get_mut(&store).and_then(|threads| threads.get_mut(thread));
        kept.is_some_and(|kept| {
            kept.passed_over += 1;
            kept.passed_over <= MOST_PASSED_OVER
        })
    }

    /// Keeps a body in the place of the thread's last one. Gives a buffer of a body that is kept no more, if nobody
    /// looks at it right now.
    pub(super) fn replace(&self, store: StoreId, thread: &ThreadId, body: Previous) -> Option<Vec<u8>> {
        let mut dropped = Vec::new();
        {
            let mut shelf = self.shelf();
            dropped.extend(shelf.remove(store, thread));
            if body.body.capacity() <= self.budget {
                shelf.add(store, thread, body);
            } else {
                dropped.push(body);
            }
            while shelf.bytes > self.budget
                && let Some((_, (store, thread))) = shelf.by_age.pop_first()
            {
                dropped.extend(shelf.remove(store, &thread));
            }
        }
        // All others are freed here, outside the lock.
        dropped.into_iter().next().and_then(|previous| Arc::try_unwrap(previous.body).ok())
    }

    /// Nothing more comes to this store for now.
    pub(super) fn forget(&self, store: StoreId) {
        let forgotten = {
            let mut shelf = self.shelf();
            let forgotten = shelf.stores.remove(&store);
            for Kept { age, previous, .. } in forgotten.iter().flat_map(HashMap::values) {
                shelf.by_age.remove(age);
                shelf.bytes -= previous.body.capacity();
            }
            forgotten
        };
        drop(forgotten);
    }

    /// Nothing more comes of this thread.
    pub(super) fn forget_thread(&self, store: StoreId, thread: &ThreadId) {
        let forgotten = self.shelf().remove(store, thread);
        // Outside the lock.
        drop(forgotten);
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.shelf().bytes
    }
}

impl Shelf {
    fn add(&mut self, store: StoreId, thread: &ThreadId, body: Previous) {
        self.last_age += 1;
        let age = Age(self.last_age);
        self.bytes += body.body.capacity();
        self.by_age.insert(age, (store, thread.clone()));
        let kept = Kept { age, previous: body, passed_over: 0 };
        self.stores.entry(store).or_default().insert(thread.clone(), kept);
    }

    fn remove(&mut self, store: StoreId, thread: &ThreadId) -> Option<Previous> {
        let Kept { age, previous, .. } = self.stores.get_mut(&store)?.remove(thread)?;
        self.by_age.remove(&age);
        self.bytes -= previous.body.capacity();
        Some(previous)
    }
}

impl fmt::Debug for KeptBodies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptBodies").field("budget", &self.budget).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(bytes: usize) -> Previous {
        Previous { offset: 64, depth: 0, body: Arc::new(vec![0; bytes]), beginning: None }
    }

    #[test]
    fn the_oldest_go_when_the_budget_is_full() {
        let kept = KeptBodies::within(100);
        let (one, two) = (kept.new_store(), kept.new_store());
        let has = |store, thread: &str| kept.get(store, &thread.into()).is_some();
        kept.replace(one, &"a".into(), body(40));
        kept.replace(two, &"a".into(), body(40));
        kept.replace(one, &"a".into(), body(40));
        assert!(has(one, "a") && has(two, "a"));
        kept.replace(one, &"b".into(), body(40));
        assert!(has(one, "a") && !has(two, "a") && has(one, "b"));
        kept.replace(one, &"b".into(), body(101));
        assert!(has(one, "a") && !has(one, "b"), "one that is larger than everything leaves the others");
        assert_eq!(kept.bytes(), 40);
        kept.replace(two, &"a".into(), body(30));
        kept.forget_thread(two, &"a".into());
        assert_eq!((kept.bytes(), has(one, "a"), has(two, "a")), (40, true, false));
        kept.forget(one);
        assert_eq!((kept.bytes(), has(one, "a")), (0, false));
    }

    #[test]
    fn a_body_is_passed_over_only_so_often_in_a_row() {
        let kept = KeptBodies::within(100);
        let store = kept.new_store();
        let passes_over = || kept.passes_over(store, &"a".into());
        assert!(!passes_over(), "nothing is kept yet");
        for _ in 0..2 {
            kept.replace(store, &"a".into(), body(40));
            assert!((0..MOST_PASSED_OVER).all(|_| passes_over()));
            assert!(!passes_over());
        }
    }

    #[test]
    fn the_buffer_of_the_last_body_comes_back_unless_it_is_looked_at() {
        let kept = KeptBodies::within(100);
        let store = kept.new_store();
        assert_eq!(kept.replace(store, &"a".into(), body(40)), None);
        assert_eq!(kept.replace(store, &"a".into(), body(41)).map(|buffer| buffer.len()), Some(40));
        let looked_at = kept.get(store, &"a".into());
        assert_eq!(kept.replace(store, &"a".into(), body(42)), None);
        drop(looked_at);
    }
}
