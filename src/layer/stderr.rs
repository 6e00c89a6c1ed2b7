//! What has no other place to be said.

use std::fmt;
use std::io::{self, Write};

/// Says one line on stderr, in one write. `eprintln!` would panic where that is closed.
pub(crate) fn tell(message: fmt::Arguments<'_>) {
    let line = format!("otel-trace: {message}\n");
    let _ = io::stderr().write_all(line.as_bytes());
}
