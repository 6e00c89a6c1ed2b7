//! What an export would send.

use std::collections::BTreeMap;

use super::spans::Spans;
use crate::bundle::Reader;
use crate::graph::Graph;

/// How many spans there are, by trace, then by kind. Nothing is read but the graph.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// By trace id, 32 hexadecimal digits; by `otel_trace.kind`.
    pub traces: BTreeMap<String, BTreeMap<&'static str, usize>>,
}

impl Plan {
    /// What the export of this bundle would send.
    pub fn of(bundle: &Reader, graph: &Graph) -> Self {
        let spans = Spans::of(bundle, graph);
        let mut traces = BTreeMap::<_, BTreeMap<_, _>>::new();
        for place in spans.places() {
            let Some((trace, _)) = spans.placement.span(place) else { continue };
            let Some(object) = spans.placement.objects.get(place) else { continue };
            *traces.entry(trace.to_string()).or_default().entry(object.kind().name()).or_default() += 1;
        }
        Self { traces }
    }

    /// How many spans there are.
    pub fn spans(&self) -> usize {
        self.traces.values().flat_map(BTreeMap::values).sum()
    }
}
