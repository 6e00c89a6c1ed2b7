//! The columns of numbers beside a run's tree.

use super::text::{duration, percent, tokens, width};
use super::{Node, NodeKind};

/// A column of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Time,
    FirstToken,
    Input,
    Cached,
    Written,
    Output,
    Reasoning,
    Cost,
}

/// Width of a view from which on all columns are shown.
const WIDE: usize = 140;
/// Width of a view from which on tokens are shown.
const MEDIUM: usize = 80;
/// Number of blanks before a column.
const GAP: usize = 2;

impl Column {
    /// Returns the columns of a view of this width.
    fn in_width(columns: usize) -> &'static [Self] {
        match columns {
            WIDE.. => &[
                Self::Time,
                Self::FirstToken,
                Self::Input,
                Self::Cached,
                Self::Written,
                Self::Output,
                Self::Reasoning,
                Self::Cost,
            ],
            MEDIUM..WIDE => &[Self::Time, Self::Input, Self::Cached, Self::Output, Self::Cost],
            _ => &[Self::Time, Self::Cost],
        }
    }

    const fn header(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::FirstToken => "1st token",
            Self::Input => "in",
            Self::Cached => "cached",
            Self::Written => "written",
            Self::Output => "out",
            Self::Reasoning => "reasoning",
            Self::Cost => "cost",
        }
    }

    /// Returns the cell of a node, empty if the column says nothing about it.
    fn cell(self, node: &Node) -> String {
        let usage = node.usage.as_ref();
        let of_usage = |cell: &dyn Fn(&crate::event::Usage) -> String| usage.map(cell).unwrap_or_default();
        match self {
            Self::Time => node.millis.map(duration).unwrap_or_default(),
            Self::FirstToken => node.first_token_millis.map(duration).unwrap_or_default(),
            Self::Input => of_usage(&|usage| tokens(usage.input_tokens)),
            Self::Cached => of_usage(&|it| percent(it.cached_input_tokens, it.input_tokens).unwrap_or_default()),
            Self::Written => of_usage(&|usage| nonzero(usage.cache_write_input_tokens)),
            Self::Output => of_usage(&|usage| tokens(usage.output_tokens)),
            Self::Reasoning => of_usage(&|usage| nonzero(usage.reasoning_output_tokens)),
            // A tool call has no tokens of its own; what its agent cost stands at it in brackets.
            Self::Cost if node.kind == NodeKind::Tool && !node.spawned_cost.is_none() => {
                format!("({})", node.spawned_cost)
            }
            Self::Cost => node.cost.to_string(),
        }
    }
}

fn nonzero(count: u64) -> String {
    if count == 0 { String::new() } else { tokens(count) }
}

/// The columns that a view shows, with their widths.
#[derive(Debug)]
pub(super) struct Columns {
    shown: Vec<(Column, usize)>,
}

impl Columns {
    /// Chooses the columns for a view: those that fit and that say something about one of the nodes.
    pub(super) fn new<'a>(nodes: impl Iterator<Item = &'a Node> + Clone, columns: usize) -> Self {
        let shown = Column::in_width(columns).iter().filter_map(|column| {
            let widest = nodes.clone().map(|node| width(&column.cell(node))).max()?;
            (widest > 0).then(|| (*column, widest.max(width(column.header()))))
        });
        Self { shown: shown.collect() }
    }

    /// Returns the number of columns of the terminal that all columns take.
    pub(super) fn width(&self) -> usize {
        self.shown.iter().map(|(_, width)| GAP + width).sum()
    }

    pub(super) fn header(&self) -> String {
        self.row(|column| column.header().to_owned())
    }

    pub(super) fn cells(&self, node: &Node) -> String {
        self.row(|column| column.cell(node))
    }

    /// Formats a row, every cell at the right end of its column.
    fn row(&self, cell: impl Fn(Column) -> String) -> String {
        let cells = self.shown.iter().map(|(column, wide)| {
            let cell = cell(*column);
            format!("{}{cell}", " ".repeat(GAP + wide.saturating_sub(width(&cell))))
        });
        cells.collect()
    }
}
