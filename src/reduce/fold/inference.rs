//! Folds inference calls: opened by their requests, closed by their ends or by the ends of their turns.

mod calls;
mod request;
mod response;
mod state;

use std::collections::HashSet;

use super::conversation::ConversationBuilder;
use super::history_edits::HistoryEdits;
use super::installation;
use super::lists::ShownLists;
use super::owners::PayloadOwners;
use super::thread_tables::ThreadTables;
use super::unread_fields::UnreadFields;
use crate::event::{CompactionId, InferenceId, ThreadId};
use crate::graph::{Compaction, InferenceCall, Item, Table};
use crate::reduce::decode::{ConversationFact, DecodedItems, Logged};
use crate::reduce::{Diagnostics, Work};
use calls::{open_calls, turn_end_for_call};
pub(in crate::reduce) use state::FirstRequest;
use state::InferenceFold;

/// The inference calls, conversation items and compactions of all threads, folded from their facts.
#[derive(Debug)]
pub(in crate::reduce) struct Conversations {
    pub(in crate::reduce) calls: Table<InferenceId, InferenceCall>,
    pub(in crate::reduce) items: Vec<Item>,
    pub(in crate::reduce) compactions: Table<CompactionId, Compaction>,
    /// The first request of each turn.
    pub(in crate::reduce) first_requests: Vec<FirstRequest>,
    /// Ids of the calls whose responses were recorded without their content.
    pub(in crate::reduce) calls_without_content: HashSet<InferenceId>,
    /// The calls and outputs in the lists that models saw, of the call ids that several call items have.
    pub(in crate::reduce) shown: ShownLists,
}

impl Conversations {
    /// Returns the threads in which a response was recorded without its content. Its calls may have ids of other calls.
    pub(in crate::reduce) fn lossy_threads(&self) -> HashSet<ThreadId> {
        let lost = self.calls_without_content.iter().filter_map(|id| self.calls.get(id));
        lost.map(|call| call.thread_id.clone()).collect()
    }
}

/// Folds inference calls and compactions into one conversation per thread.
pub(in crate::reduce) fn conversations(
    facts: Vec<Logged<ConversationFact>>,
    thread_tables: &ThreadTables,
    decoded_items: &DecodedItems,
    unread_fields: &mut UnreadFields,
    diagnostics: &mut Diagnostics,
    work: &mut Work,
) -> Conversations {
    let (calls, started) = open_calls(&facts, thread_tables, diagnostics);
    let mut fold = InferenceFold {
        thread_tables,
        calls,
        compactions: Table::default(),
        conversation: ConversationBuilder::new(decoded_items),
        first_requests: Vec::new(),
        responses: PayloadOwners::default(),
        checkpoints: PayloadOwners::default(),
        turns_with_request: HashSet::new(),
        hint_given: false,
        calls_without_content: HashSet::new(),
        unread_fields,
        history_edits: HistoryEdits::default(),
    };
    for (at, index) in facts.into_iter().zip(started) {
        match &at.fact {
            ConversationFact::Started(event, request, prefix) => {
                if let Some(index) = index {
                    fold.request(&at, index, event, request, prefix.as_ref(), diagnostics);
                }
            }
            ConversationFact::Ended(end) => fold.end(&at, end, diagnostics),
            ConversationFact::Streamed(streamed) => fold.streamed(&at, streamed, diagnostics),
            ConversationFact::Installed(event, checkpoint) => {
                let InferenceFold { compactions, conversation, checkpoints, unread_fields, .. } = &mut fold;
                if let Ok(checkpoint) = checkpoint {
                    let (subject, payload) =
                        (format!("the checkpoint of compaction {}", event.compaction_id), &event.checkpoint_payload);
                    let payload = &payload.raw_payload_id;
                    unread_fields.report(&at, &subject, payload, &checkpoint.unread, diagnostics);
                }
                installation::install(
                    &at,
                    event,
                    checkpoint,
                    thread_tables,
                    (compactions, conversation, checkpoints),
                    diagnostics,
                );
            }
        }
    }
    for call in fold.calls.iter_mut() {
        call.execution.end_with(turn_end_for_call(thread_tables, &call.turn_id));
    }
    let shown = fold.conversation.shown_lists(&fold.calls);
    work.conversation_steps += fold.conversation.step_count();
    let InferenceFold { calls, compactions, conversation, first_requests, calls_without_content, .. } = fold;
    let items = conversation.into_items();
    Conversations { calls, items, compactions, first_requests, calls_without_content, shown }
}
