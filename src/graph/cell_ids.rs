//! Assigns the ids of code cells.

use std::collections::{HashMap, HashSet};

use super::CellId;
use crate::event::{CallId, ThreadId};

/// The ids of the code cells of a run. They are made of the ids of the calls that contain the scripts, which other
/// threads and later calls may have too.
#[derive(Debug, Default)]
pub(crate) struct CellIds {
    assigned: HashSet<CellId>,
    /// Number of cells of each thread and call id.
    counts: HashMap<(ThreadId, CallId), usize>,
}

impl CellIds {
    /// Returns `true` if a cell of the thread has the call id.
    pub(crate) fn has_call(&self, thread: &ThreadId, call: &CallId) -> bool {
        self.counts.contains_key(&(thread.clone(), call.clone()))
    }

    /// Assigns an id to the next cell of a call id in a thread. Returns an error with the id if it is another cell's.
    pub(crate) fn assign(&mut self, thread: &ThreadId, call: &CallId) -> Result<CellId, CellId> {
        let count = self.counts.get(&(thread.clone(), call.clone())).map_or(1, |count| count + 1);
        let mut id = CellId::for_call(call, count);
        if self.assigned.contains(&id) {
            id = CellId::for_call_in_thread(thread, call, count);
        }
        if !self.assigned.insert(id.clone()) {
            return Err(id);
        }
        self.counts.insert((thread.clone(), call.clone()), count);
        Ok(id)
    }
}
