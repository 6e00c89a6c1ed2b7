//! The agent that spawned this process, where one did.

use std::env;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::stderr::tell;
use crate::event::{ParentProcess, ThreadId};

/// The environment variable that tells a child process who spawned it: one line of JSON, made by
/// [`ChildProcess::env`](super::ChildProcess::env).
///
/// Environments are inherited. A process that spawns agents itself puts another value in its place for each of them; a
/// command that is none of its agents should not have it: `Command::env_remove(PARENT_VARIABLE)`.
pub const PARENT_VARIABLE: &str = "OTEL_TRACE_PARENT";

/// Where a recorder learns of its parent.
#[derive(Debug, Default)]
pub(super) enum Source {
    #[default]
    Environment,
    /// The program says the value.
    Said(String),
    /// The program wants none.
    Nowhere,
}

/// The parent, and whether the thread id that it made for this process is still to be had.
#[derive(Debug)]
pub(super) struct Parent {
    process: ParentProcess,
    is_id_taken: AtomicBool,
}

impl Source {
    /// The parent. None where nobody names one, or what names it can't be read: that is told, and recording goes on.
    pub(super) fn read(self, root: &Path) -> Option<Parent> {
        let (value, from) = match self {
            Self::Environment => {
                let value = env::var_os(PARENT_VARIABLE).filter(|value| !value.is_empty())?;
                (value.into_string().map_err(|_| "it is not UTF-8".to_owned()), PARENT_VARIABLE)
            }
            Self::Said(value) => (Ok(value), "the value given to `RecorderBuilder::parent`"),
            Self::Nowhere => return None,
        };
        match value.and_then(|value| ParentProcess::of_text(&value).map_err(|error| error.to_string())) {
            Ok(process) => Some(Parent { process, is_id_taken: AtomicBool::new(false) }),
            Err(wrong) => {
                tell(format_args!(
                    "{from} does not name a parent process ({wrong}), so what is recorded under {} has none; \
                     spawn agents with `Command::envs(tool.child_process().env())`, or unset {PARENT_VARIABLE}",
                    root.display()
                ));
                None
            }
        }
    }
}

impl Parent {
    pub(super) fn process(&self) -> &ParentProcess {
        &self.process
    }

    /// The id that the parent made, for the first root thread that asks: who has another name forgoes it.
    pub(super) fn take_id(&self) -> Option<ThreadId> {
        let is_first = !self.is_id_taken.swap(true, Ordering::Relaxed);
        is_first.then(|| self.process.child_thread_id.clone())
    }
}
