//! Folds installed compactions: a shorter history replaces a longer one.

use std::sync::Arc;

use super::conversation::{ConversationBuilder, ItemSource};
use super::history::History;
use super::owners::PayloadOwners;
use super::thread_tables::ThreadTables;
use crate::event::{CompactionId, CompactionInstalled};
use crate::graph::{Code, Compaction, Content, Evidence, HistoryEffect, ItemKind, LiveSpan, Producer, Role, Table};
use crate::reduce::Diagnostics;
use crate::reduce::decode::{Checkpoint, ConversationFact, Logged, Payload};

/// The tables to which an installed compaction is added: compactions, the conversation, and the owners of checkpoint
/// payloads.
type Tables<'t, 'a> =
    (&'t mut Table<CompactionId, Compaction>, &'t mut ConversationBuilder<'a>, &'t mut PayloadOwners<CompactionId>);

/// Adds an installed compaction: appends to the thread the items of the history before the compaction, a marker item
/// and the items of the shorter history, in that order.
///
/// The live snapshot is unchanged; the next full request of the thread is compared with the items of the shorter
/// history.
pub(super) fn install(
    at: &Logged<ConversationFact>,
    event: &CompactionInstalled,
    checkpoint: &Payload<Checkpoint>,
    thread_tables: &ThreadTables,
    (compactions, conversation, checkpoints): Tables<'_, '_>,
    diagnostics: &mut Diagnostics,
) {
    let CompactionInstalled { compaction_id, checkpoint_payload } = event;
    let payload = &checkpoint_payload.raw_payload_id;
    let subject = format!("compaction {compaction_id}");
    if compactions.contains(compaction_id) {
        let message = format!("{subject} is installed a second time; the first installation is kept");
        diagnostics.add(at, Code::DuplicateStart, message, Some(payload));
        return;
    }
    let (Some(thread), Some(turn)) = (&at.context.thread_id, &at.context.turn_id) else {
        let message = format!("{subject} is installed without a thread and a turn; the compaction is left out");
        diagnostics.add(at, Code::UnknownObject, message, Some(payload));
        return;
    };
    if !thread_tables.check_turn(at, thread, turn, &subject, diagnostics) {
        return;
    }
    let Checkpoint { before, after, unread: _ } = match checkpoints.open(compaction_id.clone(), checkpoint) {
        Ok(checkpoint) => checkpoint,
        Err((code, reason)) => {
            diagnostics.add(at, code, format!("{subject} is left out: {reason}"), Some(payload));
            return;
        }
    };
    let history = format!("the checkpoint of {subject}");
    let found = ItemSource { at, thread, turn, payload, producer: None, subject: &history };
    let producer = Some(Producer::Compaction { compaction_id: compaction_id.clone() });
    let made = ItemSource { at, thread, turn, payload, producer, subject: &history };

    let before = conversation.readable_items(&found, before, diagnostics);
    let live = History::Path(conversation.live_path(thread));
    let input_item_ids = conversation.match_by_content(&found, live, &before, diagnostics);
    conversation.record_checkpoint(&found, &input_item_ids);
    let marker_item_id = conversation.add(&made, Arc::new(marker()));
    let after = conversation.readable_items(&made, after, diagnostics);
    let replacement: Vec<_> =
        after.into_iter().filter_map(|item| conversation.referenced_or_new(&made, item, diagnostics)).collect();
    conversation.add_answered_calls(&replacement);
    conversation.record_checkpoint(&made, &replacement);
    conversation.set_replacement(thread, replacement.clone());
    let compaction = Compaction {
        compaction_id: compaction_id.clone(),
        thread_id: thread.clone(),
        turn_id: turn.clone(),
        installed_at: at.when.at.unix_ms(),
        marker_item_id,
        request_ids: Vec::new(),
        input_item_ids,
        replacement_item_ids: replacement,
        span: LiveSpan::from_span_ref(at.context.span.as_ref()),
        evidence: Evidence::new(at.when.seq, Some(payload.clone())),
    };
    compactions.add(compaction_id.clone(), compaction);
}

/// Returns the content of the item that marks a compaction in the conversation.
fn marker() -> Content {
    Content {
        role: Role::Assistant,
        channel: None,
        kind: ItemKind::CompactionMarker,
        call_id: None,
        name: None,
        namespace: None,
        is_error: false,
        agent_message: None,
        parts: Box::default(),
        delivery: None,
        history_effect: HistoryEffect::None,
    }
}
