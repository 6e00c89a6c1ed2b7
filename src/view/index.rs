//! Relations between the objects of a graph, each found once for all nodes.

use std::collections::{HashMap, HashSet};

use crate::event::{CallId, InferenceId, RawPayloadId, ThreadId, ToolCallId, TurnId};
use crate::graph::{
    Anchor, CellId, CodeCell, Compaction, CompactionRequest, Edge, EdgeKind, Graph, InferenceCall, Item, ItemId,
    Requester, ToolCall, Visibility,
};

/// Relations between the objects of a graph.
pub(super) struct Index<'a> {
    pub(super) graph: &'a Graph,
    /// Numbers of calls in the order of their start, by call and by the payload of the request.
    numbers: HashMap<&'a InferenceId, usize>,
    calls_by_request: HashMap<&'a RawPayloadId, &'a InferenceCall>,
    /// Edges that start at a tool call.
    edges: HashMap<&'a ToolCallId, &'a Edge>,
    cells_by_source: HashMap<ItemId, &'a CodeCell>,
    /// The cell for which a tool call waits.
    waits: HashMap<&'a ToolCallId, &'a CodeCell>,
    /// Compactions, requests without a compaction, results of agents, and cells and tools that no response asked for, by
    /// turn.
    compactions: HashMap<&'a TurnId, Vec<&'a Compaction>>,
    compaction_requests: HashMap<&'a TurnId, Vec<&'a CompactionRequest>>,
    results: HashMap<&'a TurnId, Vec<&'a Edge>>,
    cells: HashMap<&'a TurnId, Vec<&'a CodeCell>>,
    tools: HashMap<&'a TurnId, Vec<&'a ToolCall>>,
    /// Tools of no turn, by thread.
    stray_tools: HashMap<&'a ThreadId, Vec<&'a ToolCall>>,
    /// Threads by the tool call that spawned them.
    spawned: HashMap<&'a ToolCallId, &'a ThreadId>,
}

impl<'a> Index<'a> {
    pub(super) fn new(graph: &'a Graph) -> Self {
        let calls = || graph.inference_calls.iter();
        let from_tool = |edge: &'a Edge| Some((tool_at(&edge.source)?, edge));
        let cells = || graph.code_cells.iter();
        let waits = cells().flat_map(|cell| cell.wait_tool_call_ids.iter().map(move |id| (id, cell)));
        let mut index = Self {
            graph,
            numbers: calls().enumerate().map(|(place, call)| (&call.inference_call_id, place + 1)).collect(),
            calls_by_request: calls().map(|call| (&call.raw_request_payload_id, call)).collect(),
            edges: graph.edges.iter().filter_map(from_tool).collect(),
            cells_by_source: cells().filter_map(|cell| Some((cell.source_item_id?, cell))).collect(),
            waits: waits.collect(),
            compactions: group(graph.compactions.iter(), |it| &it.turn_id),
            compaction_requests: HashMap::new(),
            results: HashMap::new(),
            cells: HashMap::new(),
            tools: HashMap::new(),
            stray_tools: HashMap::new(),
            spawned: HashMap::new(),
        };
        index.add_what_nothing_asked_for();
        index.add_edges();
        index
    }

    /// Finds the cells, tools and compaction requests that stand below no other operation than their turn.
    fn add_what_nothing_asked_for(&mut self) {
        let graph = self.graph;
        let responses = graph.inference_calls.iter().flat_map(|call| &call.response_item_ids);
        let requested: HashSet<ItemId> = responses.copied().collect();
        let is_requested = |cell: &&CodeCell| cell.source_item_id.is_some_and(|item| requested.contains(&item));
        self.cells = group(graph.code_cells.iter().filter(|cell| !is_requested(cell)), |cell| &cell.turn_id);

        let by_calls = graph.inference_calls.iter().flat_map(|call| &call.tool_call_ids);
        let by_cells = graph.code_cells.iter().flat_map(|cell| &cell.nested_tool_call_ids);
        let requested: HashSet<&ToolCallId> = by_calls.chain(by_cells).collect();
        for tool in graph.tool_calls.iter().filter(|tool| !requested.contains(&tool.tool_call_id)) {
            match tool.turn_id.as_ref().filter(|id| graph.turns.contains(*id)) {
                Some(turn) => self.tools.entry(turn).or_default().push(tool),
                None => self.stray_tools.entry(&tool.thread_id).or_default().push(tool),
            }
        }

        let installed: HashSet<_> = graph.compactions.iter().flat_map(|it| &it.request_ids).collect();
        let requests = graph.compaction_requests.iter().filter(|it| !installed.contains(&it.compaction_request_id));
        self.compaction_requests = group(requests, |request| &request.turn_id);
    }

