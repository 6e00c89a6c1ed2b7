//! The exporter behind the SDK's metrics reader.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;

use super::ledger::Ledger;
use super::response::SendErrorKind;
use super::sender::MetricSender;

/// An exporter that sends each collection of metrics once, without retries: sums are cumulative, so the next collection
/// includes the values of a lost one.
#[derive(Debug)]
pub(crate) struct MetricSink {
    sender: MetricSender,
    ledger: Arc<Ledger>,
    /// `true` once the receiver has answered that it does not serve metrics.
    is_unsupported: AtomicBool,
}

impl MetricSink {
    pub(crate) fn new(sender: MetricSender, ledger: Arc<Ledger>) -> Self {
        Self { sender, ledger, is_unsupported: AtomicBool::new(false) }
    }

    /// Sends one collection. Does nothing once the receiver has refused metrics altogether.
    fn send(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        if self.is_unsupported.load(Ordering::Relaxed) {
            return Ok(());
        }
        match self.sender.send(metrics) {
            Ok(_) => Ok(()),
            // Many receivers accept traces only. This is not an error, and later attempts would not succeed either.
            Err(error) if error.kind == SendErrorKind::NotServed => {
                self.is_unsupported.store(true, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => {
                self.ledger.count_metrics_failure(error.text.clone());
                Err(OTelSdkError::InternalFailure(error.text))
            }
        }
    }
}

impl PushMetricExporter for MetricSink {
    fn export(&self, metrics: &ResourceMetrics) -> impl Future<Output = OTelSdkResult> + Send {
        std::future::ready(self.send(metrics))
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}

#[cfg(test)]
#[path = "tests/metric_sink.rs"]
mod tests;
