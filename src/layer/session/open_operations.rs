//! The operations that have a start and no end: [`OpenOperations`].

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::reentrancy::lock;

/// An operation of any kind, as far as the shutdown knows it.
pub(in crate::layer) trait OpenOperation: Debug + Send + Sync {
    /// Ends the operation because recording is shut down. Waits for its start or end if another thread is writing that.
    fn end_at_shutdown(self: Arc<Self>);
}

/// Key of an operation in the table of open operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::layer) struct OpenKey(u64);

/// The operations that have a start and no end, in the order of their starts. Accepts none after the shutdown.
#[derive(Debug, Default)]
pub(super) struct OpenOperations {
    is_shut: AtomicBool,
    open: Mutex<BTreeMap<OpenKey, Arc<dyn OpenOperation>>>,
    last_key: AtomicU64,
}

impl OpenOperations {
    /// Returns `true` after the shutdown.
    pub(super) fn is_shut(&self) -> bool {
        self.is_shut.load(Ordering::Acquire)
    }

    /// Adds an operation. Returns `None` after the shutdown.
    pub(super) fn add(&self, operation: Arc<dyn OpenOperation>) -> Option<OpenKey> {
        let mut open = lock(&self.open);
        if self.is_shut() {
            return None;
        }
        let key = OpenKey(self.last_key.fetch_add(1, Ordering::Relaxed));
        open.insert(key, operation);
        Some(key)
    }

    /// Removes an operation that has ended.
    pub(super) fn remove(&self, key: OpenKey) {
        lock(&self.open).remove(&key);
    }

    /// Ends all operations, the latest first, so that no operation ends before one that was started inside it. Returns
    /// `false` if they have been ended before.
    pub(super) fn shut_down(&self) -> bool {
        let open = {
            let mut open = lock(&self.open);
            if self.is_shut.swap(true, Ordering::AcqRel) {
                return false;
            }
            std::mem::take(&mut *open)
        };
        open.into_values().rev().for_each(OpenOperation::end_at_shutdown);
        true
    }
}
