//! Handles of operations that stay open although the program has dropped its own: [`KeptHandles`].

use std::any::Any;
use std::collections::HashMap;
use std::sync::Mutex;

use crate::layer::session::reentrancy::lock;

/// A handle, which only the room of handles knows by type. Dropping the last clone of a handle ends its operation.
pub(in crate::layer) type AnyHandle = Box<dyn Any + Send + Sync>;

/// The handles that are kept inside of a thread, by the address of the operation, which no other operation has while its
/// handle is kept. A handle is kept until its operation ends, or the turn or the thread around it.
#[derive(Debug, Default)]
pub(super) struct KeptHandles(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    handles: HashMap<usize, KeptHandle>,
    /// Number of the handle that was added last.
    last: u64,
}

#[derive(Debug)]
struct KeptHandle {
    number: u64,
    /// Address of the turn or thread that encloses the operation.
    inside: usize,
    handle: AnyHandle,
}

impl KeptHandles {
    /// Keeps the handle of the operation at an address, inside of the turn or thread at the address `inside`.
    pub(super) fn add(&self, operation: usize, inside: usize, handle: AnyHandle) {
        let mut kept = lock(&self.0);
        kept.last += 1;
        let number = kept.last;
        // A second clone is of no use.
        kept.handles.entry(operation).or_insert(KeptHandle { number, inside, handle });
    }

    /// Returns `true` if the handle of the operation at an address is kept.
    pub(super) fn contains(&self, operation: usize) -> bool {
        lock(&self.0).handles.contains_key(&operation)
    }

    /// Drops the handle of the operation at an address, which has ended.
    pub(super) fn release(&self, operation: usize) {
        // Dropped behind the lock.
        let _released = {
            let mut kept = lock(&self.0);
            // Most programs keep no handles, and a map hashes the key before it looks.
            if kept.handles.is_empty() { None } else { kept.handles.remove(&operation) }
        };
    }

    /// Drops the handles of the operations inside of the turn or thread at an address. This ends the operations that are
    /// still open.
    pub(super) fn release_inside(&self, enclosing: usize) {
        self.release_where(|_, kept| kept.inside == enclosing);
    }

    /// Drops all handles but that of the operation at an address.
    pub(super) fn release_all_but(&self, operation: usize) {
        self.release_where(|known, _| known != operation);
    }

    fn release_where(&self, is_released: impl Fn(usize, &KeptHandle) -> bool) {
        let mut released: Vec<_> = lock(&self.0)
            .handles
            .extract_if(|operation, kept| is_released(*operation, kept))
            .map(|(_, kept)| kept)
            .collect();
        // The latest first, since one operation may have been opened inside of another. No lock is held.
        released.sort_unstable_by_key(|kept| std::cmp::Reverse(kept.number));
        released.into_iter().for_each(|kept| drop(kept.handle));
    }
}
