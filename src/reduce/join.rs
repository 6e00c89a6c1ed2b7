//! Joins the runs of a root directory: agents that ran in separate processes.
//!
//! The log of a parent process records which thread a child process was meant to become, and the manifests of the
//! child's bundles name the parent. A join matches the two by the parent's trace id and the id of the thread that was
//! made for the child. It keeps only these fields of each graph and visits each of them once.
//!
//! It also links the bundles of one root thread: a conversation that was idle for long goes on in a new bundle.

mod continued_threads;

use std::collections::HashMap;

use crate::event::{ParentProcess, Seq, ThreadId, ToolCallId, TraceId};
use crate::graph::{
    Anchor, BundleDiagnostic, ChildProcess, Code, Diagnostic, EdgeKind, Graph, Joined, ProcessEdge, Rollout, RunAnchor,
    spawn_edge,
};
use crate::reduce::diagnostics::truncate;

/// Collects the links between the bundles of a root directory. Graphs are added one at a time and need not stay in
/// memory.
#[derive(Debug, Default)]
pub struct Join {
    rollouts: Vec<Rollout>,
    /// For each run, in the order of `rollouts`, the child processes that it recorded.
    children: Vec<Vec<ChildProcess>>,
    /// Diagnostics for the bundles that could not be reduced.
    unreadable: Vec<BundleDiagnostic>,
}

impl Join {
    /// Adds the graph of a bundle. `bundle` is the name of the bundle's directory.
    pub fn add(&mut self, bundle: &str, graph: &Graph) {
        self.rollouts.push(Rollout::from_graph(bundle, graph));
        self.children.push(graph.child_processes.iter().cloned().collect());
    }

    /// Adds a bundle that could not be reduced, with the error. `bundle` is the name of the bundle's directory.
    pub fn unreadable(&mut self, bundle: &str, error: impl std::fmt::Display) {
        let message = format!("{error}; its links to other processes are unknown");
        self.unreadable.push(diagnostic(bundle, None, Code::UnreadableBundle, message));
    }

    /// Returns the edges between the bundles, and the diagnostics of links that do not match.
    pub fn finish(self) -> Joined {
        let Self { mut rollouts, children, unreadable } = self;
        let mut matching = Matching::new(&rollouts, !unreadable.is_empty());
        for (index, (parent, children)) in rollouts.iter().zip(&children).enumerate() {
            if matching.is_first(index, parent) {
                children.iter().for_each(|child| matching.add_child(parent, child));
            }
        }
        matching.add_orphans();
        let is_copy: Vec<_> = rollouts.iter().enumerate().map(|(index, run)| !matching.is_first(index, run)).collect();
        let Matching { edges, mut diagnostics, .. } = matching;
        continued_threads::link(&mut rollouts, &is_copy);
        diagnostics.extend(unreadable);
        diagnostics.sort_by(|a, b| (&a.bundle, a.diagnostic.seq).cmp(&(&b.bundle, b.diagnostic.seq)));
        Joined { edges, diagnostics, rollouts }
    }
}

/// The key by which a parent and a child match: the parent's trace id, and the thread id that was made for the child.
type ChildKey<'a> = (&'a TraceId, &'a ThreadId);

/// The state of matching parent and child processes.
struct Matching<'a> {
    /// Index of the first run with each trace id. A copy of a bundle has the same trace id and is ignored.
    traces: HashMap<&'a TraceId, usize>,
    /// Runs whose manifest names a parent, by key. An entry is removed when its parent is found to have recorded the
    /// spawn.
    children: HashMap<ChildKey<'a>, Vec<&'a Rollout>>,
    /// `true` if some bundles could not be reduced; a missing parent or child may be one of them.
    has_unreadable: bool,
    edges: Vec<ProcessEdge>,
    diagnostics: Vec<BundleDiagnostic>,
}

impl<'a> Matching<'a> {
    /// Indexes runs by trace id and by the parent that they name.
    fn new(rollouts: &'a [Rollout], has_unreadable: bool) -> Self {
        let mut traces = HashMap::new();
        let mut children = HashMap::<_, Vec<_>>::new();
        for (index, rollout) in rollouts.iter().enumerate() {
            if *traces.entry(&rollout.trace_id).or_insert(index) != index {
                continue;
            }
            if let Some(parent) = &rollout.parent {
                children.entry((&parent.trace_id, &parent.child_thread_id)).or_default().push(rollout);
            }
        }
        Self { traces, children, has_unreadable, edges: Vec::new(), diagnostics: Vec::new() }
    }

    /// Returns `true` if the run is the first with its trace id. Returns `false` if it is a copy.
    fn is_first(&self, index: usize, rollout: &Rollout) -> bool {
        self.traces.get(&rollout.trace_id) == Some(&index)
    }

