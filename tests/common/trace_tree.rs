//! Draws received traces as trees, by the rule of Jaeger's UI, and checks that every span of a trace is drawn.
//!
//! The collector makes references of a span's parent and links: the parent first, as `CHILD_OF`, then each link as
//! `FOLLOWS_FROM`; a link to the parent replaces that reference. The UI draws a span below the first of its references
//! whose span was received, regardless of the reference's type.

use std::collections::{HashMap, HashSet};
use std::fmt;

use opentelemetry_proto::tonic::trace::v1::Span;

/// The shortest duration that Jaeger shows without a warning, in nanoseconds.
const SHORTEST_NANOS: u64 = 1_000;

/// A defect of a drawing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Two spans of a trace share an id.
    RepeatedId(String),
    /// The span is its own ancestor: the UI draws neither this span nor its descendants.
    Circle(String),
    /// Every parent was received, but the number of roots is not one.
    Roots(Vec<String>),
    /// The span references a span that started later.
    LaterReference { span: String, reference: String },
    /// The span lasts less than a microsecond.
    TooShort(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RepeatedId(span) => write!(f, "{span} has the id of another span"),
            Self::Circle(span) => write!(f, "{span} is in or below a circle of references and is not drawn"),
            Self::Roots(roots) => write!(f, "every parent was received, but the roots are {roots:?}"),
            Self::LaterReference { span, reference } => write!(f, "{span} references {reference}, which starts later"),
            Self::TooShort(span) => write!(f, "{span} lasts less than 1 µs"),
        }
    }
}

/// A trace as the UI draws it.
#[derive(Debug)]
pub(crate) struct Drawing {
    /// Depth and name of each drawn span from top to bottom, with children in the order of their start.
    pub(crate) lines: Vec<(usize, String)>,
    pub(crate) faults: Vec<Fault>,
}

impl Drawing {
    /// Returns how many levels the tree has.
    pub(crate) fn levels(&self) -> usize {
        self.lines.iter().map(|(depth, _)| depth + 1).max().unwrap_or(0)
    }
}

/// Draws each trace of the received spans. The traces have no particular order.
pub(crate) fn draw(spans: &[Span]) -> Vec<Drawing> {
    let mut traces: HashMap<&[u8], Vec<&Span>> = HashMap::new();
    for span in spans {
        traces.entry(&span.trace_id).or_default().push(span);
    }
    traces.into_values().map(draw_trace).collect()
}

/// Draws received spans and panics if the drawing of any trace has a defect.
#[track_caller]
pub(crate) fn assert_drawn(spans: &[Span]) -> Vec<Drawing> {
    assert!(!spans.is_empty(), "no span was received");
    let drawings = draw(spans);
    for drawing in &drawings {
        let faults: Vec<_> = drawing.faults.iter().map(Fault::to_string).collect();
        assert!(faults.is_empty(), "{}\n{}", faults.join("\n"), render(&drawing.lines));
    }
    assert_eq!(
        drawings.iter().map(|drawing| drawing.lines.len()).sum::<usize>(),
        spans.len(),
        "not every span is drawn"
    );
    drawings
}

/// Renders the lines of a drawing, indented by depth.
fn render(lines: &[(usize, String)]) -> String {
    lines.iter().map(|(depth, name)| format!("{}{name}\n", "  ".repeat(*depth))).collect()
}

/// Returns the ids of the spans that a span references: its parent, then its links to other spans of the trace than the
/// parent.
fn references(span: &Span) -> Vec<&[u8]> {
    let parent = Some(&*span.parent_span_id).filter(|parent| !parent.is_empty());
    let links = span.links.iter().filter(|link| link.trace_id == span.trace_id).map(|link| &*link.span_id);
    parent.into_iter().chain(links.filter(|link| Some(*link) != parent)).collect()
}

/// Formats the name and id of a span.
fn label(span: &Span) -> String {
    let id: String = span.span_id.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{} ({id})", span.name)
}

fn draw_trace(mut spans: Vec<&Span>) -> Drawing {
    spans.sort_by_key(|span| (span.start_time_unix_nano, span.end_time_unix_nano));
    let mut faults = Vec::new();
    let mut by_id: HashMap<&[u8], usize> = HashMap::new();
    for (index, span) in spans.iter().enumerate() {
        if by_id.insert(&span.span_id, index).is_some() {
            faults.push(Fault::RepeatedId(label(span)));
        }
    }
    let mut roots = Vec::new();
    let mut children: HashMap<usize, Vec<usize>> = HashMap::new();
    for (index, span) in spans.iter().enumerate() {
        let received: Vec<_> = references(span).into_iter().filter_map(|id| by_id.get(id).copied()).collect();
        match received.first() {
            Some(parent) => children.entry(*parent).or_default().push(index),
            None => roots.push(index),
        }
        for reference in received.iter().map(|index| spans[*index]) {
            if reference.start_time_unix_nano > span.start_time_unix_nano {
                faults.push(Fault::LaterReference { span: label(span), reference: label(reference) });
            }
        }
        if span.end_time_unix_nano < span.start_time_unix_nano.saturating_add(SHORTEST_NANOS) {
            faults.push(Fault::TooShort(label(span)));
        }
    }
    let mut lines = Vec::new();
    let mut drawn = HashSet::new();
    let mut open: Vec<(usize, usize)> = roots.iter().rev().map(|root| (0, *root)).collect();
    while let Some((depth, index)) = open.pop() {
        if drawn.insert(index) {
            lines.push((depth, spans[index].name.clone()));
            open.extend(children.get(&index).into_iter().flatten().rev().map(|child| (depth + 1, *child)));
        }
    }
    faults.extend(
        (0..spans.len()).filter(|index| !drawn.contains(index)).map(|index| Fault::Circle(label(spans[index]))),
    );
    let is_received = |span: &&Span| span.parent_span_id.is_empty() || by_id.contains_key(&*span.parent_span_id);
    if spans.iter().all(is_received) && roots.len() != 1 {
        faults.push(Fault::Roots(roots.iter().map(|root| label(spans[*root])).collect()));
    }
    Drawing { lines, faults }
}
