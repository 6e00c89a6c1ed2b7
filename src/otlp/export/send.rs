//! All spans of a bundle, to a receiver.

use std::collections::BTreeSet;

use opentelemetry_sdk::trace::SpanData;

use super::batch::Batch;
use super::resource::resource;
use super::retry::Patience;
use super::{ExportError, ExportOptions, Plan, spans};
use crate::bundle::Reader;
use crate::graph::Graph;
use crate::otlp::pipeline::{Delivered, DropReason, OtlpExporter, span_exporter};

/// How far an export is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Spans that are done with.
    pub done: usize,
    /// Of so many.
    pub total: usize,
}

/// What was exported.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exported {
    /// The traces that the spans are in, 32 hexadecimal digits each, in ascending order.
    pub trace_ids: BTreeSet<String>,
    /// How many spans the receiver took.
    pub spans: usize,
    /// How many spans it did not take, though it took others of their message, or each is too large for it.
    pub rejected: usize,
    /// What it said of that, the first time.
    pub rejection: Option<String>,
    /// Of those that it did not take, each that alone is larger than what it takes: which, and what was answered.
    pub too_large: Vec<String>,
}

/// Sends what happened in a bundle, as [`spans`] gives it, in messages of bounded size. Blocks until all of it is taken:
/// a receiver that asks to wait is waited for, some times. `progress` is told after every batch.
///
/// # Errors
/// [`ExportError`] where the receiver can't be reached, or does not take a message. One span that is too large for it is
/// no error: the others go on.
pub fn export(
    bundle: &Reader,
    graph: &Graph,
    options: &ExportOptions,
    progress: impl FnMut(Progress),
) -> Result<Exported, ExportError> {
    let url = options.destination()?;
    let exporter = resource(options, graph).and_then(|resource| span_exporter(&options.said, &resource));
    let exporter = exporter.map_err(ExportError::options)?;
    let total = Plan::of(bundle, graph).spans();
    let mut sending = Sending { exporter, url, total, exported: Exported::default(), progress };
    let mut batch = Batch::default();
    for span in spans(bundle, graph, &options.mapping) {
        sending.exported.trace_ids.insert(span.span_context.trace_id().to_string());
        if let Some(full) = batch.add(span) {
            sending.send(full)?;
        }
    }
    sending.send(batch.into_spans())?;
    Ok(sending.exported)
}

struct Sending<P> {
    exporter: OtlpExporter,
    url: String,
    total: usize,
    exported: Exported,
    progress: P,
}

impl<P: FnMut(Progress)> Sending<P> {
    fn send(&mut self, spans: Vec<SpanData>) -> Result<(), ExportError> {
        if spans.is_empty() {
            return Ok(());
        }
        let Delivered { exported, dropped, gave_up } = self.exporter.export(spans, &Patience::default());
        self.exported.spans += usize::try_from(exported).unwrap_or(usize::MAX);
        if let Some(error) = gave_up {
            return Err(ExportError::refused(error, self.url.clone(), self.exported.spans, self.total));
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
