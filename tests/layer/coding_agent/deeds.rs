//! What the coding agent did, written down by the program as it goes, and read from a graph.

use otel_trace::event::{CellStatus, ExecutionStatus, RolloutStatus, ToolCallId};
use otel_trace::graph::{Anchor, EdgeKind, Graph, OperationId, Origin, Requester};

/// What an agent and its agents did, each list in the order in which things started.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Deeds {
    pub(super) threads: Vec<ThreadDeed>,
    pub(super) turns: Vec<TurnDeed>,
    pub(super) calls: Vec<CallDeed>,
    pub(super) tools: Vec<ToolDeed>,
    pub(super) cells: Vec<CellDeed>,
    pub(super) edges: Vec<EdgeDeed>,
    pub(super) terminals: Vec<TerminalDeed>,
    pub(super) compactions: Vec<CompactionDeed>,
    /// The tool calls that spawned processes with recordings of their own.
    pub(super) processes: Vec<String>,
}

#[derive(Debug, PartialEq)]
pub(super) struct ThreadDeed {
    pub(super) path: String,
    pub(super) parent: Option<String>,
    pub(super) status: RolloutStatus,
}

#[derive(Debug, PartialEq)]
pub(super) struct TurnDeed {
    pub(super) id: String,
    pub(super) status: ExecutionStatus,
}

/// A request to a model.
#[derive(Debug, PartialEq)]
pub(super) struct CallDeed {
    pub(super) turn: String,
    pub(super) status: ExecutionStatus,
    pub(super) response_id: Option<String>,
    pub(super) error: Option<String>,
    /// Number of items that the model saw.
    pub(super) seen: usize,
    /// Number of items that the model wrote.
    pub(super) written: usize,
    /// The tools that the model asked for, without scripts.
    pub(super) asked_for: Vec<String>,
}

#[derive(Debug, PartialEq)]
pub(super) struct ToolDeed {
    pub(super) id: String,
    pub(super) turn: String,
    pub(super) status: ExecutionStatus,
    /// Call id of the script that made the call.
    pub(super) script: Option<String>,
    /// Number of items in which a model saw the output.
    pub(super) outputs: usize,
}

#[derive(Debug, PartialEq)]
pub(super) struct CellDeed {
    pub(super) call: String,
    pub(super) status: CellStatus,
    pub(super) has_yielded: bool,
    pub(super) nested: Vec<String>,
    pub(super) waits: Vec<String>,
}

#[derive(Debug, PartialEq)]
pub(super) struct EdgeDeed {
    pub(super) kind: EdgeKind,
    /// The tool call that passed the information. `None` for the result of an agent.
    pub(super) tool: Option<String>,
    /// Path of the agent that received it.
    pub(super) receiver: String,
}

#[derive(Debug, PartialEq)]
pub(super) struct TerminalDeed {
    pub(super) process: String,
    pub(super) tools: Vec<String>,
}

#[derive(Debug, PartialEq)]
pub(super) struct CompactionDeed {
    pub(super) id: String,
    pub(super) requests: Vec<ExecutionStatus>,
    /// Numbers of items before and after.
    pub(super) items: (usize, usize),
}

fn texts(ids: &[ToolCallId]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

impl Deeds {
    /// Reads what a graph tells.
    pub(super) fn from_graph(graph: &Graph) -> Self {
        let path = |id: &_| graph.threads.get(id).unwrap().agent_path.to_string();
        let threads = graph.threads.iter().map(|thread| ThreadDeed {
            path: thread.agent_path.to_string(),
            parent: match &thread.origin {
                Origin::Root => None,
                Origin::Spawned { parent_thread_id, .. } => Some(path(parent_thread_id)),
            },
            status: match thread.execution.status {
                ExecutionStatus::Completed => RolloutStatus::Completed,
                ExecutionStatus::Failed => RolloutStatus::Failed,
                ExecutionStatus::Cancelled | ExecutionStatus::Aborted => RolloutStatus::Aborted,
                ExecutionStatus::Running => RolloutStatus::Running,
            },
        });
        let turns =
            graph.turns.iter().map(|turn| TurnDeed { id: turn.turn_id.to_string(), status: turn.execution.status });
        let calls = graph.inference_calls.iter().map(|call| CallDeed {
            turn: call.turn_id.to_string(),
            status: call.execution.status,
            response_id: call.response_id.as_ref().map(ToString::to_string),
            error: call.error.clone(),
            seen: call.request_len(),
            written: call.response_item_ids.len(),
            asked_for: texts(&call.tool_call_ids),
        });
        let script = |requester: &Requester| match requester {
            Requester::Model => None,
            Requester::CodeCell { code_cell_id } => {
                Some(graph.code_cells.get(code_cell_id).unwrap().model_visible_call_id.to_string())
            }
        };
        let tools = graph.tool_calls.iter().map(|tool| ToolDeed {
            id: tool.tool_call_id.to_string(),
            turn: tool.turn_id.as_ref().unwrap().to_string(),
            status: tool.execution.status,
            script: script(&tool.requester),
            outputs: tool.output_item_ids.len(),
        });
        let cells = graph.code_cells.iter().map(|cell| CellDeed {
            call: cell.model_visible_call_id.to_string(),
            status: cell.runtime_status,
            has_yielded: cell.yielded_seq.is_some(),
            nested: texts(&cell.nested_tool_call_ids),
            waits: texts(&cell.wait_tool_call_ids),
        });
        let receiver = |anchor: &Anchor| match anchor {
            Anchor::ConversationItem { item_id } => {
                let holds = |thread: &&otel_trace::graph::Thread| thread.item_ids.contains(item_id);
                graph.threads.iter().find(holds).unwrap().agent_path.to_string()
            }
            Anchor::Thread { thread_id } => path(thread_id),
            Anchor::ToolCall { tool_call_id } => panic!("an edge ends in {tool_call_id}"),
        };
        let edges = graph.edges.iter().map(|edge| EdgeDeed {
            kind: edge.kind,
            tool: match &edge.source {
                Anchor::ToolCall { tool_call_id } => Some(tool_call_id.to_string()),
                Anchor::ConversationItem { .. } | Anchor::Thread { .. } => None,
            },
            receiver: receiver(&edge.target),
        });
        let tool_of = |id: &OperationId| {
            graph
                .terminal_operations()
                .find(|operation| operation.operation_id == *id)
                .unwrap()
                .tool_call_id
                .to_string()
        };
        let terminals = graph.terminal_sessions.iter().map(|session| TerminalDeed {
            process: session.terminal_id.to_string(),
            tools: session.operation_ids.iter().map(tool_of).collect(),
        });
        let request = |id: &_| graph.compaction_requests.get(id).unwrap().execution.status;
        let compactions = graph.compactions.iter().map(|compaction| CompactionDeed {
            id: compaction.compaction_id.to_string(),
            requests: compaction.request_ids.iter().map(request).collect(),
            items: (compaction.input_item_ids.len(), compaction.replacement_item_ids.len()),
        });
        Self {
            threads: threads.collect(),
            turns: turns.collect(),
            calls: calls.collect(),
            tools: tools.collect(),
            cells: cells.collect(),
            edges: edges.collect(),
            terminals: terminals.collect(),
            compactions: compactions.collect(),
            processes: graph
                .child_processes
                .iter()
                .map(|child| child.tool_call_id.as_ref().unwrap().to_string())
                .collect(),
        }
    }
}
