//! A process that is about to be spawned.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;

use crate::layer::builder::ROOT_VARIABLE;
use crate::layer::parent::PARENT_VARIABLE;
use crate::layer::span_state::SpanState;

/// The environment variable that says which span a process is in, as W3C Trace Context writes it.
pub(crate) const TRACEPARENT_VARIABLE: &str = "TRACEPARENT";

/// An agent that will run in a process of its own. Made by [`Operation::child_process`](super::Window::child_process),
/// once for each process.
///
/// The process records a bundle of its own beside its parent's, if it has a recorder. The two bundles name each other,
/// and `otel-trace reduce <root>` joins them.
///
/// ```no_run
/// use otel_trace::{ToolCallMeta, AgentThread, ThreadMeta, Operation};
/// use std::process::Command;
///
/// let turn = AgentThread::start(ThreadMeta::new()).turn(None);
/// let tool = turn.tool_call(ToolCallMeta::new("ask_reviewer").id("call_1"));
/// let output = Command::new("reviewer").envs(tool.child_process().env()).output()?;
/// tool.output(&String::from_utf8_lossy(&output.stdout));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "the process learns of its parent by `env`"]
pub struct ChildProcess {
    told: Option<Told>,
    traceparent: Option<String>,
}

/// What the process is told.
#[derive(Debug, Clone)]
struct Told {
    root: PathBuf,
    parent: String,
}

impl ChildProcess {
    /// Of the first recorder that has the window.
    pub(super) fn of(states: &[Arc<SpanState>]) -> Self {
        let told = states.iter().find_map(|state| {
            let parent = state.operations()?.child_process()?;
            Some(Told { root: state.recorder().root.clone(), parent })
        });
        let traceparent = states.iter().find_map(|state| state.live().as_ref()?.traceparent());
        Self { told, traceparent }
    }

    /// The environment that the process needs, for [`Command::envs`](std::process::Command::envs): `OTEL_TRACE_ROOT`
    /// and `OTEL_TRACE_PARENT` where something records, and `TRACEPARENT`, by which it joins the trace, where something
    /// exports.
    pub fn env(&self) -> impl Iterator<Item = (&'static str, &OsStr)> {
        let told = self.told.iter().flat_map(|Told { root, parent }| {
            [(ROOT_VARIABLE, root.as_os_str()), (PARENT_VARIABLE, OsStr::new(parent))]
        });
        told.chain(self.traceparent.iter().map(|value| (TRACEPARENT_VARIABLE, OsStr::new(value))))
    }

    /// The value of `OTEL_TRACE_PARENT`, for a process that is told of it some other way:
    /// [`RecorderBuilder::parent`](crate::layer::Builder::parent).
    pub fn parent(&self) -> Option<&str> {
        self.told.as_ref().map(|told| &*told.parent)
    }
}
