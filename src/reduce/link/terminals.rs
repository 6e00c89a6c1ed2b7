//! Links terminal operations with their tool calls, and groups them into sessions.

use std::collections::HashMap;

use crate::event::{ThreadId, ToolSummary};
use crate::graph::{Execution, Observation, ObservationSource, Table, TerminalId, TerminalSession};
use crate::reduce::fold::{Operations, Tools};

/// Sets the terminal operation of each tool call. Adds the items of the tool call to the operation, as those in which
/// the model saw it.
pub(super) fn link_operations(operations: &mut Operations, tools: &mut Tools) {
    for tool in tools.calls.iter_mut() {
        let Some(id) = operations.for_tool(&tool.tool_call_id) else { continue };
        tool.operation_id = Some(id);
        tool.summary = ToolSummary::Terminal { operation_id: id.to_string() };
        let Some(operation) = operations.rows.get_mut(id.index()) else { continue };
        if !tool.call_item_ids.is_empty() || !tool.output_item_ids.is_empty() {
            operation.model_observations.push(Observation {
                call_item_ids: tool.call_item_ids.clone(),
                output_item_ids: tool.output_item_ids.clone(),
                source: ObservationSource::DirectToolCall,
            });
        }
    }
}

/// Groups terminal operations by thread and process id into sessions, in order of operation number.
pub(super) fn sessions(operations: &mut Operations, tools: &Tools) -> Table<TerminalId, TerminalSession> {
    let mut sessions: Table<TerminalId, TerminalSession> = Table::default();
    let mut by_process: HashMap<(ThreadId, String), TerminalId> = HashMap::new();
    for (operation, process) in operations.rows.iter_mut().zip(&operations.processes) {
        let Some((process, tool)) = process.as_ref().zip(tools.calls.get(&operation.tool_call_id)) else { continue };
        let thread = &tool.thread_id;
        let id = by_process.entry((thread.clone(), process.clone())).or_insert_with(|| {
            let short = TerminalId::from(process.as_str());
            if !sessions.contains(&short) {
                return short;
            }
            // A process id may be any text, including one equal to an id that is made here.
            let long = TerminalId::for_process_in_thread(thread, process);
            let numbered = |n: usize| TerminalId::from(format!("{long}#{n}").as_str());
            let mut ids = std::iter::once(long.clone()).chain((2..).map(numbered));
            ids.find(|id| !sessions.contains(id)).unwrap_or(long)
        });
        operation.terminal_id = Some(id.clone());
        match sessions.get_mut(id) {
            Some(session) => session.operation_ids.push(operation.operation_id),
            None => {
                let session = TerminalSession {
                    terminal_id: id.clone(),
                    thread_id: thread.clone(),
                    created_by_operation_id: operation.operation_id,
                    operation_ids: vec![operation.operation_id],
                    execution: Execution::open(operation.execution.started),
                };
                sessions.add(id.clone(), session);
            }
        }
    }
    sessions
}
