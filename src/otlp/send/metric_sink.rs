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
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::time::Duration;

    use mock_collector::{MockCollector, MockServer, Protocol as ServerProtocol};

    use crate::event::ExecutionStatus;
    use crate::otlp::live::pipeline::Otlp;
    use crate::otlp::send::protocol::Protocol;
    use crate::otlp::span::facts::{SpanDetail, SpanFacts};

    /// Records the duration of one inference call.
    fn measure(otlp: &Otlp) {
        let facts = SpanFacts {
            bundle: None,
            object_id: "inference:1".into(),
            thread_id: "t".into(),
            turn_id: None,
            status: ExecutionStatus::Completed,
            error: None,
            payload_ids: Vec::new(),
            detail: SpanDetail::Inference(Box::default()),
        };
        otlp.metrics().unwrap().record(&facts, Duration::from_secs(1));
    }

    async fn metrics_arrive(server_protocol: ServerProtocol, protocol: Protocol) {
        let server = MockServer::builder().protocol(server_protocol).start().await.unwrap();
        let endpoint = format!("http://{}", server.addr());
        let (otlp, guard) = Otlp::builder().endpoint(endpoint).protocol(protocol).build().unwrap();
        measure(&otlp);
        tokio::task::spawn_blocking(|| drop(guard)).await.unwrap();
        let names = |collector: &MockCollector| {
            collector.metrics().iter().map(|metric| metric.metric().name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(server.with_collector(names).await, ["gen_ai.client.operation.duration"]);
        assert_eq!(otlp.stats().metrics_failed, 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn metrics_arrive_over_both_protocols() {
        metrics_arrive(ServerProtocol::HttpBinary, Protocol::HttpProtobuf).await;
        metrics_arrive(ServerProtocol::Grpc, Protocol::Grpc).await;
    }

    #[test]
    fn failed_exports_of_metrics_are_counted() {
        let (otlp, guard) = Otlp::builder().endpoint("http://receiver.invalid:4318").build().unwrap();
        measure(&otlp);
        drop(guard);
        assert_eq!(otlp.stats().metrics_failed, 1);
    }
}
