//! Calls of a program's own code: when they are made, and that what it does there is not recorded.

use std::cell::{Cell, RefCell};

thread_local! {
    static IGNORING: Cell<bool> = const { Cell::new(false) };
    static HELD: RefCell<Held> = const { RefCell::new(Held { depth: 0, calls: Vec::new() }) };
}

/// Calls that wait until this thread holds none of our locks.
struct Held {
    depth: usize,
    calls: Vec<Box<dyn FnOnce()>>,
}

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
            let calls = HELD.try_with(|held| {
                let mut held = held.borrow_mut();
                held.depth -= 1;
                if held.depth == 0 { std::mem::take(&mut held.calls) } else { Vec::new() }
            });
            calls.unwrap_or_default().into_iter().for_each(|call| call());
        }
    }
    // A thread that is ending holds nothing back, and has nothing of ours locked either.
    let _release = HELD.try_with(|held| held.borrow_mut().depth += 1).ok().map(|()| Release);
    act()
}

/// Makes a call now, or as soon as this thread holds none of our locks.
pub(super) fn call_out(call: impl FnOnce() + 'static) {
    let call = Box::new(call);
    let held = HELD.try_with(|held| held.borrow().depth > 0).unwrap_or(false);
    if held {
        // The thread is not ending: it was asked just now.
        let _ = HELD.try_with(move |held| held.borrow_mut().calls.push(call));
    } else {
        call();
    }
}
