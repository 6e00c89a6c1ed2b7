//! A synchronous exporter, for the spans of a recorded bundle.

use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;

use super::connection::{Connection, ExporterSettings};
use super::error::OtlpError;
use super::retrying_sender::{BatchOutcome, RetryControl, RetryingSender};
use super::sender::SpanSender;
use super::suppress::without_telemetry;
use super::variables::Signal;
use super::variables::Variables;

/// Default time for which a batch is retried.
const DEFAULT_RETRY_TIMEOUT: Duration = Duration::from_secs(30);

/// An exporter that sends spans on the calling thread, without a queue, a worker thread or a tracer.
#[derive(Debug)]
pub(crate) struct OtlpExporter(RetryingSender);

/// Creates an exporter from the caller's settings. Unset settings come from the `OTEL_*` variables, with the defaults
/// of the live pipeline.
///
/// # Errors
/// Returns an error if a setting or a variable has an invalid value. Does not contact the receiver.
pub(crate) fn span_exporter(settings: &ExporterSettings, resource: &Resource) -> Result<OtlpExporter, OtlpError> {
    retrying_sender(settings, resource, &Variables::from_process()).map(OtlpExporter)
}

impl OtlpExporter {
    /// Exports `spans` and blocks until each of them is exported or dropped. The number of spans is not bounded;
    /// batches of a few hundred keep memory use low.
    ///
    /// Failed messages are retried with exponential backoff for `OTEL_BSP_EXPORT_TIMEOUT` (default: 30 s) plus the
    /// delays that the receiver requests with `Retry-After`, as long as `retry` permits it. Messages that are too large
    /// are split in half. The returned outcome is therefore final.
    pub(crate) fn export(&self, spans: Vec<SpanData>, retry: &impl RetryControl) -> BatchOutcome {
        without_telemetry(|| self.0.export_batch(spans, retry))
    }
}

/// Creates the sender of spans to the OTLP receiver.
pub(crate) fn retrying_sender(
    settings: &ExporterSettings,
    resource: &Resource,
    variables: &Variables,
) -> Result<RetryingSender, OtlpError> {
    let connection = Connection::resolve(Signal::Traces, settings, variables)?;
    let sender = SpanSender::new(&connection, resource)?;
    let retry_timeout = variables.milliseconds(&["OTEL_BSP_EXPORT_TIMEOUT"])?.unwrap_or(DEFAULT_RETRY_TIMEOUT);
    Ok(RetryingSender::new(sender, connection.redacted_url(), connection.protocol, retry_timeout))
}
