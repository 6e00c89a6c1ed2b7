//! Where metrics go.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;

use super::ledger::Ledger;
use super::sending::{Failure, MetricSender};

/// Sends what was collected, once: sums are cumulative, so the next collection has what did not arrive.
#[derive(Debug)]
pub(super) struct MetricOutlet {
    sender: MetricSender,
    ledger: Arc<Ledger>,
    /// The receiver takes no metrics.
    is_over: AtomicBool,
}

impl MetricOutlet {
    pub(super) fn new(sender: MetricSender, ledger: Arc<Ledger>) -> Self {
        Self { sender, ledger, is_over: AtomicBool::new(false) }
    }

    fn send(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        if self.is_over.load(Ordering::Relaxed) {
            return Ok(());
        }
        match self.sender.send(metrics) {
            Ok(_) => Ok(()),
            // Many a receiver is for traces alone: nothing is wrong, and nothing will change.
            Err(error) if error.kind == Failure::NotServed => {
                self.is_over.store(true, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => {
                self.ledger.metrics_failed(error.text.clone());
                Err(OTelSdkError::InternalFailure(error.text))
            }
        }
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::time::Duration;

    use mock_collector::{MockCollector, MockServer, Protocol as Spoken};

    use crate::event::ExecutionStatus;
    use crate::otlp::pipeline::{Otlp, Protocol};
    use crate::otlp::span_facts::{SpanFacts, What};

    /// Measures one call of a model.
    fn measure(otlp: &Otlp) {
        let facts = SpanFacts {
            bundle: None,
            object_id: "inference:1".into(),
            thread_id: "t".into(),
            turn_id: None,
            status: ExecutionStatus::Completed,
            error: None,
            payload_ids: Vec::new(),
            what: What::Inference(Box::default()),
        };
        otlp.metrics().unwrap().record(&facts, Duration::from_secs(1));
    }

    async fn metrics_arrive(spoken: Spoken, protocol: Protocol) {
        let server = MockServer::builder().protocol(spoken).start().await.unwrap();
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
        metrics_arrive(Spoken::HttpBinary, Protocol::HttpProtobuf).await;
        metrics_arrive(Spoken::Grpc, Protocol::Grpc).await;
    }

    #[test]
    fn metrics_that_nobody_takes_are_counted() {
        let (otlp, guard) = Otlp::builder().endpoint("http://receiver.invalid:4318").build().unwrap();
        measure(&otlp);
        drop(guard);
        assert_eq!(otlp.stats().metrics_failed, 1);
    }
}
