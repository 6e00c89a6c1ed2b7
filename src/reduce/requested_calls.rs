//! The calls of one id that responses requested and that no tool has run yet.
//!
//! A provider may use one call id for several calls. Both the reducer and the live export ask here which of them a tool
//! runs, so that both give the same answer.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use super::decode::integers;
use super::tool_name::{NameGroup, ToolName, ToolNameMatch};
use crate::event::TurnId;
use crate::keyed_hash::keyed_hash;

/// The arguments of a call or a tool, as a hash of their start as compact JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ArgumentsHash(u128);

impl ArgumentsHash {
    /// Hashes the summary of arguments, which call items and invocations have alike. Numbers without a fraction are
    /// integers, because programs write them so.
    pub(crate) fn of_summary(summary: &str) -> Self {
        Self(keyed_hash(integers(summary).as_bytes()))
    }
}

/// A call that a response requested. Positions are numbers that grow with the order of events, such as seqs.
#[derive(Debug, Clone)]
pub(crate) struct RequestedCall {
    /// Turn of the inference call. `None` if it is unknown.
    pub(crate) turn_id: Option<TurnId>,
    /// `true` if the inference call completed. Programs rarely act on the partial response of another one.
    pub(crate) is_complete: bool,
    /// Name of the requested tool.
    pub(crate) name: Option<ToolName>,
    /// `None` if the arguments are unknown.
    pub(crate) arguments: Option<ArgumentsHash>,
    /// Position at which the inference call started.
    pub(crate) started: u64,
    /// Position at which the response arrived.
    pub(crate) responded: u64,
    /// Position from which on no tool that starts runs the call. `u64::MAX` if there is none.
    pub(crate) until: u64,
}

/// The start of a tool, which runs one of the requested calls.
#[derive(Debug, Clone)]
pub(crate) struct ToolStart {
    /// Turn of the tool. `None` if it is unknown.
    pub(crate) turn_id: Option<TurnId>,
    /// The names that its call may have. `None` if the tool may run calls of any name.
    pub(crate) name: Option<ToolNameMatch>,
    /// The arguments that the tool was started with. `None` if they are unknown.
    pub(crate) arguments: Option<ArgumentsHash>,
    /// Position of the start.
    pub(crate) started: u64,
    /// Position before which no inference call started whose call the tool may run. 0 if there is none.
    pub(crate) requested_since: u64,
}

/// The call that a tool runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TakenCall {
    /// Number of the call.
    pub(crate) number: usize,
    /// Position at which its response arrived.
    pub(crate) responded: u64,
    /// Number of a call of another response that the tool may run as well, because both arrived before the tool started.
    /// `None` if there is none.
    pub(crate) rival: Option<usize>,
    /// Number of a call of another response that the tool may run as well if it did not wait for the end of the response,
    /// because the inference call was running when the tool started. `None` if there is none.
    pub(crate) rival_in_flight: Option<usize>,
}

/// The calls of one id that responses requested and that no tool has run yet.
#[derive(Debug, Default)]
pub(crate) struct RequestedCalls {
    /// The calls by their number.
    calls: HashMap<usize, RequestedCall>,
    /// The calls by what tools look for. Each call is in several groups.
    groups: HashMap<Group, GroupedCalls>,
}

/// A property of requested calls by which tools look for them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Group {
    /// `None` for the calls of all turns.
    turn_id: Option<TurnId>,
    is_complete: bool,
    name: NameGroup,
    /// `None` for the calls with any arguments.
    arguments: Option<ArgumentsHash>,
}

/// The calls of a group.
#[derive(Debug, Default)]
struct GroupedCalls {
    /// By start of the inference call and number of the call: the position from which on no tool runs the call.
    by_start: BTreeMap<(u64, usize), u64>,
    /// By arrival of the response and number of the call: start of the inference call, and the position from which on no
    /// tool runs the call.
    by_response: BTreeMap<(u64, usize), (u64, u64)>,
}

