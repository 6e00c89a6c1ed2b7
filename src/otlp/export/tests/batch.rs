//! Tests of `export::batch`.

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
