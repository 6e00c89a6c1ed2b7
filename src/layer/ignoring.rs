//! What a program does while we talk to it is not recorded.

use std::cell::Cell;

thread_local! {
    static IGNORING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is inside [`while_calling_out`].
pub(super) fn is_ignoring() -> bool {
    IGNORING.try_with(Cell::get).unwrap_or(true)
}

/// Runs a program's callback. Spans it opens and bodies it records here are not recorded: it may be called from
/// inside a window's start, and recording from there would wait for that start.
pub(super) fn while_calling_out<T>(callback: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            let _ = IGNORING.try_with(|ignoring| ignoring.set(self.0));
        }
    }
    let _restore = Restore(IGNORING.try_with(|ignoring| ignoring.replace(true)).unwrap_or(true));
    callback()
}
