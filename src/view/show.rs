//! The text of a run: its summary, and its tree with columns of numbers.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;

use crate::event::{ExecutionStatus, RolloutStatus, ToolCallId, TraceId};
use crate::graph::Code;

use super::columns::Columns;
use super::layout::{BOLD, DIM, Draft, FAILED, Line, PLAIN, WARNING};
use super::text::{cut, duration, local, percent, pluralize, tokens, width};
use super::{Counts, EvidenceSummary, Node, NodeKind, Run, Summary};

/// How a run is laid out.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// Number of columns of the terminal.
    pub columns: usize,
    /// Shows each of the nodes that repeat one another.
    pub full: bool,
}

/// Maximum number of lines of a summary.
const MAX_SUMMARY_LINES: usize = 8;
/// Number of failures that the summary names.
const NAMED_FAILURES: usize = 2;
/// Least number of equal neighbours that are folded, and number of those that are shown.
const FOLDED: usize = 4;
const SHOWN_OF_FOLDED: usize = 2;

impl Run {
    /// Lays out the run: its summary, a blank line, and the nodes at these indices.
    pub fn show(&self, selected: &[usize], layout: Layout) -> Vec<Line> {
        let mut lines = self.summary_lines(layout.columns);
        lines.push(Line::default());
        lines.extend(TreeLines::new(&self.nodes, selected, layout).lines());
        lines
    }

    /// Lays out the summary in at most eight lines.
    pub fn summary_lines(&self, columns: usize) -> Vec<Line> {
        let Self { summary, nodes } = self;
        let title = summary.title.as_deref().unwrap_or("(no message of a user)");
        let mut lines = vec![line(columns, |draft| draft.elastic(BOLD, "", title, 0, ""))];
        lines.extend(wrap(&summary.facts(), columns));
        let error =
            summary.error.iter().map(|error| line(columns, |draft| draft.elastic(FAILED, "error: ", error, 0, "")));
        let ends: Vec<_> = error.collect();
        let failures = failures(nodes, columns);
        let loops = loops(summary, nodes, columns);
        let evidence = wrap(&summary.evidence.facts(summary.status), columns);
        let others = ends.len() + failures.iter().len() + loops.iter().len() + evidence.len();
        if let Some(answer) = summary.answer.as_ref().filter(|_| lines.len() + others < MAX_SUMMARY_LINES) {
            let after = more_lines(answer.lines);
            let text = (answer.first_line.as_str(), answer.more_chars);
            lines.push(line(columns, |draft| draft.elastic(PLAIN, "answer: ", text.0, text.1, &after)));
        }
        lines.extend(ends.into_iter().chain(failures).chain(loops).chain(evidence));
        lines.truncate(MAX_SUMMARY_LINES);
        lines
    }
}

fn line(columns: usize, fill: impl FnOnce(&mut Draft)) -> Line {
    let mut draft = Draft::default();
    fill(&mut draft);
    draft.finish(columns)
}

/// Says how many lines there are, if there are several.
fn more_lines(lines: usize) -> String {
    if lines > 1 { format!(" ({} lines)", super::text::grouped(lines as u64)) } else { String::new() }
}

impl Summary {
    /// Returns how the run ended and what it took, in pieces for one or several lines.
    fn facts(&self) -> Vec<(anstyle::Style, String)> {
        let time = duration(self.millis);
        let (style, ended) = match self.status {
            RolloutStatus::Completed => (PLAIN, format!("completed in {time}")),
            RolloutStatus::Failed => (FAILED, format!("failed after {time}")),
            RolloutStatus::Aborted => (WARNING, format!("aborted after {time}")),
            RolloutStatus::Running => (WARNING, format!("no end; last event after {time}")),
        };
        let mut facts = vec![(style, ended), (PLAIN, local(self.started_at, &TimeZone::system(), "%Y-%m-%d %H:%M:%S"))];
        facts.push((PLAIN, pluralize(self.agents, "agent")));
        facts.push((PLAIN, counted(self.calls, "call", 0)));
        facts.push((PLAIN, counted(self.tools, "tool", self.nonzero_exits)));
        let totals = &self.totals;
        let cached = percent(totals.cached_input_tokens, totals.input_tokens);
        let cached = cached.map(|percent| format!(" ({percent} cached)")).unwrap_or_default();
        facts
            .push((PLAIN, format!("{} in{cached}, {} out", tokens(totals.input_tokens), tokens(totals.output_tokens))));
        if !self.cost.is_none() {
            facts.push((PLAIN, format!("cost {}", self.cost)));
        }
        facts
    }
}

