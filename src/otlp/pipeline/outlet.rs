//! Where batches go.

use std::fmt::Debug;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use super::delivery::{Delivered, Delivery, Pace};
use super::stats::{DropReason, DroppedSpans};

/// A receiver of OTLP, or whatever else the program wants to export to.
#[derive(Debug)]
pub(super) enum Outlet {
    Receiver(Delivery),
    Exporter(Box<dyn AnyExporter>),
}

impl Outlet {
    pub(super) fn deliver(&self, spans: Vec<SpanData>, pace: &impl Pace) -> Delivered {
        match self {
            Self::Receiver(delivery) => delivery.deliver(spans, pace),
            Self::Exporter(exporter) => deliver_to(exporter.as_ref(), spans),
        }
    }
}

fn deliver_to(exporter: &dyn AnyExporter, spans: Vec<SpanData>) -> Delivered {
    let count = spans.len() as u64;
    match exporter.export_blocking(spans) {
        Ok(()) => Delivered { exported: count, dropped: Vec::new() },
        Err(error) => {
            let dropped = DroppedSpans::new(DropReason::Rejected, count, Some(error.to_string()));
            Delivered { exported: 0, dropped: vec![dropped] }
        }
    }
}

/// Any exporter, in a box.
pub(super) trait AnyExporter: Debug + Send + Sync {
    fn export_blocking(&self, spans: Vec<SpanData>) -> OTelSdkResult;
    fn set_resource(&mut self, resource: &Resource);
}

impl<E: SpanExporter> AnyExporter for E {
    fn export_blocking(&self, spans: Vec<SpanData>) -> OTelSdkResult {
        futures_executor::block_on(self.export(spans))
    }

    fn set_resource(&mut self, resource: &Resource) {
        SpanExporter::set_resource(self, resource);
    }
}
