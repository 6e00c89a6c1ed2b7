//! Phase 3: links the finished tables by hash joins on keys that contain the thread.
//!
//! This module reads no log and no payload; the order of events matters only where a reduction rule requires it. An
//! object without a match stays unlinked or becomes a diagnostic.

mod agents;
mod calls;
mod cells;
mod doubts;
mod linking_id;
mod producers;
mod recorded_results;
mod reused_ids;
mod sums;
mod terminals;
mod tool_names;
mod tool_runs;
mod unlinked;
mod unseen_tools;
mod visible;
mod visible_call;

use super::decode::Logged;
use super::fold::{Cells, Conversations, EdgeClaim, Operations, Rollout, ThreadTables, Tools};
use super::{Diagnostics, Work};
use crate::bundle::Manifest;
use crate::event::{AgentResultObserved, CompactionRequestId, PayloadRef, RawPayloadId, ThreadId, UnixMillis};
use crate::graph::{AgentResult, ChildProcess, CompactionRequest, Graph, Table};
use visible::VisibleCalls;

/// The tables of all domains after folding, without links between them.
pub(super) struct Folded {
    pub(super) rollout: Rollout,
    pub(super) thread_tables: ThreadTables,
    pub(super) conversations: Conversations,
    pub(super) compaction_requests: Table<CompactionRequestId, CompactionRequest>,
    pub(super) tools: Tools,
    pub(super) operations: Operations,
    pub(super) cells: Cells,
    /// Edges between agents that runtime events and thread metadata claim.
    pub(super) claims: Vec<EdgeClaim>,
    pub(super) child_processes: Table<ThreadId, ChildProcess>,
}

/// Facts that are used without folding.
pub(super) struct Unfolded {
    pub(super) agent_results: Vec<Logged<AgentResultObserved>>,
    pub(super) payloads: Table<RawPayloadId, PayloadRef>,
    /// Latest time of an event. `None` if the log has no events.
    pub(super) last_at: Option<UnixMillis>,
}

/// Links the tables into a graph. The graph's diagnostics are added by the caller.
pub(super) fn link(
    facts: Unfolded,
    folded: Folded,
    manifest: &Manifest,
    diagnostics: &mut Diagnostics,
    work: &mut Work,
) -> Graph {
    let Folded {
        rollout,
        mut thread_tables,
        mut conversations,
        compaction_requests,
        mut tools,
        mut operations,
        mut cells,
        claims,
        child_processes,
    } = folded;
    let mut visible = VisibleCalls::new(&conversations, work);
    calls::link(&mut tools, &mut conversations, &thread_tables.turns, &mut visible, diagnostics, work);
    terminals::link_operations(&mut operations, &mut tools);
    let sessions = terminals::sessions(&mut operations, &tools);
    cells::link(&mut cells, &mut tools, &mut conversations, &thread_tables.turns, &visible, diagnostics, work);
    unseen_tools::report(&tools, &cells, &conversations, &thread_tables.turns, &visible, diagnostics, work);
    for request in compaction_requests.iter() {
        if let Some(compaction) = conversations.compactions.get_mut(&request.compaction_id)
            && compaction.evidence.as_slice().first().is_some_and(|(seq, _)| request.execution.started.seq < *seq)
        {
            compaction.request_ids.push(request.compaction_request_id.clone());
        }
    }
    let edges = agents::edges(claims, &facts.agent_results, &thread_tables, &tools, &conversations, diagnostics, work);
    sums::list_members_and_totals(&mut thread_tables, &conversations, &compaction_requests, &tools, facts.last_at);
    let totals = sums::rollout_totals(
        &conversations,
        &compaction_requests,
        &tools,
        manifest.started_at,
        rollout.ended_at.or(facts.last_at),
    );
    let Rollout { trace_id, root_thread_id, ended_at, status } = rollout;
    Graph {
        trace_id,
        rollout_id: manifest.rollout_id.clone(),
        root_thread_id,
        started_at: manifest.started_at,
        ended_at,
        status,
        totals,
        threads: thread_tables.threads,
        turns: thread_tables.turns,
        items: conversations.items,
        inference_calls: conversations.calls,
        code_cells: cells.rows,
        tool_calls: tools.calls,
        terminal_sessions: sessions,
        terminal_operations: operations.rows,
        compactions: conversations.compactions,
        compaction_requests,
        parent: manifest.parent.clone(),
        otel_resource: manifest.otel_resource.clone(),
        child_processes,
        edges,
        agent_results: facts.agent_results.iter().map(agent_result).collect(),
        raw_payloads: facts.payloads,
        diagnostics: Vec::new(),
    }
}

/// Converts an observed result of an agent to its form in the graph.
fn agent_result(observed: &Logged<AgentResultObserved>) -> AgentResult {
    let event = &observed.fact;
    AgentResult {
        child_thread_id: event.child_thread_id.clone(),
        child_turn_id: event.child_turn_id.clone(),
        parent_thread_id: event.parent_thread_id.clone(),
        observed_seq: observed.when.seq,
    }
}
