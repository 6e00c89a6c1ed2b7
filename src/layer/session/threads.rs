//! The threads that spans and handles find by id: [`ThreadTable`].

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use super::reentrancy::lock;
use crate::event::ThreadId;

/// A thread, which only the room of operations knows by type.
type AnyThread = dyn Any + Send + Sync;

/// The started threads by id, for spans that name a thread which they are not below.
#[derive(Debug, Default)]
pub(in crate::layer) struct ThreadTable(Mutex<HashMap<ThreadId, Weak<AnyThread>>>);

impl ThreadTable {
    /// Adds a thread that has started.
    pub(in crate::layer) fn add<T: Any + Send + Sync>(&self, id: ThreadId, thread: &Arc<T>) {
        let thread: Weak<T> = Arc::downgrade(thread);
        lock(&self.0).insert(id, thread);
    }

    /// Removes a thread that ends, unless another thread has taken its id meanwhile.
    pub(in crate::layer) fn remove<T: ?Sized>(&self, id: &str, thread: &T) {
        let mut threads = lock(&self.0);
        if threads.get(id).is_some_and(|named| std::ptr::addr_eq(named.as_ptr(), thread)) {
            threads.remove(id);
        }
    }

    /// Returns the open thread with this id.
    pub(in crate::layer) fn get<T: Any + Send + Sync>(&self, id: &str) -> Option<Arc<T>> {
        lock(&self.0).get(id).and_then(Weak::upgrade)?.downcast().ok()
    }

    /// Removes all threads.
    pub(super) fn clear(&self) {
        // Dropped behind the lock.
        let _threads = std::mem::take(&mut *lock(&self.0));
    }
}
