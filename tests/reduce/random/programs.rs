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
    wrong_with_notice: usize,
}

/// A link that is not true.
#[derive(Debug)]
struct WrongLink {
    text: String,
    /// `true` if no notice names the tool, the tool that it is mistaken for, or the output.
    is_silent: bool,
}

/// Checks that each link of a graph is true. Returns those that are not.
fn check(graph: &Graph, truth: &Truth, counts: &mut Counts) -> Vec<WrongLink> {
    let tokens = ItemTokens::new(graph, truth);
    let reported = Reported::new(graph);
    let mut wrong = Vec::new();
    for tool in graph.tool_calls.iter() {
        let id = tool.tool_call_id.as_str();
        let run = &truth.runs[id];
        counts.tools += 1;
        if let Some(requester) = tool.requested_by.as_ref().filter(|requester| requester.as_str() != run.inference) {
            let text = format!("{id} is requested by {requester}, not by {}", run.inference);
            wrong.push(WrongLink { text, is_silent: !reported.has_tool(id) });
        }
        for item in tool.call_item_ids.iter().chain(&tool.output_item_ids).filter(|item| !tokens.has(**item, run.token))
        {
            let others: Vec<_> = tokens.0[item].iter().map(|token| format!("tool-{token}")).collect();
            let is_reported = reported.has_tool(id)
                || reported.has_item(*item)
                || others.iter().any(|other| reported.has_tool(other));
            let text = format!("{id} has the item {item} of {others:?}");
            wrong.push(WrongLink { text, is_silent: !is_reported });
        }
        let is_shown = tokens
            .0
            .iter()
            .any(|(item, tokens)| graph.item(*item).unwrap().content.kind.is_call() && tokens.contains(&run.token));
        if tool.call_item_ids.is_empty() && is_shown {
            counts.tools_without_call += 1;
            if !reported.has_tool(id) {
                wrong.push(WrongLink { text: format!("{id} has no call"), is_silent: true });
            }
        }
    }
    wrong.extend(wrong_outputs(graph, truth, &reported));
    for (item, tokens) in &tokens.0 {
        let item = graph.item(*item).unwrap();
        let of_token = |token: &Token| graph.tool_calls.get(format!("tool-{token}").as_str());
        if item.content.kind.is_output() && tokens.iter().any(|token| of_token(token).is_some()) {
            counts.outputs += 1;
            let is_tool = |producer: &Producer| matches!(producer, Producer::Tool { .. });
            counts.outputs_without_tool += usize::from(!item.produced_by.iter().any(is_tool));
        }
    }
    counts.wrong_with_notice += wrong.iter().filter(|wrong| !wrong.is_silent).count();
    wrong
}

/// Returns the outputs in requests that no tool is linked to, or another tool than the one whose output they are.
fn wrong_outputs(graph: &Graph, truth: &Truth, reported: &Reported) -> Vec<WrongLink> {
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
            if item.content.kind.is_output() && linked != expected {
                let is_reported = expected.iter().chain(&linked).any(|tool| reported.has_tool(tool));
                let is_silent = !is_reported && !reported.has_item(item.item_id);
                let text = format!("{id} shows {} of {expected:?} as that of {linked:?}", item.item_id);
                wrong.push(WrongLink { text, is_silent });
            }
        }
    }
    wrong
}

fn tool_of(producer: &Producer) -> Option<&str> {
    let Producer::Tool { tool_call_id } = producer else { return None };
    Some(tool_call_id.as_str())
}

/// The tools and items that notices about reused ids begin with.
struct Reported(BTreeSet<String>);

impl Reported {
    fn new(graph: &Graph) -> Self {
        let notices = graph.diagnostics.iter().filter(|found| found.code == Code::CallIdReused);
        let subject = |message: &str| {
            let message = message.strip_prefix("tool call ").unwrap_or(message);
            message.split(' ').next().unwrap().to_owned()
        };
        Self(notices.map(|found| subject(&found.message)).collect())
    }

    fn has_tool(&self, tool: &str) -> bool {
        self.0.contains(tool)
    }

    fn has_item(&self, item: ItemId) -> bool {
        self.0.contains(&item.to_string())
    }
}

/// Runs the programs for which `may_run` returns `true`, and checks their links. Returns how many links there are and are
/// missing, and which ones are wrong without a notice.
fn check_programs(seeds: Range<u64>, evidence: Evidence, may_run: impl Fn(&Settings) -> bool) -> (Counts, Vec<String>) {
    let (mut counts, mut wrong) = (Counts::default(), Vec::new());
    for seed in seeds {
        let program = Program::run(seed, evidence, 12);
        if !may_run(&program.settings) {
            continue;
        }
        let graph = program.case.try_reduce(&Options::default()).unwrap().graph;
        let of_program = check(&graph, &program.truth, &mut counts);
        let silent = of_program.iter().filter(|wrong| wrong.is_silent);
        wrong.extend(silent.map(|wrong| format!("seed {seed}: {}, {:?}", wrong.text, program.settings)));
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
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(counts.tools_without_call, 0, "{counts:?}");
    // A program that drops its history and shortens what remains leaves too little to recognize some calls.
    assert!(counts.outputs_without_tool * 200 < counts.outputs, "{counts:?}");
    assert!(counts.wrong_with_notice * 200 < counts.outputs, "{counts:?}");
}

#[test]
fn no_link_is_wrong_without_a_notice_where_outputs_or_agents_are_alike() {
    let (counts, wrong) = check_programs(0..250, Evidence::Complete, |settings| !is_plain(settings));
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(counts.tools_without_call, 0, "{counts:?}");
    assert!(counts.wrong_with_notice * 30 < counts.outputs, "{counts:?}");
}

#[test]
fn programs_with_different_calls_and_outputs_get_no_notice() {
    for seed in 0..250 {
        let program = Program::run(seed, Evidence::Complete, 12);
        if is_plain(&program.settings) && !program.settings.has_equal_calls {
            let graph = program.case.try_reduce(&Options::default()).unwrap().graph;
            assert!(graph.diagnostics.iter().all(|found| found.code != Code::CallIdReused), "{seed}");
        }
    }
}

#[test]
fn no_link_is_wrong_without_a_notice_where_responses_are_lost() {
    let (counts, wrong) = check_programs(0..250, Evidence::Lossy, |_| true);
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(counts.tools_without_call * 25 < counts.tools, "{counts:?}");
    assert!(counts.wrong_with_notice * 10 < counts.outputs, "{counts:?}");
}
