//! A batch on its way, until it has arrived or is given up.

use std::fmt;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use prost::Message;

use super::backoff::Backoff;
use super::parcel::Parcel;
use super::sending::{Failure, SendError, Sender};
use super::stats::{DropReason, DroppedSpans};

/// What receivers of gRPC take, less what the frame and a slightly other encoding may need.
const MESSAGE_BYTES: usize = (4 << 20) - (64 << 10);

/// The longest time that a receiver may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// Who says whether it is worth to wait.
pub(crate) trait Pace {
    /// Waits until then. False, maybe at once, if it is not to be tried again.
    fn wait_until(&self, moment: Instant) -> bool;

    /// Whether somebody waits for the end.
    fn is_closing(&self) -> bool;
}

/// What became of a batch: every span of it is counted once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Delivered {
    pub(crate) exported: u64,
    pub(crate) dropped: Vec<DroppedSpans>,
    /// Why a message was given up as a whole, the first time.
    pub(crate) gave_up: Option<SendError>,
}

/// Sends spans in messages that the receiver takes, again where that may help.
#[derive(Debug)]
pub(crate) struct Delivery {
    sender: Sender,
    resource: Resource,
    /// How long one message is tried again, apart from the times that the receiver asks for.
    patience: Duration,
}

impl Delivery {
    pub(super) fn new(sender: Sender, resource: Resource, patience: Duration) -> Self {
        Self { sender, resource, patience }
    }

    /// Blocks until all of them are settled.
    pub(crate) fn deliver(&self, spans: Vec<SpanData>, pace: &impl Pace) -> Delivered {
        let mut delivered = Delivered::default();
        let mut parcels = vec![Parcel::new(spans, &self.resource)];
        while let Some(parcel) = parcels.pop() {
            let is_one = parcel.len() <= 1;
            if !is_one && parcel.bytes() > MESSAGE_BYTES {
                parcels.extend(parcel.halves().into_iter().rev());
                continue;
            }
            match self.send(&parcel, pace) {
                Ok(answer) => delivered.taken(parcel.len() as u64, answer),
                Err(error) if error.kind == Failure::TooLarge && !is_one => {
                    parcels.extend(parcel.halves().into_iter().rev());
                }
                Err(error) => delivered.given_up(parcel.len() as u64, error),
            }
        }
        delivered
    }

    fn send(&self, parcel: &Parcel, pace: &impl Pace) -> Result<ExportTraceServiceResponse, SendError> {
        let message = parcel.encode();
        let mut backoff = Backoff::new();
        let mut give_up = Instant::now() + self.patience;
        let mut attempts = 0_u32;
        loop {
            attempts += 1;
            // An answer that can't be read is one of a receiver that took the message.
            let error = match self.sender.send(message.clone()) {
                Ok(answer) => return Ok(ExportTraceServiceResponse::decode(answer).unwrap_or_default()),
                Err(error) => error,
            };
            let asked = match error.kind {
                Failure::TooLarge | Failure::Rejected => return Err(error),
                // A connection that was idle may be gone: that is worth one more attempt.
                Failure::Unreachable if pace.is_closing() && attempts > 1 => return Err(error),
                Failure::Unreachable => Duration::ZERO,
                Failure::Busy(asked) => asked.unwrap_or_default().min(LONGEST_WAIT),
            };
            give_up += asked;
            let again = Instant::now() + backoff.next().max(asked);
            if again > give_up || !pace.wait_until(again) {
                return Err(error);
            }
        }
    }
}

impl Delivered {
    /// Nothing of it was taken.
    pub(super) fn refused(count: u64, cause: impl fmt::Display) -> Self {
        let dropped = DroppedSpans::new(DropReason::Rejected, count, Some(cause.to_string()));
        Self { dropped: vec![dropped], ..Self::default() }
    }

    fn taken(&mut self, count: u64, answer: ExportTraceServiceResponse) {
        let partial = answer.partial_success.unwrap_or_default();
        let rejected = u64::try_from(partial.rejected_spans).unwrap_or_default().min(count);
        self.exported += count - rejected;
        if rejected > 0 {
            let cause = Some(partial.error_message).filter(|message| !message.is_empty());
            let cause = cause.map(|message| format!("the receiver says: {:.200}", message.escape_debug().to_string()));
            self.dropped.push(DroppedSpans::new(DropReason::Rejected, rejected, cause));
        }
    }

    fn given_up(&mut self, count: u64, error: SendError) {
        let reason = match error.kind {
            Failure::Unreachable | Failure::Busy(_) => DropReason::Unreachable,
            Failure::TooLarge => DropReason::TooLarge,
            Failure::Rejected => DropReason::Rejected,
        };
        self.dropped.push(DroppedSpans::new(reason, count, Some(error.text.clone())));
        self.gave_up.get_or_insert(error);
    }
}

#[cfg(test)]
mod tests;
