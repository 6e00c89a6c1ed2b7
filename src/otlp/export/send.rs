//! Sends all spans of a bundle to a receiver.

use std::collections::BTreeSet;

use opentelemetry_sdk::trace::SpanData;

use super::batch::Batch;
use super::error::ExportError;
use super::error::Receiver;
use super::options::ExportOptions;
use super::plan::Plan;
use super::resource::resource;
use super::retry::RetryBudget;
use super::spans::spans;
use crate::bundle::Reader;
use crate::graph::Graph;
use crate::otlp::send::exporter::{OtlpExporter, span_exporter};
use crate::otlp::send::retrying_sender::BatchOutcome;
use crate::otlp::send::stats::DropReason;

/// Progress of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Number of spans that were sent or rejected.
    pub done: usize,
    /// Number of spans of the bundle.
    pub total: usize,
}

/// Result of an export.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExportSummary {
    /// Ids of the traces, 32 hexadecimal digits each, in ascending order.
    pub trace_ids: BTreeSet<String>,
    /// Number of spans that the receiver accepted.
    pub spans: usize,
    /// Number of spans that the receiver rejected: it accepted others of their message, or each is too large for it.
    pub rejected: usize,
    /// The receiver's message for the first rejection.
    pub rejection: Option<String>,
    /// Id and name of each span that alone exceeds the receiver's limit, with the receiver's answer.
    pub too_large: Vec<String>,
}

/// Sends the spans of a bundle, as [`spans()`] returns them, in messages of bounded size. Blocks until all are accepted:
/// if the receiver asks to retry later, the export waits and retries a limited number of times. `progress` is called
/// after every batch.
///
/// # Errors
/// [`ExportError`] if the receiver can't be reached or does not accept a message. A single span that is too large for
/// the receiver is not an error: the export continues with the others.
pub fn export(
    bundle: &Reader,
    graph: &Graph,
    options: &ExportOptions,
    progress: impl FnMut(Progress),
) -> Result<ExportSummary, ExportError> {
    let receiver = options.receiver()?;
    let exporter = resource(options, graph).and_then(|resource| span_exporter(&options.settings, &resource));
    let exporter = exporter.map_err(ExportError::options)?;
    let total = Plan::new(bundle, graph).spans();
    let mut sender = Sender { exporter, receiver, total, exported: ExportSummary::default(), progress };
    let mut batch = Batch::default();
    for span in spans(bundle, graph, &options.mapping) {
        sender.exported.trace_ids.insert(span.span_context.trace_id().to_string());
        if let Some(full) = batch.add(span) {
            sender.send(full)?;
        }
    }
    sender.send(batch.into_spans())?;
    Ok(sender.exported)
}

struct Sender<P> {
    exporter: OtlpExporter,
    receiver: Receiver,
    total: usize,
    exported: ExportSummary,
    progress: P,
}

impl<P: FnMut(Progress)> Sender<P> {
    fn send(&mut self, spans: Vec<SpanData>) -> Result<(), ExportError> {
        if spans.is_empty() {
            return Ok(());
        }
        let BatchOutcome { exported, dropped, first_failure } = self.exporter.export(spans, &RetryBudget::default());
        self.exported.spans += usize::try_from(exported).unwrap_or(usize::MAX);
        if let Some(error) = first_failure {
            return Err(ExportError::refused(error, self.receiver.clone(), self.exported.spans, self.total));
        }
        for rejected in dropped {
            self.exported.rejected += usize::try_from(rejected.count).unwrap_or(usize::MAX);
            match rejected.reason {
                DropReason::TooLarge => self.exported.too_large.extend(rejected.cause),
                DropReason::QueueFull | DropReason::Unreachable | DropReason::Rejected | DropReason::ShutDown => {
                    self.exported.rejection = self.exported.rejection.take().or(rejected.cause);
                }
            }
        }
        (self.progress)(Progress { done: self.exported.spans + self.exported.rejected, total: self.total });
        Ok(())
    }
}
