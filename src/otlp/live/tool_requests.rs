//! Finds the inference calls that requested the tools of a thread while the program runs, by the same rule as the
//! reducer.

use std::collections::{HashMap, HashSet, VecDeque};

use super::link_target::LinkTarget;
use crate::event::{CallId, ToolCallId, TurnId};
use crate::provider::CallWithId;
use crate::reduce::requested_calls::{RequestedCall, RequestedCalls, ToolStart};
use crate::reduce::tool_name::{NamesInThread, ToolName};

/// The requests for tools in one thread, and the tools that were started.
#[derive(Debug, Default)]
pub(super) struct ToolRequests {
    calls: HashMap<CallId, CallsOfId>,
    names: NamesInThread,
    /// `true` if a response has a call with an id: its provider gives calls ids.
    has_ids: bool,
    /// The calls of responses that were cut off and that programs may still act on.
    cut_off: Vec<CutOffCall>,
    /// The last completed response of each open turn.
    last_of_turns: HashMap<TurnId, LastResponse>,
    /// The last completed response of the thread.
    last_response: Option<LastResponse>,
    /// Hashes of the outputs at the end of the last requests.
    last_outputs: VecDeque<u128>,
}

/// A call of a response that was cut off.
#[derive(Debug)]
struct CutOffCall {
    turn_id: Option<TurnId>,
    call_id: CallId,
    number: usize,
}

/// The calls and the tools with one call id.
#[derive(Debug, Default)]
struct CallsOfId {
    /// The spans of the inference calls that requested the calls, in order of their responses. `None` for one that is not
    /// exported.
    requesters: Vec<Option<LinkTarget>>,
    /// The calls that no tool runs.
    requested: RequestedCalls,
    /// The calls whose outputs no request contained, in order.
    unanswered: Vec<usize>,
    /// The calls among `unanswered` that a tool runs.
    running: HashSet<usize>,
    /// The calls whose tools may run calls of other responses.
    ambiguous: HashSet<usize>,
    /// The calls in `requested` that only tools run that have started already.
    expired: Vec<usize>,
    /// The tools whose spans have no link yet, in order of start.
    tools: Vec<RunningTool>,
    has_started_tool: bool,
}

/// A tool whose span has no link yet.
#[derive(Debug)]
struct RunningTool {
    tool: StartedTool,
    /// `true` for the first tool with the call id.
    is_first: bool,
    /// The call that the tool runs. `None` if no known response requested it.
    call: Option<usize>,
}

/// The span of the inference call that requested a tool. `None` if it is not exported.
#[derive(Debug)]
pub(super) struct Requester(pub(super) Option<LinkTarget>);

/// A response that requests tools.
#[derive(Debug, Clone)]
pub(super) struct RequestingResponse {
    pub(super) turn_id: Option<TurnId>,
    pub(super) is_complete: bool,
    /// Ordinal of the start of the inference call.
    pub(super) started: u64,
    /// Ordinal of the response.
    pub(super) responded: u64,
    /// The span of the inference call. `None` if it is not exported.
    pub(super) span: Option<LinkTarget>,
}

/// The highest number of requests in a thread among which repeated ones are found.
const MAX_LAST_OUTPUTS: usize = 64;

/// The last response of a turn or a thread.
#[derive(Debug, Clone, Copy)]
pub(super) struct LastResponse {
    /// Ordinal of the start of the inference call.
    pub(super) started: u64,
    /// `true` if the items of the response are known. Others may have requested any tool call.
    pub(super) has_known_items: bool,
}

/// A tool that was started with a call id.
#[derive(Debug)]
pub(super) struct StartedTool {
    pub(super) tool_call_id: ToolCallId,
    pub(super) turn_id: Option<TurnId>,
    /// The names that the tool may have.
    pub(super) names: Vec<ToolName>,
    /// The name of the tool as its program spells it, which is the id of calls without ids. `None` if it has none.
    pub(super) spelled_name: Option<CallId>,
    /// Ordinal of the start.
    pub(super) started: u64,
    /// `true` if the arguments of the tool are recorded. The reducer compares them with those of calls.
    pub(super) has_arguments: bool,
    /// Ordinal before which no inference call started whose call the tool may run, because the last response is unknown.
    /// Set when the tool is added.
    pub(super) requested_since: u64,
}

impl ToolRequests {
    /// Records that an inference call completed.
    pub(super) fn complete(&mut self, turn: Option<&TurnId>, response: LastResponse) {
        self.last_response = Some(response);
        self.last_of_turns.extend(turn.map(|turn| (turn.clone(), response)));
    }

