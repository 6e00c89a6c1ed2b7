//! So many spans at once as fit in memory and in a message.

use opentelemetry_sdk::trace::SpanData;

use crate::otlp::pipeline::weight;

/// The most spans of a batch.
const SPANS: usize = 512;

/// The most bytes of a batch, about. Receivers over gRPC take 4 MiB unless told otherwise; a message that turns out to
/// be larger is halved where it is sent. A span that is larger goes alone.
const BYTES: usize = 3 << 20;

/// Spans that go together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    spans: Vec<SpanData>,
    bytes: usize,
}

impl Batch {
    /// Adds a span. Gives what was there before, where it would be too much with it.
    pub(super) fn add(&mut self, span: SpanData) -> Option<Vec<SpanData>> {
        let bytes = weight(&span);
        let is_full = self.spans.len() >= SPANS || (self.bytes + bytes > BYTES && !self.spans.is_empty());
        let full = is_full.then(|| std::mem::take(self).spans);
        self.bytes += bytes;
        self.spans.push(span);
        full
    }

    /// What is left.
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

    /// How many spans of these sizes go together.
    fn batches(sizes: impl IntoIterator<Item = usize>) -> Vec<usize> {
        let mut batch = Batch::default();
        let full: Vec<_> = sizes.into_iter().filter_map(|size| batch.add(span(size))).collect();
        full.iter().map(Vec::len).chain([batch.into_spans().len()]).collect()
    }

    #[test]
    fn a_batch_is_bounded_by_count_and_by_bytes_and_what_is_too_large_goes_alone() {
        assert_eq!(batches([10; 1100]), [512, 512, 76]);
        assert_eq!(batches([1 << 20; 5]), [2, 2, 1]);
        assert_eq!(batches([10, 5 << 20, 10]), [1, 1, 1]);
        assert_eq!(batches([]), [0]);
    }
}
