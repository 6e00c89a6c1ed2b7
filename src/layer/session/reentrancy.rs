//! Callbacks of the host program: when they run, and how recording is suppressed while they do. They run under none of
//! the layer's locks, which are all taken with [`lock`].

use std::cell::{Cell, RefCell};
use std::sync::{Mutex, MutexGuard, PoisonError};

thread_local! {
    /// `true` while the thread is inside [`with_recording_suppressed`].
    static SUPPRESSED: Cell<bool> = const { Cell::new(false) };
    /// Nesting depth of [`defer_callbacks`] on this thread. Has no destructor, so it stays valid until the thread is
    /// gone.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    /// Callbacks that run once this thread holds no lock of the layer.
    static DEFERRED: RefCell<Vec<Callback>> = const { RefCell::new(Vec::new()) };
}

type Callback = Box<dyn FnOnce()>;

/// Returns `true` if this thread is inside [`with_recording_suppressed`], or is ending.
pub(in crate::layer) fn is_recording_suppressed() -> bool {
    SUPPRESSED.try_with(Cell::get).unwrap_or(true)
}

/// Runs a callback of the host program. Spans and bodies that it emits are not recorded: otherwise a loss that is
/// caused by reporting a loss would recurse without end.
pub(in crate::layer) fn with_recording_suppressed<T>(callback: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            let _ = SUPPRESSED.try_with(|suppressed| suppressed.set(self.0));
        }
    }
    let _restore = Restore(SUPPRESSED.try_with(|suppressed| suppressed.replace(true)).unwrap_or(true));
    callback()
}

/// Runs `act`, which takes and releases locks of the layer. Callbacks that are requested meanwhile run afterwards.
pub(in crate::layer) fn defer_callbacks<T>(act: impl FnOnce() -> T) -> T {
    struct Release;
    impl Drop for Release {
        fn drop(&mut self) {
            DEPTH.set(DEPTH.get() - 1);
            if DEPTH.get() == 0 {
                let callbacks = DEFERRED.try_with(RefCell::take).unwrap_or_default();
                callbacks.into_iter().for_each(|callback| callback());
            }
        }
    }
    DEPTH.set(DEPTH.get() + 1);
    let _release = Release;
    act()
}

/// Runs a callback now, or as soon as this thread holds no lock of the layer. Drops the callback if the thread holds a
/// lock and is ending, because then it cannot be deferred.
pub(in crate::layer) fn run_callback(callback: impl FnOnce() + 'static) {
    if DEPTH.get() == 0 {
        return callback();
    }
    let _ = DEFERRED.try_with(|deferred| deferred.borrow_mut().push(Box::new(callback)));
}

#[cfg(test)]
thread_local! {
    /// Number of times that this thread took a lock of the layer.
    pub(in crate::layer) static LOCKS: Cell<u64> = const { Cell::new(0) };
}

/// Locks a mutex and ignores poisoning. No code of the host program runs while such a lock is held, so the data of a
/// poisoned mutex is consistent.
pub(in crate::layer) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    #[cfg(test)]
    LOCKS.with(|locks| locks.set(locks.get() + 1));
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
