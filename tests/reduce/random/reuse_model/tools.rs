//! The calls that tools run, as the model finds them.

use otel_trace::event::ExecutionStatus;
use otel_trace::graph::{InferenceCall, Item, ToolCall};

use super::{Call, Model};

impl<'g> Model<'g> {
    /// Assigns tools to calls, in order of their starts.
    pub(super) fn assign(&self, tools: &[&ToolCall], calls: &mut [Call]) {
        for tool in tools {
            let number = self.requested(tool, calls).or_else(|| self.shown_later(tool, calls));
            if let Some(number) = number {
                calls[number].tool = Some(tool.tool_call_id.to_string());
            }
        }
    }

    /// "Names of tools are compared in threads where a tool has the name of a call."
    fn may_have_name(&self, tool: &ToolCall, call: &Call) -> bool {
        let of_thread =
            |tool: &&ToolCall, item: &&&Item| item.thread_id == tool.thread_id && item.content.kind.is_call();
        let is_of_call = |other: &&ToolCall| {
            let mut items = self.items.iter().filter(|item| of_thread(other, item));
            other.thread_id == tool.thread_id
                && items.any(|item| item.content.name.as_deref() == other.label.as_deref())
        };
        let is_comparable = self.graph.tool_calls.iter().any(|other| is_of_call(&other));
        !is_comparable || self.first_content(call).name.as_deref() == tool.label.as_deref()
    }

    pub(super) fn inference(&self, call: &Call) -> Option<&'g InferenceCall> {
        self.graph.inference_calls.get(call.response.as_ref()?.0.as_str())
    }

    /// Returns the seq at which the program dropped a call of a response that was cut off: at the next inference call of
    /// the turn, or at the end of the turn.
    fn dropped(&self, call: &Call) -> Option<u64> {
        let inference = self.inference(call).filter(|_| !self.is_complete(call))?;
        let responded = call.response.as_ref()?.1;
        let of_turn = self.graph.inference_calls.iter().filter(|other| other.turn_id == inference.turn_id);
        let next = of_turn.map(|other| other.execution.started.seq.0).filter(|start| *start > responded).min();
        let turn = self.graph.turns.get(&inference.turn_id).and_then(|turn| turn.execution.ended);
        next.into_iter().chain(turn.map(|ended| ended.seq.0)).min()
    }

    /// "If the response before the tool was recorded without its content, the tool runs no call of an earlier one."
    fn requested_since(&self, tool: &ToolCall) -> Option<u64> {
        let ended = |call: &&InferenceCall| call.execution.ended.map(|end| end.seq);
        let is_earlier = |call: &&InferenceCall| {
            let is_complete = call.execution.status == ExecutionStatus::Completed;
            call.thread_id == tool.thread_id && is_complete && ended(call) < Some(tool.execution.started.seq)
        };
        let completed = || self.graph.inference_calls.iter().filter(is_earlier);
        let of_turn = completed().filter(|call| Some(&call.turn_id) == tool.turn_id.as_ref());
        let last = of_turn.max_by_key(ended).or_else(|| completed().max_by_key(ended))?;
        last.response_item_ids.is_empty().then_some(last.execution.started.seq.0)
    }

    fn requested(&self, tool: &ToolCall, calls: &[Call]) -> Option<usize> {
        let started = tool.execution.started.seq.0;
        let since = self.requested_since(tool);
        let may_run = |number: &usize| {
            let call = &calls[*number];
            let Some(inference) = self.inference(call) else { return false };
            call.tool.is_none()
                && since.is_none_or(|since| inference.execution.started.seq.0 >= since)
                && inference.execution.started.seq.0 < started
                && call.answered.is_none_or(|seq| seq >= started)
                && self.dropped(call).is_none_or(|seq| seq >= started)
                && self.may_have_name(tool, call)
        };
        let candidates: Vec<usize> = (0..calls.len()).filter(may_run).collect();
        let is_own = |number: &usize| {
            tool.turn_id.is_some() && self.inference(&calls[*number]).map(|it| &it.turn_id) == tool.turn_id.as_ref()
        };
        let classes: [&dyn Fn(&usize) -> bool; 4] = [
            &|number| is_own(number) && self.is_complete(&calls[*number]),
            &is_own,
            &|number| self.is_complete(&calls[*number]),
            &|_| true,
        ];
        classes.iter().find_map(|class| {
            let of_class: Vec<usize> = candidates.iter().copied().filter(|number| class(number)).collect();
            let responded = |number: &usize| calls[*number].response.as_ref().map_or(0, |(_, seq)| *seq);
            let start = |number: &usize| self.inference(&calls[*number]).map_or(0, |it| it.execution.started.seq.0);
            let latest_start = of_class.iter().map(start).max()?;
            let latest = of_class.into_iter().filter(|number| responded(number) >= latest_start);
            latest.min_by_key(|number| (responded(number), *number))
        })
    }

    fn shown_later(&self, tool: &ToolCall, calls: &[Call]) -> Option<usize> {
        let may_run = |number: &usize| {
            let call = &calls[*number];
            call.tool.is_none()
                && !call.items.is_empty()
                && call.response.is_none()
                && call.requested > Some(tool.execution.started.seq.0)
                && self.may_have_name(tool, call)
        };
        (0..calls.len()).filter(may_run).min_by_key(|number| (calls[*number].requested, *number))
    }
}
