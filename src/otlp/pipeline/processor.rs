//! Where ended spans come in.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};

use super::OtlpError;
use super::delivery::Delivered;
use super::queue::{Queue, TimedOut};
use super::span_sink::Outlet;
use super::suppress::quietly;

/// Puts the spans into a queue, which a thread of its own empties.
///
/// The SDK's own batch processor drops in silence, can't stop a retry at the shutdown and tells of no loss.
#[derive(Debug)]
pub(super) struct QueueProcessor {
    queue: Arc<Queue>,
    flush_timeout: Duration,
}

impl QueueProcessor {
    pub(super) fn start(queue: Arc<Queue>, outlet: Outlet, flush_timeout: Duration) -> Result<Self, OtlpError> {
        let worker = Arc::clone(&queue);
        thread::Builder::new()
            .name("otel-trace-otlp".to_owned())
            .spawn(move || empty(&worker, &outlet))
            .map_err(|error| OtlpError::new(format!("no thread for the export could be started: {error}")))?;
        Ok(Self { queue, flush_timeout })
    }
}

fn empty(queue: &Queue, outlet: &Outlet) {
    while let Some(spans) = queue.next_batch() {
        if !spans.is_empty() {
            let count = spans.len() as u64;
            // An exporter of the program's own may panic; the export goes on.
            let delivered = catch_unwind(AssertUnwindSafe(|| quietly(|| outlet.deliver(spans, queue))));
            queue.settle(delivered.unwrap_or_else(|_| Delivered::refused(count, "the exporter panicked")));
        }
        queue.ledger().tell();
    }
}

impl SpanProcessor for QueueProcessor {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() {
            self.queue.push(span);
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
        self.queue.close(timeout);
        match self.queue.ledger().stats().shut_down {
            0 => Ok(()),
            _ => Err(OTelSdkError::Timeout(timeout)),
        }
    }
}
