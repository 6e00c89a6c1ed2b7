//! Tool calls with the items that asked for them and the items that showed their answers.

use std::collections::{HashMap, HashSet};

use super::visible::Visible;
use crate::event::{ExecutionStatus, InferenceId, Seq, TurnId};
use crate::graph::{Code, Item, ItemId, Producer, Requester, ToolCall};
use crate::reduce::fold::{Talk, Tools};
use crate::reduce::{Problems, Work};

/// Links every tool call that names a model-visible call, in order of start.
pub(super) fn link(tools: &mut Tools, talk: &mut Talk, visible: &Visible, problems: &mut Problems, work: &mut Work) {
    let answers = Answers::of(talk, work);
    let mut taken = HashSet::new();
    for (tool, &place) in tools.calls.iter_mut().zip(&tools.places) {
        let Some(call_id) = &tool.model_visible_call_id else {
            ask_blind(tool, talk, &answers, work);
            continue;
        };
        work.link_probes += 1;
        let key = (tool.thread_id.clone(), call_id.clone());
        if !taken.insert(key) {
            let message = format!(
                "tool call {} answers call {call_id} of thread {}, but so does an earlier one; it is kept without items",
                tool.tool_call_id, tool.thread_id
            );
            problems.add(place, Code::CallIdReused, message, None);
            continue;
        }
        let Some(items) = visible.of_call(&tool.thread_id, call_id) else {
            ask_blind(tool, talk, &answers, work);
            continue;
        };
        tool.call_item_ids.clone_from(&items.calls);
        tool.output_item_ids.clone_from(&items.outputs);
        for &output in &items.outputs {
            let producer = Producer::Tool { tool_call_id: tool.tool_call_id.clone() };
            produce(&mut talk.items, output, producer);
        }
        for &call in &items.calls {
            let Some(inference) = talk.items.get(call.index()).and_then(asked_by) else { continue };
            let Some(inference) = talk.calls.get_mut(inference) else { continue };
            work.link_probes += 1;
            if inference.tool_call_ids.last() != Some(&tool.tool_call_id) {
                inference.tool_call_ids.push(tool.tool_call_id.clone());
            }
            tool.requested_by.get_or_insert_with(|| inference.inference_call_id.clone());
        }
        if tool.requested_by.is_none() {
            ask_blind(tool, talk, &answers, work);
        }
    }
}

/// The answers of each turn, in order of their ends: what a tool call without items can have been asked for by.
struct Answers(HashMap<TurnId, Vec<(Seq, InferenceId)>>);

impl Answers {
    fn of(talk: &Talk, work: &mut Work) -> Self {
        let mut answers: HashMap<_, Vec<_>> = HashMap::new();
        if talk.unheard.is_empty() {
            return Self(answers);
        }
        for call in talk.calls.iter().filter(|call| call.execution.status == ExecutionStatus::Completed) {
            work.link_probes += 1;
            let Some(end) = call.execution.ended else { continue };
            answers.entry(call.turn_id.clone()).or_default().push((end.seq, call.inference_call_id.clone()));
        }
        answers.values_mut().for_each(|answers| answers.sort_unstable_by_key(|(seq, _)| *seq));
        Self(answers)
    }

    /// The last one before an event.
    fn before(&self, turn: &TurnId, seq: Seq) -> Option<&InferenceId> {
        let answers = self.0.get(turn)?;
        let index = answers.partition_point(|(end, _)| *end < seq);
        Some(&answers.get(index.checked_sub(1)?)?.1)
    }
}

/// A tool call that no answer is known to have asked for, because what the model said was not recorded: then it was asked for
/// by the last answer of its turn. An answer whose content is known did not ask for it.
fn ask_blind(tool: &mut ToolCall, talk: &mut Talk, answers: &Answers, work: &mut Work) {
    work.link_probes += 1;
    let is_of_model = matches!(tool.requester, Requester::Model);
    let Some(turn) = tool.turn_id.as_ref().filter(|_| is_of_model) else { return };
    let Some(answer) = answers.before(turn, tool.execution.started.seq) else { return };
    let Some(inference) = talk.calls.get_mut(answer).filter(|_| talk.unheard.contains(answer)) else { return };
    inference.tool_call_ids.push(tool.tool_call_id.clone());
    tool.requested_by = Some(answer.clone());
}

/// The inference call whose response holds the item.
fn asked_by(item: &Item) -> Option<&crate::event::InferenceId> {
    item.produced_by.iter().find_map(|producer| match producer {
        Producer::Inference { inference_call_id } => Some(inference_call_id),
        Producer::UserInput
        | Producer::Tool { .. }
        | Producer::CodeCell { .. }
        | Producer::InteractionEdge { .. }
        | Producer::Compaction { .. }
        | Producer::Harness => None,
    })
}

/// Says what else made an item.
pub(super) fn produce(items: &mut [Item], item: ItemId, producer: Producer) {
    if let Some(item) = items.get_mut(item.index()) {
        item.produced_by.push(producer);
    }
}
