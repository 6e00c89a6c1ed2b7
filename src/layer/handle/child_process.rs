//! The environment of a child process that is about to be spawned.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;

use crate::layer::session::environment::{PARENT_VARIABLE, ROOT_VARIABLE, TRACEPARENT_VARIABLE};
use crate::layer::span::span_state::SpanState;

/// The environment that links the recording of a child process to the operation that spawns it. Created by
/// [`Operation::child_process`](super::Operation::child_process), once for each process.
///
/// If the child process has a recorder, it records a separate bundle, next to the bundle of its parent. Each of the two
/// bundles names the other, and `otel-trace reduce <root>` joins them.
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
#[must_use = "pass `env()` to the child process, or its recording is not linked to this one"]
pub struct ChildProcess {
    link: Option<ParentLink>,
    traceparent: Option<String>,
}

/// The recording-related part of the child's environment.
#[derive(Debug, Clone)]
struct ParentLink {
    /// Value of `OTEL_TRACE_ROOT`.
    root: PathBuf,
    /// Value of `OTEL_TRACE_PARENT`.
    parent: String,
}

impl ChildProcess {
    /// Registers the child process with the first recorder that records the operation.
    pub(super) fn register(states: &[Arc<SpanState>]) -> Self {
        let link = states.iter().find_map(|state| {
            let parent = state.operations()?.register_child_process()?;
            Some(ParentLink { root: state.session().root.clone(), parent })
        });
        let traceparent = states.iter().find_map(|state| state.live().as_ref()?.traceparent());
        Self { link, traceparent }
    }

    /// Returns the environment variables of the child process, for [`Command::envs`](std::process::Command::envs):
    /// `OTEL_TRACE_ROOT` and `OTEL_TRACE_PARENT` if the operation is recorded, and `TRACEPARENT`, which makes the child
    /// part of the trace, if it is exported.
    pub fn env(&self) -> impl Iterator<Item = (&'static str, &OsStr)> {
        let link = self.link.iter().flat_map(|ParentLink { root, parent }| {
            [(ROOT_VARIABLE, root.as_os_str()), (PARENT_VARIABLE, OsStr::new(parent))]
        });
        link.chain(self.traceparent.iter().map(|value| (TRACEPARENT_VARIABLE, OsStr::new(value))))
    }

    /// Returns the value of `OTEL_TRACE_PARENT`, for a process that receives it by other means than its environment:
    /// see [`RecorderBuilder::parent`](crate::layer::RecorderBuilder::parent). Returns `None` if the operation is not
    /// recorded.
    pub fn parent(&self) -> Option<&str> {
        self.link.as_ref().map(|link| &*link.parent)
    }
}
