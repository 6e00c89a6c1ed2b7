//! The threads that spans and handles find by id: [`ThreadTable`].

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use super::reentrancy::lock;
use crate::event::ThreadId;

/// A thread, which only the room of operations knows by type.
type AnyThread = dyn Any + Send + Sync;

/// The open threads by id, and the implicit threads by conversation.
#[derive(Debug, Default)]
pub(in crate::layer) struct ThreadTable {
    /// Started threads by id, for spans that name a thread which they are not below.
    by_id: Mutex<HashMap<ThreadId, Weak<AnyThread>>>,
    conversations: Mutex<Conversations>,
}

/// The implicit threads by conversation id. They live until the shutdown.
#[derive(Debug, Default)]
struct Conversations {
    threads: HashMap<String, Arc<AnyThread>>,
    /// `true` after the shutdown. A thread that was added then would never be dropped, and it holds the session.
    is_closed: bool,
}

impl ThreadTable {
    /// Adds a thread that has started.
    pub(in crate::layer) fn add<T: Any + Send + Sync>(&self, id: ThreadId, thread: &Arc<T>) {
        let thread: Weak<T> = Arc::downgrade(thread);
        lock(&self.by_id).insert(id, thread);
    }

    /// Removes a thread that has ended, unless another thread has taken its id meanwhile.
    pub(in crate::layer) fn remove<T>(&self, id: &ThreadId, thread: &T) {
        let mut threads = lock(&self.by_id);
        if threads.get(id).is_some_and(|named| std::ptr::addr_eq(named.as_ptr(), thread)) {
            threads.remove(id);
        }
    }

    /// Returns the open thread with this id.
    pub(in crate::layer) fn get<T: Any + Send + Sync>(&self, id: &str) -> Option<Arc<T>> {
        lock(&self.by_id).get(id).and_then(Weak::upgrade)?.downcast().ok()
    }

    /// Returns the implicit thread of a conversation.
    pub(in crate::layer) fn conversation<T: Any + Send + Sync>(&self, id: &str) -> Option<Arc<T>> {
        lock(&self.conversations).get(id)
    }

    /// Returns the implicit thread of a conversation, or adds the one that `make` creates. The thread `lost` is
    /// replaced. After the shutdown no thread is added.
    pub(in crate::layer) fn conversation_or_add<T: Any + Send + Sync>(
        &self,
        id: &str,
        lost: Option<&Arc<T>>,
        make: impl FnOnce() -> Arc<T>,
    ) -> Arc<T> {
        let mut conversations = lock(&self.conversations);
        let is_lost = |thread: &Arc<T>| lost.is_some_and(|lost| Arc::ptr_eq(lost, thread));
        conversations.get(id).filter(|thread| !is_lost(thread)).unwrap_or_else(|| {
            let thread = make();
            conversations.add(id, &thread);
            thread
        })
    }

    /// Removes all threads, and adds no further conversation.
    pub(super) fn close(&self) {
        // Dropped behind the locks: the last owner of a thread may be this table.
        let closed = Conversations { is_closed: true, ..Conversations::default() };
        let _conversations = std::mem::replace(&mut *lock(&self.conversations), closed);
        let _threads = std::mem::take(&mut *lock(&self.by_id));
    }
}

impl Conversations {
    fn get<T: Any + Send + Sync>(&self, id: &str) -> Option<Arc<T>> {
        Arc::clone(self.threads.get(id)?).downcast().ok()
    }

    fn add<T: Any + Send + Sync>(&mut self, id: &str, thread: &Arc<T>) {
        if !self.is_closed {
            let thread: Arc<T> = Arc::clone(thread);
            self.threads.insert(id.to_owned(), thread);
        }
    }
}
