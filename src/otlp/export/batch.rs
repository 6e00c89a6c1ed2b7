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
#[path = "tests/batch.rs"]
mod tests;
