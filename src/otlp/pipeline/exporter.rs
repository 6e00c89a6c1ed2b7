//! The same way out, for spans that are finished already.

use std::time::Instant;

use opentelemetry::KeyValue;
use opentelemetry_sdk::trace::SpanData;

use super::OtlpError;
use super::builder::delivery;
use super::connection::Said;
use super::delivery::{Delivered, Pace};
use super::outlet::{Destination, Outlet};
use super::quiet::quietly;
use super::resource;
use super::variables::Variables;
use crate::otlp::Mapping;

/// What is said of an export, apart from the environment.
#[derive(Debug, Clone, Default)]
pub(crate) struct ExportOptions {
    pub(crate) to: Said,
    pub(crate) service_name: Option<String>,
    pub(crate) attributes: Vec<KeyValue>,
    pub(crate) mapping: Mapping,
}

/// Exports spans in the calling thread: no queue, no thread, no tracer.
#[derive(Debug)]
pub(crate) struct OtlpExporter(Outlet);

/// An exporter to where the options say, and for the rest the `OTEL_*` variables, with the same defaults as live.
///
/// # Errors
/// If an option or a variable has a value that it can't have. Whether the receiver is there is not known here.
pub(crate) fn span_exporter(options: &ExportOptions) -> Result<OtlpExporter, OtlpError> {
    let variables = Variables::of_process();
    let resource = resource::resolve(options.service_name.as_deref(), &options.attributes, &variables)?;
    let delivery = delivery(&options.to, resource, &variables)?;
    Ok(OtlpExporter(Outlet::new(options.mapping, Destination::Receiver(Box::new(delivery)))))
}

impl OtlpExporter {
    /// Maps and sends these spans, and blocks until all of them are settled. They may be any number; a few hundred keep
    /// the memory low.
    ///
    /// What can be tried again has been, with pauses that double, for `OTEL_BSP_EXPORT_TIMEOUT` (30 s) and as long as
    /// the receiver asks with `Retry-After`; messages that are too large have been halved. So what comes back is final:
    /// how many the receiver took, and of the others how many were dropped for which reason, with the cause. What the
    /// receiver rejects of a message that it takes otherwise is among them.
    ///
    /// After [`Unreachable`](super::DropReason::Unreachable) the next batch has little hope.
    pub(crate) fn export(&self, spans: Vec<SpanData>) -> Delivered {
        quietly(|| self.0.deliver(spans, &Patient))
    }
}

/// Nobody waits for the end.
struct Patient;

impl Pace for Patient {
    fn wait_until(&self, moment: Instant) -> bool {
        std::thread::sleep(moment.saturating_duration_since(Instant::now()));
        true
    }

    fn is_closing(&self) -> bool {
        false
    }
}
