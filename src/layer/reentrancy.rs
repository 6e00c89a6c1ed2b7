//! Calls of a program's own code: when they are made, and that what it does there is not recorded.

use std::cell::{Cell, RefCell};

thread_local! {
    static IGNORING: Cell<bool> = const { Cell::new(false) };
    /// How many of [`holding_calls_back`] this thread is in. Has no destructor: it counts until the thread is gone.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    /// Calls that wait until this thread holds none of our locks.
    static HELD: RefCell<Vec<Call>> = const { RefCell::new(Vec::new()) };
}

type Call = Box<dyn FnOnce()>;

/// Whether this thread is inside [`while_calling_out`].
pub(super) fn is_ignoring() -> bool {
    IGNORING.try_with(Cell::get).unwrap_or(true)
}

/// Runs a program's callback. Spans it opens and bodies it records there are not recorded: a loss that is told of
/// while a loss is told of would never end.
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

/// Runs `act`, which takes locks of ours and lets go of them again. Calls that come up meanwhile are made afterwards.
pub(super) fn holding_calls_back<T>(act: impl FnOnce() -> T) -> T {
    struct Release;
    impl Drop for Release {
        fn drop(&mut self) {
            DEPTH.set(DEPTH.get() - 1);
            if DEPTH.get() == 0 {
                let calls = HELD.try_with(RefCell::take).unwrap_or_default();
                calls.into_iter().for_each(|call| call());
            }
        }
    }
    DEPTH.set(DEPTH.get() + 1);
    let _release = Release;
    act()
}

/// Makes a call now, or as soon as this thread holds none of our locks. Not at all where the thread is ending and holds
/// one: then nothing can wait.
pub(super) fn call_out(call: impl FnOnce() + 'static) {
    if DEPTH.get() == 0 {
        return call();
    }
    let _ = HELD.try_with(|held| held.borrow_mut().push(Box::new(call)));
}
