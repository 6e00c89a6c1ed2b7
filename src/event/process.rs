//! Agents in other processes: the records that link a parent process and a child process.

use serde::{Deserialize, Serialize};

use super::{ThreadId, ToolCallId, TraceId};

/// A thread id was made for the first root thread of a child process. Stored as the `metadata` of an
/// [`Other`](super::Other) event of kind [`KIND`](Self::KIND), because format 1 has no separate event for it.
///
/// This records the intention to spawn a child process. The child may never have run or recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessSpawned {
    /// Id that the first root thread of the child process will have.
    pub child_thread_id: ThreadId,
    /// Tool call that spawns the child process, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<ToolCallId>,
}

impl ProcessSpawned {
    /// Kind of the `other` event that contains this record.
    pub const KIND: &'static str = "process_spawned";
}

/// The parent of a process: the value of `OTEL_TRACE_PARENT`, and `parent` in the manifests that the process writes.
///
/// Readers ignore unknown fields. A missing field makes the value unreadable, so a field with another meaning needs
/// another name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParentProcess {
    /// Id of the parent's recording.
    pub trace_id: TraceId,
    /// Name of the directory of the parent's bundle. The child's bundle is searched for beside it; the name is never
    /// used as a path.
    pub bundle: String,
    /// Thread in the parent process that spawned this process.
    pub thread_id: ThreadId,
    /// Tool call in the parent process that spawned this process, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<ToolCallId>,
    /// Id that the first root thread of this process has.
    pub child_thread_id: ThreadId,
    /// Number of agents above the root thread of this process in the tree of agents.
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

    /// Returns the parent as one line of JSON, for an environment variable. Contains no line break and no NUL, whatever
    /// the ids consist of.
    pub fn to_text(&self) -> String {
        super::RawJson::from_value(self).as_str().to_owned()
    }
}
