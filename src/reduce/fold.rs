//! Phase 2: folds facts into the tables of each domain, in order of seq.
//!
//! `thread_tables` is folded first: threads and turns decide which events are valid and to which thread an event
//! belongs. The other domains read only these tables and their own facts; terminal operations, edges between agents and
//! child processes also read the valid tool calls, and code cells the call ids that are reused. No domain resolves links
//! to another, so the result does not depend on whether a tool call or its conversation item was recorded first.

mod activities;
mod agent_event;
mod agents;
mod answered_calls;
mod answered_requests;
mod answers;
mod attempts;
mod calls_without_ids;
mod cells;
mod compaction_requests;
mod content_index;
mod conversation;
mod copies;
mod history;
mod history_edits;
mod inference;
mod input_mode;
mod installation;
mod instructions;
mod item_identity;
mod item_notices;
mod item_source;
mod lifecycle;
mod list_kind;
mod list_walk;
mod lists;
mod live_snapshot;
mod named_calls;
mod owners;
mod paths;
mod processes;
mod provider_compactions;
mod provider_error;
mod references;
mod requests;
mod rollout;
mod server_conversations;
mod shared_response;
mod terminals;
mod thread_tables;
mod threads;
mod tools;
mod turns;
mod unread_fields;
mod usage;

pub(super) use agents::{EdgeClaim, claims};
pub(super) use attempts::Attempts;
pub(super) use cells::{Cells, cells};
pub(super) use compaction_requests::compaction_requests;
pub(super) use inference::{Conversations, FirstRequest, conversations};
pub(super) use lists::{ListOrigin, PlacedCall, ResponseCall, ShownCall, ShownList, ShownOutput};
pub(super) use processes::processes;
pub(super) use rollout::{Rollout, rollout};
pub(super) use terminals::{Operations, operations};
pub(super) use thread_tables::ThreadTables;
pub(super) use tools::{Tools, tools};
pub(super) use unread_fields::UnreadFields;
