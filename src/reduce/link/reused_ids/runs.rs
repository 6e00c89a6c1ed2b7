//! Decides which call of a reused id each tool or code cell runs.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::event::{ExecutionStatus, Seq, ThreadId, TurnId};
use crate::graph::{Table, Turn};
use crate::reduce::fold::{Attempts, Conversations};
use crate::reduce::link::visible_call::ReusedCall;
use crate::reduce::requested_calls::{RequestedCall, RequestedCalls, TakenCall, ToolStart};
use crate::reduce::tool_name::{NameGroup, ToolName};

/// The calls of a reused id that no tool runs yet. Tools take them in order of their starts.
pub(in crate::reduce::link) struct OpenRuns {
    /// Calls of responses whose inference calls started before the last tool.
    requested: RequestedCalls,
    /// Calls of responses by the start of the inference call, the next one last.
    not_started: Vec<(usize, RequestedCall)>,
    /// Calls of responses that no tool runs from a seq on, by that seq, the next one last.
    not_expired: Vec<(u64, usize)>,
    shown: ShownCalls,
}

impl OpenRuns {
    /// Collects the calls for which `may_run` returns `true`, except for those whose items belong to other calls.
    pub(in crate::reduce::link) fn new(
        calls: &[ReusedCall],
        conversations: &Conversations,
        cut_offs: &CutOffs<'_>,
        may_run: impl Fn(&ReusedCall) -> bool,
    ) -> Self {
        let (mut not_started, mut not_expired, mut shown) = (Vec::new(), Vec::new(), ShownCalls::default());
        let answered = AnsweredAttempts::new(calls, conversations);
        let is_shown = |call: &ReusedCall| !call.visible.call_items.is_empty();
        for (number, call) in calls.iter().enumerate().filter(|(_, call)| is_shown(call) && may_run(call)) {
            let name = name(call, conversations);
            match call.response.and_then(|response| Some((response, conversations.calls.get_index(response.call)?))) {
                Some((response, inference)) => {
                    let is_complete = inference.execution.status == ExecutionStatus::Completed;
                    let dropped = if is_complete { None } else { cut_offs.dropped(&inference.turn_id, response.seq) };
                    let until = [call.answered, dropped].into_iter().flatten().min();
                    let requested = RequestedCall {
                        turn_id: Some(inference.turn_id.clone()),
                        is_complete: is_complete && !answered.replace(response.call),
                        name,
                        arguments: call.arguments(conversations),
                        started: inference.execution.started.seq.0,
                        responded: response.seq.0,
                        until: until.map_or(u64::MAX, |seq| seq.0),
                    };
                    not_started.push((number, requested));
                    not_expired.extend(until.map(|seq| (seq.0, number)));
                }
                None => call.requested.into_iter().for_each(|seq| shown.add(seq.0, number, name.as_ref())),
            }
        }
        not_started.sort_by_key(|(_, call)| std::cmp::Reverse(call.started));
        not_expired.sort_by_key(|(seq, _)| std::cmp::Reverse(*seq));
        Self { requested: RequestedCalls::default(), not_started, not_expired, shown }
    }

    /// Removes the call that a tool runs, and returns its number. Returns `None` if the tool runs none of the calls.
    pub(in crate::reduce::link) fn take(&mut self, tool: &ToolStart) -> Option<TakenCall> {
        while let Some((number, call)) = self.not_started.pop_if(|(_, call)| call.started < tool.started) {
            self.requested.add(number, call);
        }
        while let Some((_, number)) = self.not_expired.pop_if(|(seq, _)| *seq < tool.started) {
            self.requested.remove(number);
        }
        let shown = |shown: &mut ShownCalls| {
            Some(TakenCall { number: shown.take(tool)?, responded: tool.started, rival: None, rival_in_flight: None })
        };
        self.requested.take(tool).or_else(|| shown(&mut self.shown))
    }
}

/// The inference calls whose calls of one id have outputs: the program used their responses, not those of other attempts.
struct AnsweredAttempts<'a> {
    attempts: &'a Attempts,
    inferences: HashSet<usize>,
    /// The first attempt of each of the inference calls.
    first_attempts: HashSet<usize>,
}

impl<'a> AnsweredAttempts<'a> {
    fn new(calls: &[ReusedCall], conversations: &'a Conversations) -> Self {
        let attempts = &conversations.shown.attempts;
        let answered = calls.iter().filter(|call| call.answered.is_some());
        let inferences: HashSet<_> = answered.filter_map(|call| Some(call.response?.call)).collect();
        let first_attempts = inferences.iter().filter_map(|call| attempts.first(*call)).collect();
        Self { attempts, inferences, first_attempts }
    }

    /// Returns `true` if the program used the response of another attempt instead of that of an inference call.
    fn replace(&self, inference: usize) -> bool {
        let is_attempt = |first| self.first_attempts.contains(&first);
        !self.inferences.contains(&inference) && self.attempts.first(inference).is_some_and(is_attempt)
    }
}

/// When programs drop the calls of responses that were cut off: when the next inference call of the turn starts, or when
/// the turn ends.
pub(in crate::reduce::link) struct CutOffs<'a> {
    turns: &'a Table<TurnId, Turn>,
    /// Starts of the inference calls of each turn, in order.
    starts: HashMap<&'a TurnId, Vec<Seq>>,
}

impl<'a> CutOffs<'a> {
    pub(in crate::reduce::link) fn new(conversations: &'a Conversations, turns: &'a Table<TurnId, Turn>) -> Self {
        let mut starts: HashMap<_, Vec<_>> = HashMap::new();
        for call in conversations.calls.iter().filter(|_| conversations.shown.has_reused_ids()) {
            starts.entry(&call.turn_id).or_default().push(call.execution.started.seq);
        }
        starts.values_mut().for_each(|starts| starts.sort_unstable());
        Self { turns, starts }
    }