    fn add_edges(&mut self) {
        let graph = self.graph;
        for edge in graph.edges.iter() {
            match (edge.kind, &edge.source, &edge.target) {
                (EdgeKind::AgentResult, source, _) => {
                    let turn = item_at(source).and_then(|id| graph.item(id)).and_then(|item| item.turn_id.as_ref());
                    let turn = turn.or_else(|| last_turn(graph, thread_at(source)?));
                    if let Some(turn) = turn {
                        self.results.entry(turn).or_default().push(edge);
                    }
                }
                (EdgeKind::SpawnAgent, source, target) => {
                    let spawned = thread_at(target).or_else(|| Some(&graph.item(item_at(target)?)?.thread_id));
                    if let (Some(tool), Some(thread)) = (tool_at(source), spawned) {
                        self.spawned.insert(tool, thread);
                    }
                }
                (EdgeKind::AssignAgentTask | EdgeKind::SendMessage | EdgeKind::CloseAgent, _, _) => {}
            }
        }
    }

    pub(super) fn number_of(&self, call: &InferenceId) -> Option<usize> {
        self.numbers.get(call).copied()
    }

    /// Returns the edge that starts at a tool call.
    pub(super) fn edge_from(&self, tool: &ToolCallId) -> Option<&'a Edge> {
        self.edges.get(tool).copied()
    }

    /// Returns the thread that a tool call spawned.
    pub(super) fn spawned_by(&self, tool: &ToolCallId) -> Option<&'a ThreadId> {
        self.spawned.get(tool).copied()
    }

    /// Returns the cell for which a tool call waited.
    pub(super) fn waited_for(&self, tool: &ToolCallId) -> Option<&'a CodeCell> {
        self.waits.get(tool).copied()
    }

    /// Returns the scripts of a response.
    pub(super) fn cells_of(&self, call: &'a InferenceCall) -> impl Iterator<Item = &'a CodeCell> {
        call.response_item_ids.iter().filter_map(|id| self.cells_by_source.get(id).copied())
    }

    pub(super) fn compactions_in(&self, turn: &TurnId) -> &[&'a Compaction] {
        self.compactions.get(turn).map_or(&[], Vec::as_slice)
    }

    pub(super) fn compaction_requests_in(&self, turn: &TurnId) -> &[&'a CompactionRequest] {
        self.compaction_requests.get(turn).map_or(&[], Vec::as_slice)
    }

    pub(super) fn results_of(&self, turn: &TurnId) -> &[&'a Edge] {
        self.results.get(turn).map_or(&[], Vec::as_slice)
    }

    /// Returns the scripts of a turn that no response of this run asked for.
    pub(super) fn unrequested_cells(&self, turn: &TurnId) -> &[&'a CodeCell] {
        self.cells.get(turn).map_or(&[], Vec::as_slice)
    }

    /// Returns the tool calls of a turn that no response and no script of this run asked for.
    pub(super) fn unrequested_tools(&self, turn: &TurnId) -> &[&'a ToolCall] {
        self.tools.get(turn).map_or(&[], Vec::as_slice)
    }

    /// Returns the tool calls of a thread that are of no turn.
    pub(super) fn stray_tools(&self, thread: &ThreadId) -> &[&'a ToolCall] {
        self.stray_tools.get(thread).map_or(&[], Vec::as_slice)
    }

    /// Names the call whose request was the first with these items, if there are any: `seen by call 4`.
    pub(super) fn seen_by(&self, items: &[ItemId]) -> Option<String> {
        let item = items.first().and_then(|id| self.graph.item(*id))?;
        let Some(call) = self.calls_by_request.get(&item.raw_payload_id) else {
            // What was produced just before a compaction may stand in the request to compact alone.
            return Some("seen by a compaction".to_owned());
        };
        let number = self.number_of(&call.inference_call_id).unwrap_or_default();
        Some(format!("{} {number}", self.showing(call, item)))
    }

    /// Says what became of an item in the request that was the first with it: its provider may have cleared it.
    fn showing(&self, call: &InferenceCall, item: &Item) -> &'static str {
        if call.compacted_before.is_none() && call.history_edits.is_empty() {
            return "seen by call";
        }
        match self.graph.visibility(&call.inference_call_id, item.item_id) {
            Visibility::MayBeCleared => "sent, but maybe cleared by the provider, in call",
            Visibility::Dropped => "sent, but dropped by the provider, in call",
            Visibility::Shown | Visibility::NotSent => "seen by call",
        }
    }

    /// Names the agent at an end of an edge.
    pub(super) fn agent_at(&self, anchor: &Anchor) -> String {
        let thread = thread_at(anchor).or_else(|| Some(&self.graph.item(item_at(anchor)?)?.thread_id));
        thread.map_or_else(|| "an unknown agent".to_owned(), |id| self.agent(id))
    }

    /// Names the agent of a thread.
    pub(super) fn agent(&self, thread: &ThreadId) -> String {
        self.graph.threads.get(thread).map_or_else(|| thread.to_string(), |found| found.agent_name().to_owned())
    }

    /// Names the call or script that requested a tool call.
    pub(super) fn requester(&self, tool: &ToolCall) -> Option<String> {
        match &tool.requester {
            Requester::Model => Some(format!("call {}", self.number_of(tool.requested_by.as_ref()?)?)),
            Requester::CodeCell { code_cell_id } => self.graph.code_cells.get::<CellId>(code_cell_id).map(script),
        }
    }
}

