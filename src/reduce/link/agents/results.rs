//! Converts the observed results of finished agents to claims of edges.

use super::messages::Messages;
use crate::event::AgentResultObserved;
use crate::graph::{Anchor, EdgeKind};
use crate::reduce::decode::Logged;
use crate::reduce::diagnostics::LogPosition;
use crate::reduce::fold::{EdgeClaim, ThreadTables};

/// Returns the claim of an edge for each result. The edge leads from the last message that the child wrote in its turn,
/// else from the child thread, to the parent thread.
pub(super) fn claims<'a>(
    facts: &'a [Logged<AgentResultObserved>],
    messages: &'a Messages<'_>,
    thread_tables: &'a ThreadTables,
) -> impl Iterator<Item = EdgeClaim> + 'a {
    facts.iter().map(|at| {
        let AgentResultObserved { edge_id, child_thread_id, child_turn_id, parent_thread_id, message, carried_payload } =
            &at.fact;
        let last_message = messages.last_message_before(child_thread_id, child_turn_id, at.when.seq);
        let whole_thread = || Anchor::Thread { thread_id: child_thread_id.clone() };
        let payload_id = carried_payload.as_ref().map(|payload| payload.raw_payload_id.clone());
        EdgeClaim {
            edge_id: edge_id.clone(),
            kind: EdgeKind::AgentResult,
            source: last_message.map_or_else(whole_thread, |item_id| Anchor::ConversationItem { item_id }),
            target: parent_thread_id.clone(),
            author: thread_tables.agent_path(child_thread_id).cloned(),
            text: Some(message.clone()),
            to_thread: false,
            position: LogPosition::from(at),
            seq: at.when.seq,
            started_at: at.when.at.unix_ms(),
            ended_at: Some(at.when.at.unix_ms()),
            payload_id,
        }
    })
}
