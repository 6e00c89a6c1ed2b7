//! Agents in other processes: the records that link a parent process and a child process.

use serde::{Deserialize, Serialize};

use super::{ThreadId, ToolCallId, TraceId};

/// A child process was assigned an id for its root thread. Stored as the `metadata` of an [`Other`](super::Other) of
/// kind [`KIND`](Self::KIND), because format 1 has no event of its own for it.
///
/// This records the intention to spawn a child. The child may never have run or recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessSpawned {
    /// Id for the first root thread of the child.
    pub child_thread_id: ThreadId,
    /// Tool call that spawns the child, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<ToolCallId>,
}

impl ProcessSpawned {
    /// Kind of the `other` event.
    pub const KIND: &'static str = "process_spawned";
}

/// The parent of a process: the value of `OTEL_TRACE_PARENT`, and `parent` in the manifests that the process writes.
///
/// Readers ignore unknown fields. A missing field makes the value unreadable, so a field with another meaning needs
/// another name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParentProcess {
    /// Id of the recording of the parent.
    pub trace_id: TraceId,
    /// Name of the directory of the parent's bundle. The child's bundle is searched for beside it; the name is never
    /// used as a path.
    pub bundle: String,
    /// Thread that spawned the process.
    pub thread_id: ThreadId,
    /// Tool call that spawned the process, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<ToolCallId>,
    /// Id for the first root thread of the process.
    pub child_thread_id: ThreadId,
    /// Number of agents above that thread.
    pub depth: u32,
}

impl ParentProcess {
    /// Parses the text that [`to_text`](Self::to_text) returns.
    ///
    /// # Errors
    /// Returns the JSON error if the text is not a parent process.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// Returns the parent as one line of JSON. Contains no line break and no NUL, whatever the ids consist of.
    pub fn to_text(&self) -> String {
        super::RawJson::from_value(self).as_str().to_owned()
    }
}