    /// Returns the seq of the event at which the calls of a response are dropped that was cut off in a turn.
    fn dropped(&self, turn: &TurnId, response: Seq) -> Option<Seq> {
        let starts = self.starts.get(turn);
        let next = starts.and_then(|starts| starts.get(starts.partition_point(|start| *start <= response)));
        let end = self.turns.get(turn).and_then(|turn| turn.execution.ended).map(|end| end.seq);
        next.copied().into_iter().chain(end).min()
    }
}

/// The inference calls after which the calls of a turn are unknown, because a response was recorded without its content.
pub(in crate::reduce::link) struct UnknownCalls<'a> {
    of_turns: HashMap<&'a TurnId, Vec<CompletedCall>>,
    of_threads: HashMap<&'a ThreadId, Vec<CompletedCall>>,
    /// The ends of the calls with unknown calls in each thread, in order.
    unknown_ends: HashMap<&'a ThreadId, Vec<Seq>>,
}

/// A completed inference call.
#[derive(Clone, Copy)]
struct CompletedCall {
    ended: Seq,
    started: Seq,
    is_unknown: bool,
}

impl<'a> UnknownCalls<'a> {
    pub(in crate::reduce::link) fn new(conversations: &'a Conversations) -> Self {
        let unknown = &conversations.shown.unknown_responses;
        let mut of_turns: HashMap<_, Vec<_>> = HashMap::new();
        let mut of_threads: HashMap<_, Vec<_>> = HashMap::new();
        let mut unknown_ends: HashMap<_, Vec<_>> = HashMap::new();
        for (index, call) in conversations.calls.iter().enumerate().filter(|_| !unknown.is_empty()) {
            let ended = call.execution.ended.filter(|_| call.execution.status == ExecutionStatus::Completed);
            let Some(ended) = ended else { continue };
            let is_unknown = unknown.contains(&index);
            let completed = CompletedCall { ended: ended.seq, started: call.execution.started.seq, is_unknown };
            if is_unknown {
                unknown_ends.entry(&call.thread_id).or_default().push(ended.seq);
            }
            of_turns.entry(&call.turn_id).or_default().push(completed);
            of_threads.entry(&call.thread_id).or_default().push(completed);
        }
        of_turns.values_mut().for_each(|calls| calls.sort_by_key(|call| call.ended));
        of_threads.values_mut().for_each(|calls| calls.sort_by_key(|call| call.ended));
        unknown_ends.values_mut().for_each(|ends| ends.sort_unstable());
        Self { of_turns, of_threads, unknown_ends }
    }

    /// Returns `true` if an inference call of a thread whose calls are unknown completed between two events.
    pub(in crate::reduce::link) fn is_between(&self, thread: &ThreadId, from: Seq, to: Seq) -> bool {
        let ends = self.unknown_ends.get(thread).map(Vec::as_slice).unwrap_or_default();
        let before = ends.partition_point(|end| *end < to);
        before.checked_sub(1).and_then(|last| ends.get(last)).is_some_and(|last| *last > from)
    }

    /// Returns the start of the last inference call of a turn that completed before a seq, if its calls are unknown: a
    /// tool that starts then runs no call of an earlier response. If the turn has none, it is the last one of the thread,
    /// because programs start tools in the next turn. Returns `None` if the calls are known.
    pub(in crate::reduce::link) fn since(&self, turn: Option<&TurnId>, thread: &ThreadId, seq: Seq) -> Option<Seq> {
        let last = |completed: Option<&Vec<CompletedCall>>| {
            let completed = completed?;
            completed[..completed.partition_point(|call| call.ended < seq)].last().copied()
        };
        let of_turn = last(turn.and_then(|turn| self.of_turns.get(turn)));
        let last = of_turn.or_else(|| last(self.of_threads.get(thread)))?;
        last.is_unknown.then_some(last.started)
    }
}

/// Returns the name of the tool that a call requests.
fn name(call: &ReusedCall, conversations: &Conversations) -> Option<ToolName> {
    let item = conversations.items.get(call.visible.call_items.first()?.index())?;
    ToolName::of_call(item.content.namespace.as_deref(), item.content.name.as_deref()?)
}

/// Calls that a request showed first and that no response made, by the seq of the request.
#[derive(Default)]
struct ShownCalls {
    by_name: HashMap<NameGroup, BTreeSet<(u64, usize)>>,
    /// The groups in `by_name` that each call is in.
    groups: HashMap<usize, Vec<NameGroup>>,
}

impl ShownCalls {
    fn add(&mut self, seq: u64, number: usize, name: Option<&ToolName>) {
        let groups = NameGroup::of_call(name);
        for group in &groups {
            self.by_name.entry(group.clone()).or_default().insert((seq, number));
        }
        self.groups.insert(number, groups);
    }

    /// Removes the first call that a request showed after a tool had started, and returns its number.
    fn take(&mut self, tool: &ToolStart) -> Option<usize> {
        let first = |calls: &BTreeSet<(u64, usize)>| calls.range((tool.started, usize::MAX)..).next().copied();
        let groups = NameGroup::of_tool(tool.name.as_ref());
        let (seq, number) = groups.iter().filter_map(|group| first(self.by_name.get(group)?)).min()?;
        for group in self.groups.remove(&number).unwrap_or_default() {
            if let Some(calls) = self.by_name.get_mut(&group) {
                calls.remove(&(seq, number));
            }
        }
        Some(number)
    }
}
