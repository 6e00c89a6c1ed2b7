//! The calls of tools that models asked for and that wait for a tool call: [`RequestedCalls`].

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use smallvec::SmallVec;

use super::reentrancy::lock;

/// A turn, which only the room of operations knows by type.
type AnyTurn = dyn Any + Send + Sync;

/// The open turns by the ids of the calls that models asked for in them. A turn removes its calls when it ends.
#[derive(Debug, Default)]
pub(in crate::layer) struct RequestedCalls(Mutex<HashMap<String, SmallVec<[Weak<AnyTurn>; 1]>>>);

impl RequestedCalls {
    /// Adds a call that a model asked for in a turn.
    pub(in crate::layer) fn add<T: Any + Send + Sync>(&self, call: &str, turn: &Arc<T>) {
        let turn: Weak<T> = Arc::downgrade(turn);
        lock(&self.0).entry(call.to_owned()).or_default().push(turn);
    }

    /// Removes a call for which a tool call has started, or whose turn has ended.
    pub(in crate::layer) fn remove<T>(&self, call: &str, turn: &T) {
        let mut calls = lock(&self.0);
        let Some(turns) = calls.get_mut(call) else { return };
        if let Some(index) = turns.iter().position(|asked| std::ptr::addr_eq(asked.as_ptr(), turn)) {
            turns.swap_remove(index);
        }
        if turns.is_empty() {
            calls.remove(call);
        }
    }

    /// Returns the turn in which a model asked for a call. Returns `None` if there is no such turn, or several.
    pub(in crate::layer) fn only_turn<T: Any + Send + Sync>(&self, call: &str) -> Option<Arc<T>> {
        let turns = lock(&self.0).get(call)?.clone();
        let [turn] = turns.as_slice() else { return None };
        turn.upgrade()?.downcast().ok()
    }
}
