//! Simulated programs with reused call ids: whatever the reducer links is what the program did.
//!
//! Unlike the naive model of the rule, the programs know nothing of the rule: each tool and each item has the token of
//! the call that it belongs to.

mod body;
mod program;
mod rng;
mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use otel_trace::graph::{Code, Graph, ItemId, Producer};
use otel_trace::reduce::Options;

use body::Token;
use program::{Program, Truth};
use settings::{Evidence, Settings};

/// The tokens that each call item and each output item has in the lists that contain it.
struct ItemTokens(BTreeMap<ItemId, BTreeSet<Token>>);

impl ItemTokens {
    fn new(graph: &Graph, truth: &Truth) -> Self {
        let mut tokens = Self(BTreeMap::new());
        for call in graph.inference_calls.iter() {
            let id = call.inference_call_id.as_str();
            tokens.add(graph, graph.snapshot(&call.inference_call_id), &truth.requests[id]);
            let response = truth.responses.get(id).map(Vec::as_slice).unwrap_or_default();
            tokens.add(graph, call.response_item_ids.iter().copied(), response);
        }
        for compaction in graph.compactions.iter() {
            let [before, after] = &truth.compactions[compaction.compaction_id.as_str()];
            tokens.add(graph, compaction.input_item_ids.iter().copied(), before);
            tokens.add(graph, compaction.replacement_item_ids.iter().copied(), after);
        }
        tokens
    }

    /// Adds the items of a list, whose calls and outputs have the given tokens.
    fn add(&mut self, graph: &Graph, items: impl Iterator<Item = ItemId>, tokens: &[Token]) {
        let items: Vec<_> = items
            .filter(|id| {
                let kind = graph.item(*id).unwrap().content.kind;
                kind.is_call() || kind.is_output()
            })
            .collect();
        assert_eq!(items.len(), tokens.len());
        for (item, token) in items.into_iter().zip(tokens) {
            self.0.entry(item).or_default().insert(*token);
        }
    }

    fn has(&self, item: ItemId, token: Token) -> bool {
        self.0[&item].contains(&token)
    }
}

/// The links of a session, and those that the evidence allows and that are missing.
#[derive(Debug, Default)]
struct Counts {
    tools: usize,
    outputs: usize,
    tools_without_call: usize,
    outputs_without_tool: usize,
}

/// Checks that each link of a graph is true.
fn check(graph: &Graph, truth: &Truth, counts: &mut Counts) -> Vec<String> {
    let tokens = ItemTokens::new(graph, truth);
    let mut wrong = Vec::new();
    for tool in graph.tool_calls.iter() {
        let id = tool.tool_call_id.as_str();
        let run = &truth.runs[id];
        counts.tools += 1;
        if let Some(requester) = tool.requested_by.as_ref().filter(|requester| requester.as_str() != run.inference) {
            wrong.push(format!("{id} is requested by {requester}, not by {}", run.inference));
        }
        for item in tool.call_item_ids.iter().chain(&tool.output_item_ids) {
            if !tokens.has(*item, run.token) {
                wrong.push(format!("{id} has the item {item} of {:?}", tokens.0[item]));
            }
        }
        let is_shown = tokens
            .0
            .iter()
            .any(|(item, tokens)| graph.item(*item).unwrap().content.kind.is_call() && tokens.contains(&run.token));
        if tool.call_item_ids.is_empty() && is_shown {
            counts.tools_without_call += 1;
            if !is_reported(graph, &format!("tool call {id} ")) {
                wrong.push(format!("{id} has no call, and no notice"));
            }
        }
    }
    wrong.extend(wrong_outputs(graph, truth));
    for (item, tokens) in &tokens.0 {
        let item = graph.item(*item).unwrap();
        let of_token = |token: &Token| graph.tool_calls.get(format!("tool-{token}").as_str());
        if item.content.kind.is_output() && tokens.iter().any(|token| of_token(token).is_some()) {
            counts.outputs += 1;
            let is_tool = |producer: &Producer| matches!(producer, Producer::Tool { .. });
            counts.outputs_without_tool += usize::from(!item.produced_by.iter().any(is_tool));
        }
    }
    wrong
}

