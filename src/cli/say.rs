//! What is said on the two streams.

use std::fmt;
use std::io::{self, ErrorKind, StdoutLock, Write};

use anyhow::Context;

/// Says a line on stdout.
pub(super) fn out(line: impl fmt::Display) -> anyhow::Result<()> {
    out_with(|mut stdout| writeln!(stdout, "{line}"))
}

/// Writes to stdout. A reader that has seen enough and went away is no error.
pub(super) fn out_with(write: impl FnOnce(StdoutLock<'static>) -> io::Result<()>) -> anyhow::Result<()> {
    match write(io::stdout().lock()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("can't write to stdout"),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// So many of these, as one writes it.
pub(super) fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// Says a line on stderr. Where that is closed nobody can be told.
pub(super) fn err(line: impl fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