    /// Adds the edges from a parent to all bundles of a child process. If the child has no bundle, adds an edge to an
    /// unknown trace and a diagnostic.
    fn add_child(&mut self, parent: &'a Rollout, child: &'a ChildProcess) {
        let ChildProcess { child_thread_id, thread_id, tool_call_id, spawned, evidence: _ } = child;
        let mut edge = ProcessEdge {
            edge_id: child.edge_id(),
            kind: EdgeKind::SpawnAgent,
            source: anchor(Some(&parent.trace_id), thread_id, tool_call_id.as_ref()),
            target: anchor(None, child_thread_id, None),
            spawned_at: Some(spawned.at.unix_ms()),
            seq: Some(spawned.seq),
        };
        let Some(matched) = self.children.remove(&(&parent.trace_id, child_thread_id)) else {
            self.edges.push(edge);
            return self.report(&parent.bundle, Some(spawned.seq), Code::MissingChild, self.missing_child(child));
        };
        let same_id_count = matched.iter().filter(|rollout| rollout.root_thread_id == *child_thread_id).count();
        if same_id_count > 1 {
            let message = format!(
                "{same_id_count} processes have the id of thread {child_thread_id}, which was made for one process: \
                 its environment was passed on; each of them has an edge"
            );
            self.report(&parent.bundle, Some(spawned.seq), Code::ChildIdReused, message);
        }
        for rollout in matched {
            edge.edge_id = spawn_edge(thread_id, &rollout.root_thread_id);
            edge.target = anchor(Some(&rollout.trace_id), &rollout.root_thread_id, None);
            self.edges.push(edge.clone());
        }
    }

    /// Returns the message of the diagnostic for a child process without a bundle.
    fn missing_child(&self, child: &ChildProcess) -> String {
        let ChildProcess { child_thread_id, thread_id, tool_call_id, .. } = child;
        let parent = match tool_call_id {
            Some(tool) => format!("tool call {tool} of thread {thread_id}"),
            None => format!("thread {thread_id}"),
        };
        let hint = self.unreadable_hint();
        format!(
            "no bundle in this root is of the process that {parent} spawned as thread {child_thread_id}: it did not \
             record, recorded under another root, or was killed before its first thread{hint}"
        )
    }

    /// Returns a clause for a message that names unreadable bundles as a further explanation. Returns an empty string
    /// if all bundles were readable.
    fn unreadable_hint(&self) -> &'static str {
        if self.has_unreadable { ", or is one of the bundles that cannot be read" } else { "" }
    }

    /// Adds the edges of child processes whose parent did not record the spawn or has no bundle in the root directory.
    fn add_orphans(&mut self) {
        let mut left: Vec<_> = std::mem::take(&mut self.children).into_values().flatten().collect();
        left.sort_unstable_by_key(|rollout| self.traces.get(&rollout.trace_id));
        for rollout in left {
            let Some(parent) = &rollout.parent else { continue };
            let ParentProcess { trace_id, bundle, thread_id, tool_call_id, child_thread_id, depth: _ } = parent;
            let message = if self.traces.contains_key(trace_id) {
                format!("the log of its parent does not record that thread {child_thread_id} was made for it")
            } else {
                let hint = self.unreadable_hint();
                format!(
                    "the bundle of its parent, {bundle:?}, is not in this root: it was recorded under another root, or \
                     moved or removed{hint}"
                )
            };
            self.edges.push(ProcessEdge {
                edge_id: spawn_edge(thread_id, &rollout.root_thread_id),
                kind: EdgeKind::SpawnAgent,
                source: anchor(Some(trace_id), thread_id, tool_call_id.as_ref()),
                target: anchor(Some(&rollout.trace_id), &rollout.root_thread_id, None),
                spawned_at: None,
                seq: None,
            });
            let message = format!("{message}; the edge is known from the child's manifest only");
            self.report(&rollout.bundle, None, Code::MissingParent, message);
        }
    }

    fn report(&mut self, bundle: &str, seq: Option<Seq>, code: Code, message: String) {
        self.diagnostics.push(diagnostic(bundle, seq, code, message));
    }
}

fn anchor(trace: Option<&TraceId>, thread: &ThreadId, tool: Option<&ToolCallId>) -> RunAnchor {
    let anchor = match tool {
        Some(tool) => Anchor::ToolCall { tool_call_id: tool.clone() },
        None => Anchor::Thread { thread_id: thread.clone() },
    };
    RunAnchor { trace_id: trace.cloned(), anchor }
}

fn diagnostic(bundle: &str, seq: Option<Seq>, code: Code, message: String) -> BundleDiagnostic {
    let diagnostic = Diagnostic {
        seq,
        line: None,
        code,
        severity: code.severity(),
        message: truncate(message),
        raw_payload_id: None,
    };
    BundleDiagnostic { bundle: bundle.to_owned(), diagnostic }
}
