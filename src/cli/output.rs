//! Output to stdout (results) and stderr (counts, diagnostics and errors).

use std::fmt;
use std::io::{self, ErrorKind, StdoutLock, Write};

use anyhow::Context;

/// Prints a line to stdout.
pub(super) fn print(line: impl fmt::Display) -> anyhow::Result<()> {
    print_with(|mut stdout| writeln!(stdout, "{line}"))
}

/// Writes to stdout. A closed pipe is not an error: its reader may stop reading at any time.
pub(super) fn print_with(write: impl FnOnce(StdoutLock<'static>) -> io::Result<()>) -> anyhow::Result<()> {
    match write(io::stdout().lock()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("cannot write to stdout"),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Formats a count with its noun: `1 line`, `2 lines`.
pub(super) fn pluralize(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// Prints a line to stderr. Ignores errors: there is no other place to report them.
pub(super) fn eprint(line: impl fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
