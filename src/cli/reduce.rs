//! `otel-trace reduce`

use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{CommandFactory, ValueEnum};
use otel_trace::graph::{self, Graph, Joined, Severity, Snapshots};
use otel_trace::reduce::{Options, reduce};

use super::archive::Opened;
use super::each::{each, fatal};
use super::joined::{self, Roots};
use super::{Cli, Status, bundles, say};

/// Rebuild the graph of a run: what the model saw, what the runtime did, how information moved
///
/// Writes state.json into each bundle, whole and atomically, and prints its path on stdout. Counts and diagnostics go
/// to stderr. Nothing else in a bundle is touched, and the same bundle always gives the same bytes.
///
/// Agents in other processes leave bundles of their own. Of a directory that holds bundles, joined.json in it says which
/// agent spawned which, wherever one did. With --output none is written.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit status, the worst of all bundles:
  0  the graph is complete; notices may say what was noticed
  1  no bundle, or with --strict a broken rule; nothing was written
  2  wrong usage
  3  the graph was written, but something damaged or unknown was left out of it

Examples:
  otel-trace reduce traces/trace-1
  otel-trace reduce traces
  otel-trace reduce traces/trace-1 -o - | jq '.tool_calls[] | {kind, execution}'
  otel-trace reduce traces/trace-1 --strict && echo sound")]
pub(super) struct Args {
    /// Bundles, directories with manifest.json and trace.jsonl, or archives of them; or directories that hold bundles
    #[arg(required = true, value_name = "BUNDLE")]
    bundles: Vec<PathBuf>,

    /// Write the graph of the one bundle to this file instead of <BUNDLE>/state.json (beside an archive: <NAME>.state.json); `-` is stdout
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

/// How many diagnostics of each severity are printed. All of them are in the graph.
const PRINTED: usize = 50;

pub(super) fn run(args: &Args) -> Status {
    let named = bundles::named(&args.bundles);
    if args.output.is_some() && named.bundles.len() != 1 {
        let message = format!("--output takes the graph of one bundle, and {} are named", named.bundles.len());
        Cli::command().error(ErrorKind::ArgumentConflict, message).exit();
    }
    let options = Options::default().strict(args.strict);
    let snapshots = args.snapshots.into();
    let write = |bundle: &Path| {
        let opened = Opened::of(bundle)?;
        let graph = reduce(opened.reader(), &options)?.graph;
        let written = write(&graph, &opened, args.output.as_deref(), snapshots)?;
        Ok((graph, written))
    };
    let mut roots = Roots::of(&named);
    let status = each(&named.bundles, write, |bundle, outcome| {
        roots.add(bundle, outcome.as_ref().map(|(graph, _)| graph));
        let (graph, written) = outcome?;
        report(&bundle.path, &graph);
        written.map_or(Ok(()), |path| say::out(path.display()))?;
        Ok(Status::of(&graph.diagnostics))
    });
    if args.output.is_some() {
        return status;
    }
    let joins = roots.finish().map(|(root, joined)| join(root, &joined).unwrap_or_else(|error| fatal(&error)));
    joins.fold(status, Status::max)
}

fn join(root: &Path, joined: &Joined) -> anyhow::Result<Status> {
    let written = joined::write(root, joined)?;
    joined::report(root, joined);
    written.map_or(Ok(()), |path| say::out(path.display()))?;
    Ok(Status::of(joined::findings(joined).map(|found| &found.diagnostic)))
}

/// Writes the graph and gives the file that it is in.
fn write(graph: &Graph, bundle: &Opened, output: Option<&Path>, form: Snapshots) -> anyhow::Result<Option<PathBuf>> {
    let path = match output {
        Some(path) if path == Path::new("-") => {
            say::out_with(|stdout| graph.write_state(stdout, form))?;
            return Ok(None);
        }
        Some(path) => path.to_owned(),
        None => bundle.state_file(),
    };
    graph::write_state_file(graph, &path, form)?;
    Ok(Some(path))
}

/// Says on stderr what there is and what is wrong with it.
fn report(bundle: &Path, graph: &Graph) {
    let counts = [
        (graph.threads.len(), "thread"),
        (graph.turns.len(), "turn"),
        (graph.inference_calls.len(), "inference call"),
        (graph.tool_calls.len(), "tool call"),
        (graph.items().len(), "conversation item"),
    ];
    let counted = counts.map(|(count, what)| say::counted(count, what));
    say::err(format_args!("{}: {}", bundle.display(), counted.join(", ")));
    for severity in [Severity::Skipped, Severity::Notice] {
        let found: Vec<_> = graph.diagnostics.iter().filter(|it| it.severity == severity).collect();
        for diagnostic in found.iter().take(PRINTED) {
            say::err(format_args!("{severity}: {diagnostic}"));
        }
        if let Some(more) = found.len().checked_sub(PRINTED).filter(|more| *more > 0) {
            say::err(format_args!("{severity}: … and {more} more, all of them in the graph's `diagnostics`"));
        }
    }
}
