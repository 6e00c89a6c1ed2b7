//! The bundles of a root directory together: agents in other processes.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use otel_trace::event::TraceId;
use otel_trace::graph::{self, Anchor, Code, Graph, Joined, ProcessEdge, Rollout};
use otel_trace::reduce::Join;

use super::bundles::{Bundle, Named};
use super::say;

/// What is known of each root directory that was named.
///
/// Bundles that are named one by one are not joined: that one of them was not named says nothing of whether it is there.
pub(super) struct Roots<'a>(Vec<(&'a Path, Join)>);

impl<'a> Roots<'a> {
    pub(super) fn of(named: &'a Named) -> Self {
        Self(named.roots.iter().map(|root| (root.as_path(), Join::default())).collect())
    }

    /// A bundle was reduced, or could not be.
    pub(super) fn add(&mut self, bundle: &Bundle, outcome: Result<&Graph, &anyhow::Error>) {
        let Some((_, join)) = bundle.root.and_then(|root| self.0.get_mut(root)) else { return };
        let name = bundle.path.file_name().unwrap_or_default().to_string_lossy();
        match outcome {
            Ok(graph) => join.add(&name, graph),
            Err(error) => join.unreadable(&name, format_args!("{error:#}")),
        }
    }

    /// Each root directory, joined. What could not be read was told by then.
    pub(super) fn finish(self) -> impl Iterator<Item = (&'a Path, Joined)> {
        self.0.into_iter().map(|(root, join)| (root, join.finish()))
    }
}

/// Writes `joined.json` where there is something to join, or an older one would now be wrong. Gives its path.
pub(super) fn write(root: &Path, joined: &Joined) -> anyhow::Result<Option<PathBuf>> {
    let path = root.join(Joined::FILE);
    if joined.edges.is_empty() && !path.exists() {
        return Ok(None);
    }
    graph::write_joined_file(joined, &path)?;
    Ok(Some(path))
}

/// What did not fit together. That a bundle can't be read was told when it was tried.
pub(super) fn findings(joined: &Joined) -> impl Iterator<Item = &graph::BundleDiagnostic> {
    joined.diagnostics.iter().filter(|found| found.diagnostic.code != Code::UnreadableBundle)
}

/// How many lines of a tree are printed. All of it is in the file.
const PRINTED: usize = 50;

/// Says on stderr which processes spawned which, and what did not fit together.
pub(super) fn report(root: &Path, joined: &Joined) {
    if joined.edges.is_empty() {
        return;
    }
    let missing = joined.edges.iter().filter(|edge| edge.target.trace_id.is_none()).count();
    let missing = if missing == 0 { String::new() } else { format!(", {missing} without a bundle") };
    let counted = say::counted(joined.edges.len(), "agent");
    say::err(format_args!("{}: {counted} in other processes{missing}", root.display()));
    let tree = Tree::of(joined);
    tree.lines().iter().for_each(say::err);
    say_more(tree.tops.len() + joined.edges.len());
    for found in findings(joined).take(PRINTED) {
        say::err(format_args!("{}: {}: {}", found.diagnostic.severity, shown(&found.bundle), found.diagnostic));
    }
    say_more(findings(joined).count());
}

/// Of so many, those that were not printed.
fn say_more(all: usize) {
    if let Some(more) = all.checked_sub(PRINTED).filter(|more| *more > 0) {
        say::err(format_args!("… and {more} more, all of them in {}", Joined::FILE));
    }
}

/// Edges by where they begin.
struct Tree<'a> {
    rollouts: HashMap<&'a TraceId, &'a Rollout>,
    below: HashMap<&'a TraceId, Vec<&'a ProcessEdge>>,
    /// Traces that nothing here spawned, in order of their edges.
    tops: Vec<&'a TraceId>,
}

impl<'a> Tree<'a> {
    fn of(joined: &'a Joined) -> Self {
        let rollouts = joined.rollouts.iter().map(|rollout| (&rollout.trace_id, rollout)).collect();
        let targets: HashSet<_> = joined.edges.iter().filter_map(|edge| edge.target.trace_id.as_ref()).collect();
        let mut below = HashMap::<_, Vec<_>>::new();
        let mut tops = Vec::new();
        for edge in &joined.edges {
            let Some(trace) = &edge.source.trace_id else { continue };
            let siblings = below.entry(trace).or_default();
            if siblings.is_empty() && !targets.contains(trace) {
                tops.push(trace);
            }
            siblings.push(edge);
        }
        Self { rollouts, below, tops }
    }

    /// A line for each process, the first ones. A run has one parent at most, so that none comes twice. Not by
    /// recursion: evidence may go down as far as it likes.
    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for top in &self.tops {
            if lines.len() >= PRINTED {
                break;
            }
            lines.push(self.run(top));
            let mut stack = self.children(top, "");
            while lines.len() < PRINTED
                && let Some(Branch { edge, above, is_last }) = stack.pop()
            {
                let by = match &edge.source.anchor {
                    Anchor::ToolCall { tool_call_id } => format!("  by tool call {}", shown(tool_call_id.as_str())),
                    Anchor::Thread { .. } | Anchor::ConversationItem { .. } => String::new(),
                };
                let fork = if is_last { "└─ " } else { "├─ " };
                lines.push(match &edge.target.trace_id {
                    Some(trace) => format!("{above}{fork}{}{by}", self.run(trace)),
                    None => format!("{above}{fork}no bundle{by}"),
                });
                if let Some(trace) = &edge.target.trace_id {
                    stack.extend(self.children(trace, &format!("{above}{}", if is_last { "   " } else { "│  " })));
                }
            }
        }
        lines
    }

    /// The first on top.
    fn children(&self, trace: &TraceId, above: &str) -> Vec<Branch<'a>> {
        let edges = self.below.get(trace).into_iter().flatten().rev().enumerate();
        edges.map(|(place, edge)| Branch { edge, above: above.to_owned(), is_last: place == 0 }).collect()
    }

    fn run(&self, trace: &TraceId) -> String {
        match self.rollouts.get(trace) {
            Some(rollout) => format!("{}  {}", shown(&rollout.bundle), rollout.status.name()),
            None => format!("trace {}, which is not here", shown(trace.as_str())),
        }
    }
}

struct Branch<'a> {
    edge: &'a ProcessEdge,
    above: String,
    is_last: bool,
}

/// Text of a bundle's on a terminal, which it can't command.
fn shown(text: &str) -> std::str::EscapeDebug<'_> {
    text.escape_debug()
}
