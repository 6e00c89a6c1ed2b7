//! The joined graph of a root directory: which processes spawned each other, and which bundles continue one another.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use otel_trace::event::TraceId;
use otel_trace::graph::{self, Anchor, Code, Graph, Joined, ProcessEdge, Rollout};
use otel_trace::reduce::Join;

use super::bundles::{Bundle, BundleList};
use super::output;

/// The joins of all root directories among the arguments.
///
/// Bundles that are arguments themselves are not joined: a bundle that is not among the arguments is not missing.
pub(super) struct Roots<'a>(Vec<(&'a Path, Join)>);

impl<'a> Roots<'a> {
    /// Creates an empty join for each root directory.
    pub(super) fn new(named: &'a BundleList) -> Self {
        Self(named.roots.iter().map(|root| (root.as_path(), Join::default())).collect())
    }

    /// Adds the graph of a bundle, or the error of a bundle that cannot be reduced, to its root directory.
    pub(super) fn add(&mut self, bundle: &Bundle, outcome: Result<&Graph, &anyhow::Error>) {
        let Some((_, join)) = bundle.root.and_then(|root| self.0.get_mut(root)) else { return };
        let name = bundle.path.file_name().unwrap_or_default().to_string_lossy();
        match outcome {
            Ok(graph) => join.add(&name, graph),
            Err(error) => join.unreadable(&name, format_args!("{error:#}")),
        }
    }

    /// Returns the joined graph of each root directory. Bundles that cannot be read have been reported before.
    pub(super) fn finish(self) -> impl Iterator<Item = (&'a Path, Joined)> {
        self.0.into_iter().map(|(root, join)| (root, join.finish()))
    }
}

/// Writes `joined.json` if any processes spawned each other, if any bundle continues another, or if an older file must be
/// replaced. Returns its path, or `None` if it is not written.
pub(super) fn write(root: &Path, joined: &Joined) -> anyhow::Result<Option<PathBuf>> {
    let path = root.join(Joined::FILE);
    if joined.edges.is_empty() && count_continued(joined) == 0 && !path.exists() {
        return Ok(None);
    }
    graph::write_joined_file(joined, &path)?;
    Ok(Some(path))
}

/// Returns the diagnostics about relations between bundles, such as a missing child process. Leaves out unreadable
/// bundles, which have been reported before.
pub(super) fn findings(joined: &Joined) -> impl Iterator<Item = &graph::BundleDiagnostic> {
    joined.diagnostics.iter().filter(|found| found.diagnostic.code != Code::UnreadableBundle)
}

/// Maximum number of lines that are printed for a tree of processes. The file has all of them.
const PRINTED: usize = 50;

/// Returns the number of bundles that continue another one.
fn count_continued(joined: &Joined) -> usize {
    joined.rollouts.iter().filter(|rollout| rollout.continues.is_some()).count()
}

/// Prints the number of bundles that continue others, the tree of processes and the diagnostics between bundles to stderr.
pub(super) fn report(root: &Path, joined: &Joined) {
    let continued = count_continued(joined);
    if continued > 0 {
        let counted = output::pluralize(continued, "bundle");
        output::eprint(format_args!("{}: {counted} with an earlier bundle of the same conversation", root.display()));
    }
    if joined.edges.is_empty() {
        return;
    }
    let missing = joined.edges.iter().filter(|edge| edge.target.trace_id.is_none()).count();
    let missing = if missing == 0 { String::new() } else { format!(", {missing} without a bundle") };
    let counted = output::pluralize(joined.edges.len(), "agent");
    output::eprint(format_args!("{}: {counted} in other processes{missing}", root.display()));
    let tree = Tree::new(joined);
    tree.lines().iter().for_each(output::eprint);
    report_omitted(tree.roots.len() + joined.edges.len());
    for found in findings(joined).take(PRINTED) {
        output::eprint(format_args!("{}: {}: {}", found.diagnostic.severity, found.bundle, found.diagnostic));
    }
    report_omitted(findings(joined).count());
}

/// Prints how many of `total` lines were not printed.
fn report_omitted(total: usize) {
    if let Some(more) = total.checked_sub(PRINTED).filter(|more| *more > 0) {
        output::eprint(format_args!("… and {more} more; {} has all of them", Joined::FILE));
    }
}

/// The tree of processes.
struct Tree<'a> {
    rollouts: HashMap<&'a TraceId, &'a Rollout>,
    /// The edges from each run to the processes that it spawned.
    children: HashMap<&'a TraceId, Vec<&'a ProcessEdge>>,
    /// Runs that no other run here has spawned, in the order of their edges.
    roots: Vec<&'a TraceId>,
}

impl<'a> Tree<'a> {
    fn new(joined: &'a Joined) -> Self {
        let rollouts = joined.rollouts.iter().map(|rollout| (&rollout.trace_id, rollout)).collect();
        let targets: HashSet<_> = joined.edges.iter().filter_map(|edge| edge.target.trace_id.as_ref()).collect();
        let mut children = HashMap::<_, Vec<_>>::new();
        let mut roots = Vec::new();
        for edge in &joined.edges {
            let Some(trace) = &edge.source.trace_id else { continue };
            let siblings = children.entry(trace).or_default();
            if siblings.is_empty() && !targets.contains(trace) {
                roots.push(trace);
            }
            siblings.push(edge);
        }
        Self { rollouts, children, roots }
    }

    /// Returns the first lines of the tree, one for each process. A run has at most one parent, so that no run is
    /// listed twice. Does not recurse, because the evidence may have any depth.
    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for root in &self.roots {
            if lines.len() >= PRINTED {
                break;
            }
            lines.push(self.run(root));
            let mut stack = self.branches(root, "");
            while lines.len() < PRINTED
                && let Some(Branch { edge, indent, is_last }) = stack.pop()
            {
                let by = match &edge.source.anchor {
                    Anchor::ToolCall { tool_call_id } => format!("  by tool call {tool_call_id}"),
                    Anchor::Thread { .. } | Anchor::ConversationItem { .. } => String::new(),
                };
                let fork = if is_last { "└─ " } else { "├─ " };
                lines.push(match &edge.target.trace_id {
                    Some(trace) => format!("{indent}{fork}{}{by}", self.run(trace)),
                    None => format!("{indent}{fork}no bundle{by}"),
                });
                if let Some(trace) = &edge.target.trace_id {
                    stack.extend(self.branches(trace, &format!("{indent}{}", if is_last { "   " } else { "│  " })));
                }
            }
        }
        lines
    }

    /// Returns the processes that a run spawned as a stack, the first one on top.
    fn branches(&self, trace: &TraceId, indent: &str) -> Vec<Branch<'a>> {
        let edges = self.children.get(trace).into_iter().flatten().rev().enumerate();
        edges.map(|(place, edge)| Branch { edge, indent: indent.to_owned(), is_last: place == 0 }).collect()
    }

    /// Formats a run: the name of its bundle and its status.
    fn run(&self, trace: &TraceId) -> String {
        match self.rollouts.get(trace) {
            Some(rollout) => format!("{}  {}", rollout.bundle, rollout.status.name()),
            None => format!("trace {} without a bundle here", trace.as_str()),
        }
    }
}

/// An edge of the tree that is still to be printed.
struct Branch<'a> {
    edge: &'a ProcessEdge,
    indent: String,
    is_last: bool,
}
