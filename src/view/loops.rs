//! Tool calls that repeat one another without a difference: an agent that goes round in circles.

use serde_json::Value;

use crate::event::{RawPayloadId, ToolCallId, ToolKind};
use crate::graph::{Graph, Item, ItemId, Part, Requester, Thread, ToolCall};

use super::tool;

/// Tool calls of one agent that repeat one another: the same tool with the same arguments and the same output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loop {
    /// Names of the tools, in the order of their calls: one, or two that take turns.
    pub tools: Vec<String>,
    /// The repeating calls, in order.
    pub tool_call_ids: Vec<ToolCallId>,
}

/// Least number of equal calls in a row that is a loop.
const LEAST_IN_A_ROW: usize = 3;
/// Least number of calls of two kinds in turn that is a loop.
const LEAST_IN_TURN: usize = 4;

/// Finds the loops of a run. `payload` reads what the graph has the beginning of only.
pub(super) fn find(graph: &Graph, payload: &dyn Fn(&RawPayloadId) -> Option<Vec<u8>>) -> Vec<Loop> {
    let search = Search { graph, payload };
    graph.threads.iter().flat_map(|thread| search.in_thread(thread)).collect()
}

struct Search<'a> {
    graph: &'a Graph,
    payload: &'a dyn Fn(&RawPayloadId) -> Option<Vec<u8>>,
}

impl<'a> Search<'a> {
    fn in_thread(&self, thread: &Thread) -> Vec<Loop> {
        let turns = thread.turn_ids.iter().filter_map(|id| self.graph.turns.get(id));
        let calls = turns.flat_map(|turn| &turn.tool_call_ids).filter_map(|id| self.graph.tool_calls.get(id));
        let calls: Vec<_> = calls.filter(|tool| tool.requester == Requester::Model).collect();
        let mut loops = Vec::new();
        let mut start = 0;
        while start < calls.len() {
            let in_a_row = self.repeated(&calls, start, 1);
            let in_turn = if in_a_row >= LEAST_IN_A_ROW { 0 } else { self.repeated(&calls, start, 2) };
            let (length, period) = if in_a_row >= LEAST_IN_A_ROW { (in_a_row, 1) } else { (in_turn, 2) };
            if length < if period == 1 { LEAST_IN_A_ROW } else { LEAST_IN_TURN } {
                start += 1;
                continue;
            }
            let repeated = calls.get(start..start + length).unwrap_or_default();
            loops.push(Loop {
                tools: repeated.iter().take(period).map(|call| tool::name(call)).collect(),
                tool_call_ids: repeated.iter().map(|call| call.tool_call_id.clone()).collect(),
            });
            start += length;
        }
        loops
    }

    /// Returns the number of calls from `start` on of which each equals the one `period` before it.
    fn repeated(&self, calls: &[&ToolCall], start: usize, period: usize) -> usize {
        let calls = calls.get(start..).unwrap_or_default();
        let later = calls.get(period..).unwrap_or_default();
        let equal = calls.iter().zip(later).take_while(|(earlier, later)| self.repeats(earlier, later)).count();
        equal + period.min(calls.len())
    }

    /// Returns `true` if two calls did the same with the same result. A program that looks again at what is still running
    /// does not repeat itself.
    fn repeats(&self, earlier: &ToolCall, later: &ToolCall) -> bool {
        !is_polling(&earlier.kind)
            && earlier.kind == later.kind
            && tool::name(earlier) == tool::name(later)
            && self.have_equal_arguments(earlier, later)
            && self.have_equal_outputs(earlier, later)
    }

    fn have_equal_arguments(&self, earlier: &ToolCall, later: &ToolCall) -> bool {
        let invocations = (&earlier.raw_invocation_payload_id, &later.raw_invocation_payload_id);
        self.have_equal_content(earlier.call_item_ids.first(), later.call_item_ids.first(), invocations)
    }

    fn have_equal_outputs(&self, earlier: &ToolCall, later: &ToolCall) -> bool {
        let results = (&earlier.raw_result_payload_id, &later.raw_result_payload_id);
        self.have_equal_content(earlier.output_item_ids.first(), later.output_item_ids.first(), results)
    }

    /// Compares two items. Of what the graph has the beginning of only, the payloads of the calls decide. What is not
    /// recorded is not equal.
    fn have_equal_content(
        &self,
        earlier: Option<&ItemId>,
        later: Option<&ItemId>,
        (earlier_payload, later_payload): (&Option<RawPayloadId>, &Option<RawPayloadId>),
    ) -> bool {
        let item = |id: Option<&ItemId>| self.graph.item(*id?);
        let (Some(earlier), Some(later)) = (item(earlier), item(later)) else { return false };
        if !have_equal_parts(earlier, later) {
            return false;
        }
        if earlier.content.parts.iter().all(is_whole) {
            return true;
        }
        let read = |id: &Option<RawPayloadId>| (self.payload)(id.as_ref()?);
        let (Some(earlier), Some(later)) = (read(earlier_payload), read(later_payload)) else { return false };
        let value = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok().map(without_call_id);
        earlier == later || value(&earlier).is_some_and(|it| Some(it) == value(&later))
    }
}

/// Returns `true` if a tool looks at what is still running.
fn is_polling(kind: &ToolKind) -> bool {
    matches!(kind, ToolKind::WriteStdin | ToolKind::WaitAgent)
}

/// Returns `true` if a part contains all of its content.
fn is_whole(part: &Part) -> bool {
    match part {
        Part::Text(_) | Part::LabelledText { .. } | Part::Summary(_) | Part::Encoded { .. } | Part::Code { .. } => true,
        Part::Json { summary } => serde_json::from_str::<serde::de::IgnoredAny>(summary).is_ok(),
        Part::PayloadRef { .. } => false,
    }
}

/// Compares the parts of two items, JSON in any order of its members.
fn have_equal_parts(earlier: &Item, later: &Item) -> bool {
    let (earlier, later) = (&earlier.content.parts, &later.content.parts);
    earlier.len() == later.len()
        && earlier.iter().zip(later).all(|(one, other)| match (one, other) {
            (Part::Json { summary: one }, Part::Json { summary: other }) => {
                let value = |text: &str| serde_json::from_str::<Value>(text).ok();
                one == other || value(one).is_some_and(|it| Some(it) == value(other))
            }
            (one, other) => one == other,
        })
}

/// Removes the id of a call from the top of its payload, the one thing in which equal calls differ.
fn without_call_id(mut value: Value) -> Value {
    if let Some(members) = value.as_object_mut() {
        members.retain(|name, _| !matches!(name.as_str(), "call_id" | "tool_call_id" | "id"));
    }
    value
}
