//! The thread of another process, as the process that spawns it writes it down.

use uuid::Uuid;

use super::recording::Recording;
use crate::bundle::Lost;
use crate::event::{
    EventContext, EventKind, Other, ParentProcess, ProcessSpawned, RawJson, ThreadId, Timestamp, ToolCallId,
};

/// The longest value that a process is given, in bytes. Systems start no process with a variable of more than some
/// 32 KiB, and a program's ids may be of any length.
const MAX_VALUE_BYTES: usize = 16 * 1024;

impl Recording {
    /// Makes the id of a child process's thread, writes it down, and gives the value that names both to the child.
    pub(super) fn child_process(
        &self,
        context: &EventContext,
        tool_call_id: Option<ToolCallId>,
        at: Timestamp,
    ) -> Option<String> {
        let writer = &self.bundle.writer;
        if writer.is_unwritten() {
            return None;
        }
        let manifest = writer.manifest();
        let child_thread_id = ThreadId::from(Uuid::now_v7().to_string());
        let parent = ParentProcess {
            trace_id: manifest.trace_id.clone(),
            bundle: manifest.directory_name(),
            thread_id: self.id.clone(),
            tool_call_id: tool_call_id.clone(),
            child_thread_id: child_thread_id.clone(),
            depth: self.depth.saturating_add(1),
        };
        let value = parent.to_text();
        if value.len() > MAX_VALUE_BYTES {
            let what = Lost::Event(EventKind::Other);
            writer.lose_dependent(what, "the ids of a child process's parent are too long for an environment variable");
            return None;
        }
        // Lost or not, the child says the same.
        self.say(&None, context, spawned(ProcessSpawned { child_thread_id, tool_call_id }), at);
        Some(value)
    }
}

fn spawned(process: ProcessSpawned) -> Other {
    Other {
        kind: ProcessSpawned::KIND.to_owned(),
        summary: format!("a child process may record, as thread {}", process.child_thread_id),
        payloads: Vec::new(),
        metadata: RawJson::of(&process),
    }
}
