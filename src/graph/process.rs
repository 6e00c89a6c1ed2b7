//! Child processes, as far as the bundle of the parent process shows them.

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use super::{Evidence, Moment, spawn_edge};
use crate::event::{EdgeId, ThreadId, ToolCallId};

/// A process that an agent of this bundle spawned. In `state.json`, an entry of `child_processes`.
///
/// This bundle does not show whether the process recorded a bundle, too; [`Join`](crate::reduce::Join) matches
/// the bundles of a root directory.
#[derive(Debug, Clone)]
pub struct ChildProcess {
    /// Thread id that the recorder made for the first root thread of the process.
    pub child_thread_id: ThreadId,
    /// Thread of the spawning agent.
    pub thread_id: ThreadId,
    /// Tool call that spawned the process, if there was one.
    pub tool_call_id: Option<ToolCallId>,
    /// Moment just before the process was spawned.
    pub spawned: Moment,
    /// Events from which the spawn was reduced.
    pub evidence: Evidence,
}

impl ChildProcess {
    /// Returns the id of the edge from the spawning agent to the thread that was made for the process.
    pub fn edge_id(&self) -> EdgeId {
        spawn_edge(&self.thread_id, &self.child_thread_id)
    }
}

impl Serialize for ChildProcess {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { child_thread_id, thread_id, tool_call_id, spawned, evidence: _ } = self;
        let mut fields = serializer.serialize_struct("ChildProcess", 6)?;
        fields.serialize_field("edge_id", &self.edge_id())?;
        fields.serialize_field("child_thread_id", child_thread_id)?;
        fields.serialize_field("thread_id", thread_id)?;
        match tool_call_id {
            Some(id) => fields.serialize_field("tool_call_id", id)?,
            None => fields.skip_field("tool_call_id")?,
        }
        fields.serialize_field("spawned_at_unix_ms", &spawned.at.unix_ms())?;
        fields.serialize_field("seq", &spawned.seq)?;
        fields.end()
    }
}
