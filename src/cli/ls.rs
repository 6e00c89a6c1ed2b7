//! `otel-trace ls`

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, bail};
use clap::ValueEnum;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use otel_trace::bundle::Reader;
use otel_trace::reduce::{Options, reduce};
use otel_trace::view::{self, Cache, Entry, Key, Listed, Run, SortBy};

use super::archive::OpenBundle;
use super::bundles::Bundle;
use super::newest::ADVICE;
use super::parallel::{for_each_bundle, report_error};
use super::view::ViewOptions;
use super::{Status, bundles, newest, output};

/// List the runs below a directory: when, how long, how they ended, what failed, tokens, cost and what was asked
///
/// What the list says of each run is kept in the user's cache directory ($XDG_CACHE_HOME/otel-trace, else
/// ~/.cache/otel-trace), so that the next list of the same runs is quick. Nothing is written into a bundle.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit status:
  0  all runs are listed
  1  the directory cannot be read, contains no run, or a run in it cannot be read
  2  wrong usage
  3  all runs are listed, but something damaged or unknown was left out of one

Examples:
  otel-trace ls                                  the runs of $OTEL_TRACE_ROOT, else of traces/
  otel-trace ls --since 1d --status failed,aborted,running
                                                 what did not end well since yesterday, killed runs included
  otel-trace ls --sort failures                  runs in which calls or tools failed, completed ones too
  otel-trace ls --sort cost --limit 10           the ten most expensive runs
  otel-trace ls --grep 'unit test' --json | jq -r '.runs[].path'
  otel-trace show 019d2c4e                       the run with this id")]
pub(super) struct Args {
    /// A directory that contains bundles [default: $OTEL_TRACE_ROOT, else traces]
    #[arg(value_name = "ROOT")]
    root: Option<PathBuf>,

    /// Order of the list, each from the largest value down
    #[arg(long, value_enum, default_value_t = Order::Time)]
    sort: Order,

    /// Only runs that ended in one of these ways, separated by commas; `running` for those without an end, such as killed
    /// ones
    #[arg(long, value_enum, value_delimiter = ',', value_name = "STATUS")]
    status: Vec<RunStatus>,

    /// Only runs that began within this time (30m, 12h, 2d, 1w), or since this date or time (2026-11-30,
    /// 2026-11-30T09:00)
    #[arg(long, value_name = "TIME", value_parser = parse_since)]
    since: Option<i64>,

    /// Only runs in which a message of a user contains this text, in any case
    #[arg(long, value_name = "TEXT")]
    grep: Option<String>,

    /// Maximum number of runs that are listed
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    limit: usize,

    #[command(flatten)]
    view: ViewOptions,

    /// Print JSON, with times in RFC 3339
    #[arg(long)]
    json: bool,
}

/// The values of `--sort`.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Order {
    /// The newest first
    Time,
    /// The longest first
    Duration,
    /// The most expensive first
    Cost,
    /// The most tokens first
    Tokens,
    /// The most failures first
    Failures,
    /// The largest bundle first
    Size,
}

impl From<Order> for SortBy {
    fn from(order: Order) -> Self {
        match order {
            Order::Time => Self::Time,
            Order::Duration => Self::Duration,
            Order::Cost => Self::Cost,
            Order::Tokens => Self::Tokens,
            Order::Failures => Self::Failures,
            Order::Size => Self::Size,
        }
    }
}

/// The values of `--status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RunStatus {
    Running,
    Completed,
    Failed,
    Aborted,
}

/// Parses the value of `--since`: a time before now, a date, or a time. Returns milliseconds since the Unix epoch.
fn parse_since(text: &str) -> Result<i64, String> {
    let hint = "expected 30m, 12h, 2d, 1w, a date such as 2026-11-30, or a time such as 2026-11-30T09:00";
    let units = [("m", 60), ("h", 3_600), ("d", 86_400), ("w", 7 * 86_400)];
    for (unit, seconds) in units {
        if let Some(count) = text.strip_suffix(unit).and_then(|count| count.parse::<i64>().ok()) {
            let ago = count.checked_mul(seconds * 1_000).filter(|ago| *ago >= 0).ok_or(hint)?;
            return Ok(now().saturating_sub(ago));
        }
    }
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Ok(time.as_millisecond());
    }
    let local: DateTime = text.parse().map_err(|_| hint)?;
    let time = TimeZone::system().to_timestamp(local).map_err(|error| error.to_string())?;
    Ok(time.as_millisecond())
}

