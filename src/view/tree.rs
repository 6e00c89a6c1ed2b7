//! The tree of a run: agents, their turns, what happened in each, in order.

use crate::event::{EdgeId, ExecutionStatus, Seq, ThreadId, ToolCallId, Usage};
use crate::graph::{
    CodeCell, Compaction, CompactionRequest, Edge, Graph, InferenceCall, ItemKind, Origin, Thread, ToolCall, Totals,
    Turn,
};

use super::costs::Costs;
use super::index::{Index, script, tool_at};
use super::node::{Node, NodeKind, Text};
use super::tool::ReadPayload;
use super::{Cost, summary, title, tool};

/// Builds the nodes of a run, each behind the node that contains it.
pub(super) fn nodes(graph: &Graph, costs: &Costs<'_>, payload: ReadPayload<'_>) -> Vec<Node> {
    let mut tree = Tree { index: Index::new(graph), costs, payload, nodes: Vec::new() };
    for thread in graph.threads.iter() {
        tree.thread(thread);
    }
    tree.nodes
}

struct Tree<'a> {
    index: Index<'a>,
    costs: &'a Costs<'a>,
    payload: ReadPayload<'a>,
    nodes: Vec<Node>,
}

/// Something that happened in a turn.
enum Entry<'a> {
    Compaction(&'a Compaction),
    CompactionRequest(&'a CompactionRequest),
    Call(&'a InferenceCall),
    Cell(&'a CodeCell),
    Tool(&'a ToolCall),
    Result(&'a Edge),
}

impl<'a> Tree<'a> {
    fn thread(&mut self, thread: &'a Thread) {
        let name = self.index.agent(&thread.thread_id);
        let model = self.model(thread).map(|model| format!(" ({model})")).unwrap_or_default();
        let spawned = match &thread.origin {
            Origin::Root => None,
            Origin::Spawned { parent_thread_id, spawn_edge_id, .. } => {
                Some(self.spawned(parent_thread_id, spawn_edge_id))
            }
        };
        let node = Node {
            usage: usage(&thread.totals),
            cost: self.costs.thread(&thread.thread_id),
            error: thread.error.clone(),
            notes: spawned.into_iter().collect(),
            ..Node::of(NodeKind::Agent, &thread.thread_id, format!("{name}{model}"), &thread.execution)
        };
        let place = self.add(None, node);
        let turns: Vec<_> = thread.turn_ids.iter().filter_map(|id| self.index.graph.turns.get(id)).collect();
        for (number, turn) in turns.into_iter().enumerate() {
            self.turn(place, number + 1, turn);
        }
        for tool in self.index.stray_tools(&thread.thread_id).to_vec() {
            self.tool(place, tool);
        }
    }

    /// Names the models of a thread's calls, else the one of its configuration.
    fn model(&self, thread: &'a Thread) -> Option<String> {
        let turns = thread.turn_ids.iter().filter_map(|id| self.index.graph.turns.get(id));
        let calls = turns.flat_map(|turn| &turn.inference_call_ids);
        let calls = calls.filter_map(|id| self.index.graph.inference_calls.get(id));
        let models = summary::models(calls);
        if models.is_empty() { thread.default_model.clone() } else { Some(models.join(", ")) }
    }

    /// Names the operation that spawned an agent, else the agent that did.
    fn spawned(&self, parent: &ThreadId, edge: &EdgeId) -> String {
        let graph = self.index.graph;
        let tool = graph.edges.get(edge).and_then(|edge| tool_at(&edge.source)).and_then(|id| graph.tool_calls.get(id));
        let agent = self.index.agent(parent);
        match tool.and_then(|tool| self.index.requester(tool)) {
            Some(requester) => format!("spawned by {requester} of {agent}"),
            None => format!("spawned by {agent}"),
        }
    }

    fn turn(&mut self, parent: usize, number: usize, turn: &'a Turn) {
        let inputs = turn.input_item_ids.iter().rev().filter_map(|id| self.index.graph.item(*id));
        let mut inputs =
            inputs.map(|item| title::user_message(item).unwrap_or_else(|| title::message_text(&item.content.text())));
        let text = inputs.find_map(|text| Text::new(&text));
        let node = Node {
            text,
            usage: usage(&turn.totals),
            cost: self.costs.turn(&turn.turn_id),
            error: turn.error.clone(),
            ..Node::of(NodeKind::Turn, &turn.turn_id, format!("turn {number}"), &turn.execution)
        };
        let place = self.add(Some(parent), node);
        for entry in self.entries(turn) {
            match entry {
                Entry::Call(call) => self.call(place, call),
                Entry::Compaction(compaction) => self.compaction(place, compaction),
                Entry::CompactionRequest(request) => {
                    self.compaction_request(place, "compaction without a result", request)
                }
                Entry::Cell(cell) => self.cell(place, cell),
                Entry::Tool(tool) => self.tool(place, tool),
                Entry::Result(edge) => self.result(place, edge),
            }
        }
    }

    /// Returns what happened in a turn, in the order of the log. What follows from an earlier entry stands below it.
    fn entries(&self, turn: &'a Turn) -> Vec<Entry<'a>> {
        let graph = self.index.graph;
        let calls = turn.inference_call_ids.iter().filter_map(|id| graph.inference_calls.get(id));
        let calls = calls.map(|it| (it.execution.started.seq, Entry::Call(it)));
        let compactions = self.index.compactions_in(&turn.turn_id).iter();
        let compactions = compactions.map(|it| (installed_seq(it), Entry::Compaction(it)));
        let requests = self.index.compaction_requests_in(&turn.turn_id).iter();
        let requests = requests.map(|it| (it.execution.started.seq, Entry::CompactionRequest(it)));
        let cells = self.index.unrequested_cells(&turn.turn_id).iter();
        let cells = cells.map(|it| (it.execution.started.seq, Entry::Cell(it)));
        let tools = self.index.unrequested_tools(&turn.turn_id).iter();
        let tools = tools.map(|it| (it.execution.started.seq, Entry::Tool(it)));
        let results = self.index.results_of(&turn.turn_id).iter();
        let results = results.map(|it| (edge_seq(it), Entry::Result(it)));
        let mut entries: Vec<_> =
            calls.chain(compactions).chain(requests).chain(cells).chain(tools).chain(results).collect();
        entries.sort_by_key(|(seq, _)| *seq);
        entries.into_iter().map(|(_, entry)| entry).collect()
    }

    fn call(&mut self, parent: usize, call: &'a InferenceCall) {
        let number = self.index.number_of(&call.inference_call_id).unwrap_or_default();
        let items = call.response_item_ids.iter().filter_map(|id| self.index.graph.item(*id));
        let mut messages = items.filter(|item| item.content.kind == ItemKind::Message);
        let text = messages.find_map(|item| Text::new(&title::message_text(&item.content.text())));
        let error = call.error.clone().or_else(|| call.provider_error.clone());
        let status = call.outcome();
        let node = Node {
            text,
            status,
            fold_key: error.clone().filter(|_| status == ExecutionStatus::Failed),
            error,
            first_token_millis: call
                .first_token_at
                .map(|first| first.millis_since(call.execution.started.at.unix_ms())),
            usage: call.usage,
            cost: self.costs.call(&call.inference_call_id),
            ..Node::of(NodeKind::Call, &call.inference_call_id, format!("call {number}"), &call.execution)
        };
        let place = self.add(Some(parent), node);
        let graph = self.index.graph;
        let tools = call.tool_call_ids.iter().filter_map(|id| graph.tool_calls.get(id));
        let tools = tools.map(|tool| (tool.execution.started.seq, Entry::Tool(tool)));
        let cells = self.index.cells_of(call).map(|cell| (cell.execution.started.seq, Entry::Cell(cell)));
        let mut requested: Vec<_> = tools.chain(cells).collect();
        requested.sort_by_key(|(seq, _)| *seq);
        for (_, entry) in requested {
            match entry {
                Entry::Tool(tool) => self.tool(place, tool),
                Entry::Cell(cell) => self.cell(place, cell),
                Entry::Call(_) | Entry::Compaction(_) | Entry::CompactionRequest(_) | Entry::Result(_) => {}
            }
        }
    }

    fn tool(&mut self, parent: usize, tool: &'a ToolCall) {
        let spawned = self.index.spawned_by(&tool.tool_call_id);
        let node = Node {
            spawned_cost: spawned.map_or(Cost::NONE, |thread| self.costs.tree(thread)),
            ..tool::node(&self.index, tool, self.payload)
        };
        self.add(Some(parent), node);
    }

    fn cell(&mut self, parent: usize, cell: &'a CodeCell) {
        let outputs = cell.output_item_ids.iter().filter_map(|id| self.index.graph.item(*id));
        let text = outputs.filter_map(|item| Text::new(&item.content.text())).next();
        let yielded = cell.yielded_at.is_some().then(|| "gave way".to_owned());
        let node = Node {
            text,
            notes: yielded.into_iter().chain(self.index.seen_by(&cell.output_item_ids)).collect(),
            ..Node::of(NodeKind::Script, &cell.code_cell_id, script(cell), &cell.execution)
        };
        let place = self.add(Some(parent), node);
        self.tools(place, &cell.nested_tool_call_ids);
    }

    fn tools(&mut self, parent: usize, ids: &'a [ToolCallId]) {
        for tool in ids.iter().filter_map(|id| self.index.graph.tool_calls.get(id)) {
            self.tool(parent, tool);
        }
    }

    fn compaction(&mut self, parent: usize, compaction: &'a Compaction) {
        let (before, after) = (compaction.input_item_ids.len(), compaction.replacement_item_ids.len());
        let label = format!("compaction of {before} items to {after}");
        let (seq, at) = (installed_seq(compaction), compaction.installed_at);
        let place = self.add(Some(parent), Node::at(NodeKind::Compaction, &compaction.compaction_id, label, seq, at));
        let requests = compaction.request_ids.iter().filter_map(|id| self.index.graph.compaction_requests.get(id));
        for request in requests {
            self.compaction_request(place, "request", request);
        }
    }

    fn compaction_request(&mut self, parent: usize, label: &str, request: &'a CompactionRequest) {
        let error = request.error.clone().or_else(|| request.provider_error.clone());
        let node = Node {
            usage: request.usage,
            cost: self.costs.compaction_request(&request.compaction_request_id),
            error,
            ..Node::of(NodeKind::Compaction, &request.compaction_request_id, label.to_owned(), &request.execution)
        };
        self.add(Some(parent), node);
    }

    fn result(&mut self, parent: usize, edge: &'a Edge) {
        let read = self.index.seen_by(&edge.carried_item_ids).map(|seen| seen.replace("seen by", "read by"));
        let text = edge.carried_item_ids.first().and_then(|id| self.index.graph.item(*id));
        let label = format!("result to {}", self.index.agent_at(&edge.target));
        let node = Node {
            text: text.and_then(|item| Text::new(&title::message_text(&item.content.text()))),
            notes: read.into_iter().collect(),
            ..Node::at(NodeKind::Message, &edge.edge_id, label, edge_seq(edge), edge.started_at)
        };
        self.add(Some(parent), node);
    }

    fn add(&mut self, parent: Option<usize>, node: Node) -> usize {
        let depth = parent.and_then(|parent| self.nodes.get(parent)).map_or(0, |parent| parent.depth + 1);
        self.nodes.push(Node { parent, depth, ..node });
        self.nodes.len() - 1
    }
}

/// Returns the tokens of all calls. Returns `None` if no call reported any.
fn usage(totals: &Totals) -> Option<Usage> {
    let usage = Usage {
        input_tokens: totals.input_tokens,
        cached_input_tokens: totals.cached_input_tokens,
        cache_write_input_tokens: totals.cache_write_input_tokens,
        cache_write_1h_input_tokens: totals.cache_write_1h_input_tokens,
        output_tokens: totals.output_tokens,
        reasoning_output_tokens: totals.reasoning_output_tokens,
    };
    (usage != Usage::default()).then_some(usage)
}

fn installed_seq(compaction: &Compaction) -> Seq {
    compaction.evidence.as_slice().last().map_or(Seq(0), |(seq, _)| *seq)
}

fn edge_seq(edge: &Edge) -> Seq {
    edge.evidence.as_slice().last().map_or(Seq(u64::MAX), |(seq, _)| *seq)
}