/// Counts operations: `16 tools (1 failed, 2 exits ≠ 0)`.
fn counted(counts: Counts, noun: &str, nonzero_exits: usize) -> String {
    let Counts { total, failed, cancelled, running } = counts;
    let statuses = [(failed, "failed"), (cancelled, "cancelled"), (running, "without an end")];
    let mut parts: Vec<_> =
        statuses.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    if nonzero_exits > 0 {
        parts.push(format!("{} ≠ 0", pluralize(nonzero_exits, "exit")));
    }
    let parts = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
    format!("{}{parts}", pluralize(total, noun))
}

impl EvidenceSummary {
    /// Returns what there is and what is missing, in pieces for one or several lines.
    fn facts(&self, status: RolloutStatus) -> Vec<(anstyle::Style, String)> {
        let (skipped, notices) = (by_code(&self.skipped), by_code(&self.notices));
        let whole = match (skipped.is_empty(), notices.is_empty(), status) {
            (true, true, RolloutStatus::Running) => "evidence: whole so far",
            (true, true, _) => "evidence: whole",
            (true, false, _) => "evidence: nothing left out",
            (false, ..) => "evidence: damaged",
        };
        let mut facts = vec![(if skipped.is_empty() { DIM } else { WARNING }, whole.to_owned())];
        if !skipped.is_empty() {
            facts.push((WARNING, format!("left out: {skipped}")));
        }
        if !notices.is_empty() {
            facts.push((DIM, format!("notices: {notices}")));
        }
        let events = usize::try_from(self.events).unwrap_or(usize::MAX);
        facts.push((DIM, format!("{}, {}", pluralize(events, "event"), pluralize(self.payloads, "payload"))));
        facts.push((DIM, format!("run {}", run_id(&self.trace_id))));
        facts
    }
}

/// Number of characters of a trace id that name a run.
const ID_CHARS: usize = 8;

/// Returns the beginning of a run's trace id, by which commands find it.
pub(super) fn run_id(trace: &TraceId) -> String {
    trace.as_str().chars().take(ID_CHARS).collect()
}

/// Maximum number of codes of diagnostics that the summary lists.
const LISTED_CODES: usize = 3;

/// Lists the most frequent codes: `bad_payload ×2, late_end`.
fn by_code(counts: &BTreeMap<Code, usize>) -> String {
    let mut counts: Vec<_> = counts.iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let listed = counts.iter().take(LISTED_CODES).map(|(code, count)| match count {
        1 => code.to_string(),
        _ => format!("{code} ×{count}"),
    });
    let mut listed: Vec<_> = listed.collect();
    if counts.len() > LISTED_CODES {
        listed.push(format!("{} more kinds", counts.len() - LISTED_CODES));
    }
    listed.join(", ")
}

/// Puts facts into lines, with a dot between two of them. A fact that is wider than a line is cut.
fn wrap(facts: &[(anstyle::Style, String)], columns: usize) -> Vec<Line> {
    const DOT: &str = " · ";
    let mut lines: Vec<Line> = Vec::new();
    for (style, fact) in facts {
        let fact = cut(&super::Escaped(fact).to_string(), columns, 0);
        let needed = width(DOT) + width(&fact);
        match lines.last_mut().filter(|line| line.width() + needed <= columns) {
            Some(line) => {
                line.push(DIM, DOT.to_owned());
                line.push(*style, fact);
            }
            None => lines.push(Line::new(*style, fact)),
        }
    }
    lines
}

/// Names the first failures. Failures that contain others are those of their parts.
fn failures(nodes: &[Node], columns: usize) -> Option<Line> {
    let mut contains_failure = vec![false; nodes.len()];
    for node in nodes.iter().filter(|node| node.has_failed()) {
        if let Some(contains) = node.parent.and_then(|parent| contains_failure.get_mut(parent)) {
            *contains = true;
        }
    }
    let failed = nodes.iter().zip(contains_failure).filter(|(node, contains)| node.has_failed() && !contains);
    let failed: Vec<_> = failed.map(|(node, _)| node).collect();
    let (named, more) = failed.split_at_checked(NAMED_FAILURES).unwrap_or((&failed, &[]));
    (!named.is_empty()).then(|| {
        line(columns, |draft| {
            draft.fixed(FAILED, "failed: ");
            for (place, node) in named.iter().enumerate() {
                let separator = if place > 0 { "; " } else { "" };
                let reason = reason(node).map(|reason| format!(": {reason}")).unwrap_or_default();
                draft.elastic(FAILED, separator, &format!("{}{reason}", node.label), 0, "");
            }
            if !more.is_empty() {
                draft.fixed(DIM, &format!("; and {} more: --failed", more.len()));
            }
        })
    })
}