impl RequestedCalls {
    /// Adds a call under a number. Of the calls of one response, the one with the lowest number is run first.
    pub(crate) fn add(&mut self, number: usize, call: RequestedCall) {
        let (started, responded) = (call.started, call.responded.max(call.started));
        for group in Group::of_call(&call) {
            let group = self.groups.entry(group).or_default();
            group.by_start.insert((started, number), call.until);
            group.by_response.insert((responded, number), (started, call.until));
        }
        self.calls.insert(number, call);
    }

    /// Removes a call, because a tool runs it or its output is known. Does nothing if it was removed before.
    pub(crate) fn remove(&mut self, number: usize) {
        let Some(call) = self.calls.remove(&number) else { return };
        let (started, responded) = (call.started, call.responded.max(call.started));
        for group in Group::of_call(&call) {
            if let Entry::Occupied(mut group) = self.groups.entry(group) {
                group.get_mut().by_start.remove(&(started, number));
                group.get_mut().by_response.remove(&(responded, number));
                if group.get().by_start.is_empty() {
                    group.remove();
                }
            }
        }
    }

    /// Sets the position from which on no tool that starts runs a call, unless the call has a lower one.
    #[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "the reducer knows the positions beforehand"))]
    pub(crate) fn expire(&mut self, number: usize, until: u64) {
        if let Some(mut call) = self.calls.get(&number).cloned() {
            self.remove(number);
            call.until = call.until.min(until);
            self.add(number, call);
        }
    }

    /// Removes the call that a tool runs, and returns its number. Returns `None` if the tool runs none of the calls.
    ///
    /// The call is of an inference call that had started before the tool, and its name agrees with that of the tool. If
    /// the response before the tool is unknown, the call is not of an earlier one. It
    /// has the arguments of the tool rather than others, which the program may have changed. Among such calls, it
    /// is of the tool's own turn rather than of another, and among the calls of a turn of a completed inference call
    /// rather than of another. Among these, it is the first call of the latest response. Of responses that were generated
    /// at the same time, the first to arrive counts as the latest: two conversations run side by side, and each continues
    /// when its response is there.
    ///
    /// The turn counts more than the completion: a program may start a tool as soon as its call has arrived, and the
    /// response may be cut off afterwards. A complete call of an earlier turn is then one that nothing ran, because the
    /// user interrupted the turn. The next turn runs such a call only before its first request, when it has no calls of
    /// its own.
    pub(crate) fn take(&mut self, tool: &ToolStart) -> Option<TakenCall> {
        let turns = tool.turn_id.iter().cloned().map(Some).chain([None]);
        let groups = turns.flat_map(|turn_id| [(turn_id.clone(), true), (turn_id, false)]);
        let arguments = tool.arguments.map(Some).into_iter().chain([None]);
        let mut groups = arguments.flat_map(|arguments| groups.clone().map(move |group| (arguments, group)));
        let taken =
            groups.find_map(|(arguments, (turn_id, is_complete))| self.find(tool, arguments, turn_id, is_complete))?;
        self.remove(taken.number);
        Some(taken)
    }

    /// Returns `true` if a tool may run the call with a number, whatever the names of both are.
    #[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "the reducer knows which ids are reused"))]
    pub(crate) fn may_run(&self, number: usize, tool: &ToolStart) -> bool {
        let call = self.calls.get(&number);
        call.is_some_and(|call| call.started >= tool.requested_since && tool.started <= call.until)
    }

    /// Returns `true` if there is a call of another response than the one that arrived at a position.
    #[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "the reducer knows the arguments of calls"))]
    pub(crate) fn has_other_response(&self, responded: u64) -> bool {
        let group = |is_complete| Group { turn_id: None, is_complete, name: NameGroup::Any, arguments: None };
        let mut groups = [true, false].into_iter().filter_map(|is_complete| self.groups.get(&group(is_complete)));
        groups.any(|group| {
            let ends = [group.by_response.first_key_value(), group.by_response.last_key_value()];
            ends.into_iter().flatten().any(|((other, _), _)| *other != responded)
        })
    }

