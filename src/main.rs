//! The `otel-trace` command: arguments to library to exit status.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the program: it prints")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand, ValueEnum};
use otel_trace::bundle::Reader;
use otel_trace::graph::{self, Graph, Severity, Snapshots};
use otel_trace::reduce::{self, Options, Reduction};

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
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Rebuild the graph of a run: what the model saw, what the runtime did, how information moved
    ///
    /// Writes <BUNDLE>/state.json, whole and atomically, and prints its path on stdout. Counts and diagnostics go to
    /// stderr. Nothing else in the bundle is touched, and the same bundle always gives the same bytes.
    #[command(after_help = "\
Exit status:
  0  the graph is complete; notices may say what was noticed
  1  no bundle, or with --strict a broken rule; nothing was written
  2  wrong usage
  3  the graph was written, but something damaged or unknown was left out of it

Examples:
  otel-trace reduce traces/trace-1
  otel-trace reduce traces/trace-1 -o - | jq '.tool_calls[] | {kind, execution}'
  otel-trace reduce traces/trace-1 --strict && echo sound")]
    Reduce(Reduce),
}

#[derive(Debug, clap::Args)]
struct Reduce {
    /// The bundle: a directory with manifest.json and trace.jsonl
    bundle: PathBuf,

    /// Write the graph to this file instead of <BUNDLE>/state.json; `-` is stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Stop at the first broken rule of the format, and write nothing
    #[arg(long)]
    strict: bool,

    /// How the graph says what each request held
    #[arg(long, value_enum, default_value_t = SnapshotForm::Expanded)]
    snapshots: SnapshotForm,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SnapshotForm {
    /// Every item of every request; grows with the square of the session
    Expanded,
    /// What follows the call that the request goes on from; grows with the bundle
    Shared,
}

impl From<SnapshotForm> for Snapshots {
    fn from(form: SnapshotForm) -> Self {
        match form {
            SnapshotForm::Expanded => Self::Expanded,
            SnapshotForm::Shared => Self::Shared,
        }
    }
}

/// The graph was written, but something was left out of it.
const SKIPPED: u8 = 3;

/// How many diagnostics of each severity are printed. All of them are in the graph.
const PRINTED: usize = 50;

fn main() -> ExitCode {
    let Cli { command: Command::Reduce(args) } = Cli::parse();
    match reduce(&args) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn reduce(args: &Reduce) -> anyhow::Result<ExitCode> {
    let Reduce { bundle, output, strict, snapshots } = args;
    let reader = Reader::open(bundle)?;
    let reduction = reduce::reduce(&reader, &Options::default().strict(*strict))?;
    write(&reduction.graph, bundle, output.as_deref(), (*snapshots).into())?;
    report(bundle, &reduction);
    let skipped = reduction.graph.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Skipped);
    Ok(if skipped { ExitCode::from(SKIPPED) } else { ExitCode::SUCCESS })
}

/// Writes the graph and says where it is.
fn write(graph: &Graph, bundle: &Path, output: Option<&Path>, snapshots: Snapshots) -> anyhow::Result<()> {
    match output {
        Some(path) if path == Path::new("-") => {
            graph.write_state(std::io::stdout().lock(), snapshots).context("can't write to stdout")
        }
        Some(path) => write_file(graph, path, snapshots),
        None => write_file(graph, &bundle.join("state.json"), snapshots),
    }
}

fn write_file(graph: &Graph, path: &Path, snapshots: Snapshots) -> anyhow::Result<()> {
    graph::write_state_file(graph, path, snapshots)?;
    println!("{}", path.display());
    Ok(())
}

/// Says on stderr what there is and what is wrong with it.
fn report(bundle: &Path, reduction: &Reduction) {
    let graph = &reduction.graph;
    let counts = [
        (graph.threads.len(), "thread"),
        (graph.turns.len(), "turn"),
        (graph.inference_calls.len(), "inference call"),
        (graph.tool_calls.len(), "tool call"),
        (graph.items().len(), "conversation item"),
    ];
    let counted = |(count, what)| if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") };
    eprintln!("{}: {}", bundle.display(), counts.map(counted).join(", "));
    for (severity, word) in [(Severity::Skipped, "skipped"), (Severity::Notice, "notice")] {
        let found: Vec<_> = graph.diagnostics.iter().filter(|it| it.severity == severity).collect();
        for diagnostic in found.iter().take(PRINTED) {
            eprintln!("{word}: {diagnostic}");
        }
        if let Some(more) = found.len().checked_sub(PRINTED).filter(|more| *more > 0) {
            eprintln!("{word}: … and {more} more, all of them in the graph's `diagnostics`");
        }
    }
}
