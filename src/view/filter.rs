//! The part of a run's tree that a reader wants to see.

use std::collections::HashSet;
use std::{error, fmt};

use crate::graph::Graph;

use super::{Node, NodeKind, Run};

/// The part of a run's tree that a reader wants to see. What it selects is shown with what contains it.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Agents: thread ids, names, or paths. All if empty.
    pub agents: Vec<String>,
    /// Turns: ids, or numbers in their threads. All if empty.
    pub turns: Vec<String>,
    /// Kinds of nodes. All if empty.
    pub kinds: Vec<NodeKind>,
    /// Only what failed.
    pub failed: bool,
    /// Number of levels, from 1 for agents alone. `None` for all.
    pub depth: Option<usize>,
}

/// A name in a filter that nothing in the run has.
#[derive(Debug)]
pub struct NothingNamed {
    what: &'static str,
    name: String,
    known: Vec<String>,
}

impl fmt::Display for NothingNamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, name, known } = self;
        write!(f, "the run has no {what} {name:?}; it has {}", known.join(", "))
    }
}

impl error::Error for NothingNamed {}

/// Maximum number of names that an error lists.
const LISTED: usize = 20;

impl Filter {
    /// Returns the indices of the nodes to show, ascending.
    ///
    /// # Errors
    /// Fails if the filter names an agent or a turn that the run does not have.
    pub fn select(&self, run: &Run, graph: &Graph) -> Result<Vec<usize>, NothingNamed> {
        let threads = self.threads(graph)?;
        self.check_turns(&run.nodes)?;
        // Whether a node is, or is below, an agent and a turn that the filter names: nodes stand behind their parents.
        let mut is_inside: Vec<(bool, bool)> = Vec::with_capacity(run.nodes.len());
        let mut shown = vec![false; run.nodes.len()];
        for (place, node) in run.nodes.iter().enumerate() {
            let above = node.parent.and_then(|parent| is_inside.get(parent)).copied();
            let (in_agent, in_turn) = above.unwrap_or((threads.is_none(), self.turns.is_empty()));
            let in_agent = in_agent
                || (node.kind == NodeKind::Agent && threads.as_ref().is_some_and(|ids| ids.contains(&*node.id)));
            let in_turn = in_turn || (node.kind == NodeKind::Turn && self.names_turn(node));
            is_inside.push((in_agent, in_turn));
            if in_agent && in_turn && self.wants(node) {
                show(&mut shown, &run.nodes, place);
            }
        }
        Ok(shown.iter().enumerate().filter_map(|(place, is_shown)| is_shown.then_some(place)).collect())
    }

    /// Returns `true` if the filter wants a node for itself.
    fn wants(&self, node: &Node) -> bool {
        let has_depth = self.depth.is_none_or(|depth| node.depth < depth);
        let has_kind = self.kinds.is_empty() || self.kinds.contains(&node.kind);
        has_depth && has_kind && (!self.failed || node.has_failed())
    }

    /// Returns the ids of the threads of the named agents. `None` if the filter names none.
    fn threads<'a>(&self, graph: &'a Graph) -> Result<Option<HashSet<&'a str>>, NothingNamed> {
        if self.agents.is_empty() {
            return Ok(None);
        }
        let mut ids = HashSet::new();
        for name in &self.agents {
            let named = graph.threads.iter().filter(|thread| {
                let ids: [&str; 2] = [thread.thread_id.as_str(), thread.agent_path.as_str()];
                ids.contains(&&**name) || thread.nickname.as_deref() == Some(name)
            });
            let before = ids.len();
            ids.extend(named.map(|thread| thread.thread_id.as_str()));
            if ids.len() == before {
                let known = graph.threads.iter().take(LISTED);
                let known = known.map(|thread| thread.agent_name().to_owned());
                return Err(NothingNamed { what: "agent", name: name.clone(), known: known.collect() });
            }
        }
        Ok(Some(ids))
    }

    fn check_turns(&self, nodes: &[Node]) -> Result<(), NothingNamed> {
        let turns = || nodes.iter().filter(|node| node.kind == NodeKind::Turn);
        for name in &self.turns {
            if !turns().any(|node| is_turn(node, name)) {
                let known = turns().take(LISTED).map(|node| format!("{} ({})", node.label, node.id)).collect();
                return Err(NothingNamed { what: "turn", name: name.clone(), known });
            }
        }
        Ok(())
    }

    fn names_turn(&self, node: &Node) -> bool {
        self.turns.iter().any(|name| is_turn(node, name))
    }
}

fn is_turn(node: &Node, name: &str) -> bool {
    node.id == name || node.label == name || node.label.strip_prefix("turn ") == Some(name)
}

/// Marks a node as shown, with all that contain it.
fn show(shown: &mut [bool], nodes: &[Node], place: usize) {
    let mut next = Some(place);
    while let Some(place) = next
        && let Some(is_shown) = shown.get_mut(place).filter(|is_shown| !**is_shown)
    {
        *is_shown = true;
        next = nodes.get(place).and_then(|node| node.parent);
    }
}
