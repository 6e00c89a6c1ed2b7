//! The environment variables of a recorder, and the agent in another process that spawned this process.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::stderr::report;
use crate::event::{ParentProcess, ThreadId};

/// Environment variable that names the root directory of bundles. Setting it enables recording with
/// [`Recorder::from_env`](crate::layer::Recorder::from_env).
pub const ROOT_VARIABLE: &str = "OTEL_TRACE_ROOT";

/// Environment variable that selects the payload store, `files` or `pack`, if the program does not call
/// [`RecorderBuilder::store`](crate::layer::RecorderBuilder::store).
pub const STORE_VARIABLE: &str = "OTEL_TRACE_STORE";

/// Environment variable that names the parent of a child process: one line of JSON, created by
/// [`ChildProcess::env`](crate::layer::ChildProcess::env).
///
/// Environments are inherited. A process that spawns agents itself replaces the value for each of them. A command that
/// is not an agent should not inherit it: `Command::env_remove(PARENT_VARIABLE)`.
pub const PARENT_VARIABLE: &str = "OTEL_TRACE_PARENT";

/// Environment variable with the span that a process runs in, in the format of W3C Trace Context.
pub(in crate::layer) const TRACEPARENT_VARIABLE: &str = "TRACEPARENT";

/// Returns the root directory that [`ROOT_VARIABLE`] names. Returns `None` if the variable is unset or empty.
pub(in crate::layer) fn root_from_env() -> Option<PathBuf> {
    env::var_os(ROOT_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The source of the value that names the parent of a recorder.
#[derive(Debug, Default)]
pub(in crate::layer) enum ParentSource {
    #[default]
    Environment,
    /// The value that the program passed to `RecorderBuilder::parent`.
    Value(String),
    /// No parent: `RecorderBuilder::no_parent`.
    Disabled,
}

/// The parent process, and the thread id that it created for this process.
#[derive(Debug)]
pub(in crate::layer) struct Parent {
    process: ParentProcess,
    /// `true` once a root thread took the id, or gave it up for an id that the program chose.
    is_id_taken: AtomicBool,
}

impl ParentSource {
    /// Returns the parent. Returns `None` if there is no value or it cannot be parsed. An invalid value is reported on
    /// stderr, and recording continues without a parent.
    pub(in crate::layer) fn resolve(self, root: &Path) -> Option<Parent> {
        let (value, from) = match self {
            Self::Environment => {
                let value = env::var_os(PARENT_VARIABLE).filter(|value| !value.is_empty())?;
                (value.into_string().map_err(|_| "it is not UTF-8".to_owned()), PARENT_VARIABLE)
            }
            Self::Value(value) => (Ok(value), "the value given to `RecorderBuilder::parent`"),
            Self::Disabled => return None,
        };
        match value.and_then(|value| ParentProcess::parse(&value).map_err(|error| error.to_string())) {
            Ok(process) => Some(Parent { process, is_id_taken: AtomicBool::new(false) }),
            Err(error) => {
                report(format_args!(
                    "{from} does not name a parent process: {error}; the recording under {} has no parent; \
                     spawn agents with `Command::envs(tool.child_process().env())`, or unset {PARENT_VARIABLE}",
                    root.display()
                ));
                None
            }
        }
    }
}

impl Parent {
    /// Returns the ids of the parent process.
    pub(in crate::layer) fn process(&self) -> &ParentProcess {
        &self.process
    }

    /// Returns the thread id that the parent created, on the first call. Returns `None` afterwards: it belongs to the
    /// first root thread, even if the program gave that thread another id.
    pub(in crate::layer) fn take_id(&self) -> Option<ThreadId> {
        let is_first = !self.is_id_taken.swap(true, Ordering::Relaxed);
        is_first.then(|| self.process.child_thread_id.clone())
    }
}
