//! The threads that spans and handles find by id: [`ThreadTable`].

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use smallvec::SmallVec;

use super::reentrancy::lock;
use crate::event::ThreadId;

/// A thread, which only the room of operations knows by type.
type AnyThread = dyn Any + Send + Sync;

/// The threads of one id, the latest last. A program may give two open threads the same id.
type SameId = SmallVec<[Weak<AnyThread>; 1]>;

/// The open threads by id, for spans and handles of a thread that they are not below.
#[derive(Debug, Default)]
pub(in crate::layer) struct ThreadTable(Mutex<HashMap<ThreadId, SameId>>);

impl ThreadTable {
    /// Adds a thread that has started, as the latest of its id.
    pub(in crate::layer) fn add<T: Any + Send + Sync>(&self, id: ThreadId, thread: &Arc<T>) {
        let thread: Weak<T> = Arc::downgrade(thread);
        lock(&self.0).entry(id).or_default().push(thread);
    }

    /// Removes a thread that ends.
    pub(in crate::layer) fn remove<T: ?Sized>(&self, id: &str, thread: &T) {
        let mut threads = lock(&self.0);
        let Some(same) = threads.get_mut(id) else { return };
        same.retain(|named| !std::ptr::addr_eq(named.as_ptr(), thread));
        if same.is_empty() {
            threads.remove(id);
        }
    }

    /// Returns the latest open thread with this id.
    pub(in crate::layer) fn get<T: Any + Send + Sync>(&self, id: &str) -> Option<Arc<T>> {
        let latest = lock(&self.0).get(id)?.iter().rev().find_map(Weak::upgrade)?;
        latest.downcast().ok()
    }

    /// Removes all threads.
    pub(super) fn clear(&self) {
        // Dropped behind the lock.
        let _threads = std::mem::take(&mut *lock(&self.0));
    }
}
