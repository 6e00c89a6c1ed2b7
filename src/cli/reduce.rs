//! `otel-trace reduce`

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use clap::error::ErrorKind;
use otel_trace::graph::{self, Graph, Joined, Severity, Snapshots};
use otel_trace::reduce::{Options, reduce};

use super::archive::OpenBundle;
use super::bundles::{self, Bundle};
use super::joined::{self, Roots};
use super::parallel::{for_each_bundle, report_error};
use super::run_outcome::RunOutcome;
use super::{Status, exit_with_usage, output};

/// Rebuild the graph of a run: conversation, operations, and information flow between agents
///
/// Writes the graph to state.json in each bundle, atomically, and prints the path of the file to stdout. How the run
/// ended, what failed in it, counts and diagnostics go to stderr. No other file of the bundle is changed. The same
/// bundle always gives the same bytes.
///
/// Agents in other processes have separate bundles. BUNDLE may be a directory that contains bundles: if processes
/// of these bundles spawned one another, also writes joined.json to that directory, unless --output is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit status (of several bundles, the worst: 1 is worse than 3, and 3 is worse than 0):
  0  all readable evidence was used; notices may report parts that were never recorded
  1  a path is not a bundle, the output cannot be written, or with --strict the bundle violates
     the format; no graph was written
  2  wrong usage
  3  the graph was written, but something damaged or unknown was left out

Examples:
  otel-trace reduce traces/trace-1
  otel-trace reduce traces
  otel-trace reduce traces/trace-1 -o - | jq '.tool_calls[] | {kind, execution}'
  otel-trace reduce traces/trace-1 --strict && echo sound")]
pub(super) struct Args {
    /// A bundle (a directory with manifest.json and trace.jsonl), an archive of a bundle (made by `otel-trace pack
    /// --zstd`), or a directory that contains bundles
    #[arg(required = true, value_name = "BUNDLE")]
    bundles: Vec<PathBuf>,

    /// Write the graph of a single bundle to this file, or to stdout if it is `-` [default: state.json in the bundle,
    /// or <NAME>.state.json beside an archive]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Fail at the first violation of the format, without writing a graph; see the codes in `otel-trace check --help`
    #[arg(long)]
    strict: bool,

    /// Form of the request snapshots in the graph: the conversation items that each request contained
    #[arg(long, value_enum, default_value_t = SnapshotForm::Expanded)]
    snapshots: SnapshotForm,
}

/// The values of `--snapshots`.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum SnapshotForm {
    /// All items of every request; the file grows with the square of the session's length
    Expanded,
    /// Only the items after the shared prefix with an earlier call; the file grows linearly
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

/// Maximum number of diagnostics of each severity that are printed. The graph contains all of them.
const PRINTED: usize = 50;

pub(super) fn run(args: &Args) -> Status {
    let named = bundles::find(&args.bundles);
    if args.output.is_some() && named.bundles.len() != 1 {
        let message = format!(
            "--output takes the graph of a single bundle, but {} are given; \
             omit --output, or run reduce once per bundle",
            named.bundles.len()
        );
        exit_with_usage("reduce", ErrorKind::ArgumentConflict, &message);
    }
    let options = Options::default().strict(args.strict);
    let snapshots = args.snapshots.into();
    let write = |bundle: &Bundle| {
        let opened = OpenBundle::open_named(bundle)?;
        let graph = reduce(opened.reader(), &options)?.graph;
        let written = write(&graph, &opened, args.output.as_deref(), snapshots)?;
        Ok((graph, written))
    };
    let mut roots = Roots::new(&named);
    let status = for_each_bundle(&named.bundles, write, |bundle, outcome| {
        roots.add(bundle, outcome.as_ref().map(|(graph, _)| graph));
        let (graph, written) = outcome?;
        report(&bundle.path, &graph);
        written.map_or(Ok(()), |path| output::print(path.display()))?;
        Ok(Status::from_diagnostics(&graph.diagnostics))
    });
    if args.output.is_some() {
        return status;
    }
    let joins = roots.finish().map(|(root, joined)| join(root, &joined).unwrap_or_else(|error| report_error(&error)));
    joins.fold(status, Status::max)
}

/// Writes and reports the joined graph of a root directory.
fn join(root: &Path, joined: &Joined) -> anyhow::Result<Status> {
    let written = joined::write(root, joined)?;
    joined::report(root, joined);
    written.map_or(Ok(()), |path| output::print(path.display()))?;
    Ok(Status::from_diagnostics(joined::findings(joined).map(|found| &found.diagnostic)))
}

/// Writes the graph and returns the path of its file. Returns `None` if it was written to stdout.
fn write(
    graph: &Graph,
    bundle: &OpenBundle,
    output: Option<&Path>,
    form: Snapshots,
) -> anyhow::Result<Option<PathBuf>> {
    let path = match output {
        Some(path) if path == Path::new("-") => {
            output::print_with(|stdout| graph.write_state(stdout, form))?;
            return Ok(None);
        }
        Some(path) => path.to_owned(),
        None => return bundle.write_state(graph, form).map(Some),
    };
    graph::write_state_file(graph, &path, form)?;
    Ok(Some(path))
}

/// Prints the outcome of a run, and the counts and diagnostics of its graph, to stderr.
fn report(bundle: &Path, graph: &Graph) {
    let counts = [
        (graph.threads.len(), "thread"),
        (graph.turns.len(), "turn"),
        (graph.inference_calls.len(), "inference call"),
        (graph.tool_calls.len(), "tool call"),
        (graph.items().len(), "conversation item"),
    ];
    let counted = counts.map(|(count, what)| output::pluralize(count, what));
    output::eprint(format_args!("{}: {}; {}", bundle.display(), RunOutcome(graph), counted.join(", ")));
    for severity in [Severity::Skipped, Severity::Notice] {
        let found: Vec<_> = graph.diagnostics.iter().filter(|it| it.severity == severity).collect();
        for diagnostic in found.iter().take(PRINTED) {
            output::eprint(format_args!("{severity}: {diagnostic}"));
        }
        if let Some(more) = found.len().checked_sub(PRINTED).filter(|more| *more > 0) {
            output::eprint(format_args!("{severity}: … and {more} more; the graph's `diagnostics` has all of them"));
        }
    }
}
