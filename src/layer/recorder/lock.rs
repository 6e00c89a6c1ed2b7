//! The lock of the layer's tables and operations.

use std::sync::{Mutex, MutexGuard, PoisonError};

#[cfg(test)]
thread_local! {
    /// Number of times that this thread took a lock of the layer.
    pub(in crate::layer) static LOCKS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// Locks a mutex and ignores poisoning. No code of the host program runs while such a lock is held, so the data of a
/// poisoned mutex is consistent.
pub(in crate::layer) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    #[cfg(test)]
    LOCKS.with(|locks| locks.set(locks.get() + 1));
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
