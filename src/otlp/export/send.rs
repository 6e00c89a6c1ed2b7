//! All spans of a bundle, to a receiver.

use std::collections::BTreeSet;
use std::thread;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use super::batch::{Batch, Envelope};
use super::resource::resource;
use super::{ExportError, ExportOptions, Plan, retry, spans};
use crate::bundle::Reader;
use crate::graph::Graph;
use crate::otlp::pipeline::{Failure, SendError, Sender};

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
    /// How many spans it took the message of, but not them.
    pub rejected: usize,
    /// What it said of that, the first time.
    pub rejection: Option<String>,
}

/// Sends what happened in a bundle, as [`spans`] gives it, in messages of bounded size. Blocks until all of it is taken:
/// a receiver that asks to wait is waited for, some times. `progress` is told after every message.
///
/// # Errors
/// [`ExportError`] where the receiver can't be reached, or does not take a message.
pub fn export(
    bundle: &Reader,
    graph: &Graph,
    options: &ExportOptions,
    progress: impl FnMut(Progress),
) -> Result<Exported, ExportError> {
    let connection = options.connection()?;
    let url = connection.url().to_string();
    let sender = Sender::new(connection).map_err(ExportError::options)?;
    let resource = resource(options, graph).map_err(ExportError::options)?;
    let total = Plan::of(bundle, graph).spans();
    let mut sending = Sending { sender, url, envelope: None, total, exported: Exported::default(), progress };
    let mut batch = Batch::default();
    for span in spans(bundle, graph, &options.mapping) {
        sending.exported.trace_ids.insert(span.span_context.trace_id().to_string());
        sending.envelope.get_or_insert_with(|| Envelope::new(&resource, &span));
        let span = Span::from(span);
        if !batch.has_room_for(&span) {
            sending.send(std::mem::take(&mut batch))?;
        }
        batch.add(span);
    }
    sending.send(batch)?;
    Ok(sending.exported)
}

struct Sending<P> {
    sender: Sender,
    url: String,
    envelope: Option<Envelope>,
    total: usize,
    exported: Exported,
    progress: P,
}

impl<P: FnMut(Progress)> Sending<P> {
    /// Sends a batch; in smaller ones where the receiver wants that.
    fn send(&mut self, batch: Batch) -> Result<(), ExportError> {
        let mut batches = vec![batch];
        while let Some(batch) = batches.pop() {
            let Some(envelope) = self.envelope.as_ref().filter(|_| !batch.spans.is_empty()) else { continue };
            match self.try_to_send(envelope.message(&batch)) {
                Ok(answer) => self.taken(batch.spans.len(), &answer),
                Err(error) if error.kind == Failure::TooLarge && batch.spans.len() > 1 => {
                    batches.extend(batch.halves().into_iter().rev());
                }
                Err(error) => {
                    let sent = self.exported.spans;
                    return Err(ExportError::refused(error, self.url.clone(), sent, self.total));
                }
            }
        }
        Ok(())
    }

    fn try_to_send(&self, message: Vec<u8>) -> Result<Vec<u8>, SendError> {
        let message = bytes::Bytes::from(message);
        let mut tries = 0;
        loop {
            tries += 1;
            match self.sender.send(message.clone()) {
                Ok(answer) => return Ok(answer.to_vec()),
                Err(error) => match retry::wait(&error, tries) {
                    Some(wait) => thread::sleep(wait),
                    None => return Err(error),
                },
            }
        }
    }

    fn taken(&mut self, spans: usize, answer: &[u8]) {
        // An answer that can't be read was a success all the same.
        let answer = ExportTraceServiceResponse::decode(answer).unwrap_or_default();
        let partial = answer.partial_success.unwrap_or_default();
        let rejected = usize::try_from(partial.rejected_spans).unwrap_or(0).min(spans);
        self.exported.spans += spans - rejected;
        self.exported.rejected += rejected;
        if !partial.error_message.is_empty() {
            self.exported.rejection.get_or_insert(partial.error_message);
        }
        (self.progress)(Progress { done: self.exported.spans + self.exported.rejected, total: self.total });
    }
}
