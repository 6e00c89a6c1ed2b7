//! What is recorded and not yet in the log, and must be written before the shutdown: [`UnwrittenTable`].

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, Weak};

use super::reentrancy::lock;

/// A call that waits for its request, or a span with field values that its end would write.
pub(in crate::layer) trait Unwritten: Debug + Send + Sync {
    /// Writes what is known, because recording is about to be shut down.
    fn write(self: Arc<Self>);
}

/// Values that are not yet in the log, by address, with a number that increases from one to the next.
#[derive(Debug, Default)]
pub(super) struct UnwrittenTable(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    by_address: BTreeMap<usize, (u64, Weak<dyn Unwritten>)>,
    last: u64,
}

impl UnwrittenTable {
    /// Adds a value, which [`remove`](Self::remove) must remove before it is dropped.
    pub(super) fn add<T: Unwritten + 'static>(&self, value: &Arc<T>) {
        let weak: Weak<T> = Arc::downgrade(value);
        let mut entries = lock(&self.0);
        entries.last += 1;
        let number = entries.last;
        entries.by_address.insert(Arc::as_ptr(value).addr(), (number, weak));
    }

    /// Removes a value that was written.
    pub(super) fn remove<T>(&self, value: &T) {
        lock(&self.0).by_address.remove(&std::ptr::from_ref(value).addr());
    }

    /// Writes all values, in the order in which they were added.
    pub(super) fn write_all(&self) {
        let mut values: Vec<_> = lock(&self.0).by_address.values().cloned().collect();
        values.sort_unstable_by_key(|(number, _)| *number);
        values.iter().filter_map(|(_, value)| value.upgrade()).for_each(Unwritten::write);
    }
}