    /// Ends a turn. `at` is the ordinal of the end.
    pub(super) fn end_turn(&mut self, turn: &TurnId, at: u64) {
        self.drop_cut_off_calls(turn, at);
        self.last_of_turns.remove(turn);
    }

    /// Adds the calls of a response.
    pub(super) fn add_response(&mut self, response: &RequestingResponse, calls: &[CallWithId]) {
        let RequestingResponse { turn_id, is_complete, started, responded, span } = response;
        self.has_ids |= calls.iter().any(|call| call.name.as_ref() != Some(&call.id));
        for CallWithId { id, name, namespace } in calls {
            let name = name.as_deref().and_then(|name| ToolName::of_call(namespace.as_deref(), name));
            name.iter().for_each(|name| self.names.add_call(name));
            let call = RequestedCall {
                turn_id: turn_id.clone(),
                is_complete: *is_complete,
                name,
                arguments: None,
                started: *started,
                responded: *responded,
                until: u64::MAX,
            };
            let call_id = CallId::from(&**id);
            let number = self.calls.entry(call_id.clone()).or_default().add(call, span.clone());
            if !is_complete {
                self.cut_off.push(CutOffCall { turn_id: turn_id.clone(), call_id, number });
            }
        }
    }

    /// Adds the outputs that a request adds to the conversation. No tool that starts later runs their calls. `at` is the
    /// ordinal of the request. A request that repeats an earlier one, whose outputs have the hash `outputs` too, adds none.
    pub(super) fn add_outputs(&mut self, answered: &[CallId], outputs: u128, at: u64) {
        if self.last_outputs.contains(&outputs) {
            return;
        }
        self.last_outputs.truncate(MAX_LAST_OUTPUTS - 1);
        self.last_outputs.push_front(outputs);
        for call in answered {
            if let Some(calls) = self.calls.get_mut(call) {
                calls.answer_last(at);
            }
        }
    }

    /// Drops the calls of responses that were cut off, because the next inference call of their turn starts or the turn
    /// ends. No tool that starts later runs them. `at` is the ordinal of that event.
    pub(super) fn drop_cut_off_calls(&mut self, turn: &TurnId, at: u64) {
        let Self { calls, cut_off, .. } = self;
        cut_off.retain(|call| {
            let is_dropped = call.turn_id.as_ref() == Some(turn);
            if is_dropped && let Some(calls) = calls.get_mut(&call.call_id) {
                calls.expire(call.number, at);
            }
            !is_dropped
        });
    }

    /// Adds a tool that was started with a call id, or without one.
    pub(super) fn start_tool(&mut self, call: Option<&CallId>, mut tool: StartedTool) {
        let of_turn = tool.turn_id.as_ref().and_then(|turn| self.last_of_turns.get(turn)).copied();
        let unknown = of_turn.or(self.last_response).filter(|last| !last.has_known_items);
        tool.requested_since = unknown.map_or(0, |last| last.started);
        self.names.add_tool(&tool.names);
        if let Some(call) = call {
            self.calls.entry(call.clone()).or_default().start(tool);
        }
    }

    /// Returns the span of the inference call that requested a tool. Returns `None` if no known response requested it.
    /// Tools that started before choose first.
    pub(super) fn requester(&mut self, call: &CallId, tool: &ToolCallId) -> Option<Requester> {
        let Self { calls, names, .. } = self;
        calls.get_mut(call)?.requester(tool, names)
    }

    /// Returns the requester of a tool with an id that no response has: the client made the id up, if no call of the
    /// thread has an id. Returns `None` for other tools.
    pub(super) fn requester_by_name(&mut self, call: &CallId, tool: &ToolCallId) -> Option<Requester> {
        let Self { calls, names, has_ids, .. } = self;
        if *has_ids || !calls.get(call)?.requesters.is_empty() {
            return None;
        }
        let is_tool = |running: &RunningTool| running.tool.tool_call_id == *tool;
        let StartedTool { turn_id, names: of_tool, spelled_name, started, has_arguments, requested_since, .. } =
            &calls.get(call)?.tools.iter().find(|running| is_tool(running))?.tool;
        let name = spelled_name.clone().filter(|name| name != call)?;
        let (turn_id, of_tool) = (turn_id.clone(), names.of_tool(of_tool));
        let (started, requested_since) = (*started, *requested_since);
        let start = ToolStart { turn_id, name: of_tool, arguments: None, started, requested_since };
        let has_arguments = *has_arguments;
        let requester = calls.get_mut(&name)?.run(&start, has_arguments)?;
        if let Some(of_id) = calls.get_mut(call) {
            of_id.tools.retain(|running| !is_tool(running));
        }
        Some(requester)
    }

