//! Reports tool calls and code cells that run calls which some list does not set apart from other calls of their id.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::tool_runs::Runs;
use super::visible::VisibleCalls;
use super::visible_call::{Doubt, Rival};
use crate::event::{CallId, Seq, ThreadId};
use crate::graph::{Code, ToolCall};
use crate::reduce::Diagnostics;
use crate::reduce::diagnostics::LogPosition;
use crate::reduce::fold::{Cells, Tools};

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
    let mut doubtful = BTreeSet::new();
    for (id, calls) in visible_calls.reused() {
        let Some(of_calls) = tools_of_calls.get(id) else { continue };
        let ready = |tool| {
            let execution = &tools.calls.get_index(tool)?.execution;
            Some(execution.ended.unwrap_or(execution.started).seq)
        };
        let is_lossy = lossy.contains(&id.0);
        let runs_of_id = RunsOfId { of_calls, ready: &ready, confirmed: &runs.confirmed, is_lossy };
        doubtful.extend(calls.doubts.iter().filter_map(|doubt| runs_of_id.doubtful(doubt)));
    }
    for tool in doubtful {
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

/// Reports code cells as [`report_doubts`] reports tool calls. `runs` has the number of the call that each cell runs.
pub(super) fn report_doubtful_cells(
    cells: &Cells,
    runs: &HashMap<usize, usize>,
    visible_calls: &VisibleCalls,
    lossy: &HashSet<ThreadId>,
    diagnostics: &mut Diagnostics,
) {
    let mut cells_of_calls: HashMap<(ThreadId, CallId), HashMap<usize, usize>> = HashMap::new();
    for (&index, &call) in runs {
        if let Some(cell) = cells.rows.get_index(index) {
            let id = (cell.thread_id.clone(), cell.model_visible_call_id.clone());
            cells_of_calls.entry(id).or_default().insert(call, index);
        }
    }
    let mut doubtful = BTreeSet::new();
    for (id, calls) in visible_calls.reused() {
        let Some(of_calls) = cells_of_calls.get(id) else { continue };
        // The first output of a cell may be there before its end.
        let ready = |cell| Some(cells.rows.get_index(cell)?.execution.started.seq);
        let is_lossy = lossy.contains(&id.0);
        let runs_of_id = RunsOfId { of_calls, ready: &ready, confirmed: &HashSet::new(), is_lossy };
        doubtful.extend(calls.doubts.iter().filter_map(|doubt| runs_of_id.doubtful(doubt)));
    }
    for cell in doubtful.into_iter().filter_map(|cell| cells.rows.get_index(cell)) {
        let position = LogPosition { seq: Some(cell.execution.started.seq), line: 0, after: None };
        let message = format!(
            "{} of thread {} runs a call that cannot be told from another one with its id in a later request: the items \
             of either may be those of the other",
            cell.code_cell_id, cell.thread_id
        );
        diagnostics.add(position, Code::CallIdReused, message, None);
    }
}

/// The tool calls or the code cells that run the calls with one id.
struct RunsOfId<'r> {
    /// By the numbers of the calls.
    of_calls: &'r HashMap<usize, usize>,
    /// The seq after which the output may be there.
    ready: &'r dyn Fn(usize) -> Option<Seq>,
    /// Those whose recorded results show which outputs are theirs.
    confirmed: &'r HashSet<usize>,
    /// `true` if a response of the thread was recorded without its content.
    is_lossy: bool,
}

impl RunsOfId<'_> {
    /// Returns the tool call or code cell that a doubt is about. Returns `None` if other evidence decides, and if none
    /// runs either call.
    fn doubtful(&self, doubt: &Doubt) -> Option<usize> {
        let run = |call: usize| self.of_calls.get(&call).copied();
        let shown = doubt.shown.and_then(run);
        let rival = match doubt.rival {
            Rival::Call(rival) => run(rival),
            Rival::OfLostResponse { .. } if self.is_lossy => None,
            Rival::OfLostResponse { .. } => return None,
        };
        // The result of a tool is no evidence of whose a further output with its text is.
        if matches!(doubt.rival, Rival::OfLostResponse { is_further: true }) {
            return shown;
        }
        let is_confirmed = |run: Option<usize>| run.is_some_and(|run| self.confirmed.contains(&run));
        let is_decided =
            is_confirmed(shown) || is_confirmed(rival) || rival.is_some_and(|rival| self.is_after(rival, doubt.seq));
        rival.or(shown).filter(|_| !is_decided)
    }

    /// Returns `true` if the output of a tool call or code cell was not there when a list was sent.
    fn is_after(&self, run: usize, list: Seq) -> bool {
        (self.ready)(run).is_some_and(|ready| ready > list)
    }
}
