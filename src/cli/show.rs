//! `otel-trace show`

use std::path::PathBuf;

use clap::ValueEnum;
use otel_trace::graph::Severity;
use otel_trace::reduce::{Options, reduce};
use otel_trace::view::{Filter, Layout, NodeKind, Page, Run};

use super::archive::OpenBundle;
use super::parallel::report_error;
use super::view::ViewOptions;
use super::{Status, newest, output};

/// Show what happened in a run: its summary, and the tree of its agents, turns, calls and tools
///
/// The summary says what was asked, how the run ended, what failed, how long it took, how many tokens it used, what
/// that cost, and what is missing from the evidence. The tree has one line per operation, with time, tokens and cost in
/// columns; texts are cut to the width of the terminal, and …+12 says how many characters are left out. A run that is
/// being written, was killed or is damaged is shown as far as its evidence goes.
///
/// The bundle is reduced in memory: nothing is written into it, and a state.json in it is not read.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit status:
  0  all readable evidence was used; notices may report parts that were never recorded
  1  the path is not a bundle, or nothing has the name that an option gives
  2  wrong usage
  3  the run is shown, but something damaged or unknown was left out

Examples:
  otel-trace show                              the newest run of $OTEL_TRACE_ROOT, else of traces/
  otel-trace show traces/trace-1 --failed      what failed, and where
  otel-trace show --thread reviewer --depth 3  one agent, without its tools
  otel-trace show --json | jq '.nodes[] | select(.kind == \"tool\") | {label: .label, exit_code}'")]
pub(super) struct Args {
    /// A bundle, an archive of a bundle, the beginning of a trace id as `ls` prints it, or a directory of bundles, of
    /// which the newest is shown [default: the newest of $OTEL_TRACE_ROOT, else of traces]
    #[arg(value_name = "BUNDLE")]
    bundle: Option<PathBuf>,

    /// Only this agent: its name, path, or thread id; may be repeated
    #[arg(long, value_name = "AGENT")]
    thread: Vec<String>,

    /// Only this turn: its number in its agent, or its id; may be repeated
    #[arg(long, value_name = "TURN")]
    turn: Vec<String>,

    /// Only what failed, or exited with another code than 0
    #[arg(long)]
    failed: bool,

    /// Only operations of these kinds
    #[arg(long, value_enum, value_delimiter = ',', value_name = "KIND")]
    kind: Vec<Kind>,

    /// Number of levels: 1 for agents, 2 for turns, 3 for calls
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    depth: Option<u32>,

    /// Show every one of the tools and calls that repeat one another
    #[arg(long)]
    full: bool,

    #[command(flatten)]
    view: ViewOptions,

    /// Print JSON: the summary and the nodes of the tree, with times in RFC 3339
    #[arg(long)]
    json: bool,

    /// Maximum number of nodes in the JSON; its `next` names the node with which to go on
    #[arg(long, value_name = "N", default_value_t = 1_000, requires = "json")]
    limit: usize,

    /// Go on behind this node: the `next` of the JSON before
    #[arg(long, value_name = "NODE", requires = "json")]
    after: Option<String>,
}

/// The values of `--kind`.
#[derive(Debug, Clone, Copy)]
struct Kind(NodeKind);

impl ValueEnum for Kind {
    fn value_variants<'a>() -> &'a [Self] {
        const KINDS: [Kind; NodeKind::ALL.len()] = [
            Kind(NodeKind::Agent),
            Kind(NodeKind::Turn),
            Kind(NodeKind::Call),
            Kind(NodeKind::Tool),
            Kind(NodeKind::Script),
            Kind(NodeKind::Compaction),
            Kind(NodeKind::Message),
        ];
        &KINDS
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.0.name()))
    }
}

pub(super) fn run(args: &Args) -> Status {
    show(args).unwrap_or_else(|error| report_error(&error))
}

fn show(args: &Args) -> anyhow::Result<Status> {
    let prices = args.view.prices()?;
    let opened = OpenBundle::open_named(&newest::bundle(args.bundle.as_deref())?)?;
    let reduction = reduce(opened.reader(), &Options::default())?;
    let graph = &reduction.graph;
    let run = Run::new(opened.reader(), &reduction, &prices);
    let filter = Filter {
        agents: args.thread.clone(),
        turns: args.turn.clone(),
        kinds: args.kind.iter().map(|Kind(kind)| *kind).collect(),
        failed: args.failed,
        depth: args.depth.map(|depth| depth as usize),
    };
    let selected = filter.select(&run, graph)?;
    if args.json {
        let page = Page { limit: args.limit, after: args.after.clone() };
        output::print(run.to_json(&selected, &page)?)?;
    } else {
        let layout = Layout { columns: args.view.columns(), full: args.full };
        output::print_lines(&run.show(&selected, layout))?;
    }
    let skipped: Vec<_> = graph.diagnostics.iter().filter(|it| it.severity == Severity::Skipped).collect();
    for diagnostic in skipped.iter().take(LISTED) {
        output::eprint(format_args!("{}: {diagnostic}", Severity::Skipped));
    }
    if let Some(more) = skipped.len().checked_sub(LISTED).filter(|more| *more > 0) {
        output::eprint(format_args!("{}: … and {more} more; `otel-trace check` lists all", Severity::Skipped));
    }
    Ok(Status::from_diagnostics(&graph.diagnostics))
}

/// Maximum number of diagnostics that are printed; `otel-trace check` prints all.
const LISTED: usize = 5;