/// Returns the outputs in requests that no tool is linked to, or another tool than the one whose output they are,
/// unless a notice names the tool.
fn wrong_outputs(graph: &Graph, truth: &Truth) -> Vec<String> {
    let is_visible = |id: &ItemId| {
        let kind = graph.item(*id).unwrap().content.kind;
        kind.is_call() || kind.is_output()
    };
    let mut wrong = Vec::new();
    for inference in graph.inference_calls.iter() {
        let id = inference.inference_call_id.as_str();
        let items = graph.snapshot(&inference.inference_call_id).filter(is_visible);
        for (item, token) in items.zip(&truth.requests[id]) {
            let item = graph.item(item).unwrap();
            let tool = format!("tool-{token}");
            let linked: Vec<_> = item.produced_by.iter().filter_map(tool_of).collect();
            let expected: Vec<_> =
                graph.tool_calls.get(tool.as_str()).map(|tool| tool.tool_call_id.as_str()).into_iter().collect();
            let is_reported =
                expected.iter().chain(&linked).any(|tool| is_reported(graph, &format!("tool call {tool} ")))
                    || is_reported(graph, &format!("{} is an output", item.item_id));
            if item.content.kind.is_output() && linked != expected && !is_reported {
                wrong.push(format!("{id} shows {} of {expected:?} as that of {linked:?}", item.item_id));
            }
        }
    }
    wrong
}

fn tool_of(producer: &Producer) -> Option<&str> {
    let Producer::Tool { tool_call_id } = producer else { return None };
    Some(tool_call_id.as_str())
}

/// Returns `true` if a notice about a reused id begins with a subject.
fn is_reported(graph: &Graph, subject: &str) -> bool {
    let mut notices = graph.diagnostics.iter().filter(|found| found.code == Code::CallIdReused);
    notices.any(|found| found.message.starts_with(subject))
}

/// Runs the programs for which `may_run` returns `true`, and checks their links. Returns how many links there are and are
/// missing, and which ones are wrong.
fn check_programs(seeds: Range<u64>, evidence: Evidence, may_run: impl Fn(&Settings) -> bool) -> (Counts, Vec<String>) {
    let (mut counts, mut wrong) = (Counts::default(), Vec::new());
    for seed in seeds {
        let program = Program::run(seed, evidence, 12);
        if !may_run(&program.settings) {
            continue;
        }
        let graph = program.case.try_reduce(&Options::default()).unwrap().graph;
        let of_program = check(&graph, &program.truth, &mut counts);
        wrong.extend(of_program.iter().map(|wrong| format!("seed {seed}: {wrong}, {:?}", program.settings)));
    }
    (counts, wrong)
}

/// Returns `true` if the outputs of a program, and the conversations of its threads, can be told apart.
fn is_plain(settings: &Settings) -> bool {
    !settings.has_equal_outputs && !settings.shares_thread
}

#[test]
fn links_of_simulated_programs_are_true() {
    let (counts, wrong) = check_programs(0..400, Evidence::Complete, is_plain);
    // One program shows an equal call in a window in place of another one.
    assert!(wrong.len() <= 1, "{wrong:#?}");
    assert_eq!(counts.tools_without_call, 0, "{counts:?}");
    // A program that drops its history and shortens what remains leaves too little to recognize some calls.
    assert!(counts.outputs_without_tool * 200 < counts.outputs, "{counts:?}");
}

#[test]
fn few_links_are_wrong_where_outputs_or_agents_are_alike() {
    let (counts, wrong) = check_programs(0..250, Evidence::Complete, |settings| !is_plain(settings));
    assert!(wrong.len() * 30 < counts.outputs, "{counts:?} {wrong:#?}");
    assert_eq!(counts.tools_without_call, 0, "{counts:?}");
}

#[test]
fn few_links_are_wrong_where_responses_are_lost() {
    // Nothing shows that a response without content contained a call, unless a later request repeats it. A call of another
    // response with the same id is then the only one that the tool can have run.
    let (counts, wrong) = check_programs(0..100, Evidence::Lossy, |_| true);
    assert!(wrong.len() * 40 < counts.tools, "{counts:?} {wrong:#?}");
    assert!(counts.tools_without_call * 25 < counts.tools, "{counts:?}");
}
