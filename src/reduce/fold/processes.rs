//! Processes that agents spawned.

use super::lives::Lives;
use super::tools::Tools;
use crate::event::{ProcessSpawned, ThreadId};
use crate::graph::{ChildProcess, Code, Evidence, Table};
use crate::reduce::Problems;
use crate::reduce::decode::At;

/// Processes that were spawned, each once.
pub(in crate::reduce) fn processes(
    facts: Vec<At<ProcessSpawned>>,
    lives: &Lives,
    tools: &Tools,
    problems: &mut Problems,
) -> Table<ThreadId, ChildProcess> {
    let mut processes = Table::default();
    for at in facts {
        let id = at.fact.child_thread_id.clone();
        if processes.contains(&id) {
            let message = format!("a process is spawned a second time to be thread {id}; the first one stands");
            problems.add(&at, Code::DuplicateStart, message, None);
        } else if let Some(process) = process(at, lives, tools, problems) {
            processes.add(id, process);
        }
    }
    processes
}

fn process(at: At<ProcessSpawned>, lives: &Lives, tools: &Tools, problems: &mut Problems) -> Option<ChildProcess> {
    let ProcessSpawned { child_thread_id, tool_call_id } = &at.fact;
    let tool = tool_call_id.as_ref().and_then(|id| tools.calls.get(id));
    if let (Some(id), None) = (tool_call_id, tool) {
        let message = format!(
            "the process that shall be thread {child_thread_id} names tool call {id}, which was never started; \
             it counts as spawned by no tool call"
        );
        problems.add(&at, Code::UnknownObject, message, None);
    }
    if let Some(tool) = tool {
        let what = format!("tool call {}", tool.tool_call_id);
        problems.use_before_start(&at, tool.execution.started.seq, Code::UnknownObject, &what);
    }
    let of_tool = || tool.map(|tool| tool.thread_id.clone());
    let Some(thread_id) = lives.thread_of(&at).or_else(of_tool) else {
        let message = format!("the process that shall be thread {child_thread_id} is of no thread; it is left out");
        problems.add(&at, Code::UnknownObject, message, None);
        return None;
    };
    Some(ChildProcess {
        child_thread_id: child_thread_id.clone(),
        thread_id,
        tool_call_id: tool.map(|tool| tool.tool_call_id.clone()),
        spawned: at.when,
        evidence: Evidence::of(at.when.seq, None),
    })
}