/// Says why an operation failed.
fn reason(node: &Node) -> Option<String> {
    let exit = || node.exit_code.filter(|code| *code != 0).map(|code| format!("exit {code}"));
    node.error.clone().or_else(exit)
}

/// Says which calls repeat one another, and where.
fn loops(summary: &Summary, nodes: &[Node], columns: usize) -> Option<Line> {
    let [first, more @ ..] = &*summary.loops else { return None };
    let place = |id: &ToolCallId| {
        let node = nodes.iter().find(|node| node.kind == NodeKind::Tool && node.id == id.as_str())?;
        nodes.get(node.parent?).map(|call| call.label.clone())
    };
    let from = first.tool_call_ids.first().and_then(place);
    let to = first.tool_call_ids.last().and_then(place);
    let place = match (from, to) {
        (Some(from), Some(to)) if from != to => format!(", {from} to {to}"),
        (Some(from), _) => format!(", {from}"),
        (None, _) => String::new(),
    };
    let tools = first.tools.join(" and ");
    let text = format!("{tools}, {} times with the same arguments and output{place}", first.tool_call_ids.len());
    let more = if more.is_empty() { String::new() } else { format!("; and {}", pluralize(more.len(), "more loop")) };
    Some(line(columns, |draft| draft.elastic(WARNING, "loop: ", &text, 0, &more)))
}

/// The lines of a tree.
struct TreeLines<'a> {
    nodes: &'a [Node],
    roots: Vec<usize>,
    /// The selected nodes directly below each node.
    children: Vec<Vec<usize>>,
    columns: Columns,
    layout: Layout,
    lines: Vec<Line>,
}

impl<'a> TreeLines<'a> {
    fn new(nodes: &'a [Node], selected: &[usize], layout: Layout) -> Self {
        let mut children = vec![Vec::new(); nodes.len()];
        let mut roots = Vec::new();
        for place in selected {
            let parent = nodes.get(*place).and_then(|node| node.parent);
            match parent.and_then(|parent| children.get_mut(parent)) {
                Some(siblings) => siblings.push(*place),
                None => roots.push(*place),
            }
        }
        let columns = Columns::new(selected.iter().filter_map(|place| nodes.get(*place)), layout.columns);
        Self { nodes, roots, children, columns, layout, lines: Vec::new() }
    }

    fn lines(mut self) -> Vec<Line> {
        let header = self.columns.header();
        let mut line = Line::default();
        if self.roots.is_empty() {
            line.push(DIM, "nothing of this run is selected".to_owned());
        } else if !header.is_empty() {
            line.push(DIM, " ".repeat(self.layout.columns.saturating_sub(width(&header))));
            line.push(DIM, header);
        }
        self.lines.push(line);
        for root in std::mem::take(&mut self.roots) {
            self.add(root, "", "");
        }
        self.lines
    }

