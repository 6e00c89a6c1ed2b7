//! Decides which call each tool with a reused call id runs.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::linking_id::{LinkingId, linking_id};
use super::reused_ids::{CutOffs, OpenRuns, UnknownCalls};
use super::tool_names::ToolNames;
use super::visible::VisibleCalls;
use crate::event::{CallId, Seq, ThreadId, TurnId};
use crate::graph::{Table, Turn};
use crate::reduce::Work;
use crate::reduce::fold::{Conversations, Tools};
use crate::reduce::requested_calls::ToolStart;
use crate::reduce::tool_name::ToolNameMatch;

/// Returns for each tool call with a reused call id the call that it runs. Tool calls that run none are left out.
pub(super) fn calls_of_tools(
    tools: &Tools,
    conversations: &Conversations,
    (turns, lossy): (&Table<TurnId, Turn>, &HashSet<ThreadId>),
    visible_calls: &VisibleCalls,
    work: &mut Work,
) -> Runs {
    let names = ToolNames::new(tools, conversations, visible_calls);
    let cut_offs = CutOffs::new(conversations, turns);
    let unknown_calls = UnknownCalls::new(conversations);
    let reused = visible_calls.reused();
    let reused = reused.map(|(id, calls)| (id, OpenRuns::new(&calls.calls, conversations, &cut_offs, |_| true)));
    let mut open_runs: HashMap<_, _> = reused.collect();
    let (mut runs, mut rivals, mut tools_of_calls) = (Runs::default(), Vec::new(), HashMap::new());
    let (mut in_flight, mut eager_threads, mut ids_without_call) = (Vec::new(), HashSet::new(), HashSet::new());
    for (index, tool) in tools.calls.iter().enumerate() {
        let Some(LinkingId { call_id, .. }) = linking_id(tool, visible_calls, conversations, lossy) else { continue };
        let id = (tool.thread_id.clone(), call_id);
        let Some(open_runs) = open_runs.get_mut(&id) else {
            let responded = visible_calls.with_id(&id).and_then(|calls| calls.only_response(conversations));
            let is_between = |from| unknown_calls.is_between(&tool.thread_id, from, tool.execution.started.seq);
            if responded.is_some_and(is_between) {
                runs.maybe_unknown.insert(index);
            }
            continue;
        };
        work.link_probes += 1;
        let started = tool.execution.started.seq.0;
        let (turn_id, name) = (tool.turn_id.clone(), names.of_tool(tool));
        runs.ids.insert(index, id.clone());
        runs.names.insert(index, name.clone());
        let since = unknown_calls.since(tool.turn_id.as_ref(), &tool.thread_id, tool.execution.started.seq);
        let requested_since = since.map_or(0, |since| since.0);
        let start = ToolStart { turn_id, name, arguments: tools.arguments[index], started, requested_since };
        let Some(taken) = open_runs.take(&start) else {
            ids_without_call.insert(id);
            continue;
        };
        rivals.extend(taken.rival.map(|rival| (index, (id.clone(), rival))));
        in_flight.extend(taken.rival_in_flight.map(|rival| (index, (id.clone(), rival))));
        if taken.responded > started {
            eager_threads.insert(&tool.thread_id);
        }
        if unknown_calls.is_between(&tool.thread_id, Seq(taken.responded), tool.execution.started.seq) {
            runs.maybe_unknown.insert(index);
        }
        runs.calls.insert(index, taken.number);
        tools_of_calls.insert((id, taken.number), index);
    }
    // Tools may run calls whose responses have not ended yet if tools of their thread do so.
    let in_flight = in_flight.into_iter().filter(|(_, ((thread, _), _))| eager_threads.contains(thread));
    for (tool, rival) in rivals.into_iter().chain(in_flight) {
        match tools_of_calls.get(&rival) {
            Some(other) => runs.interchangeable.extend([tool, *other]),
            // A later tool finds no call, perhaps because this one runs its call.
            None if ids_without_call.contains(&rival.0) => drop(runs.interchangeable.insert(tool)),
            None => {}
        }
    }
    runs
}

/// The calls of reused ids that tool calls run.
#[derive(Default)]
pub(super) struct Runs {
    /// The number of the call of each tool call, by its index.
    pub(super) calls: HashMap<usize, usize>,
    /// The thread and the call id of each tool call with a reused call id, by its index.
    pub(super) ids: BTreeMap<usize, (ThreadId, CallId)>,
    /// The names that the call of each of these tool calls may have.
    pub(super) names: HashMap<usize, Option<ToolNameMatch>>,
    /// The tool calls that may run the call of another one of them, because the calls of several responses were open when
    /// the first of them started.
    pub(super) interchangeable: HashSet<usize>,
    /// The tool calls that may run a call of a later response, which was recorded without its content.
    pub(super) maybe_unknown: HashSet<usize>,
    /// The tool calls whose recorded results show which outputs are theirs.
    pub(super) confirmed: HashSet<usize>,
    /// The tool calls whose recorded results are equal to outputs of other calls, and to none of their own.
    pub(super) contradicted: HashSet<usize>,
}
