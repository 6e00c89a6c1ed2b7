//! The graph of a run as a short tree: agents, turns, calls with tokens and times, and what each call led to.

mod index;
mod label;

use std::fmt::Write as _;

use otel_trace::event::ToolCallId;
use otel_trace::graph::{
    CodeCell, Compaction, Edge, Execution, Graph, InferenceCall, Origin, Requester, Thread, ToolCall, Turn,
};

use index::Index;

/// As much of a prompt, a command or an error as one line shows, in characters.
const SHOWN: usize = 64;

/// The tree of all threads.
pub(crate) fn of(graph: &Graph) -> String {
    let mut tree = Tree { graph, index: Index::of(graph), text: String::new() };
    for thread in graph.threads.iter() {
        tree.thread(thread);
    }
    tree.text
}

struct Tree<'a> {
    graph: &'a Graph,
    index: Index<'a>,
    text: String,
}

/// What happens in a turn.
enum InTurn<'a> {
    Inference(&'a InferenceCall),
    Compaction(&'a Compaction),
    /// A tool that no response asked for.
    Tool(&'a ToolCall),
    Result(&'a Edge),
}

/// What a response asks for.
enum Asked<'a> {
    Tool(&'a ToolCall),
    Cell(&'a CodeCell),
}

impl<'a> Tree<'a> {
    fn thread(&mut self, thread: &'a Thread) {
        let name = thread.nickname.as_deref().unwrap_or(thread.agent_path.as_str());
        let model = thread.default_model.as_deref().unwrap_or("unknown model");
        let totals = thread.totals;
        let (input, output) = (totals.input_tokens, totals.output_tokens);
        let spawned = match &thread.origin {
            Origin::Root => String::new(),
            Origin::Spawned { spawn_edge_id, .. } => self.index.spawned_by(spawn_edge_id),
        };
        self.line(
            "",
            &format!("thread {name} ({model}){spawned}  {}  {input} in, {output} out", how(&thread.execution)),
        );
        let turns: Vec<_> = thread.turn_ids.iter().filter_map(|id| self.graph.turns.get(id)).collect();
        for (index, turn) in turns.iter().enumerate() {
            let (branch, below) = branches(index + 1 == turns.len());
            self.turn(turn, branch, below);
        }
    }

    fn turn(&mut self, turn: &'a Turn, branch: &str, below: &str) {
        let asked = turn.input_item_ids.last().and_then(|id| self.graph.item(*id));
        let asked = shorten(&asked.map(|item| label::words_of(&item.content.text())).unwrap_or_default());
        self.line(branch, &format!("{}  {}  {asked:?}", turn.turn_id, how(&turn.execution)));
        let inside = self.inside(turn);
        for (index, what) in inside.iter().enumerate() {
            let (branch, inner) = branches(index + 1 == inside.len());
            let (branch, inner) = (format!("{below}{branch}"), format!("{below}{inner}"));
            match what {
                InTurn::Inference(call) => self.inference(call, &branch, &inner),
                InTurn::Compaction(compaction) => self.line(&branch, &self.index.compaction(compaction)),
                InTurn::Tool(tool) => self.line(&branch, &self.index.tool(tool)),
                InTurn::Result(edge) => self.line(&branch, &self.index.result(edge)),
            }
        }
    }

    /// What happened in a turn, in its order.
    fn inside(&self, turn: &'a Turn) -> Vec<InTurn<'a>> {
        let graph = self.graph;
        let calls = turn.inference_call_ids.iter().filter_map(|id| graph.inference_calls.get(id));
        let compactions = graph.compactions.iter().filter(|it| it.turn_id == turn.turn_id);
        let lonely = |tool: &&ToolCall| tool.requested_by.is_none() && tool.requester == Requester::Model;
        let tools = turn.tool_call_ids.iter().filter_map(|id| graph.tool_calls.get(id)).filter(lonely);
        let results = self.index.results_of(&turn.turn_id);

        let calls = calls.map(|it| (it.execution.started.at.unix_ms(), InTurn::Inference(it)));
        let compactions = compactions.map(|it| (it.installed_at, InTurn::Compaction(it)));
        let tools = tools.map(|it| (it.execution.started.at.unix_ms(), InTurn::Tool(it)));
        let results = results.map(|it| (it.started_at, InTurn::Result(it)));
        // What happens in the same millisecond: first the history is replaced, then it is asked with; a result is last.
        let mut inside: Vec<_> = compactions.chain(calls).chain(tools).chain(results).collect();
        inside.sort_by_key(|(at, _)| *at);
        inside.into_iter().map(|(_, what)| what).collect()
    }

    fn inference(&mut self, call: &'a InferenceCall, branch: &str, below: &str) {
        let number = self.index.number_of(call);
        let mut line = format!("call {number}  {}", how(&call.execution));
        if let Some(usage) = call.usage {
            let (input, cached) = (usage.input_tokens, usage.cached_input_tokens);
            let (output, reasoning) = (usage.output_tokens, usage.reasoning_output_tokens);
            let _ = write!(line, "  {input} in ({cached} cached), {output} out ({reasoning} reasoning)");
        }
        if let Some(first) = call.first_token_at {
            let _ = write!(line, "  first token {} ms", first.millis_since(call.execution.started.at.unix_ms()));
        }
        if let Some(error) = &call.error {
            let _ = write!(line, "  {}", shorten(error));
        }
        self.line(branch, &line);
        let asked = self.asked(call);
        for (index, what) in asked.iter().enumerate() {
            let (branch, inner) = branches(index + 1 == asked.len());
            let (branch, inner) = (format!("{below}{branch}"), format!("{below}{inner}"));
            match what {
                Asked::Tool(tool) => self.line(&branch, &self.index.tool(tool)),
                Asked::Cell(cell) => {
                    self.line(&branch, &self.index.cell(cell));
                    self.tools(&cell.nested_tool_call_ids, &inner);
                }
            }
        }
    }

    /// The tools and scripts that a response asks for, in the order in which they were begun.
    fn asked(&self, call: &'a InferenceCall) -> Vec<Asked<'a>> {
        let tools = call.tool_call_ids.iter().filter_map(|id| self.graph.tool_calls.get(id));
        let cells = self.graph.code_cells.iter();
        let cells = cells.filter(|cell| cell.source_item_id.is_some_and(|id| call.response_item_ids.contains(&id)));
        let tools = tools.map(|tool| (tool.execution.started.seq, Asked::Tool(tool)));
        let mut asked: Vec<_> =
            tools.chain(cells.map(|cell| (cell.execution.started.seq, Asked::Cell(cell)))).collect();
        asked.sort_by_key(|(seq, _)| *seq);
        asked.into_iter().map(|(_, what)| what).collect()
    }

    fn tools(&mut self, ids: &[ToolCallId], below: &str) {
        for (index, tool) in ids.iter().filter_map(|id| self.graph.tool_calls.get(id)).enumerate() {
            let (branch, _) = branches(index + 1 == ids.len());
            self.line(&format!("{below}{branch}"), &self.index.tool(tool));
        }
    }

    fn line(&mut self, branch: &str, text: &str) {
        let _ = writeln!(self.text, "{branch}{text}");
    }
}

fn branches(is_last: bool) -> (&'static str, &'static str) {
    if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") }
}

fn how(execution: &Execution) -> String {
    let status = format!("{:?}", execution.status).to_lowercase();
    execution.millis().map_or_else(|| status.clone(), |millis| format!("{status} in {millis} ms"))
}

fn shorten(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