    /// Adds the lines of a node and of those below it.
    fn add(&mut self, place: usize, branch: &str, below: &str) {
        let Some(node) = self.nodes.get(place) else { return };
        self.lines.push(self.node(node, branch));
        let children = self.children.get_mut(place).map(std::mem::take).unwrap_or_default();
        let mut rest = &*children;
        while let Some((first, _)) = rest.split_first() {
            let equal = self.equal_neighbours(rest);
            let (run, later) = rest.split_at(equal);
            if self.layout.full || equal < FOLDED {
                let is_last = rest.len() == 1;
                self.add_below(*first, is_last, below);
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            let (shown, folded) = run.split_at(SHOWN_OF_FOLDED);
            shown.iter().for_each(|place| self.add_below(*place, false, below));
            self.lines.push(self.folded(folded, later.is_empty(), below));
            rest = later;
        }
    }

    fn add_below(&mut self, place: usize, is_last: bool, below: &str) {
        let (branch, inner) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        self.add(place, &format!("{below}{branch}"), &format!("{below}{inner}"));
    }

    /// Returns how many of the first nodes are alike: tools of one name that succeeded, or calls with one error.
    fn equal_neighbours(&self, places: &[usize]) -> usize {
        let key = |place: &usize| {
            let node = self.nodes.get(*place)?;
            let is_leaf = self.children.get(*place).is_none_or(Vec::is_empty);
            let is_like_others = node.kind == NodeKind::Call || !node.has_failed();
            let key = node.fold_key.as_ref().filter(|_| is_leaf && is_like_others && node.spawned_cost.is_none())?;
            Some((node.kind, node.status, key))
        };
        let Some(first) = places.first().and_then(key) else { return 1 };
        places.iter().take_while(|place| key(place).as_ref() == Some(&first)).count()
    }

    fn node(&self, node: &Node, branch: &str) -> Line {
        let numbers = self.columns.cells(node);
        let mut draft = Draft::default();
        draft.fixed(DIM, branch);
        let style = match node.status {
            ExecutionStatus::Failed => FAILED,
            ExecutionStatus::Cancelled | ExecutionStatus::Aborted | ExecutionStatus::Running => WARNING,
            ExecutionStatus::Completed if node.kind == NodeKind::Agent => BOLD,
            ExecutionStatus::Completed => PLAIN,
        };
        match node.kind {
            NodeKind::Tool => draft.elastic(style, "", &node.label, 0, ""),
            NodeKind::Agent
            | NodeKind::Turn
            | NodeKind::Call
            | NodeKind::Script
            | NodeKind::Compaction
            | NodeKind::Message => draft.fixed(style, &node.label),
        }
        if node.status != ExecutionStatus::Completed {
            draft.fixed(style, &format!("  {}", ended(node.status)));
        }
        if let Some(code) = node.exit_code {
            draft.fixed(if code == 0 { DIM } else { FAILED }, &format!("  exit {code}"));
        }
        if let Some(error) = &node.error {
            draft.elastic(style, "  ", error, 0, "");
        } else if let Some(text) = &node.text {
            let after = format!("\"{}", more_lines(text.lines));
            draft.yielding(PLAIN, "  \"", &text.first_line, text.more_chars, &after);
        }
        for note in &node.notes {
            draft.note(DIM, note);
        }
        self.with_numbers(draft, numbers)
    }

    /// Says how many nodes are folded, with the time that they took.
    fn folded(&self, places: &[usize], is_last: bool, below: &str) -> Line {
        let nodes: Vec<_> = places.iter().filter_map(|place| self.nodes.get(*place)).collect();
        let what = match nodes.first().map(|node| (node.kind, node.fold_key.as_deref())) {
            Some((NodeKind::Call, _)) | None => "calls that failed in the same way".to_owned(),
            Some((_, key)) => format!("calls of {}", key.unwrap_or_default()),
        };
        let millis = nodes.iter().filter_map(|node| node.millis).fold(0_u64, u64::saturating_add);
        let sum = nodes.first().map_or_else(String::new, |first| {
            let millis = Some(millis);
            self.columns.cells(&Node { millis, usage: None, first_token_millis: None, ..(*first).clone() })
        });
        let mut draft = Draft::default();
        draft.fixed(DIM, &format!("{below}{}", if is_last { "└─ " } else { "├─ " }));
        draft.elastic(DIM, "", &format!("{} more {what}", nodes.len()), 0, ": --full");
        self.with_numbers(draft, sum)
    }

    /// Makes the line of a node with its numbers at the right edge.
    fn with_numbers(&self, draft: Draft, numbers: String) -> Line {
        let columns = self.layout.columns.saturating_sub(self.columns.width());
        let mut line = draft.finish(columns);
        if !numbers.trim().is_empty() {
            line.push(PLAIN, " ".repeat(columns.saturating_sub(line.width())));
            line.push(DIM, numbers.trim_end().to_owned());
        }
        line
    }
}

/// Says how an operation ended that did not complete.
const fn ended(status: ExecutionStatus) -> &'static str {
    match status {
        ExecutionStatus::Running => "no end",
        ExecutionStatus::Completed => "completed",
        ExecutionStatus::Failed => "failed",
        ExecutionStatus::Cancelled => "cancelled",
        ExecutionStatus::Aborted => "aborted",
    }
}
