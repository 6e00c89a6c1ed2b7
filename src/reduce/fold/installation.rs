//! Installed compactions: a shorter history takes the place of the longer one.

use std::sync::Arc;

use super::conversation::{Conversation, Source};
use super::lives::Lives;
use super::owners::Owners;
use super::walk::History;
use crate::event::{CompactionId, CompactionInstalled};
use crate::graph::{Code, Compaction, Content, Evidence, ItemKind, LiveSpan, Producer, Role, Table};
use crate::reduce::Problems;
use crate::reduce::decode::{At, Body, Checkpoint, ConversationFact};

/// What an installation adds to.
type Tables<'t, 'a> = (&'t mut Table<CompactionId, Compaction>, &'t mut Conversation<'a>, &'t mut Owners<CompactionId>);

/// Puts the history before, a marker and the history after into the thread, in that order. What the model would see
/// next stays as it is; the thread's next full request is compared with the history after.
pub(super) fn install(
    at: &At<ConversationFact>,
    event: &CompactionInstalled,
    checkpoint: &Body<Checkpoint>,
    lives: &Lives,
    (compactions, conversation, checkpoints): Tables<'_, '_>,
    problems: &mut Problems,
) {
    let CompactionInstalled { compaction_id, checkpoint_payload } = event;
    let payload = &checkpoint_payload.raw_payload_id;
    let what = format!("compaction {compaction_id}");
    if compactions.contains(compaction_id) {
        let message = format!("{what} is installed a second time; the first time stands");
        problems.add(at, Code::DuplicateStart, message, Some(payload));
        return;
    }
    let (Some(thread), Some(turn)) = (&at.context.thread_id, &at.context.turn_id) else {
        let message = format!("{what} is installed without a thread and a turn; it is left out");
        problems.add(at, Code::UnknownObject, message, Some(payload));
        return;
    };
    if !lives.agree(at, thread, turn, &what, problems) {
        return;
    }
    let Checkpoint { before, after } = match checkpoints.open(compaction_id.clone(), checkpoint) {
        Ok(checkpoint) => checkpoint,
        Err((code, why)) => {
            problems.add(at, code, format!("{what} is left out: {why}"), Some(payload));
            return;
        }
    };
    let history = format!("the checkpoint of {what}");
    let found = Source { at, thread, turn, payload, producer: None, what: &history };
    let producer = Some(Producer::Compaction { compaction_id: compaction_id.clone() });
    let made = Source { at, thread, turn, payload, producer, what: &history };

    let before = conversation.readable(&found, before, problems);
    let live = History::Path(conversation.live_path(thread));
    let input_item_ids = conversation.find_all(&found, live, &before, problems);
    let marker_item_id = conversation.add(&made, Arc::new(marker()), (None, 0));
    let after = conversation.readable(&made, after, problems);
    let replacement: Vec<_> =
        after.into_iter().filter_map(|content| conversation.create(&made, content, problems)).collect();
    conversation.replace(thread, replacement.clone());
    let compaction = Compaction {
        compaction_id: compaction_id.clone(),
        thread_id: thread.clone(),
        turn_id: turn.clone(),
        installed_at: at.when.at.unix_ms(),
        marker_item_id,
        request_ids: Vec::new(),
        input_item_ids,
        replacement_item_ids: replacement,
        span: LiveSpan::of(at.context.span.as_ref()),
        evidence: Evidence::of(at.when.seq, Some(payload.clone())),
    };
    compactions.add(compaction_id.clone(), compaction);
}

fn marker() -> Content {
    Content {
        role: Role::Assistant,
        channel: None,
        kind: ItemKind::CompactionMarker,
        call_id: None,
        name: None,
        agent_message: None,
        parts: Box::default(),
        delivery: None,
    }
}
