//! How a handle that is found by an id reaches the operation: [`HandleLink`].

use std::any::Any;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, OnceLock, Weak};

use crate::layer::session::reentrancy::lock;

/// The state of a span, as far as its operations know it.
pub(in crate::layer) trait HandledSpan: Any + Debug + Send + Sync {
    /// Returns the number of existing clones of the handle.
    fn count_handles(&self) -> usize;
}

/// The span of an operation, for handles that are found by its id.
#[derive(Debug, Default)]
pub(in crate::layer) struct HandleLink {
    /// The state of the span that opened the operation.
    opener: OnceLock<Weak<dyn HandledSpan>>,
    /// The state of no span, of the handles that were found of an operation that the layer has opened.
    found: Mutex<Option<Weak<dyn HandledSpan>>>,
}

impl HandleLink {
    /// Sets the state of the span that opened the operation. Only the first one is kept.
    pub(in crate::layer) fn set_opener<T: HandledSpan>(&self, state: &Weak<T>) {
        let state: Weak<T> = Weak::clone(state);
        let _ = self.opener.set(state);
    }

    /// Returns the state of the span that opened the operation. Returns `None` if no span did, or if the span no longer
    /// exists.
    pub(in crate::layer) fn opener<T: HandledSpan>(&self) -> Option<Arc<T>> {
        upgrade(self.opener.get()?)
    }

    /// Returns the state of the handles that were found earlier, or keeps and returns the one that `make` creates.
    pub(in crate::layer) fn found<T: HandledSpan>(&self, make: impl FnOnce() -> Arc<T>) -> Arc<T> {
        let mut found = lock(&self.found);
        found.as_ref().and_then(upgrade).unwrap_or_else(|| {
            let state = make();
            let weak: Weak<T> = Arc::downgrade(&state);
            *found = Some(weak);
            state
        })
    }

    /// Returns the number of existing clones of all handles of the operation, including one that is kept.
    pub(super) fn count_handles(&self) -> usize {
        let found = lock(&self.found).as_ref().and_then(Weak::upgrade);
        let opener = self.opener.get().and_then(Weak::upgrade);
        opener.into_iter().chain(found).map(|state| state.count_handles()).sum()
    }
}

fn upgrade<T: HandledSpan>(state: &Weak<dyn HandledSpan>) -> Option<Arc<T>> {
    let state: Arc<dyn Any + Send + Sync> = state.upgrade()?;
    state.downcast().ok()
}
