//! Output to stdout (results) and stderr (counts, diagnostics and errors).

use std::fmt::{self, Write as _};
use std::io::{self, ErrorKind, StdoutLock, Write};

use anyhow::Context;

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

/// Text without what would control a terminal or break its line. Ids, names of files and errors may come from a bundle,
/// and a bundle from anyone. Escapes are those of JSON, so that a line of JSON stays one.
struct Escaped<T>(T);

impl<T: fmt::Display> fmt::Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

/// A writer that escapes the text for another one.
struct Escaping<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|character| match character {
            '\n' => self.0.write_str("\\n"),
            '\r' => self.0.write_str("\\r"),
            '\t' => self.0.write_str("\\t"),
            // Besides control characters, these change the writing direction or break the line.
            '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                write!(self.0, "\\u{:04x}", u32::from(character))
            }
            character if character.is_control() => write!(self.0, "\\u{:04x}", u32::from(character)),
            character => self.0.write_char(character),
        })
    }
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