/// Returns the current time in milliseconds since the Unix epoch.
fn now() -> i64 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

pub(super) fn run(args: &Args) -> Status {
    list(args).unwrap_or_else(|error| report_error(&error))
}

fn list(args: &Args) -> anyhow::Result<Status> {
    let root = args.root.clone().unwrap_or_else(newest::root);
    fs::read_dir(&root).with_context(|| format!("{} cannot be listed; {ADVICE}", root.display()))?;
    let found = bundles::find(std::slice::from_ref(&root));
    if found.roots.is_empty() && Reader::open(&root).is_err() {
        bail!("{} contains no run; {ADVICE}", root.display());
    }
    let prices = args.view.prices()?;
    let cache = Cache::open(&root);
    let mut kept = HashMap::new();
    let mut runs = Vec::new();
    let read = |bundle: &Bundle| {
        let opened = OpenBundle::open_named(bundle)?;
        let reader = opened.reader();
        let unreadable = || format!("{}: the log cannot be read", bundle.path.display());
        let key = Key::new(reader, &prices).with_context(unreadable)?;
        let (size, entry, graph) = match cache.get(&key) {
            Some((size, entry)) => (size, entry, None),
            None => {
                let reduction = reduce(reader, &Options::default())?;
                let graph = &reduction.graph;
                let run = Run::new(reader, &reduction, &prices);
                (size_of(&bundle.path), Entry::new(graph, &run), Some(reduction.graph))
            }
        };
        let is_wanted = match &args.grep {
            None => true,
            Some(text) => match (entry.mentions(text), graph) {
                (Some(is_found), _) => is_found,
                (None, Some(graph)) => view::mentions(&graph, text),
                (None, None) => view::mentions(&reduce(reader, &Options::default())?.graph, text),
            },
        };
        Ok((key, size, entry, is_wanted))
    };
    let status = for_each_bundle(&found.bundles, read, |bundle, outcome| {
        let (key, size, entry, is_wanted) = outcome?;
        let status = if entry.skipped > 0 { Status::Skipped } else { Status::Complete };
        kept.insert(key, (size, entry.clone()));
        if is_wanted && is_selected(args, &entry) {
            runs.push(Listed { path: bundle.path.display().to_string(), size, entry });
        }
        Ok(status)
    });
    cache.replace(kept.into_iter().map(|(key, (size, entry))| (key, size, entry)));
    view::sort(&mut runs, args.sort.into());
    let total = runs.len();
    if args.json {
        output::print(view::list_json(&runs, args.limit))?;
    } else {
        runs.truncate(args.limit);
        output::print_lines(&view::list(&runs, args.view.columns()))?;
        if total == 0 {
            output::eprint("no run is as the options want it");
        }
        if total > runs.len() {
            output::eprint(format_args!("… and {} more: --limit", total - runs.len()));
        }
    }
    Ok(status)
}

/// Returns `true` if a run has one of the wanted statuses and is new enough.
fn is_selected(args: &Args, entry: &Entry) -> bool {
    let has_status = |status: &RunStatus| {
        let name = status.to_possible_value();
        name.is_some_and(|name| name.get_name() == entry.status.name())
    };
    let is_new = args.since.is_none_or(|since| entry.started_at.0 >= since);
    is_new && (args.status.is_empty() || args.status.iter().any(has_status))
}

/// Returns the total size of the files of a bundle, in bytes. Follows no link.
fn size_of(directory: &Path) -> u64 {
    let entries = directory.read_dir().into_iter().flatten().filter_map(Result::ok);
    entries
        .filter_map(|entry| {
            let found = entry.metadata().ok()?;
            Some(if found.is_dir() { size_of(&entry.path()) } else { found.len() })
        })
        .fold(0, u64::saturating_add)
}
