//! How a handle that is found by an id reaches the operation: [`HandleLink`].

use std::any::Any;
use std::sync::{Arc, Mutex, OnceLock, Weak};

use super::kept_handles::AnyHandle;
use crate::layer::session::reentrancy::lock;

/// The span and the handle of an operation, which only the rooms of spans and of handles know by type.
#[derive(Debug, Default)]
pub(in crate::layer) struct HandleLink {
    /// The state of the span that opened the operation.
    span: OnceLock<Weak<dyn Any + Send + Sync>>,
    /// The handle that opened the operation, or else the one that was found last.
    handle: Mutex<Option<Weak<dyn Any + Send + Sync>>>,
}

impl HandleLink {
    /// Sets the state of the span that opened the operation. Only the first one is kept.
    pub(in crate::layer) fn set_span<T: Any + Send + Sync>(&self, state: &Weak<T>) {
        let state: Weak<T> = Weak::clone(state);
        let _ = self.span.set(state);
    }

    /// Returns the state of the span that opened the operation. Returns `None` if no span did, or if the span no longer
    /// exists.
    pub(in crate::layer) fn span<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.span.get()?.upgrade()?.downcast().ok()
    }

    /// Sets the handle of the operation.
    pub(in crate::layer) fn set_handle(&self, handle: &AnyHandle) {
        *lock(&self.handle) = Some(Arc::downgrade(handle));
    }

    /// Returns the handle of the operation. Returns `None` if the program holds none, and none is kept.
    pub(in crate::layer) fn handle<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        let handle = lock(&self.handle).as_ref()?.upgrade()?;
        handle.downcast().ok()
    }

    /// Returns the number of clones of the handle, including the one that is kept.
    pub(super) fn count_handles(&self) -> usize {
        lock(&self.handle).as_ref().map_or(0, Weak::strong_count)
    }
}
