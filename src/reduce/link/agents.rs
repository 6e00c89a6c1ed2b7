//! Links edges between agents: each claimed edge is paired with the conversation item that delivered its text.

mod deliveries;
mod messages;
mod results;

use std::collections::HashSet;

use crate::event::{AgentResultObserved, EdgeId, RawPayloadId};
use crate::graph::{Anchor, Code, Edge, EdgeKind, Evidence, ItemId, Table};
use crate::reduce::decode::Logged;
use crate::reduce::fold::{Conversations, EdgeClaim, ThreadTables, Tools};
use crate::reduce::{Diagnostics, Work};
use deliveries::Deliveries;
use messages::Messages;

/// Returns all edges between agents, in order of the first event that claims each.
///
/// `reported` are the observed results of finished agents, which are edges as well.
pub(super) fn edges(
    mut claims: Vec<EdgeClaim>,
    reported: &[Logged<AgentResultObserved>],
    thread_tables: &ThreadTables,
    tools: &Tools,
    conversations: &Conversations,
    diagnostics: &mut Diagnostics,
    work: &mut Work,
) -> Table<EdgeId, Edge> {
    let messages = Messages::new(conversations, thread_tables, work);
    claims.extend(results::claims(reported, &messages, thread_tables));
    claims.sort_by_key(|claim| claim.seq);
    let mut drafts: Table<EdgeId, EdgeDraft> = Table::default();
    for claim in claims {
        work.link_probes += 1;
        match drafts.get_mut(&claim.edge_id) {
            Some(draft) => draft.merge(claim, diagnostics),
            None => {
                drafts.add(claim.edge_id.clone(), EdgeDraft::new(claim));
            }
        }
    }
    let items = delivering_items(&drafts, messages.into_deliveries(), work);
    let mut edges = Table::default();
    for (draft, item) in drafts.into_rows().zip(items) {
        let thread_exists = thread_tables.threads.contains(&draft.first.target);
        if let Some(edge) = draft.into_edge(item, thread_exists, tools, diagnostics) {
            edges.add(edge.edge_id.clone(), edge);
        }
    }
    edges
}

/// Returns for each edge the item that delivered its text to the target thread. Edges and items with an equal author are
/// paired first, and then those of which one has no author, each in order.
fn delivering_items(
    drafts: &Table<EdgeId, EdgeDraft>,
    mut deliveries: Deliveries<'_>,
    work: &mut Work,
) -> Vec<Option<ItemId>> {
    let mut items: Vec<Option<ItemId>> = Vec::new();
    for EdgeDraft { first, .. } in drafts.iter() {
        work.link_probes += 1;
        let message = first.text.as_deref().zip(first.author.as_ref());
        items.push(message.and_then(|(text, author)| deliveries.take_from(&first.target, text, author)));
    }
    for (EdgeDraft { first, .. }, item) in drafts.iter().zip(&mut items) {
        work.link_probes += 1;
        if let (Some(text), None) = (&first.text, &item) {
            *item = deliveries.take_unattributed(&first.target, text, first.author.as_ref());
        }
    }
    items
}

/// An edge while its claims are merged.
struct EdgeDraft {
    first: EdgeClaim,
    evidence: Evidence,
}

impl EdgeDraft {
    /// Creates the draft of an edge from its first claim.
    fn new(first: EdgeClaim) -> Self {
        let evidence = Evidence::new(first.seq, first.payload_id.clone());
        Self { first, evidence }
    }

    /// Merges another claim into the edge. Reports a claim that contradicts the first one.
    fn merge(&mut self, claim: EdgeClaim, diagnostics: &mut Diagnostics) {
        let first = &mut self.first;
        // A claim without a text contradicts none.
        let lacks_text = first.text.is_none() || claim.text.is_none();
        let text_agrees = first.text == claim.text || lacks_text || first.to_thread || claim.to_thread;
        if (first.kind, &first.source, &first.target) != (claim.kind, &claim.source, &claim.target) || !text_agrees {
            let message = format!(
                "{} is claimed with another kind, source, target or text than before; the first claim is kept",
                first.edge_id
            );
            diagnostics.add(claim.position, Code::EdgeConflict, message, claim.payload_id.as_ref());
            return;
        }
        self.evidence.add(claim.seq, claim.payload_id);
        first.text = first.text.take().or(claim.text);
        first.author = first.author.take().or(claim.author);
        first.to_thread |= claim.to_thread;
        first.started_at = first.started_at.min(claim.started_at);
        first.ended_at = first.ended_at.max(claim.ended_at);
    }

    /// Returns the finished edge, which leads to the item that delivered its text, else to the thread. Reports a
    /// message that was not delivered and returns `None`.
    fn into_edge(
        self,
        item: Option<ItemId>,
        thread_exists: bool,
        tools: &Tools,
        diagnostics: &mut Diagnostics,
    ) -> Option<Edge> {
        let Self { first, evidence } = self;
        let EdgeClaim {
            edge_id,
            kind,
            source,
            target,
            to_thread,
            position,
            started_at,
            ended_at,
            author: _,
            text: _,
            seq: _,
            payload_id: _,
        } = first;
        let to_thread = match kind {
            EdgeKind::SpawnAgent | EdgeKind::CloseAgent => true,
            EdgeKind::AssignAgentTask | EdgeKind::SendMessage | EdgeKind::AgentResult => to_thread,
        };
        let target = match item {
            Some(item_id) => Anchor::ConversationItem { item_id },
            None if to_thread && thread_exists => Anchor::Thread { thread_id: target },
            None => {
                if kind != EdgeKind::CloseAgent {
                    let message = format!("{edge_id} is left out: no item of thread {target} delivers its text");
                    diagnostics.add(position, Code::UndeliveredMessage, message, None);
                }
                return None;
            }
        };
        let carried_raw_payload_ids = carried(&source, &evidence, tools);
        Some(Edge {
            edge_id,
            kind,
            source,
            target,
            started_at,
            ended_at,
            carried_item_ids: item.into_iter().collect(),
            carried_raw_payload_ids,
            evidence,
        })
    }
}

/// Returns the ids of the payloads that an edge carries, each once: for a tool call its invocation, runtime payloads
/// and result, for an agent result the payloads of its events.
fn carried(source: &Anchor, evidence: &Evidence, tools: &Tools) -> Vec<RawPayloadId> {
    let tool = match source {
        Anchor::ToolCall { tool_call_id } => tools.calls.get(tool_call_id),
        Anchor::ConversationItem { .. } | Anchor::Thread { .. } => None,
    };
    let payloads: Vec<&RawPayloadId> = match tool {
        Some(tool) => {
            let runtime = &tool.raw_runtime_payload_ids;
            tool.raw_invocation_payload_id.iter().chain(runtime).chain(&tool.raw_result_payload_id).collect()
        }
        None => evidence.as_slice().iter().filter_map(|(_, payload_id)| payload_id.as_ref()).collect(),
    };
    let mut seen = HashSet::new();
    payloads.into_iter().filter(|payload_id| seen.insert(*payload_id)).cloned().collect()
}
