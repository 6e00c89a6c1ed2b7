//! Folds the child processes that agents spawned.

use super::thread_tables::ThreadTables;
use super::tools::Tools;
use crate::event::{ProcessSpawned, ThreadId};
use crate::graph::{ChildProcess, Code, Evidence, Table};
use crate::reduce::Diagnostics;
use crate::reduce::decode::Logged;

/// Folds the spawn records of child processes into a table. Only the first record of each child thread id counts.
pub(in crate::reduce) fn processes(
    facts: Vec<Logged<ProcessSpawned>>,
    thread_tables: &ThreadTables,
    tools: &Tools,
    diagnostics: &mut Diagnostics,
) -> Table<ThreadId, ChildProcess> {
    let mut processes = Table::default();
    for at in facts {
        let id = at.fact.child_thread_id.clone();
        if processes.contains(&id) {
            let message = format!("a process is spawned a second time as thread {id}; the first spawn is kept");
            diagnostics.add(&at, Code::DuplicateStart, message, None);
        } else if let Some(process) = process(at, thread_tables, tools, diagnostics) {
            processes.add(id, process);
        }
    }
    processes
}

/// Returns the child process of a spawn record. Reports why and returns `None` if it has no parent thread. An unknown
/// tool call is reported, and the process is kept without it.
fn process(
    at: Logged<ProcessSpawned>,
    thread_tables: &ThreadTables,
    tools: &Tools,
    diagnostics: &mut Diagnostics,
) -> Option<ChildProcess> {
    let ProcessSpawned { child_thread_id, tool_call_id } = &at.fact;
    let tool = tool_call_id.as_ref().and_then(|id| tools.calls.get(id));
    if let (Some(id), None) = (tool_call_id, tool) {
        let message = format!(
            "the process spawned as thread {child_thread_id} references tool call {id}, which was never started; \
             the process is kept without a tool call"
        );
        diagnostics.add(&at, Code::UnknownObject, message, None);
    }
    if let Some(tool) = tool {
        let subject = format!("tool call {}", tool.tool_call_id);
        diagnostics.use_before_start(&at, tool.execution.started.seq, Code::UnknownObject, &subject);
    }
    let of_tool = || tool.map(|tool| tool.thread_id.clone());
    let Some(thread_id) = thread_tables.thread_of(&at).or_else(of_tool) else {
        let message = format!("the process spawned as thread {child_thread_id} has no parent thread; it is left out");
        diagnostics.add(&at, Code::UnknownObject, message, None);
        return None;
    };
    Some(ChildProcess {
        child_thread_id: child_thread_id.clone(),
        thread_id,
        tool_call_id: tool.map(|tool| tool.tool_call_id.clone()),
        spawned: at.when,
        evidence: Evidence::new(at.when.seq, None),
    })
}
