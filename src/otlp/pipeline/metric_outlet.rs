//! Where metrics go.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use prost::Message;

use super::ledger::Ledger;
use super::quiet::quietly;
use super::sending::Sender;

/// Sends what was collected, once: sums are cumulative, so the next collection has what did not arrive.
#[derive(Debug)]
pub(super) struct MetricOutlet {
    sender: Sender,
    ledger: Arc<Ledger>,
}

impl MetricOutlet {
    pub(super) fn new(sender: Sender, ledger: Arc<Ledger>) -> Self {
        Self { sender, ledger }
    }

    fn send(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let message = ExportMetricsServiceRequest::from(metrics).encode_to_vec();
        let sent = quietly(|| self.sender.send(message.into()));
        sent.map(drop).map_err(|error| {
            self.ledger.metrics_failed();
            OTelSdkError::InternalFailure(error.text)
        })
    }
}

impl PushMetricExporter for MetricOutlet {
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
