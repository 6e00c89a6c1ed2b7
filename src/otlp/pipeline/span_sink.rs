//! Where batches go.

use std::fmt::Debug;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use super::blocking::wait_for;
use super::delivery::{Delivered, Delivery, Pace};
use crate::otlp::{Mapping, map};

/// The end of the way: spans are mapped, then they go.
#[derive(Debug)]
pub(super) struct Outlet {
    mapping: Mapping,
    destination: Destination,
}

/// A receiver of OTLP, or whatever else the program wants to export to.
#[derive(Debug)]
pub(super) enum Destination {
    Receiver(Box<Delivery>),
    Exporter(Box<dyn AnyExporter>),
}

impl Outlet {
    pub(super) fn new(mapping: Mapping, destination: Destination) -> Self {
        Self { mapping, destination }
    }

    pub(super) fn deliver(&self, spans: Vec<SpanData>, pace: &impl Pace) -> Delivered {
        if spans.is_empty() {
            return Delivered::default();
        }
        let spans: Vec<_> = spans.into_iter().map(|span| map(span, &self.mapping)).collect();
        match &self.destination {
            Destination::Receiver(delivery) => delivery.deliver(spans, pace),
            Destination::Exporter(exporter) => deliver_to(exporter.as_ref(), spans),
        }
    }
}

fn deliver_to(exporter: &dyn AnyExporter, spans: Vec<SpanData>) -> Delivered {
    let count = spans.len() as u64;
    match exporter.export_blocking(spans) {
        Ok(()) => Delivered { exported: count, ..Delivered::default() },
        Err(error) => Delivered::refused(count, error),
    }
}

/// Any exporter, in a box.
pub(super) trait AnyExporter: Debug + Send + Sync {
    fn export_blocking(&self, spans: Vec<SpanData>) -> OTelSdkResult;
    fn set_resource(&mut self, resource: &Resource);
}

impl<E: SpanExporter> AnyExporter for E {
    fn export_blocking(&self, spans: Vec<SpanData>) -> OTelSdkResult {
        wait_for(self.export(spans))
    }

    fn set_resource(&mut self, resource: &Resource) {
        SpanExporter::set_resource(self, resource);
    }
}
