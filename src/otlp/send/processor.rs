//! The span processor and its worker thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};

use super::error::OtlpError;
use super::queue::{Queue, TimedOut};
use super::retrying_sender::BatchOutcome;
use super::span_sink::SpanSink;
use super::suppress::without_telemetry;

/// A span processor that enqueues ended spans for a worker thread.
///
/// Replaces the SDK's batch processor, which drops spans silently, cannot abort a retry at shutdown and reports no
/// loss.
#[derive(Debug)]
pub(crate) struct QueueProcessor {
    queue: Arc<Queue>,
    flush_timeout: Duration,
}

impl QueueProcessor {
    /// Starts the worker thread.
    ///
    /// # Errors
    /// Returns an error if the thread cannot be started.
    pub(crate) fn start(queue: Arc<Queue>, sink: SpanSink, flush_timeout: Duration) -> Result<Self, OtlpError> {
        let worker = Arc::clone(&queue);
        thread::Builder::new()
            .name("otel-trace-otlp".to_owned())
            .spawn(move || run_worker(&worker, &sink))
            .map_err(|error| OtlpError::new(format!("cannot start the export thread: {error}")))?;
        Ok(Self { queue, flush_timeout })
    }
}

/// Exports batches from the queue until it is shut down.
fn run_worker(queue: &Queue, sink: &SpanSink) {
    while let Some(spans) = queue.next_batch() {
        if !spans.is_empty() {
            let count = spans.len() as u64;
            // A custom exporter may panic; the worker thread must survive it.
            let outcome = catch_unwind(AssertUnwindSafe(|| without_telemetry(|| sink.export_batch(spans, queue))));
            queue.complete_batch(outcome.unwrap_or_else(|_| BatchOutcome::rejected(count, "the exporter panicked")));
        }
        queue.ledger().report_drops();
    }
}

impl SpanProcessor for QueueProcessor {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() {
            self.queue.enqueue(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        match self.queue.flush(self.flush_timeout) {
            Ok(0) => Ok(()),
            Ok(dropped) => Err(OTelSdkError::InternalFailure(format!("{dropped} spans were dropped"))),
            Err(TimedOut) => Err(OTelSdkError::Timeout(self.flush_timeout)),
        }
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.queue.shut_down(timeout);
        match self.queue.ledger().stats().shut_down {
            0 => Ok(()),
            _ => Err(OTelSdkError::Timeout(timeout)),
        }
    }
}
