//! The command line: arguments of all commands, and their dispatch.

mod archive;
mod bundles;
mod check;
mod completions;
mod cost;
mod export;
mod extracted;
mod joined;
mod locate;
mod ls;
mod newest;
mod output;
mod pack;
mod parallel;
mod redact;
mod reduce;
mod run_outcome;
mod show;
#[cfg(unix)]
mod signals;
mod span_bar;
mod status;
mod unpack;
mod view;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

pub(crate) use status::Status;

/// Flight recorder for LLM agents: inspects, checks, converts and exports recorded runs
///
/// A program with the otel-trace layer writes one bundle per run: a directory named trace-… with a log of all observed
/// events and the payloads they reference. This command reads bundles of any recorder, complete or damaged.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, max_term_width = 100)]
#[command(after_help = "\
Recording bundles:
  OTEL_TRACE_ROOT=traces your-agent     a program with the otel-trace layer records into traces/
  cargo run --release -p example-agent  the example agent records without further settings")]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Show(show::Args),
    Ls(ls::Args),
    Cost(cost::Args),
    Reduce(reduce::Args),
    Check(check::Args),
    Pack(pack::Args),
    Unpack(unpack::Args),
    Redact(redact::Args),
    Export(export::Args),
    Locate(locate::Args),
    Completions(completions::Args),
}

/// Exits with an error about arguments that only the command `name` can check, not the parser. Prints the usage of that
/// command.
fn exit_with_usage(name: &str, kind: ErrorKind, message: &str) -> ! {
    let mut cli = Cli::command();
    // Gives the subcommands their full names.
    cli.build();
    let usage = cli.find_subcommand_mut(name).map(clap::Command::render_usage).unwrap_or_default();
    let text = format!("{message}\n\n{usage}\n\nFor more information, try 'otel-trace {name} --help'.\n");
    clap::Error::raw(kind, text).exit()
}

impl Cli {
    /// Parses the arguments of the process. Exits if they are wrong, or with the help if they ask for it.
    pub(crate) fn from_process() -> Self {
        Self::try_parse().unwrap_or_else(|error| {
            // `export --format` is the only option with a fixed number of values.
            if error.kind() == ErrorKind::WrongNumberOfValues {
                export::exit_with_format_usage(error.kind(), "--format has no FILE");
            }
            error.exit()
        })
    }

    /// Runs the command and returns its exit status.
    pub(crate) fn run(&self) -> Status {
        let status = self.run_command();
        extracted::wait_if_ending();
        status
    }

    fn run_command(&self) -> Status {
        match &self.command {
            Command::Show(args) => show::run(args),
            Command::Ls(args) => ls::run(args),
            Command::Cost(args) => cost::run(args),
            Command::Reduce(args) => reduce::run(args),
            Command::Check(args) => check::run(args),
            Command::Pack(args) => pack::run(args),
            Command::Unpack(args) => unpack::run(args),
            Command::Redact(args) => redact::run(args),
            Command::Export(args) => export::run(args),
            Command::Locate(args) => locate::run(args),
            Command::Completions(args) => completions::run(args),
        }
    }
}
