//! Where ended spans come in.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};

use super::OtlpError;
use super::outlet::Outlet;
use super::queue::Queue;
use super::quiet::quietly;

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
            .spawn(move || quietly(|| empty(&worker, &outlet)))
            .map_err(|error| OtlpError::new(format!("no thread for the export could be started: {error}")))?;
        Ok(Self { queue, flush_timeout })
    }
}

fn empty(queue: &Queue, outlet: &Outlet) {
    while let Some(spans) = queue.next_batch() {
        if !spans.is_empty() {
            queue.settle(outlet.deliver(spans, queue));
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
        let before = self.queue.ledger().stats().dropped();
        if !self.queue.flush(self.flush_timeout) {
            return Err(OTelSdkError::Timeout(self.flush_timeout));
        }
        match self.queue.ledger().stats().dropped() - before {
            0 => Ok(()),
            dropped => Err(OTelSdkError::InternalFailure(format!("{dropped} spans could not be exported"))),
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
