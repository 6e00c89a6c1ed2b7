//! The destination of batches: masking and mapping, then export.

use std::fmt::Debug;
use std::sync::Arc;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use super::blocking::block_on;
use super::retrying_sender::{BatchOutcome, RetryControl, RetryingSender};
use crate::otlp::span::map::map_masked;
use crate::otlp::span::mapping::Mapping;
use crate::otlp::span::span_masking::SpanMasking;

/// The last stage of the pipeline, which masks and maps spans and exports them to the destination.
#[derive(Debug)]
pub(crate) struct SpanSink {
    mapping: Mapping,
    masking: Arc<SpanMasking>,
    destination: Destination,
}

/// An OTLP receiver, or a custom exporter of the program.
#[derive(Debug)]
pub(crate) enum Destination {
    Receiver(Box<RetryingSender>),
    Exporter(Box<dyn DynSpanExporter>),
}

impl SpanSink {
    pub(crate) fn new(mapping: Mapping, masking: Arc<SpanMasking>, destination: Destination) -> Self {
        Self { mapping, masking, destination }
    }

    /// Masks, maps and exports a batch. Blocks until each span of it is exported or dropped.
    pub(crate) fn export_batch(&self, spans: Vec<SpanData>, retry: &impl RetryControl) -> BatchOutcome {
        if spans.is_empty() {
            return BatchOutcome::default();
        }
        let spans: Vec<_> = spans.into_iter().map(|span| map_masked(span, &self.mapping, &self.masking)).collect();
        match &self.destination {
            Destination::Receiver(retrying_sender) => retrying_sender.export_batch(spans, retry),
            Destination::Exporter(exporter) => export_to(exporter.as_ref(), spans),
        }
    }
}

/// Exports a batch once through a custom exporter. A failed batch counts as rejected.
fn export_to(exporter: &dyn DynSpanExporter, spans: Vec<SpanData>) -> BatchOutcome {
    let count = spans.len() as u64;
    match exporter.export_blocking(spans) {
        Ok(()) => BatchOutcome { exported: count, ..BatchOutcome::default() },
        Err(error) => BatchOutcome::rejected(count, error),
    }
}

/// An object-safe form of [`SpanExporter`].
pub(crate) trait DynSpanExporter: Debug + Send + Sync {
    fn export_blocking(&self, spans: Vec<SpanData>) -> OTelSdkResult;
    fn set_resource(&mut self, resource: &Resource);
}

impl<E: SpanExporter> DynSpanExporter for E {
    fn export_blocking(&self, spans: Vec<SpanData>) -> OTelSdkResult {
        block_on(self.export(spans))
    }

    fn set_resource(&mut self, resource: &Resource) {
        SpanExporter::set_resource(self, resource);
    }
}
