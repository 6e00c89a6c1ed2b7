//! The properties of simulated programs and their providers.

use super::body::{Api, Entry, NameForm, Shape};
use super::rng::Rng;

/// How a provider numbers its calls.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Ids {
    /// Anew in each message.
    PerMessage,
    /// Anew in each message and for each tool.
    PerTool,
    /// Anew in each turn.
    PerTurn,
    /// Not at all: each call has the same id.
    Constant,
    /// Anew in some messages only.
    Mixed,
}

/// How a program names its tools in the trace.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Labels {
    /// As the calls.
    Calls,
    Dotted,
    /// In the kind of the tool, beside a label for people.
    Kind,
    /// Without the server.
    Bare,
    People,
}

/// What a program does with old entries of its conversation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Memory {
    Everything,
    /// It sends only new entries, and the provider has the others.
    Provider,
    /// It drops the oldest entries.
    Window,
    /// Each request has its first message and its last exchanges.
    LastExchanges(usize),
    /// It replaces the oldest entries by a summary.
    Summary,
    /// It replaces old outputs by a short text.
    ShortOutputs,
    /// It replaces the arguments of old calls by an empty object.
    ShortArguments,
}

impl Memory {
    /// Returns what a request with the whole conversation shows of it.
    pub(super) fn shown(self, instructions: &[Entry], history: &[Entry]) -> Vec<Entry> {
        let is_answer = |at: &usize| matches!(history[*at], Entry::Answer { .. });
        let answers: Vec<_> = (0..history.len()).filter(is_answer).collect();
        match self {
            Self::LastExchanges(count) if answers.len() > count => {
                let last = &history[answers[answers.len() - count]..];
                [instructions, &history[..answers[0]], last].concat()
            }
            Self::Everything
            | Self::Provider
            | Self::Window
            | Self::LastExchanges(_)
            | Self::Summary
            | Self::ShortOutputs
            | Self::ShortArguments => [instructions, history].concat(),
        }
    }
}

/// What is recorded of a program.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Evidence {
    Complete,
    /// Some responses are recorded without their content.
    Lossy,
}

/// The properties of a program and its provider.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) api: Api,
    pub(super) ids: Ids,
    pub(super) labels: Labels,
    pub(super) memory: Memory,
    /// `true` if all calls of a tool have the same arguments.
    pub(super) has_equal_calls: bool,
    /// `true` if all tools have the same output.
    pub(super) has_equal_outputs: bool,
    /// `true` if the two agents share a thread and a turn, and differ in their instructions.
    pub(super) shares_thread: bool,
    /// `true` if the arguments of tools are recorded.
    pub(super) has_invocations: bool,
    /// `true` if the results of tools are recorded.
    pub(super) has_results: bool,
    /// `true` if instructions stand beside the items of a request. Only the Responses API has such instructions.
    pub(super) instructs_beside: bool,
    /// `true` if the program spells arguments anew when it adds a response to its conversation.
    pub(super) spells_anew: bool,
    /// `true` if tools start when their calls have arrived, before the end of the response.
    pub(super) is_eager: bool,
    /// `true` if tools of one response start in any order.
    pub(super) is_parallel: bool,
    pub(super) evidence: Evidence,
}

impl Settings {
    pub(super) fn new(rng: &mut Rng, evidence: Evidence) -> Self {
        let shape = rng.choose(&[Shape::Responses, Shape::Chat]);
        let forms = [NameForm::Joined, NameForm::Dotted, NameForm::Member];
        let (forms, memories) = match shape {
            Shape::Responses => (&forms[..], 8),
            Shape::Chat => (&forms[..2], 7),
        };
        use Memory::{Everything, LastExchanges, Provider, ShortArguments, ShortOutputs, Summary, Window};
        let last = [LastExchanges(1), LastExchanges(2)];
        let memory = [Everything, Window, Summary, ShortOutputs, ShortArguments, last[0], last[1], Provider];
        let instructs_beside = shape == Shape::Responses && rng.one_in(2);
        Self {
            api: Api { shape, names: rng.choose(forms) },
            ids: rng.choose(&[Ids::PerMessage, Ids::PerTool, Ids::PerTurn, Ids::Constant, Ids::Mixed]),
            labels: rng.choose(&[Labels::Calls, Labels::Dotted, Labels::Kind, Labels::Bare, Labels::People]),
            memory: rng.choose(&memory[..memories]),
            has_equal_calls: rng.one_in(3),
            has_equal_outputs: rng.one_in(4),
            shares_thread: rng.one_in(6),
            has_invocations: rng.one_in(4),
            has_results: rng.one_in(3),
            instructs_beside,
            spells_anew: rng.one_in(4),
            is_eager: evidence == Evidence::Complete && rng.one_in(2),
            is_parallel: rng.one_in(2),
            evidence,
        }
    }

    /// Returns `true` if the name of a tool, as the trace has it, tells it apart from other tools.
    pub(super) fn has_distinct_names(&self) -> bool {
        !matches!(self.labels, Labels::Bare | Labels::People)
    }
}
