//! The runs of a root directory into one: agents in other processes.
//!
//! A parent's log says which thread a child process was meant to be, and the manifests of the child's bundles say whose
//! child it is. The join goes by both: the parent's trace and the thread that was made for the child. Of each graph it
//! keeps no more than these words, and looks at each of them once.

use std::collections::HashMap;

use crate::event::{ParentProcess, Seq, ThreadId, ToolCallId, TraceId};
use crate::graph::{
    Anchor, BundleDiagnostic, ChildProcess, Code, Diagnostic, EdgeKind, Graph, Joined, ProcessEdge, Rollout, RunAnchor,
    spawn_edge,
};
use crate::reduce::problems::cut;

/// Collects what the bundles of a root directory say of each other.
///
/// ```no_run
/// use otel_trace::bundle::Reader;
/// use otel_trace::reduce::{Join, Options, reduce};
///
/// let mut join = Join::default();
/// for name in ["trace-1", "trace-2"] {
///     match reduce(&Reader::open(&std::path::Path::new("traces").join(name))?, &Options::default()) {
///         Ok(reduction) => join.add(name, &reduction.graph),
///         Err(error) => join.unreadable(name, error),
///     }
/// }
/// for edge in join.finish().edges {
///     println!("{}", edge.edge_id);
/// }
/// # Ok::<(), otel_trace::bundle::BundleError>(())
/// ```
#[derive(Debug, Default)]
pub struct Join {
    rollouts: Vec<Rollout>,
    /// Of each rollout.
    children: Vec<Vec<ChildProcess>>,
    unreadable: Vec<BundleDiagnostic>,
}

impl Join {
    /// A bundle that was reduced, and the name of its directory.
    pub fn add(&mut self, bundle: &str, graph: &Graph) {
        self.rollouts.push(Rollout::of(bundle, graph));
        self.children.push(graph.child_processes.iter().cloned().collect());
    }

    /// A bundle that could not be reduced, and why.
    pub fn unreadable(&mut self, bundle: &str, why: impl std::fmt::Display) {
        let message = format!("{why}; what it says of other processes is not known");
        self.unreadable.push(diagnostic(bundle, None, Code::UnreadableBundle, message));
    }

    /// The edges between the bundles, and what did not fit together.
    pub fn finish(self) -> Joined {
        let Self { rollouts, children, unreadable } = self;
        let mut joining = Joining::of(&rollouts, !unreadable.is_empty());
        for (place, (parent, children)) in rollouts.iter().zip(&children).enumerate() {
            if joining.is_first(place, parent) {
                children.iter().for_each(|child| joining.spawned(parent, child));
            }
        }
        joining.orphans();
        let Joining { edges, mut diagnostics, .. } = joining;
        diagnostics.extend(unreadable);
        diagnostics.sort_by(|a, b| (&a.bundle, a.diagnostic.seq).cmp(&(&b.bundle, b.diagnostic.seq)));
        Joined { edges, diagnostics, rollouts }
    }
}

/// A child by what it says: its parent's trace, and the thread that was made for it.
type Promise<'a> = (&'a TraceId, &'a ThreadId);

struct Joining<'a> {
    /// The first rollout of each trace. A copy of its bundle adds nothing.
    traces: HashMap<&'a TraceId, usize>,
    /// Rollouts by what they say of their parents, until their parents say the same.
    children: HashMap<Promise<'a>, Vec<&'a Rollout>>,
    has_unreadable: bool,
    edges: Vec<ProcessEdge>,
    diagnostics: Vec<BundleDiagnostic>,
}

impl<'a> Joining<'a> {
    fn of(rollouts: &'a [Rollout], has_unreadable: bool) -> Self {
        let mut traces = HashMap::new();
        let mut children = HashMap::<_, Vec<_>>::new();
        for (place, rollout) in rollouts.iter().enumerate() {
            if *traces.entry(&rollout.trace_id).or_insert(place) != place {
                continue;
            }
            if let Some(parent) = &rollout.parent {
                children.entry((&parent.trace_id, &parent.child_thread_id)).or_default().push(rollout);
            }
        }
        Self { traces, children, has_unreadable, edges: Vec::new(), diagnostics: Vec::new() }
    }

