//! The spans that a thread is inside and that have a state: [`push`], [`pop`].

use std::cell::RefCell;

use tracing::span::Id;

use crate::layer::session::ids::SessionId;

thread_local! {
    /// The spans that this thread has entered and not exited, the innermost last.
    static ENTERED: RefCell<Vec<(SessionId, Id)>> = const { RefCell::new(Vec::new()) };
}

/// Records that this thread entered a span for which the session keeps a state.
pub(super) fn push(session: SessionId, id: &Id) {
    let _ = ENTERED.try_with(|entered| entered.borrow_mut().push((session, id.clone())));
}

/// Removes the innermost entry of a span that this thread exits. Returns `false` if there is none, which tells without a
/// lookup in the registry that the session keeps no state for the span.
pub(super) fn pop(session: SessionId, id: &Id) -> bool {
    let is_entered = |entered: &RefCell<Vec<(SessionId, Id)>>| {
        let mut entered = entered.borrow_mut();
        // Guards may be dropped in any order.
        let index = entered.iter().rposition(|(its_session, its_id)| *its_session == session && its_id == id);
        index.map(|index| entered.remove(index)).is_some()
    };
    ENTERED.try_with(is_entered).unwrap_or(false)
}
