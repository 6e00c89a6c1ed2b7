//! Output to stdout (results) and stderr (counts, diagnostics and errors).

use std::fmt;
use std::io::{self, ErrorKind, StdoutLock, Write};

use anstream::AutoStream;
use anyhow::Context;
use otel_trace::view::{Escaped, Line};

/// Prints a line to stdout.
pub(super) fn print(line: impl fmt::Display) -> anyhow::Result<()> {
    print_with(|mut stdout| writeln!(stdout, "{}", Escaped(line)))
}

/// Prints a line of fields to stdout, with a tab between two of them.
pub(super) fn print_fields(fields: &[&dyn fmt::Display]) -> anyhow::Result<()> {
    print_with(|mut stdout| {
        let mut separator = "";
        for field in fields {
            write!(stdout, "{separator}{}", Escaped(field))?;
            separator = "\t";
        }
        writeln!(stdout)
    })
}

/// Prints styled lines to stdout: with colours on a terminal, unless the environment says otherwise (`NO_COLOR`,
/// `CLICOLOR`, `CLICOLOR_FORCE`).
pub(super) fn print_lines(lines: &[Line]) -> anyhow::Result<()> {
    print_with(|stdout| {
        let mut stdout = io::BufWriter::new(AutoStream::auto(stdout));
        for line in lines {
            for piece in &line.pieces {
                write!(stdout, "{}{}{:#}", piece.style, Escaped(&piece.text), piece.style)?;
            }
            writeln!(stdout)?;
        }
        stdout.flush()
    })
}

/// Returns the number of columns of the terminal that stdout is. Returns `None` if stdout is none.
pub(super) fn terminal_columns() -> Option<usize> {
    terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0))
}

/// Writes to stdout. A closed pipe is not an error: its reader may stop reading at any time.
pub(super) fn print_with(write: impl FnOnce(StdoutLock<'static>) -> io::Result<()>) -> anyhow::Result<()> {
    match write(stdout()) {
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
    let _ = writeln!(io::stderr().lock(), "{}", Escaped(line));
}

/// Returns stdout for bytes that are no text of this command, such as exported JSON.
pub(super) fn stdout() -> StdoutLock<'static> {
    io::stdout().lock()
}
