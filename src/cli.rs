//! What the command line says, and what is done about it.

mod archive;
mod bundles;
mod check;
mod each;
mod export;
mod joined;
mod locate;
mod pack;
mod redact;
mod reduce;
mod say;
mod span_bar;
mod status;
mod unpack;

use clap::{Parser, Subcommand};

pub(crate) use status::Status;

/// Flight recorder for LLM agents: from the bundle of a run to the graph of what happened.
///
/// A program with the otel-trace layer leaves a bundle a run: a directory named trace-… with what was observed, in
/// order. This command reads bundles, whoever wrote them and in whatever state they are.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, max_term_width = 100)]
#[command(after_help = "\
Where bundles come from:
  OTEL_TRACE_ROOT=traces your-agent     a program with the layer records into traces/
  cargo run --release -p example-agent  the example does so by itself")]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Reduce(reduce::Args),
    Check(check::Args),
    Pack(pack::Args),
    Unpack(unpack::Args),
    Redactor(redact::Args),
    Export(export::Args),
    Locate(locate::Args),
}

impl Cli {
    /// Does what it says.
    pub(crate) fn run(&self) -> Status {
        match &self.command {
            Command::Reduce(args) => reduce::run(args),
            Command::Check(args) => check::run(args),
            Command::Pack(args) => pack::run(args),
            Command::Unpack(args) => unpack::run(args),
            Command::Redactor(args) => redact::run(args),
            Command::Export(args) => export::run(args),
            Command::Locate(args) => locate::run(args),
        }
    }
}
