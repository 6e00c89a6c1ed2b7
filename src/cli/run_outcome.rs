//! The outcome of a run: how it ended, and what in it failed, was cancelled or has no end.

use std::fmt;

use otel_trace::ExecutionStatus;
use otel_trace::event::RolloutStatus;
use otel_trace::graph::{Execution, Graph};

use super::output::pluralize;

/// The outcome of a run, displayed as `run completed; failed: 2 calls, 1 tool; running: 1 call`. Nothing is displayed
/// of a status that no operation has.
pub(super) struct RunOutcome<'a>(pub(super) &'a Graph);

impl fmt::Display for RunOutcome<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0.status {
            RolloutStatus::Running => "run has no end",
            RolloutStatus::Completed => "run completed",
            RolloutStatus::Failed => "run failed",
            RolloutStatus::Aborted => "run aborted",
        })?;
        for status in [ExecutionStatus::Failed, ExecutionStatus::Cancelled, ExecutionStatus::Running] {
            let counted = count(self.0, status).into_iter().filter(|(count, _)| *count > 0);
            let counted: Vec<_> = counted.map(|(count, what)| pluralize(count, what)).collect();
            if !counted.is_empty() {
                write!(f, "; {}: {}", status.name(), counted.join(", "))?;
            }
        }
        Ok(())
    }
}

/// Counts the operations of a run that have this status, by kind.
fn count(graph: &Graph, status: ExecutionStatus) -> [(usize, &'static str); 6] {
    let has_status = |execution: &Execution| execution.status == status;
    [
        (graph.inference_calls.iter().filter(|call| call.outcome() == status).count(), "call"),
        (graph.tool_calls.iter().filter(|tool| has_status(&tool.execution)).count(), "tool"),
        (graph.code_cells.iter().filter(|cell| has_status(&cell.execution)).count(), "code cell"),
        (graph.compaction_requests.iter().filter(|request| has_status(&request.execution)).count(), "compaction"),
        (graph.turns.iter().filter(|turn| has_status(&turn.execution)).count(), "turn"),
        (graph.threads.iter().filter(|thread| has_status(&thread.execution)).count(), "thread"),
    ]
}