    fn find(
        &self,
        tool: &ToolStart,
        arguments: Option<ArgumentsHash>,
        turn_id: Option<TurnId>,
        is_complete: bool,
    ) -> Option<TakenCall> {
        let names = NameGroup::of_tool(tool.name.as_ref()).into_iter();
        let groups = names.map(|name| Group { turn_id: turn_id.clone(), is_complete, name, arguments });
        let groups: Vec<_> = groups.filter_map(|group| self.groups.get(&group)).collect();
        let latest_start = groups.iter().filter_map(|group| group.latest_start_before(tool.started)).max();
        let latest_start = latest_start.filter(|start| *start >= tool.requested_since)?;
        let first = groups.iter().filter_map(|group| group.first_response_since(latest_start, tool.started));
        let (responded, number) = first.min()?;
        let rivals = groups.iter().filter_map(|group| group.call_of_other_response(responded, tool));
        Some(TakenCall {
            number,
            responded,
            rival: rivals.max(),
            rival_in_flight: self.find_in_flight(responded, tool),
        })
    }

    /// Returns the first call of a response that arrived after a tool had started, and not at the position `responded`,
    /// if its inference call had started before the tool.
    fn find_in_flight(&self, responded: u64, tool: &ToolStart) -> Option<usize> {
        let names = NameGroup::of_tool(tool.name.as_ref()).into_iter();
        let groups = names.flat_map(|name| [true, false].map(|is_complete| (name.clone(), is_complete)));
        let group = |(name, is_complete)| {
            self.groups.get(&Group { turn_id: None, is_complete, name, arguments: tool.arguments })
        };
        let late = groups.filter_map(group).filter_map(|group| group.call_in_flight(responded, tool.started));
        late.min().map(|(_, number)| number)
    }
}

impl Group {
    /// Returns the groups that a call belongs to.
    fn of_call(call: &RequestedCall) -> impl Iterator<Item = Self> + use<> {
        let names = NameGroup::of_call(call.name.as_ref());
        let is_complete = call.is_complete;
        let arguments = call.arguments.map(Some).into_iter().chain([None]);
        let turns = call.turn_id.clone().map(Some).into_iter().chain([None]);
        let keys = turns.flat_map(move |turn_id| arguments.clone().map(move |arguments| (turn_id.clone(), arguments)));
        keys.flat_map(move |(turn_id, arguments)| {
            let names = names.clone().into_iter();
            names.map(move |name| Self { turn_id: turn_id.clone(), is_complete, name, arguments })
        })
    }
}

impl GroupedCalls {
    /// Returns the latest start of an inference call whose call a tool may run that starts at a position.
    fn latest_start_before(&self, position: u64) -> Option<u64> {
        let mut earlier = self.by_start.range(..(position, 0)).rev();
        earlier.find(|(_, until)| position <= **until).map(|((started, _), _)| *started)
    }

    /// Returns the number of a call that a tool may run and whose response arrived before the tool started, and not at the
    /// position `responded`. Only the responses before and after that position count.
    fn call_of_other_response(&self, responded: u64, tool: &ToolStart) -> Option<usize> {
        let may_run = |(_, (started, until)): &(&(u64, usize), &(u64, u64))| {
            *started >= tool.requested_since && tool.started <= *until
        };
        let earlier = self.by_response.range(..(responded, 0)).next_back();
        let later = self.by_response.range((responded + 1, 0)..(tool.started.max(responded + 1), 0)).next();
        earlier.into_iter().chain(later).find(may_run).map(|((_, number), _)| *number)
    }

    /// Returns the position of the first response that arrived after a position, and not at the position `other`, and the
    /// number of its first call.
    fn call_in_flight(&self, other: u64, position: u64) -> Option<(u64, usize)> {
        let is_late =
            |((responded, _), (started, _)): &(&(u64, usize), &(u64, u64))| *responded != other && *started < position;
        self.by_response.range((position, 0)..).find(is_late).map(|(response, _)| *response)
    }

    /// Returns the first response that arrived at or after a position, and the number of its first call that a tool may
    /// run that starts at another position.
    fn first_response_since(&self, responded: u64, position: u64) -> Option<(u64, usize)> {
        let mut since = self.by_response.range((responded, 0)..);
        since.find(|(_, (started, until))| *started < position && position <= *until).map(|(response, _)| *response)
    }
}
