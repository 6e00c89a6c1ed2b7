//! The list of the runs below a directory.

use std::borrow::Cow;
use std::cmp::Reverse;

use jiff::tz::TimeZone;
use serde::Serialize;

use crate::event::RolloutStatus;

use super::layout::{BOLD, FAILED, Line, PLAIN, WARNING};
use super::show::run_id;
use super::table::{Header, lay_out};
use super::text::{duration, local, tokens};
use super::{Entry, json};

/// A run in a list: where it is, how large it is, and what it was.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Path of the bundle.
    pub path: String,
    /// Size of the bundle's files, in bytes.
    pub size: u64,
    /// What the run was.
    pub entry: Entry,
}

/// The order of a list, each from the largest value down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SortBy {
    /// The newest run first.
    #[default]
    Time,
    /// The longest run first.
    Duration,
    /// The most expensive run first. What has no price counts as nothing.
    Cost,
    /// The run with the most tokens first.
    Tokens,
    /// The run with the most failures first.
    Failures,
    /// The largest bundle first.
    Size,
}

/// Sorts a list. Runs that are alike stand in the order of their paths.
pub fn sort(runs: &mut [Listed], by: SortBy) {
    runs.sort_by(|a, b| a.path.cmp(&b.path));
    runs.sort_by_key(|run| {
        let entry = &run.entry;
        Reverse(match by {
            SortBy::Time => i128::from(entry.started_at.0),
            SortBy::Duration => i128::from(entry.millis),
            SortBy::Cost => {
                entry.cost().known().map_or(0, |known| i128::try_from(known.picodollars()).unwrap_or(i128::MAX))
            }
            SortBy::Tokens => i128::from(entry.input_tokens) + i128::from(entry.output_tokens),
            SortBy::Failures => entry.failures as i128,
            SortBy::Size => i128::from(run.size),
        })
    });
}

/// Width of a list from which on more columns are shown, and from which on all are.
const MEDIUM: usize = 110;
const WIDE: usize = 150;

/// A column of a list: its header, the least width of a list that shows it, and the cell of a run.
struct Column {
    header: Header,
    least_width: usize,
    cell: fn(&Listed, &TimeZone) -> String,
}

/// The columns of a list, left to right. The last one takes the room that is left.
const COLUMNS: [Column; 13] = [
    column("run", false, 0, |run, _| run_id(&run.entry.trace_id)),
    column("started", false, 0, |run, zone| local(run.entry.started_at, zone, "%Y-%m-%d %H:%M")),
    column("status", false, 0, |run, _| run.entry.status.name().to_owned()),
    column("time", true, 0, |run, _| duration(run.entry.millis)),
    column("agents", true, MEDIUM, |run, _| run.entry.agents.to_string()),
    column("turns", true, WIDE, |run, _| run.entry.turns.to_string()),
    column("calls", true, MEDIUM, |run, _| run.entry.calls.to_string()),
    column(
        "failed",
        true,
        0,
        |run, _| if run.entry.failures == 0 { String::new() } else { run.entry.failures.to_string() },
    ),
    column("tokens", true, MEDIUM, |run, _| tokens(run.entry.input_tokens.saturating_add(run.entry.output_tokens))),
    column("cost", true, 0, |run, _| run.entry.cost().to_string()),
    column("size", true, WIDE, |run, _| size(run.size)),
    column("model", false, WIDE, |run, _| models(&run.entry)),
    column("title", false, 0, |run, _| run.entry.title.clone().unwrap_or_default()),
];

const fn column(
    name: &'static str,
    is_number: bool,
    least_width: usize,
    cell: fn(&Listed, &TimeZone) -> String,
) -> Column {
    Column { header: Header { name, is_number }, least_width, cell }
}

/// Lays out a list of runs, one a line, in this number of columns.
pub fn list(runs: &[Listed], columns: usize) -> Vec<Line> {
    let zone = TimeZone::system();
    let shown: Vec<_> = COLUMNS.iter().filter(|column| columns >= column.least_width).collect();
    let headers: Vec<_> = shown.iter().map(|column| column.header).collect();
    let rows = runs.iter().map(|run| shown.iter().map(|column| (column.cell)(run, &zone)).collect());
    let elastic = shown.len().saturating_sub(1);
    let lines = lay_out(&headers, rows.collect(), elastic, columns);
    let styles = std::iter::once(BOLD).chain(runs.iter().map(|run| match run.entry.status {
        RolloutStatus::Failed => FAILED,
        RolloutStatus::Aborted | RolloutStatus::Running => WARNING,
        RolloutStatus::Completed => PLAIN,
    }));
    lines.into_iter().zip(styles).map(|(text, style)| Line::new(style, text)).collect()
}

/// Names the first model of a run, and says how many others there are.
fn models(entry: &Entry) -> String {
    let first = entry.models.first().map_or("", String::as_str);
    match entry.models.len() {
        0 | 1 => first.to_owned(),
        several => format!("{first} +{}", several - 1),
    }
}

/// Formats a size: `811 B`, `1.4 KiB`, `33.6 MiB`.
fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let mut unit = 1_u64 << 10;
    if bytes < unit {
        return format!("{bytes} B");
    }
    let mut name = units[0];
    for larger in &units[1..] {
        if bytes < unit << 10 {
            break;
        }
        (unit, name) = (unit << 10, larger);
    }
    format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit)
}

/// Returns a list of runs as JSON: at most `limit`, and how many there are.
pub fn list_json(runs: &[Listed], limit: usize) -> String {
    #[derive(Serialize)]
    struct Runs<'a> {
        runs: Vec<RunJson<'a>>,
        total: usize,
    }
    let shown = runs.iter().take(limit).map(RunJson::new).collect();
    serde_json::to_string(&Runs { runs: shown, total: runs.len() }).unwrap_or_default()
}

#[derive(Serialize)]
struct RunJson<'a> {
    trace_id: &'a str,
    path: &'a str,
    size_bytes: u64,
    title: Option<Cow<'a, str>>,
    status: &'static str,
    started_at: String,
    duration_ms: u64,
    models: &'a [String],
    agents: usize,
    turns: usize,
    calls: usize,
    tools: usize,
    failures: usize,
    input_tokens: u64,
    output_tokens: u64,
    cost: json::CostJson,
    skipped: usize,
}

impl<'a> RunJson<'a> {
    fn new(run: &'a Listed) -> Self {
        let Listed { path, size, entry } = run;
        Self {
            trace_id: entry.trace_id.as_str(),
            path,
            size_bytes: *size,
            title: entry.title.as_deref().map(json::bounded),
            status: entry.status.name(),
            started_at: json::rfc3339(entry.started_at),
            duration_ms: entry.millis,
            models: &entry.models,
            agents: entry.agents,
            turns: entry.turns,
            calls: entry.calls,
            tools: entry.tools,
            failures: entry.failures,
            input_tokens: entry.input_tokens,
            output_tokens: entry.output_tokens,
            cost: json::CostJson::new(entry.cost()),
            skipped: entry.skipped,
        }
    }
}
