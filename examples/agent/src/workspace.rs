//! The directory in which the model's commands run, and their environment.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use portable_pty::CommandBuilder;

use crate::terminal::StartedCommand;

/// The working directory and environment of commands.
#[derive(Clone, Debug)]
pub(crate) struct Workspace {
    dir: PathBuf,
    env: Vec<(&'static str, OsString)>,
}

impl Workspace {
    pub(crate) fn new(dir: &Path, env: Vec<(&'static str, OsString)>) -> Self {
        Self { dir: dir.to_owned(), env }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Starts `cmd` in a shell in a new terminal. `workdir` is relative to the workspace. With `tty`, the environment
    /// announces a terminal with all capabilities; without it, programs are asked to print plain text without a pager.
    pub(crate) fn start(&self, cmd: &str, workdir: &Path, tty: bool) -> Result<StartedCommand> {
        let cwd = self.dir.join(workdir);
        ensure!(cwd.is_dir(), "workdir {} is not a directory", workdir.display());
        let command = ["sh", "-c", cmd].map(str::to_owned).to_vec();
        let mut builder = CommandBuilder::from_argv(command.iter().map(OsString::from).collect());
        builder.cwd(&cwd);
        for name in std::env::vars_os().map(|(name, _)| name).filter(|name| is_private(name)) {
            builder.env_remove(name);
        }
        if tty {
            builder.env("TERM", "xterm-256color");
        } else {
            for (name, value) in [("TERM", "dumb"), ("NO_COLOR", "1"), ("PAGER", "cat"), ("GIT_PAGER", "cat")] {
                builder.env(name, value);
            }
        }
        for (name, value) in &self.env {
            builder.env(name, value);
        }
        StartedCommand::spawn(builder, command, cmd, cwd).context("could not start the command")
    }
}

/// Returns `true` for variables that commands must not inherit: those of `cargo run`, which would mislead a nested
/// `cargo`; the API key; and those of the recorder, so that a command that records itself does not join the recording
/// of this agent.
fn is_private(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let cargo = name == "CARGO" || name.starts_with("CARGO_") && name != "CARGO_HOME";
    cargo
        || name.starts_with("OPENAI_")
        || name.starts_with("OTEL_TRACE_")
        || name.starts_with("RUSTFLAGS")
        || name == "RUSTC_WRAPPER"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_cargo_variables_are_not_inherited() {
        for name in ["OPENAI_API_KEY", "CARGO", "CARGO_PKG_NAME", "RUSTFLAGS"] {
            assert!(is_private(name.as_ref()), "{name}");
        }
        for name in ["PATH", "CARGO_HOME", "HOME", "RUSTUP_HOME"] {
            assert!(!is_private(name.as_ref()), "{name}");
        }
    }
}
