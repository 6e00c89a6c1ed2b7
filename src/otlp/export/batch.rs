//! Splits the spans of a bundle into batches that fit into memory and into a message.

use opentelemetry_sdk::trace::SpanData;

use crate::otlp::send::estimated_size::estimated_size;

/// Maximum number of spans of a batch.
const MAX_SPANS: usize = 512;

/// Maximum size of a batch, in estimated bytes. gRPC receivers accept 4 MiB by default; a message that turns out to be
/// larger is halved where it is sent. A larger span is sent on its own.
const MAX_BYTES: usize = 3 << 20;

/// A batch of spans under construction.
#[derive(Debug, Default)]
pub(super) struct Batch {
    spans: Vec<SpanData>,
    bytes: usize,
}

impl Batch {
    /// Adds a span. If the batch would exceed a limit with it, the span begins a new batch and the spans of the full
    /// one are returned.
    pub(super) fn add(&mut self, span: SpanData) -> Option<Vec<SpanData>> {
        let bytes = estimated_size(&span);
        let is_full = self.spans.len() >= MAX_SPANS || (self.bytes + bytes > MAX_BYTES && !self.spans.is_empty());
        let full = is_full.then(|| std::mem::take(self).spans);
        self.bytes += bytes;
        self.spans.push(span);
        full
    }

    /// Returns the spans of the last batch.
    pub(super) fn into_spans(self) -> Vec<SpanData> {
        self.spans
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status};
    use opentelemetry::{InstrumentationScope, KeyValue};
    use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};

    use super::*;

    fn span(content: usize) -> SpanData {
        SpanData {
            span_context: SpanContext::NONE,
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: "turn".into(),
            start_time: SystemTime::UNIX_EPOCH,
            end_time: SystemTime::UNIX_EPOCH,
            attributes: vec![KeyValue::new("content", "x".repeat(content))],
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: InstrumentationScope::default(),
        }
    }

    /// Returns the number of spans in each batch, for spans of these sizes.
    fn batches(sizes: impl IntoIterator<Item = usize>) -> Vec<usize> {
        let mut batch = Batch::default();
        let full: Vec<_> = sizes.into_iter().filter_map(|size| batch.add(span(size))).collect();
        full.iter().map(Vec::len).chain([batch.into_spans().len()]).collect()
    }

    #[test]
    fn batch_is_bounded_by_count_and_bytes() {
        assert_eq!(batches([10; 1100]), [512, 512, 76]);
        assert_eq!(batches([1 << 20; 5]), [2, 2, 1]);
        assert_eq!(batches([10, 5 << 20, 10]), [1, 1, 1]);
        assert_eq!(batches([]), [0]);
    }
}
