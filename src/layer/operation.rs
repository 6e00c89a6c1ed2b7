//! Operations: everything that has a start event and an end event in the log.
//!
//! An operation refers to its enclosing operations, never to the span that opened it. Starting an operation starts its
//! enclosing operations first, so that every start event precedes the events of what happens inside it.

mod attempts;
mod bundle;
mod child_process;
mod code_cell;
mod compaction;
mod compaction_progress;
mod compaction_response;
mod conversation_thread;
mod end;
mod event_lookup;
mod findable;
mod handle_link;
mod inference;
mod inference_data;
mod inference_progress;
mod inference_request;
mod inference_response;
mod inside_thread;
mod kept_handles;
mod last_inside;
mod lifecycle;
mod orphan_event;
mod session_metadata;
mod settled;
mod span_end;
mod thread;
mod thread_facts;
mod thread_identity;
mod thread_recording;
mod thread_records;
mod tool;
mod tool_agents;
mod tool_invocation;
mod tool_kind;
mod tool_progress;
mod tool_result;
mod tool_runtime;
mod turn;
mod turn_calls;
mod turn_progress;
mod turn_records;

pub(super) use attempts::Attempt;
pub(super) use code_cell::{CodeCellFacts, CodeCellOperation};
pub(super) use compaction::{CompactionOperation, SharedCompactionId, record_compaction_installed};
pub(super) use end::End;
pub(super) use event_lookup::{EventScope, NotFound};
pub(super) use handle_link::{HandleLink, HandledSpan};
pub(super) use inference::{InferenceFacts, InferenceOperation};
pub(super) use kept_handles::AnyHandle;
pub(super) use orphan_event::{OrphanEvent, summary as orphan_summary};
pub use session_metadata::SessionSource;
pub(super) use session_metadata::{SessionMetadata, session_source_from_text};
pub(super) use settled::SettledSpan;
pub(super) use span_end::SpanEnd;
pub(super) use thread::ThreadOperation;
pub(super) use thread_facts::{OrphanSpan, ThreadFacts};
pub(super) use tool::{ToolCallFacts, ToolCallOperation};
pub use tool_invocation::ToolInvocation;
pub(super) use turn::TurnOperation;
