//! Reports tool calls whose calls cannot be told from other calls with their id in some list.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::tool_runs::Runs;
use super::visible::VisibleCalls;
use super::visible_call::{Doubt, Rival};
use crate::event::{CallId, Seq, ThreadId};
use crate::graph::{Code, ToolCall};
use crate::reduce::Diagnostics;
use crate::reduce::fold::Tools;

/// Reports, for each list that shows a call and may mean another one, the tool call that runs the other one, or, if no
/// tool call does, the one that runs the call itself. Tool calls whose recorded results show which outputs are theirs,
/// and whose outputs the list cannot show, because they start or end after it, are left out. `lossy` are the threads
/// with responses that were recorded without their content.
pub(super) fn report_doubts(
    tools: &Tools,
    runs: &Runs,
    visible_calls: &VisibleCalls,
    lossy: &HashSet<ThreadId>,
    diagnostics: &mut Diagnostics,
) {
    let mut tools_of_calls: HashMap<&(ThreadId, CallId), HashMap<usize, usize>> = HashMap::new();
    for (index, id) in &runs.ids {
        if let Some(call) = runs.calls.get(index) {
            tools_of_calls.entry(id).or_default().insert(*call, *index);
        }
    }
    let mut reported = BTreeSet::new();
    for (id, calls) in visible_calls.reused() {
        let Some(tools_of_calls) = tools_of_calls.get(id) else { continue };
        let tools_of_id = ToolsOfId { tools, runs, tools_of_calls, is_lossy: lossy.contains(&id.0) };
        reported.extend(calls.doubts.iter().filter_map(|doubt| tools_of_id.doubtful_tool(doubt)));
    }
    for tool in reported {
        if let (Some(call), Some(position)) = (tools.calls.get_index(tool), tools.positions.get(tool)) {
            let ToolCall { tool_call_id, thread_id, .. } = call;
            let message = format!(
                "tool call {tool_call_id} of thread {thread_id} runs a call that cannot be told from another one with its \
                 id in a later request: the items of either may be those of the other"
            );
            diagnostics.add(*position, Code::CallIdReused, message, None);
        }
    }
}

/// The tool calls with one id.
struct ToolsOfId<'t> {
    tools: &'t Tools,
    runs: &'t Runs,
    /// The tool calls by the numbers of the calls that they run.
    tools_of_calls: &'t HashMap<usize, usize>,
    /// `true` if a response of the thread was recorded without its content.
    is_lossy: bool,
}

impl ToolsOfId<'_> {
    /// Returns the tool call that a doubt is about. Returns `None` if other evidence decides, and if no tool call runs
    /// either call.
    fn doubtful_tool(&self, doubt: &Doubt) -> Option<usize> {
        let tool = |call: usize| self.tools_of_calls.get(&call).copied();
        let shown = doubt.shown.and_then(tool);
        let rival = match doubt.rival {
            Rival::Call(rival) => tool(rival),
            Rival::OfLostResponse { .. } if self.is_lossy => None,
            Rival::OfLostResponse { .. } => return None,
        };
        // The result of a tool tells nothing about a further output with its text.
        if matches!(doubt.rival, Rival::OfLostResponse { is_further: true }) {
            return shown;
        }
        let is_confirmed = |tool: Option<usize>| tool.is_some_and(|tool| self.runs.confirmed.contains(&tool));
        let is_decided =
            is_confirmed(shown) || is_confirmed(rival) || rival.is_some_and(|rival| self.is_after(rival, doubt.seq));
        rival.or(shown).filter(|_| !is_decided)
    }

    /// Returns `true` if a tool call started or ended after a list, so that the list cannot show its output.
    fn is_after(&self, tool: usize, list: Seq) -> bool {
        let execution = self.tools.calls.get_index(tool).map(|tool| &tool.execution);
        execution.is_some_and(|it| it.started.seq > list || it.ended.is_some_and(|end| end.seq > list))
    }
}
