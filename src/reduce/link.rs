//! Phase 3: over complete tables, what belongs together.
//!
//! Hash joins on keys that carry their thread. Knows no log and no body: what came first plays a part only where a
//! rule says so. What finds nothing stays unlinked, or becomes a diagnostic.

mod agents;
mod calls;
mod cells;
mod sums;
mod terminals;
mod visible;

use super::decode::At;
use super::fold::{Cells, Claim, Lives, Operations, Rollout, Talk, Tools};
use super::{Problems, Work};
use crate::bundle::Manifest;
use crate::event::{AgentResultObserved, CompactionRequestId, PayloadRef, RawPayloadId, ThreadId, UnixMillis};
use crate::graph::{AgentResult, ChildProcess, CompactionRequest, Graph, Table};
use visible::Visible;

/// The tables, each folded on its own.
pub(super) struct Folded {
    pub(super) rollout: Rollout,
    pub(super) lives: Lives,
    pub(super) talk: Talk,
    pub(super) compaction_requests: Table<CompactionRequestId, CompactionRequest>,
    pub(super) tools: Tools,
    pub(super) operations: Operations,
    pub(super) cells: Cells,
    /// What the runtimes of tools tell of edges between agents.
    pub(super) claims: Vec<Claim>,
    pub(super) child_processes: Table<ThreadId, ChildProcess>,
}

/// What no domain folds alone.
pub(super) struct Unfolded {
    pub(super) agent_results: Vec<At<AgentResultObserved>>,
    pub(super) payloads: Table<RawPayloadId, PayloadRef>,
    /// When the last event was observed.
    pub(super) last_at: Option<UnixMillis>,
}

/// Links the tables into a graph. Diagnostics are not in it yet.
pub(super) fn link(
    facts: Unfolded,
    folded: Folded,
    manifest: &Manifest,
    problems: &mut Problems,
    work: &mut Work,
) -> Graph {
    let Folded {
        rollout,
        mut lives,
        mut talk,
        compaction_requests,
        mut tools,
        mut operations,
        mut cells,
        claims,
        child_processes,
    } = folded;
    let visible = Visible::of(&talk.items, work);
    calls::link(&mut tools, &mut talk, &visible, problems, work);
    terminals::observe(&mut operations, &mut tools);
    let sessions = terminals::sessions(&mut operations, &tools);
    cells::link(&mut cells, &mut tools, &mut talk, &visible, problems, work);
    for request in compaction_requests.iter() {
        if let Some(compaction) = talk.compactions.get_mut(&request.compaction_id)
            && compaction.evidence.as_slice().first().is_some_and(|(seq, _)| request.execution.started.seq < *seq)
        {
            compaction.request_ids.push(request.compaction_request_id.clone());
        }
    }
    let edges = agents::edges(claims, &facts.agent_results, &lives, &tools, &talk, problems, work);
    sums::list_and_sum(&mut lives, &talk, &tools, facts.last_at);
    let totals = sums::of_all(&talk, &tools, manifest.started_at, rollout.ended_at.or(facts.last_at));
    let Rollout { trace_id, root_thread_id, ended_at, status } = rollout;
    Graph {
        trace_id,
        rollout_id: manifest.rollout_id.clone(),
        root_thread_id,
        started_at: manifest.started_at,
        ended_at,
        status,
        totals,
        threads: lives.threads,
        turns: lives.turns,
        items: talk.items,
        inference_calls: talk.calls,
        code_cells: cells.rows,
        tool_calls: tools.calls,
        terminal_sessions: sessions,
        terminal_operations: operations.rows,
        compactions: talk.compactions,
        compaction_requests,
        parent: manifest.parent.clone(),
        child_processes,
        edges,
        agent_results: facts.agent_results.iter().map(agent_result).collect(),
        raw_payloads: facts.payloads,
        diagnostics: Vec::new(),
    }
}

fn agent_result(observed: &At<AgentResultObserved>) -> AgentResult {
    let event = &observed.fact;
    AgentResult {
        child_thread_id: event.child_thread_id.clone(),
        child_turn_id: event.child_turn_id.clone(),
        parent_thread_id: event.parent_thread_id.clone(),
        observed_seq: observed.when.seq,
    }
}