/// Names a script by the id that its runtime gave it, else by that of the call that started it.
pub(super) fn script(cell: &CodeCell) -> String {
    let CodeCell { runtime_cell_id, model_visible_call_id, .. } = cell;
    let call = || <CallId as AsRef<str>>::as_ref(model_visible_call_id).to_owned();
    format!("script {}", runtime_cell_id.as_ref().map_or_else(call, ToString::to_string))
}

/// Groups objects by a key, in their order.
fn group<'a, K: Eq + std::hash::Hash, V>(
    objects: impl Iterator<Item = &'a V>,
    key: impl Fn(&'a V) -> &'a K,
) -> HashMap<&'a K, Vec<&'a V>> {
    let mut groups: HashMap<&K, Vec<&V>> = HashMap::new();
    objects.for_each(|object| groups.entry(key(object)).or_default().push(object));
    groups
}

fn last_turn<'a>(graph: &'a Graph, thread: &ThreadId) -> Option<&'a TurnId> {
    graph.threads.get(thread)?.turn_ids.last()
}

/// Returns the tool call at an end of an edge.
pub(super) fn tool_at(anchor: &Anchor) -> Option<&ToolCallId> {
    match anchor {
        Anchor::ToolCall { tool_call_id } => Some(tool_call_id),
        Anchor::ConversationItem { .. } | Anchor::Thread { .. } => None,
    }
}

fn thread_at(anchor: &Anchor) -> Option<&ThreadId> {
    match anchor {
        Anchor::Thread { thread_id } => Some(thread_id),
        Anchor::ConversationItem { .. } | Anchor::ToolCall { .. } => None,
    }
}

fn item_at(anchor: &Anchor) -> Option<ItemId> {
    match anchor {
        Anchor::ConversationItem { item_id } => Some(*item_id),
        Anchor::ToolCall { .. } | Anchor::Thread { .. } => None,
    }
}
