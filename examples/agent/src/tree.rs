//! Renders the graph of a run as a short tree: agents, turns, calls with tokens and times, and the tool calls of each
//! response.

mod index;
mod label;

use std::fmt::Write as _;

use otel_trace::event::ToolCallId;
use otel_trace::graph::{
    CodeCell, Compaction, Edge, Execution, Graph, InferenceCall, Origin, Requester, Thread, ToolCall, Turn,
};

use index::Index;

/// Maximum number of characters of a prompt, command or error in one line.
const MAX_CHARS: usize = 64;

/// Renders all threads of a graph.
pub(crate) fn render(graph: &Graph) -> String {
    let mut tree = Tree { graph, index: Index::new(graph), text: String::new() };
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

/// An entry of a turn.
enum TurnEntry<'a> {
    Inference(&'a InferenceCall),
    Compaction(&'a Compaction),
    /// A tool call that no response requested.
    Tool(&'a ToolCall),
    Result(&'a Edge),
}

/// A tool call or script that a response requested.
enum Requested<'a> {
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
            &format!(
                "thread {name} ({model}){spawned}  {}  {input} in, {output} out{}",
                status_and_time(&thread.execution),
                reason(thread.error.as_deref())
            ),
        );
        let turns: Vec<_> = thread.turn_ids.iter().filter_map(|id| self.graph.turns.get(id)).collect();
        for (index, turn) in turns.iter().enumerate() {
            let (branch, below) = branches(index + 1 == turns.len());
            self.turn(turn, branch, below);
        }
    }

    fn turn(&mut self, turn: &'a Turn, branch: &str, below: &str) {
        let requested = turn.input_item_ids.last().and_then(|id| self.graph.item(*id));
        let requested = truncate(&requested.map(|item| label::message_text(&item.content.text())).unwrap_or_default());
        let reason = reason(turn.error.as_deref());
        self.line(branch, &format!("{}  {}  {requested:?}{reason}", turn.turn_id, status_and_time(&turn.execution)));
        let entries = self.entries(turn);
        for (index, entry) in entries.iter().enumerate() {
            let (branch, inner) = branches(index + 1 == entries.len());
            let (branch, inner) = (format!("{below}{branch}"), format!("{below}{inner}"));
            match entry {
                TurnEntry::Inference(call) => self.inference(call, &branch, &inner),
                TurnEntry::Compaction(compaction) => self.line(&branch, &self.index.compaction(compaction)),
                TurnEntry::Tool(tool) => self.line(&branch, &self.index.tool(tool)),
                TurnEntry::Result(edge) => self.line(&branch, &self.index.result(edge)),
            }
        }
    }

    /// Returns the entries of a turn in chronological order.
    fn entries(&self, turn: &'a Turn) -> Vec<TurnEntry<'a>> {
        let graph = self.graph;
        let calls = turn.inference_call_ids.iter().filter_map(|id| graph.inference_calls.get(id));
        let compactions = graph.compactions.iter().filter(|it| it.turn_id == turn.turn_id);
        let is_unrequested = |tool: &&ToolCall| tool.requested_by.is_none() && tool.requester == Requester::Model;
        let tools = turn.tool_call_ids.iter().filter_map(|id| graph.tool_calls.get(id)).filter(is_unrequested);
        let results = self.index.results_of(&turn.turn_id);

        let calls = calls.map(|it| (it.execution.started.at.unix_ms(), TurnEntry::Inference(it)));
        let compactions = compactions.map(|it| (it.installed_at, TurnEntry::Compaction(it)));
        let tools = tools.map(|it| (it.execution.started.at.unix_ms(), TurnEntry::Tool(it)));
        let results = results.map(|it| (it.started_at, TurnEntry::Result(it)));
        // Order within one millisecond: a compaction precedes the call that uses its result; an agent result is last.
        let mut entries: Vec<_> = compactions.chain(calls).chain(tools).chain(results).collect();
        entries.sort_by_key(|(at, _)| *at);
        entries.into_iter().map(|(_, entry)| entry).collect()
    }

    fn inference(&mut self, call: &'a InferenceCall, branch: &str, below: &str) {
        let number = self.index.number_of(call);
        let mut line = format!("call {number}  {}", status_and_time(&call.execution));
        if let Some(usage) = call.usage {
            let (input, cached) = (usage.input_tokens, usage.cached_input_tokens);
            let (output, reasoning) = (usage.output_tokens, usage.reasoning_output_tokens);
            let _ = write!(line, "  {input} in ({cached} cached), {output} out ({reasoning} reasoning)");
        }
        if let Some(first) = call.first_token_at {
            let _ = write!(line, "  first token {} ms", first.millis_since(call.execution.started.at.unix_ms()));
        }
        line += &reason(call.error.as_deref());
        self.line(branch, &line);
        let requested = self.requested(call);
        for (index, entry) in requested.iter().enumerate() {
            let (branch, inner) = branches(index + 1 == requested.len());
            let (branch, inner) = (format!("{below}{branch}"), format!("{below}{inner}"));
            match entry {
                Requested::Tool(tool) => self.line(&branch, &self.index.tool(tool)),
                Requested::Cell(cell) => {
                    self.line(&branch, &self.index.cell(cell));
                    self.tools(&cell.nested_tool_call_ids, &inner);
                }
            }
        }
    }

    /// Returns the tool calls and scripts that a response requested, in the order of their starts.
    fn requested(&self, call: &'a InferenceCall) -> Vec<Requested<'a>> {
        let tools = call.tool_call_ids.iter().filter_map(|id| self.graph.tool_calls.get(id));
        let cells = self.graph.code_cells.iter();
        let cells = cells.filter(|cell| cell.source_item_id.is_some_and(|id| call.response_item_ids.contains(&id)));
        let tools = tools.map(|tool| (tool.execution.started.seq, Requested::Tool(tool)));
        let mut requested: Vec<_> =
            tools.chain(cells.map(|cell| (cell.execution.started.seq, Requested::Cell(cell)))).collect();
        requested.sort_by_key(|(seq, _)| *seq);
        requested.into_iter().map(|(_, entry)| entry).collect()
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

/// Returns the error of an operation, or the reason of its cancellation, for the end of its line.
fn reason(error: Option<&str>) -> String {
    error.map(|error| format!("  {}", truncate(error))).unwrap_or_default()
}

fn branches(is_last: bool) -> (&'static str, &'static str) {
    if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") }
}

fn status_and_time(execution: &Execution) -> String {
    let status = format!("{:?}", execution.status).to_lowercase();
    execution.millis().map_or_else(|| status.clone(), |millis| format!("{status} in {millis} ms"))
}

fn truncate(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
