//! What is known of inference calls while facts are folded.

use std::collections::HashSet;

use crate::event::{CompactionId, InferenceId, TurnId};
use crate::graph::{Compaction, InferenceCall, ItemId, Table};
use crate::reduce::fold::conversation::ConversationBuilder;
use crate::reduce::fold::history_edits::HistoryEdits;
use crate::reduce::fold::owners::PayloadOwners;
use crate::reduce::fold::thread_tables::ThreadTables;
use crate::reduce::fold::unread_fields::UnreadFields;

/// Hint in diagnostics of requests and responses that were recorded without their content.
const RECORD_CONTENT: &str = "to record such content, pass request and response bodies to the handles, enable content \
    on the framework's spans (rig: `record_content_telemetry(true)`; genai: \
    OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true), or record the requests that the framework logs \
    (`recorder.filter().wire_events()`)";

/// The first request of a turn.
#[derive(Debug, Clone, Copy)]
pub(in crate::reduce) struct FirstRequest {
    /// Index of the inference call.
    pub(in crate::reduce) call: usize,
    /// The first item that was created after earlier requests. The request introduced those of its items whose numbers
    /// are not lower.
    pub(in crate::reduce) first_new: ItemId,
}

/// The tables of inference calls, items and compactions while facts are folded.
pub(super) struct InferenceFold<'a> {
    pub(super) thread_tables: &'a ThreadTables,
    pub(super) calls: Table<InferenceId, InferenceCall>,
    pub(super) compactions: Table<CompactionId, Compaction>,
    pub(super) conversation: ConversationBuilder<'a>,
    pub(super) first_requests: Vec<FirstRequest>,
    /// Owner of each response payload: the index of the inference call.
    pub(super) responses: PayloadOwners<usize>,
    pub(super) checkpoints: PayloadOwners<CompactionId>,
    /// Turns whose first request has been added.
    pub(super) turns_with_request: HashSet<TurnId>,
    /// `true` if a diagnostic has carried [`RECORD_CONTENT`], which is given once.
    pub(super) hint_given: bool,
    pub(super) calls_without_content: HashSet<InferenceId>,
    pub(super) unread_fields: &'a mut UnreadFields,
    pub(super) history_edits: HistoryEdits,
}

/// Appends [`RECORD_CONTENT`] to the message, unless an earlier message carries it.
pub(super) fn with_hint(hint_given: &mut bool, message: String) -> String {
    if std::mem::replace(hint_given, true) { message } else { format!("{message}; {RECORD_CONTENT}") }
}
