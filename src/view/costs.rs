//! The costs of a run: of each call, and the sums over turns, threads and the agents below them.

use std::collections::HashMap;

use crate::event::{CompactionRequestId, ExecutionStatus, InferenceId, ThreadId, TurnId, UnixMillis, Usage};
use crate::graph::{Execution, Graph, Origin};

use super::Cost;
use super::price::Pricing;

/// The costs of a run.
#[derive(Debug, Default)]
pub(super) struct Costs<'a> {
    calls: HashMap<&'a InferenceId, Cost>,
    compaction_requests: HashMap<&'a CompactionRequestId, Cost>,
    turns: HashMap<&'a TurnId, Cost>,
    threads: HashMap<&'a ThreadId, Cost>,
    /// Threads with the threads that they spawned.
    trees: HashMap<&'a ThreadId, Cost>,
    pub(super) run: Cost,
}

impl<'a> Costs<'a> {
    pub(super) fn new(graph: &'a Graph, pricing: &mut Pricing<'_>) -> Self {
        let mut costs = Self::default();
        for call in graph.inference_calls.iter() {
            let was_refused = call.execution.status == ExecutionStatus::Failed && call.response_item_ids.is_empty();
            let cost = cost(pricing, &call.provider_name, &call.model, call.usage, &call.execution, was_refused);
            costs.calls.insert(&call.inference_call_id, cost);
            costs.add(&call.turn_id, &call.thread_id, cost);
        }
        for request in graph.compaction_requests.iter() {
            let was_refused = request.execution.status == ExecutionStatus::Failed;
            let (provider, model) = (&request.provider_name, &request.model);
            let cost = cost(pricing, provider, model, request.usage, &request.execution, was_refused);
            costs.compaction_requests.insert(&request.compaction_request_id, cost);
            costs.add(&request.turn_id, &request.thread_id, cost);
        }
        costs.add_up_trees(graph);
        costs
    }

    fn add(&mut self, turn: &'a TurnId, thread: &'a ThreadId, cost: Cost) {
        for sum in [self.turns.entry(turn).or_default(), self.threads.entry(thread).or_default(), &mut self.run] {
            *sum = sum.plus(cost);
        }
    }

    /// Adds the cost of each thread to the thread above it, the last started first: a thread starts after its parent.
    fn add_up_trees(&mut self, graph: &'a Graph) {
        let threads: Vec<_> = graph.threads.iter().collect();
        for thread in threads.into_iter().rev() {
            let own = self.thread(&thread.thread_id);
            let tree = self.trees.entry(&thread.thread_id).or_default();
            *tree = tree.plus(own);
            let tree = *tree;
            if let Origin::Spawned { parent_thread_id, .. } = &thread.origin {
                let above = self.trees.entry(parent_thread_id).or_default();
                *above = above.plus(tree);
            }
        }
    }

    pub(super) fn call(&self, id: &InferenceId) -> Cost {
        self.calls.get(id).copied().unwrap_or_default()
    }

    pub(super) fn compaction_request(&self, id: &CompactionRequestId) -> Cost {
        self.compaction_requests.get(id).copied().unwrap_or_default()
    }

    pub(super) fn turn(&self, id: &TurnId) -> Cost {
        self.turns.get(id).copied().unwrap_or_default()
    }

    pub(super) fn thread(&self, id: &ThreadId) -> Cost {
        self.threads.get(id).copied().unwrap_or_default()
    }

    /// Returns the cost of a thread and of all threads below it.
    pub(super) fn tree(&self, id: &ThreadId) -> Cost {
        self.trees.get(id).copied().unwrap_or_default()
    }
}

/// Returns the cost of a request to a model. A request that its provider refused costs nothing; one whose tokens nobody
/// counted costs an unknown amount.
fn cost(
    pricing: &mut Pricing<'_>,
    provider: &str,
    model: &str,
    usage: Option<Usage>,
    execution: &Execution,
    was_refused: bool,
) -> Cost {
    let started: UnixMillis = execution.started.at.unix_ms();
    match usage {
        Some(usage) => pricing.cost(provider, model, &usage, started),
        None if was_refused => Cost::NONE,
        None => Cost::UNKNOWN,
    }
}
