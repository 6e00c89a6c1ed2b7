//! The summary of a run: what was asked, how it ended, what failed, how much it took, and what is missing.

use std::collections::BTreeMap;

use crate::event::{ExecutionStatus, RawPayloadId, RolloutStatus, TraceId, UnixMillis};
use crate::graph::{Code, Graph, InferenceCall, ItemKind, Role, Severity, Thread, Totals};
use crate::reduce::Reduction;

use super::costs::Costs;
use super::loops::{self, Loop};
use super::node::{Node, NodeKind, Text};
use super::{Cost, title};

/// The summary of a run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Summary {
    /// First message of a user that no program wrote.
    pub title: Option<String>,
    /// Status of the run.
    pub status: RolloutStatus,
    /// Error of the agent with which the run began, or of its last turn.
    pub error: Option<String>,
    /// Last message of the agent with which the run began.
    pub answer: Option<Text>,
    /// Start of the run.
    pub started_at: UnixMillis,
    /// Time from start to end, or until the last event of a run without an end, in milliseconds.
    pub millis: u64,
    /// Models that were called, in the order of their first calls.
    pub models: Vec<String>,
    /// Number of agents.
    pub agents: usize,
    /// Number of turns.
    pub turns: usize,
    /// Calls of models.
    pub calls: Counts,
    /// Tool calls.
    pub tools: Counts,
    /// Number of tools whose process exited with another code than 0.
    pub nonzero_exits: usize,
    /// Numbers of tokens.
    pub totals: Totals,
    /// Cost of all calls.
    pub cost: Cost,
    /// Tool calls that repeat one another.
    pub loops: Vec<Loop>,
    /// What the evidence is, and what is missing of it.
    pub evidence: EvidenceSummary,
}

/// Numbers of operations of one kind, by status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    /// Number of all operations.
    pub total: usize,
    /// Number of those that failed.
    pub failed: usize,
    /// Number of those that were cancelled or aborted.
    pub cancelled: usize,
    /// Number of those without an end.
    pub running: usize,
}

/// What a graph was reduced from, and the problems of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceSummary {
    /// Id of the recording.
    pub trace_id: TraceId,
    /// Number of lines of the log.
    pub events: u64,
    /// Number of payloads that events name.
    pub payloads: usize,
    /// Numbers of diagnostics that left something out, by code.
    pub skipped: BTreeMap<Code, usize>,
    /// Numbers of notices, by code.
    pub notices: BTreeMap<Code, usize>,
}

impl Summary {
    pub(super) fn new(
        reduction: &Reduction,
        costs: &Costs<'_>,
        nodes: &[Node],
        payload: &dyn Fn(&RawPayloadId) -> Option<Vec<u8>>,
    ) -> Self {
        let graph = &reduction.graph;
        let root = graph.threads.get(&graph.root_thread_id).or_else(|| graph.threads.iter().next());
        Self {
            title: title::of_run(graph),
            status: graph.status,
            error: root.and_then(|thread| error(graph, thread)),
            answer: root.and_then(|thread| answer(graph, thread)),
            started_at: graph.started_at,
            millis: graph.totals.wall_ms,
            models: models(graph.inference_calls.iter()),
            agents: graph.threads.len(),
            turns: graph.turns.len(),
            calls: Counts::of(graph.inference_calls.iter().map(|call| call.outcome())),
            tools: Counts::of(graph.tool_calls.iter().map(|tool| tool.execution.status)),
            nonzero_exits: nodes.iter().filter(|node| node.kind == NodeKind::Tool && node.has_nonzero_exit()).count(),
            totals: graph.totals,
            cost: costs.run,
            loops: loops::find(graph, payload),
            evidence: EvidenceSummary::new(reduction),
        }
    }
}

impl Counts {
    fn of(statuses: impl Iterator<Item = ExecutionStatus>) -> Self {
        let mut counts = Self::default();
        for status in statuses {
            counts.total += 1;
            match status {
                ExecutionStatus::Completed => {}
                ExecutionStatus::Failed => counts.failed += 1,
                ExecutionStatus::Cancelled | ExecutionStatus::Aborted => counts.cancelled += 1,
                ExecutionStatus::Running => counts.running += 1,
            }
        }
        counts
    }
}

impl EvidenceSummary {
    fn new(reduction: &Reduction) -> Self {
        let mut summary = Self {
            trace_id: reduction.graph.trace_id.clone(),
            events: reduction.work.lines,
            payloads: reduction.graph.raw_payloads.len(),
            skipped: BTreeMap::new(),
            notices: BTreeMap::new(),
        };
        for diagnostic in &reduction.graph.diagnostics {
            let counts = match diagnostic.severity {
                Severity::Skipped => &mut summary.skipped,
                Severity::Notice => &mut summary.notices,
            };
            *counts.entry(diagnostic.code).or_default() += 1;
        }
        summary
    }
}

/// Returns the models of these calls, each once, in the order of their first calls.
pub(super) fn models<'a>(calls: impl Iterator<Item = &'a InferenceCall>) -> Vec<String> {
    let mut models: Vec<String> = Vec::new();
    for call in calls.filter(|call| !call.model.is_empty()) {
        if !models.contains(&call.model) {
            models.push(call.model.clone());
        }
    }
    models
}

/// Returns the error of a thread, else that of its last turn.
fn error(graph: &Graph, thread: &Thread) -> Option<String> {
    let last_turn = || thread.turn_ids.last().and_then(|id| graph.turns.get(id));
    thread.error.clone().or_else(|| last_turn()?.error.clone())
}

/// Returns the last message that a model wrote in the last turn of a thread.
fn answer(graph: &Graph, thread: &Thread) -> Option<Text> {
    let turn = thread.turn_ids.last().and_then(|id| graph.turns.get(id))?;
    let calls = turn.inference_call_ids.iter().rev().filter_map(|id| graph.inference_calls.get(id));
    let items = calls.flat_map(|call| call.response_item_ids.iter().rev()).filter_map(|id| graph.item(*id));
    let is_answer = |kind: ItemKind, role: Role| kind == ItemKind::Message && role == Role::Assistant;
    let mut answers = items.filter(|item| is_answer(item.content.kind, item.content.role));
    answers.find_map(|item| Text::new(&item.content.text()))
}
