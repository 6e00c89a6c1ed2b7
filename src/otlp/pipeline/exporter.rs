//! The same way out, for spans that are finished already.

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;

use super::OtlpError;
use super::builder::delivery;
use super::connection::Said;
use super::delivery::{Delivered, Delivery, Pace};
use super::suppress::quietly;
use super::variables::Variables;

/// Exports spans in the calling thread: no queue, no thread, no tracer.
#[derive(Debug)]
pub(crate) struct OtlpExporter(Delivery);

/// An exporter to where a caller says, and for the rest the `OTEL_*` variables, with the same defaults as live.
///
/// # Errors
/// If what was said has a value that it can't have. Whether the receiver is there is not known here.
pub(crate) fn span_exporter(to: &Said, resource: &Resource) -> Result<OtlpExporter, OtlpError> {
    delivery(to, resource, &Variables::of_process()).map(OtlpExporter)
}

impl OtlpExporter {
    /// Sends these spans, and blocks until all of them are settled. They may be any number; a few hundred keep the
    /// memory low.
    ///
    /// What can be tried again has been, with pauses that double, for `OTEL_BSP_EXPORT_TIMEOUT` (30 s) and as long as
    /// the receiver asks with `Retry-After`, if `pace` wants to wait; messages that are too large have been halved. So
    /// what comes back is final.
    pub(crate) fn export(&self, spans: Vec<SpanData>, pace: &impl Pace) -> Delivered {
        quietly(|| self.0.deliver(spans, pace))
    }
}
