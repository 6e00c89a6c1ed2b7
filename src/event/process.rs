//! Agents in other processes: what a parent says of a child, and a child of its parent.

use serde::{Deserialize, Serialize};

use super::{ThreadId, ToolCallId, TraceId};

/// A child process was given the id that its root thread shall have: the `metadata` of an
/// [`Other`](super::Other) of kind [`KIND`](Self::KIND). Format 1 has no event of its own for it.
///
/// Says that a child was meant to be, not that it ever ran or recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessSpawned {
    /// The thread that the child's first root thread will be.
    pub child_thread_id: ThreadId,
    /// The tool call that spawns it, where one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<ToolCallId>,
}

impl ProcessSpawned {
    /// The kind of the `other` event.
    pub const KIND: &'static str = "process_spawned";
}

/// Who spawned a process: the value of `OTEL_TRACE_PARENT`, and `parent` of the manifests that the process writes.
///
/// Readers ignore fields that they do not know. One that they miss makes the value unreadable, so another meaning needs
/// other names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParentProcess {
    /// The parent's recording.
    pub trace_id: TraceId,
    /// Name of the directory of its bundle, beside which the child's is looked for. Never followed.
    pub bundle: String,
    /// The thread that spawned the process.
    pub thread_id: ThreadId,
    /// The tool call that did, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<ToolCallId>,
    /// The thread that the process's first root thread shall be.
    pub child_thread_id: ThreadId,
    /// How many agents that thread has above it.
    pub depth: u32,
}

impl ParentProcess {
    /// Who a text names.
    ///
    /// # Errors
    /// What is wrong with a text that is not [`to_text`](Self::to_text) of a parent.
    pub fn of_text(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The parent as one line of JSON. Whatever the ids are made of, it has no line break and no NUL.
    pub fn to_text(&self) -> String {
        super::RawJson::of(self).as_str().to_owned()
    }
}
