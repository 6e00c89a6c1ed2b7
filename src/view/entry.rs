//! An entry of the list of runs.

use serde::{Deserialize, Serialize};

use crate::event::{RolloutStatus, TraceId, UnixMillis};
use crate::graph::Graph;

use super::{Cost, Money, Run, Summary, title};

/// What a list of runs says about one of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Entry {
    /// Id of the recording.
    pub trace_id: TraceId,
    /// First message of a user that no program wrote.
    pub title: Option<String>,
    /// Status of the run.
    pub status: RolloutStatus,
    /// Start of the run.
    pub started_at: UnixMillis,
    /// Time from start to end, or until the last event, in milliseconds.
    pub millis: u64,
    /// Models that were called.
    pub models: Vec<String>,
    /// Number of agents.
    pub agents: usize,
    /// Number of turns.
    pub turns: usize,
    /// Number of calls of models.
    pub calls: usize,
    /// Number of tool calls.
    pub tools: usize,
    /// Number of calls and tools that failed.
    pub failures: usize,
    /// Number of input tokens.
    pub input_tokens: u64,
    /// Number of output tokens.
    pub output_tokens: u64,
    /// Known cost in picodollars.
    known_cost: Option<u128>,
    /// Whether a part of the cost has no price.
    has_unknown_cost: bool,
    /// Number of diagnostics that left something out.
    pub skipped: usize,
    /// Messages of users, as far as they are kept.
    messages: Vec<String>,
    /// Whether messages are left out of `messages`, or cut.
    are_messages_cut: bool,
}

/// Maximum size of the messages of a run in the list, in bytes.
const MAX_MESSAGES: usize = 16 << 10;

impl Entry {
    /// Creates the entry of a run.
    pub fn new(graph: &Graph, run: &Run) -> Self {
        let Summary {
            title,
            status,
            started_at,
            millis,
            models,
            agents,
            turns,
            calls,
            tools,
            totals,
            cost,
            evidence,
            ..
        } = &run.summary;
        let (messages, are_messages_cut) = messages(graph);
        Self {
            trace_id: graph.trace_id.clone(),
            title: title.clone(),
            status: *status,
            started_at: *started_at,
            millis: *millis,
            models: models.clone(),
            agents: *agents,
            turns: *turns,
            calls: calls.total,
            tools: tools.total,
            failures: calls.failed + tools.failed,
            input_tokens: totals.input_tokens,
            output_tokens: totals.output_tokens,
            known_cost: cost.known().map(Money::picodollars),
            has_unknown_cost: cost.is_incomplete(),
            skipped: evidence.skipped.values().sum(),
            messages,
            are_messages_cut,
        }
    }

    /// Returns the cost of the run.
    pub fn cost(&self) -> Cost {
        let known = self.known_cost.map_or(Cost::NONE, |known| Cost::of(Money::from_picodollars(known)));
        if self.has_unknown_cost { known.plus(Cost::UNKNOWN) } else { known }
    }

    /// Returns `true` if a message of a user contains this text, in any case. Returns `None` if only the whole run can
    /// tell: its messages are not all in the entry.
    pub fn mentions(&self, text: &str) -> Option<bool> {
        let text = text.to_lowercase();
        let is_found = self.messages.iter().any(|message| message.to_lowercase().contains(&text));
        (is_found || !self.are_messages_cut).then_some(is_found)
    }
}

/// Returns `true` if a message of a user in the run contains this text, in any case.
pub fn mentions(graph: &Graph, text: &str) -> bool {
    let text = text.to_lowercase();
    title::user_messages(graph).any(|message| message.to_lowercase().contains(&text))
}

/// Returns the first messages of users, and whether there are more.
fn messages(graph: &Graph) -> (Vec<String>, bool) {
    let mut room = MAX_MESSAGES;
    let mut kept = Vec::new();
    for message in title::user_messages(graph) {
        let Some(left) = room.checked_sub(message.len()) else { return (kept, true) };
        room = left;
        kept.push(message);
    }
    (kept, false)
}
