//! The link from a thread to a child process that it spawns.

use uuid::Uuid;

use super::thread_recording::ThreadRecording;
use crate::bundle::Lost;
use crate::event::{
    EventContext, EventKind, Other, ParentProcess, ProcessSpawned, RawJson, ThreadId, Timestamp, ToolCallId,
};

/// Maximum size of the value of `OTEL_TRACE_PARENT`, in bytes. Operating systems refuse to start a process with a
/// variable of more than about 32 KiB, and the ids in the value, which come from the program, may be of any length.
const MAX_VALUE_BYTES: usize = 16 * 1024;

impl ThreadRecording {
    /// Generates the id of a child process's thread, records it in a `process_spawned` event, and returns the value of
    /// `OTEL_TRACE_PARENT` that links the child's recording to this thread.
    ///
    /// Returns `None` if the bundle is not written to disk, or if the value would be longer than [`MAX_VALUE_BYTES`].
    pub(super) fn register_child_process(
        &self,
        context: &EventContext,
        tool_call_id: Option<ToolCallId>,
        at: Timestamp,
    ) -> Option<String> {
        let writer = &self.bundle.writer;
        if writer.is_noop() {
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
        // The child's manifest names the ids as this log does.
        let value = self.bundle.options().masking.masked_parent(parent).to_text();
        if value.len() > MAX_VALUE_BYTES {
            let lost = Lost::Event(EventKind::Other);
            writer.report_dependent_loss(
                lost,
                "the ids of its thread and tool call are too long for OTEL_TRACE_PARENT; use shorter ids",
            );
            return None;
        }
        // If this event is lost, the link still stands: the child writes the same ids into its manifest.
        self.of_no_span().write_event(context, spawned_event(ProcessSpawned { child_thread_id, tool_call_id }), at);
        Some(value)
    }
}

fn spawned_event(process: ProcessSpawned) -> Other {
    Other {
        kind: ProcessSpawned::KIND.to_owned(),
        summary: format!("a child process may record, as thread {}", process.child_thread_id),
        payloads: Vec::new(),
        metadata: RawJson::from_value(&process),
    }
}
