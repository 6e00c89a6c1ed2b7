//! The JSON of a run: its summary, and its nodes as a list that a reader takes in pieces.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::{error, fmt};

use serde::Serialize;

use crate::event::{RolloutStatus, UnixMillis, Usage};
use crate::graph::{Code, Totals};

use super::text::{MAX_CHARS, split_at_char};
use super::{Cost, Counts, Node, NodeKind, Run, Summary};

/// A part of a run's nodes: at most `limit`, behind the one that `after` names.
#[derive(Debug, Clone)]
pub struct Page {
    /// Maximum number of nodes.
    pub limit: usize,
    /// The node behind which the page begins, as `kind:id`: the `next` of the page before. `None` for the first page.
    pub after: Option<String>,
}

/// The `after` of a page is no node of the run.
#[derive(Debug)]
pub struct NoSuchNode(String);

impl fmt::Display for NoSuchNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(name) = self;
        write!(f, "no node is named {name:?}; give the `next` of the page before, with the same options")
    }
}

impl error::Error for NoSuchNode {}

impl Run {
    /// Returns a page of the nodes at these indices as JSON, with the summary of the run.
    ///
    /// # Errors
    /// Fails if the page begins behind a node that is not among the selected ones.
    pub fn to_json(&self, selected: &[usize], page: &Page) -> Result<String, NoSuchNode> {
        let nodes = || selected.iter().filter_map(|place| self.nodes.get(*place));
        let begin = match &page.after {
            None => 0,
            Some(after) => {
                1 + nodes().position(|node| name(node) == *after).ok_or_else(|| NoSuchNode(after.clone()))?
            }
        };
        let shown: Vec<_> = nodes().skip(begin).take(page.limit).collect();
        let has_more = nodes().count() > begin + shown.len();
        let json = RunJson {
            summary: SummaryJson::new(&self.summary),
            nodes: shown.iter().map(|node| NodeJson::new(node, &self.nodes)).collect(),
            next: shown.last().filter(|_| has_more).map(|node| name(node)),
        };
        // Texts, numbers and lists of them cannot fail to serialize.
        Ok(serde_json::to_string(&json).unwrap_or_default())
    }
}

/// Returns the name of a node, which is unique in its run.
fn name(node: &Node) -> String {
    format!("{}:{}", node.kind.name(), node.id)
}

#[derive(Serialize)]
struct RunJson<'a> {
    summary: SummaryJson<'a>,
    nodes: Vec<NodeJson<'a>>,
    /// Where the next page begins. Absent from the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Serialize)]
struct SummaryJson<'a> {
    trace_id: &'a str,
    title: Option<Cow<'a, str>>,
    status: RolloutStatus,
    error: Option<Cow<'a, str>>,
    answer: Option<&'a str>,
    started_at: String,
    duration_ms: u64,
    models: &'a [String],
    agents: usize,
    turns: usize,
    calls: Counts,
    tools: Counts,
    nonzero_exits: usize,
    totals: Totals,
    cost: CostJson,
    loops: Vec<LoopJson<'a>>,
    evidence: EvidenceJson<'a>,
}

impl<'a> SummaryJson<'a> {
    fn new(summary: &'a Summary) -> Self {
        let Summary {
            title,
            status,
            error,
            answer,
            started_at,
            millis,
            models,
            agents,
            turns,
            calls,
            tools,
            nonzero_exits,
            totals,
            cost,
            loops,
            evidence,
        } = summary;
        Self {
            trace_id: evidence.trace_id.as_str(),
            title: title.as_deref().map(bounded),
            status: *status,
            error: error.as_deref().map(bounded),
            answer: answer.as_ref().map(|answer| &*answer.first_line),
            started_at: rfc3339(*started_at),
            duration_ms: *millis,
            models,
            agents: *agents,
            turns: *turns,
            calls: *calls,
            tools: *tools,
            nonzero_exits: *nonzero_exits,
            totals: *totals,
            cost: CostJson::new(*cost),
            loops: loops
                .iter()
                .map(|it| LoopJson {
                    tools: &it.tools,
                    tool_call_ids: it.tool_call_ids.iter().map(|id| id.as_str()).collect(),
                })
                .collect(),
            evidence: EvidenceJson {
                events: evidence.events,
                payloads: evidence.payloads,
                skipped: &evidence.skipped,
                notices: &evidence.notices,
            },
        }
    }
}

#[derive(Serialize)]
struct LoopJson<'a> {
    tools: &'a [String],
    tool_call_ids: Vec<&'a str>,
}

#[derive(Serialize)]
struct EvidenceJson<'a> {
    events: u64,
    payloads: usize,
    skipped: &'a BTreeMap<Code, usize>,
    notices: &'a BTreeMap<Code, usize>,
}

/// A cost: what is known of it in US dollars, as text, since it is exact; and whether a part has no price.
#[derive(Serialize)]
pub(super) struct CostJson {
    usd: Option<String>,
    is_incomplete: bool,
}

impl CostJson {
    pub(super) fn new(cost: Cost) -> Self {
        Self { usd: cost.known().map(|known| known.to_decimal()), is_incomplete: cost.is_incomplete() }
    }
}

#[derive(Serialize)]
struct NodeJson<'a> {
    kind: NodeKind,
    id: &'a str,
    /// Name of the node that contains this one, as `kind:id`. Absent from agents.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
    label: Cow<'a, str>,
    status: &'static str,
    seq: u64,
    started_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_token_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i64>,
    /// First line of what was said or printed, of at most 2,000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lines: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<CostJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    spawned_cost: Option<CostJson>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    notes: &'a [String],
}

impl<'a> NodeJson<'a> {
    fn new(node: &'a Node, nodes: &[Node]) -> Self {
        let Node {
            kind,
            id,
            parent,
            depth: _,
            label,
            text,
            status,
            error,
            exit_code,
            seq,
            started_at,
            millis,
            first_token_millis,
            usage,
            cost,
            spawned_cost,
            notes,
            fold_key: _,
        } = node;
        let of_some = |cost: &Cost| (!cost.is_none()).then(|| CostJson::new(*cost));
        Self {
            kind: *kind,
            id,
            parent: parent.and_then(|parent| nodes.get(parent)).map(name),
            label: bounded(label),
            status: status.name(),
            seq: seq.0,
            started_at: rfc3339(*started_at),
            duration_ms: *millis,
            first_token_ms: *first_token_millis,
            error: error.as_deref().map(bounded),
            exit_code: *exit_code,
            text: text.as_ref().map(|text| &*text.first_line),
            lines: text.as_ref().map(|text| text.lines),
            usage: *usage,
            cost: of_some(cost),
            spawned_cost: of_some(spawned_cost),
            notes,
        }
    }
}

/// Cuts a text that is too long, and says how many characters it left out: `beginning…+12`.
pub(super) fn bounded(text: &str) -> Cow<'_, str> {
    match split_at_char(text, MAX_CHARS) {
        (_, "") => Cow::Borrowed(text),
        (head, rest) => Cow::Owned(format!("{head}…+{}", rest.chars().count())),
    }
}

/// Formats a time as RFC 3339 in UTC, such as `2026-11-30T12:00:00.041Z`. A time that no calendar has stays a number.
pub(super) fn rfc3339(time: UnixMillis) -> String {
    jiff::Timestamp::from_millisecond(time.0).map_or_else(|_| time.0.to_string(), |time| format!("{time:.3}"))
}