    /// Removes a tool whose request was not found.
    pub(super) fn remove_tool(&mut self, call: &CallId, tool: &ToolCallId) {
        if let Some(calls) = self.calls.get_mut(call) {
            calls.tools.retain(|running| running.tool.tool_call_id != *tool);
            calls.remove_expired();
        }
    }
}

impl CallsOfId {
    /// Adds a call. Returns its number.
    fn add(&mut self, call: RequestedCall, requester: Option<LinkTarget>) -> usize {
        let number = self.requesters.len();
        self.requesters.push(requester);
        self.unanswered.push(number);
        self.requested.add(number, call);
        number
    }

    /// Adds an output of the last call without one: of the last one that a tool runs, otherwise of the last one.
    fn answer_last(&mut self, at: u64) {
        let running = self.unanswered.iter().rposition(|call| self.running.contains(call));
        if let Some(last) = running.or(self.unanswered.len().checked_sub(1)) {
            let call = self.unanswered.remove(last);
            self.running.remove(&call);
            self.expire(call, at);
        }
    }

    /// Excludes a call for tools that start later.
    fn expire(&mut self, call: usize, at: u64) {
        self.requested.expire(call, at);
        self.expired.push(call);
        self.remove_expired();
    }

    /// Removes the excluded calls if no tool may run them any more.
    fn remove_expired(&mut self) {
        if self.tools.iter().all(|running| running.call.is_some()) {
            self.expired.drain(..).for_each(|call| self.requested.remove(call));
        }
    }

    fn start(&mut self, tool: StartedTool) {
        let is_first = !std::mem::replace(&mut self.has_started_tool, true);
        self.tools.push(RunningTool { tool, is_first, call: None });
    }

    /// Returns the requester of the call that a tool runs whose own id is another one.
    fn run(&mut self, start: &ToolStart, has_arguments: bool) -> Option<Requester> {
        let call = self.take(start, has_arguments)?;
        self.running.insert(call);
        self.requester_of(call)
    }

    /// Removes the call that a tool runs, and returns its number. The requester of a call is forgotten if the tool may run
    /// the call of another response, as arguments or later requests show.
    fn take(&mut self, start: &ToolStart, has_arguments: bool) -> Option<usize> {
        let taken = self.requested.take(start)?;
        let is_chosen_by_arguments = has_arguments && self.requested.has_other_response(taken.responded);
        if taken.rival.is_some() || is_chosen_by_arguments {
            self.ambiguous.insert(taken.number);
            self.ambiguous.extend(taken.rival);
        }
        Some(taken.number)
    }

    /// Returns the requester of a call: none if the tool may run another call.
    fn requester_of(&self, call: usize) -> Option<Requester> {
        if self.ambiguous.contains(&call) {
            return Some(Requester(None));
        }
        self.requesters.get(call).cloned().map(Requester)
    }

    /// Returns the requester of a tool. `in_thread` are the names in the thread.
    fn requester(&mut self, tool: &ToolCallId, in_thread: &NamesInThread) -> Option<Requester> {
        let position = self.tools.iter().position(|running| running.tool.tool_call_id == *tool)?;
        for at in 0..=position {
            let Some(RunningTool { tool, is_first, call: None }) = self.tools.get(at) else { continue };
            let is_first = *is_first;
            let StartedTool { turn_id, names, started, has_arguments, requested_since, .. } = tool;
            let (started, requested_since, has_arguments) = (*started, *requested_since, *has_arguments);
            let (turn_id, name) = (turn_id.clone(), in_thread.of_tool(names));
            let start = ToolStart { turn_id, name, arguments: None, started, requested_since };
            // An id that only one call has is not reused: the first tool with the id runs this call.
            let call = match self.requesters.len() {
                0 => None,
                1 => Some(0).filter(|call| is_first && self.requested.may_run(*call, &start)),
                _ => self.take(&start, has_arguments),
            };
            if let Some(call) = call {
                self.requested.remove(call);
                self.running.insert(call);
            }
            if let Some(running) = self.tools.get_mut(at) {
                running.call = call;
            }
        }
        let call = self.tools.get(position)?.call?;
        self.tools.remove(position);
        self.remove_expired();
        self.requester_of(call)
    }
}
