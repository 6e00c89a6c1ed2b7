//! Edges between agents: what events claim went from one to another, and the item that brought it there.

mod messages;
mod results;

use std::collections::HashSet;

use crate::event::{AgentResultObserved, EdgeId, RawPayloadId};
use crate::graph::{Anchor, Code, Edge, EdgeKind, Evidence, ItemId, Table};
use crate::reduce::decode::At;
use crate::reduce::fold::{Claim, Lives, Talk, Tools};
use crate::reduce::{Problems, Work};
use messages::Messages;

/// All edges, in order of the event that told of each first.
pub(super) fn edges(
    mut claims: Vec<Claim>,
    reported: &[At<AgentResultObserved>],
    lives: &Lives,
    tools: &Tools,
    talk: &Talk,
    problems: &mut Problems,
    work: &mut Work,
) -> Table<EdgeId, Edge> {
    let messages = Messages::of(talk, lives, work);
    claims.extend(results::claims(reported, &messages));
    claims.sort_by_key(|claim| claim.seq);
    let mut drafts: Table<EdgeId, Draft> = Table::default();
    for claim in claims {
        work.link_probes += 1;
        match drafts.get_mut(&claim.edge_id) {
            Some(draft) => draft.merge(claim, problems),
            None => {
                drafts.add(claim.edge_id.clone(), Draft::new(claim));
            }
        }
    }
    let mut delivered = messages.into_deliveries();
    let mut edges = Table::default();
    for draft in drafts.into_rows() {
        work.link_probes += 1;
        let text = draft.first.text.as_deref();
        let item = text.and_then(|text| delivered.take(&draft.first.target, text));
        let thread_exists = lives.threads.contains(&draft.first.target);
        if let Some(edge) = draft.into_edge(item, thread_exists, tools, problems) {
            edges.add(edge.edge_id.clone(), edge);
        }
    }
    edges
}

/// What all claims about one edge come to.
struct Draft {
    first: Claim,
    evidence: Evidence,
}

impl Draft {
    fn new(first: Claim) -> Self {
        let evidence = Evidence::of(first.seq, first.payload.clone());
        Self { first, evidence }
    }

    fn merge(&mut self, claim: Claim, problems: &mut Problems) {
        let first = &mut self.first;
        // An event that names no text disagrees with none.
        let is_silent = first.text.is_none() || claim.text.is_none();
        let text_agrees = first.text == claim.text || is_silent || first.to_thread || claim.to_thread;
        if (first.kind, &first.source, &first.target) != (claim.kind, &claim.source, &claim.target) || !text_agrees {
            let message = format!("{} was told of otherwise before; what was told first stands", first.edge_id);
            problems.add(claim.place, Code::EdgeConflict, message, claim.payload.as_ref());
            return;
        }
        self.evidence.add(claim.seq, claim.payload);
        first.text = first.text.take().or(claim.text);
        first.to_thread |= claim.to_thread;
        first.started_at = first.started_at.min(claim.started_at);
        first.ended_at = first.ended_at.max(claim.ended_at);
    }

    /// The edge to the item that brought the text, else to the thread. A message that never arrived is left out.
    fn into_edge(
        self,
        item: Option<ItemId>,
        thread_exists: bool,
        tools: &Tools,
        problems: &mut Problems,
    ) -> Option<Edge> {
        let Self { first, evidence } = self;
        let Claim {
            edge_id,
            kind,
            source,
            target,
            to_thread,
            place,
            started_at,
            ended_at,
            text: _,
            seq: _,
            payload: _,
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
                    let message = format!("{edge_id} is left out: no item of thread {target} brought what it carried");
                    problems.add(place, Code::UndeliveredMessage, message, None);
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

/// The bodies that tell of an edge, each once: of a tool call, how it was called, what its runtime saw and what it
/// answered; of a result, those that its events carried.
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
        None => evidence.as_slice().iter().filter_map(|(_, payload)| payload.as_ref()).collect(),
    };
    let mut seen = HashSet::new();
    payloads.into_iter().filter(|payload| seen.insert(*payload)).cloned().collect()
}
