//! The `otel-trace` command: parses arguments, calls the library, and returns the exit status.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::Cli::from_process().run().into()
}
