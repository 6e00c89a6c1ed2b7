//! `otel-trace cost`

use std::path::PathBuf;

use otel_trace::reduce::{Options, reduce};
use otel_trace::view::CostTable;

use super::archive::OpenBundle;
use super::parallel::report_error;
use super::view::ViewOptions;
use super::{Status, newest, output};

/// Show what a run cost: tokens and dollars by agent and model
///
/// Prices are per model, date and size of the request, those of cache reads and writes included. A model or a kind of
/// token without a price is a dash and never 0, and a sum with a dash in it shows that. Requests to compact a history
/// count like calls. Tokens of pictures and sound are counted as the text that providers report them among.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit status:
  0  all readable evidence was used; notices may report parts that were never recorded
  1  the path is not a bundle, or the file of prices is none
  2  wrong usage
  3  the cost is shown, but something damaged or unknown was left out

Examples:
  otel-trace cost                      the newest run of $OTEL_TRACE_ROOT, else of traces/
  otel-trace cost --prices ours.json   with prices that you negotiated
  otel-trace cost --json | jq -r .total.cost.usd")]
pub(super) struct Args {
    /// A bundle, an archive of a bundle, the beginning of a trace id, or a directory of bundles, of which the newest
    /// counts [default: the newest of $OTEL_TRACE_ROOT, else of traces]
    #[arg(value_name = "BUNDLE")]
    bundle: Option<PathBuf>,

    #[command(flatten)]
    view: ViewOptions,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Status {
    show(args).unwrap_or_else(|error| report_error(&error))
}

fn show(args: &Args) -> anyhow::Result<Status> {
    let prices = args.view.prices()?;
    let opened = OpenBundle::open_named(&newest::bundle(args.bundle.as_deref())?)?;
    let graph = reduce(opened.reader(), &Options::default())?.graph;
    let table = CostTable::new(&graph, &prices);
    if args.json {
        output::print(table.to_json())?;
    } else {
        output::print_lines(&table.lines(args.view.columns()))?;
    }
    Ok(Status::from_diagnostics(&graph.diagnostics))
}
