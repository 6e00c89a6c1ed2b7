//! Messages for the operator that have no other destination.

use std::fmt;
use std::io::{self, Write};

/// Writes one line to stderr, in a single write. Ignores errors: `eprintln!` would panic if stderr is closed.
pub(crate) fn report(message: fmt::Arguments<'_>) {
    let line = format!("otel-trace: {message}\n");
    let _ = io::stderr().write_all(line.as_bytes());
}
