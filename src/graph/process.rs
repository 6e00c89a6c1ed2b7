//! Agents in other processes, as one bundle alone tells of them.

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use super::{Evidence, Moment, spawn_edge};
use crate::event::{EdgeId, ThreadId, ToolCallId};

/// A process that an agent of this bundle spawned. Whether it ever recorded, only the bundles beside this one tell:
/// see [`join`](crate::reduce::Join).
#[derive(Debug, Clone)]
pub struct ChildProcess {
    /// The thread that the process's first root thread was meant to be.
    pub child_thread_id: ThreadId,
    /// The agent's thread.
    pub thread_id: ThreadId,
    /// The tool call that spawned it, where one did.
    pub tool_call_id: Option<ToolCallId>,
    /// When it was about to be spawned.
    pub spawned: Moment,
    /// What it rests on.
    pub evidence: Evidence,
}

impl ChildProcess {
    /// The edge to the thread that it was meant to be.
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
