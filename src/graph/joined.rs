//! The joined runs of a root directory, and their file `joined.json`, schema 1.

use std::io::{self, Write};

use serde::Serialize;

use super::{Anchor, Diagnostic, EdgeKind, Graph};
use crate::event::{EdgeId, ParentProcess, RolloutStatus, Seq, ThreadId, TraceId, UnixMillis};

/// The runs of a root directory, with the runs that they continue, and the edges from agents to the agents that they
/// spawned in other processes.
///
/// All other information about a run is in its own [`Graph`].
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Joined {
    /// Runs of all bundles that could be reduced, in the order in which they were added.
    pub rollouts: Vec<Rollout>,
    /// Edges between processes, in the order of the parent runs, then of seq. Edges that are known only from the
    /// child's manifest come last.
    pub edges: Vec<ProcessEdge>,
    /// Problems that joining found, by bundle, then by seq.
    pub diagnostics: Vec<BundleDiagnostic>,
}

/// A run of a root directory.
#[derive(Debug, Clone, Serialize)]
pub struct Rollout {
    /// Name of the bundle's directory.
    pub bundle: String,
    /// Id of the recording, unique per bundle.
    pub trace_id: TraceId,
    /// Id of the root agent's thread.
    pub root_thread_id: ThreadId,
    /// Start of the recording, in milliseconds since the Unix epoch.
    #[serde(rename = "started_at_unix_ms")]
    pub started_at: UnixMillis,
    /// End of the run, in milliseconds since the Unix epoch, if the log has one.
    #[serde(rename = "ended_at_unix_ms")]
    pub ended_at: Option<UnixMillis>,
    /// Status of the run; `Running` if the log has no end of it.
    pub status: RolloutStatus,
    /// Parent process and agent, from the manifest of the run. `None` if no agent spawned the recorded process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<ParentProcess>,
    /// Run whose conversation this one continues: the one that started before it with the same root thread. A conversation
    /// that ended because it was idle goes on in a new bundle. `None` if there is no earlier run of that thread.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continues: Option<TraceId>,
}

impl Rollout {
    pub(crate) fn from_graph(bundle: &str, graph: &Graph) -> Self {
        Self {
            bundle: bundle.to_owned(),
            trace_id: graph.trace_id.clone(),
            root_thread_id: graph.root_thread_id.clone(),
            started_at: graph.started_at,
            ended_at: graph.ended_at,
            status: graph.status,
            parent: graph.parent.clone(),
            continues: None,
        }
    }
}

/// An edge from an agent to an agent that it spawned in another process.
#[derive(Debug, Clone, Serialize)]
pub struct ProcessEdge {
    /// Id of the edge, `edge:spawn:<parent thread>:<child thread>`.
    pub edge_id: EdgeId,
    /// Kind of the edge: always [`EdgeKind::SpawnAgent`].
    pub kind: EdgeKind,
    /// Tool call that spawned the process, or the thread if there was none.
    pub source: RunAnchor,
    /// Root thread of the child's run. Its `trace_id` is `None` if the root directory has no bundle of that run.
    pub target: RunAnchor,
    /// Time just before the process was spawned, in milliseconds since the Unix epoch. `None` if the edge is known only
    /// from the child's manifest.
    #[serde(rename = "spawned_at_unix_ms", skip_serializing_if = "Option::is_none")]
    pub spawned_at: Option<UnixMillis>,
    /// Sequence number of the event in which the parent recorded the spawn. `None` if the edge is known only from the
    /// child's manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<Seq>,
}

/// An endpoint of an edge between the runs of two processes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunAnchor {
    /// Id of the recording that contains the object. `None` if the recording is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<TraceId>,
    /// Thread or tool call within that recording.
    #[serde(flatten)]
    pub anchor: Anchor,
}

/// A problem of a bundle's evidence that only the other bundles of its root directory reveal.
#[derive(Debug, Clone, Serialize)]
pub struct BundleDiagnostic {
    /// Name of the bundle's directory.
    pub bundle: String,
    /// Problem of the bundle, as in [`Graph::diagnostics`].
    #[serde(flatten)]
    pub diagnostic: Diagnostic,
}

impl Joined {
    /// Name of the file in the root directory that [`write_joined_file`](super::write_joined_file) writes by
    /// convention.
    pub const FILE: &'static str = "joined.json";

    /// Writes `joined.json`: one JSON object and a newline. Equal bundles give equal bytes.
    ///
    /// # Errors
    /// Returns the errors of `writer`.
    pub fn write(&self, writer: impl Write) -> io::Result<()> {
        #[derive(Serialize)]
        struct Wire<'a> {
            schema_version: u32,
            rollouts: &'a [Rollout],
            edges: &'a [ProcessEdge],
            diagnostics: &'a [BundleDiagnostic],
        }
        let Self { rollouts, edges, diagnostics } = self;
        let mut writer = io::BufWriter::with_capacity(1 << 16, writer);
        serde_json::to_writer(&mut writer, &Wire { schema_version: 1, rollouts, edges, diagnostics })?;
        writer.write_all(b"\n")?;
        writer.flush()
    }
}
