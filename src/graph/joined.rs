//! The runs of a root directory together: `joined.json`, schema 1.

use std::io::{self, Write};

use serde::Serialize;

use super::{Anchor, Diagnostic, EdgeKind, Graph};
use crate::event::{EdgeId, ParentProcess, RolloutStatus, Seq, ThreadId, TraceId, UnixMillis};

/// The runs of a root directory, and the edges from agents to those that they made in other processes.
///
/// What else a run was is in its own graph.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Joined {
    /// Every bundle that could be reduced, in the order they were given.
    pub rollouts: Vec<Rollout>,
    /// From an agent to one in another process: those of the first rollout first, each rollout's in order of seq.
    pub edges: Vec<ProcessEdge>,
    /// What did not fit together, by bundle, then seq.
    pub diagnostics: Vec<BundleDiagnostic>,
}

/// A run, as a root directory lists it.
#[derive(Debug, Clone, Serialize)]
pub struct Rollout {
    /// Name of its bundle's directory.
    pub bundle: String,
    /// The recording.
    pub trace_id: TraceId,
    /// The root agent's thread.
    pub root_thread_id: ThreadId,
    /// When the recording began.
    #[serde(rename = "started_at_unix_ms")]
    pub started_at: UnixMillis,
    /// When the run ended.
    #[serde(rename = "ended_at_unix_ms")]
    pub ended_at: Option<UnixMillis>,
    /// How it ended; running where no end was seen.
    pub status: RolloutStatus,
    /// Who spawned its process, as it says itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<ParentProcess>,
}

impl Rollout {
    pub(crate) fn of(bundle: &str, graph: &Graph) -> Self {
        Self {
            bundle: bundle.to_owned(),
            trace_id: graph.trace_id.clone(),
            root_thread_id: graph.root_thread_id.clone(),
            started_at: graph.started_at,
            ended_at: graph.ended_at,
            status: graph.status,
            parent: graph.parent.clone(),
        }
    }
}

/// An agent made one in another process.
#[derive(Debug, Clone, Serialize)]
pub struct ProcessEdge {
    /// Its id, `edge:spawn:<parent thread>:<child thread>`.
    pub edge_id: EdgeId,
    /// What it did.
    pub kind: EdgeKind,
    /// The tool call that spawned the process, else the thread.
    pub source: RunAnchor,
    /// The root thread of the process's run. Without a trace where no bundle of that run is here.
    pub target: RunAnchor,
    /// When the process was about to be spawned; absent where only the child tells of it.
    #[serde(rename = "spawned_at_unix_ms", skip_serializing_if = "Option::is_none")]
    pub spawned_at: Option<UnixMillis>,
    /// The parent's event that it rests on; absent where only the child tells of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<Seq>,
}

/// An end of an edge in one of several runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunAnchor {
    /// The recording, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<TraceId>,
    /// Where in it.
    #[serde(flatten)]
    pub anchor: Anchor,
}

/// Something about the evidence of a bundle that its neighbours show.
#[derive(Debug, Clone, Serialize)]
pub struct BundleDiagnostic {
    /// Name of its directory.
    pub bundle: String,
    /// What it is.
    #[serde(flatten)]
    pub diagnostic: Diagnostic,
}

impl Joined {
    /// File name in its root directory.
    pub const FILE: &'static str = "joined.json";

    /// Writes `joined.json`: one JSON object and a newline. The same bundles give the same bytes.
    ///
    /// # Errors
    /// What the writer says.
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