    fn is_first(&self, place: usize, rollout: &Rollout) -> bool {
        self.traces.get(&rollout.trace_id) == Some(&place)
    }

    /// What a parent tells of a child: the bundles that the child left, or that there are none.
    fn spawned(&mut self, parent: &'a Rollout, child: &'a ChildProcess) {
        let ChildProcess { child_thread_id, thread_id, tool_call_id, spawned, evidence: _ } = child;
        let mut edge = ProcessEdge {
            edge_id: child.edge_id(),
            kind: EdgeKind::SpawnAgent,
            source: anchor(Some(&parent.trace_id), thread_id, tool_call_id.as_ref()),
            target: anchor(None, child_thread_id, None),
            spawned_at: Some(spawned.at.unix_ms()),
            seq: Some(spawned.seq),
        };
        let Some(found) = self.children.remove(&(&parent.trace_id, child_thread_id)) else {
            self.edges.push(edge);
            return self.tell(&parent.bundle, Some(spawned.seq), Code::MissingChild, self.missing(child));
        };
        let namesakes = found.iter().filter(|rollout| rollout.root_thread_id == *child_thread_id).count();
        if namesakes > 1 {
            let message = format!(
                "{namesakes} processes are thread {child_thread_id}, which was made for one: its environment was \
                 passed on; each of them has its edge"
            );
            self.tell(&parent.bundle, Some(spawned.seq), Code::ChildIdReused, message);
        }
        for rollout in found {
            edge.edge_id = spawn_edge(thread_id, &rollout.root_thread_id);
            edge.target = anchor(Some(&rollout.trace_id), &rollout.root_thread_id, None);
            self.edges.push(edge.clone());
        }
    }

    fn missing(&self, child: &ChildProcess) -> String {
        let ChildProcess { child_thread_id, thread_id, tool_call_id, .. } = child;
        let by = match tool_call_id {
            Some(tool) => format!("tool call {tool} of thread {thread_id}"),
            None => format!("thread {thread_id}"),
        };
        let unread = self.or_unread();
        format!(
            "no bundle here is of the process that {by} spawned to be thread {child_thread_id}: it did not record, \
             recorded under another root, or was killed before its first thread{unread}"
        )
    }

    /// What else may be the matter with a bundle that is not here.
    fn or_unread(&self) -> &'static str {
        if self.has_unreadable { ", or is one of those that can't be read" } else { "" }
    }

    /// What only children tell.
    fn orphans(&mut self) {
        let mut left: Vec<_> = std::mem::take(&mut self.children).into_values().flatten().collect();
        left.sort_unstable_by_key(|rollout| self.traces.get(&rollout.trace_id));
        for rollout in left {
            let Some(parent) = &rollout.parent else { continue };
            let ParentProcess { trace_id, bundle, thread_id, tool_call_id, child_thread_id, depth: _ } = parent;
            let message = if self.traces.contains_key(trace_id) {
                format!("its parent's log does not say that thread {child_thread_id} was made for it")
            } else {
                let unread = self.or_unread();
                format!(
                    "its parent's bundle, {bundle:?}, is not here: it was recorded under another root, or moved or \
                     removed{unread}"
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
            let message = format!("{message}; the edge rests on the child's word alone");
            self.tell(&rollout.bundle, None, Code::MissingParent, message);
        }
    }

    fn tell(&mut self, bundle: &str, seq: Option<Seq>, code: Code, message: String) {
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
    let diagnostic =
        Diagnostic { seq, line: None, code, severity: code.severity(), message: cut(message), raw_payload_id: None };
    BundleDiagnostic { bundle: bundle.to_owned(), diagnostic }
}
