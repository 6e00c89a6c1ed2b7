//! What finished agents reported, as claims of edges.

use super::messages::Messages;
use crate::event::AgentResultObserved;
use crate::graph::{Anchor, EdgeKind};
use crate::reduce::decode::At;
use crate::reduce::fold::Claim;
use crate::reduce::problems::Place;

/// A claim each: from what the agent said last, to whom it was told.
pub(super) fn claims<'a>(
    facts: &'a [At<AgentResultObserved>],
    messages: &'a Messages,
) -> impl Iterator<Item = Claim> + 'a {
    facts.iter().map(|at| {
        let AgentResultObserved { edge_id, child_thread_id, child_turn_id, parent_thread_id, message, carried_payload } =
            &at.fact;
        let said = messages.last_said_before(child_thread_id, child_turn_id, at.when.seq);
        let whole_thread = || Anchor::Thread { thread_id: child_thread_id.clone() };
        let payload = carried_payload.as_ref().map(|body| body.raw_payload_id.clone());
        Claim {
            edge_id: edge_id.clone(),
            kind: EdgeKind::AgentResult,
            source: said.map_or_else(whole_thread, |item_id| Anchor::ConversationItem { item_id }),
            target: parent_thread_id.clone(),
            text: Some(message.clone()),
            to_thread: false,
            place: Place::from(at),
            seq: at.when.seq,
            started_at: at.when.at.unix_ms(),
            ended_at: Some(at.when.at.unix_ms()),
            payload,
        }
    })
}
