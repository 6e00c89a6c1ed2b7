//! Counts the spans of an export.

use std::collections::BTreeMap;

use super::spans::SpanIter;
use crate::bundle::Reader;
use crate::graph::Graph;

/// The number of spans that an export would send, by trace and kind. Made from the graph alone; no payload is read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// Number of spans by trace id, 32 hexadecimal digits, and by `otel_trace.kind`.
    pub traces: BTreeMap<String, BTreeMap<&'static str, usize>>,
}

impl Plan {
    /// Counts the spans of a bundle.
    pub fn new(bundle: &Reader, graph: &Graph) -> Self {
        let spans = SpanIter::new(bundle, graph);
        let mut traces = BTreeMap::<_, BTreeMap<_, _>>::new();
        for index in spans.indices() {
            let Some((trace, _)) = spans.tree.span(index) else { continue };
            let Some(object) = spans.tree.objects.get(index) else { continue };
            *traces.entry(trace.to_string()).or_default().entry(object.kind().name()).or_default() += 1;
        }
        Self { traces }
    }

    /// Returns the total number of spans.
    pub fn spans(&self) -> usize {
        self.traces.values().flat_map(BTreeMap::values).sum()
    }
}
