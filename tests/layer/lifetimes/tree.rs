//! A graph as its author would draw it: threads, their turns, the calls of a model, and the tools that these asked for.

use std::fmt::Write as _;

use otel_trace::event::{ExecutionStatus, ToolSummary};
use otel_trace::graph::{Graph, ToolCall};

/// Draws a graph, one operation a line.
pub(super) fn draw(graph: &Graph) -> String {
    let mut tree = String::new();
    let mut line = |depth: usize, name: &str, status: ExecutionStatus| {
        let status = format!("{status:?}").to_lowercase();
        writeln!(tree, "{:1$}{name} {status}", "", 2 * depth).unwrap();
    };
    for thread in graph.threads.iter() {
        let name = thread.nickname.as_deref().unwrap_or(thread.agent_path.as_str());
        line(0, name, thread.execution.status);
        for turn in graph.turns.iter().filter(|turn| turn.thread_id == thread.thread_id) {
            line(1, "turn", turn.execution.status);
            for call in graph.inference_calls.iter().filter(|call| call.turn_id == turn.turn_id) {
                line(2, "call", call.execution.status);
                for id in &call.tool_call_ids {
                    let tool = graph.tool_calls.get(id).unwrap();
                    line(3, name_of(tool), tool.execution.status);
                }
            }
            let is_here = |tool: &&ToolCall| tool.turn_id.as_ref() == Some(&turn.turn_id);
            let was_not_asked_for = |tool: &&ToolCall| tool.requested_by.is_none();
            for tool in graph.tool_calls.iter().filter(is_here).filter(was_not_asked_for) {
                line(2, name_of(tool), tool.execution.status);
            }
        }
    }
    tree
}

fn name_of(tool: &ToolCall) -> &str {
    match &tool.summary {
        ToolSummary::Generic { label, .. } => label,
        ToolSummary::Terminal { .. } | ToolSummary::Agent { .. } | ToolSummary::WaitAgent { .. } => "tool",
    }
}
