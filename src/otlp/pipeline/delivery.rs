//! A batch on its way, until it has arrived or is given up.

use std::fmt;
use std::time::{Duration, Instant};

use opentelemetry_sdk::trace::SpanData;

use super::backoff::Backoff;
use super::deadline::after;
use super::sending::{Answer, Failure, SendError, SpanSender};
use super::stats::{DropReason, DroppedSpans};
use super::weight::weight;

/// What receivers of gRPC take, less what the frame and the resource may need.
const MESSAGE_BYTES: usize = (4 << 20) - (64 << 10);

/// The longest time that a receiver may ask for, for one message and all times that it is sent.
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
    /// Why a message was given up as a whole, the first time. One span that is too large is no reason to give up others.
    pub(crate) gave_up: Option<SendError>,
}

/// Sends spans in messages that the receiver takes, again where that may help.
#[derive(Debug)]
pub(crate) struct Delivery {
    sender: SpanSender,
    /// As it may be shown.
    url: String,
    /// How long one message is tried again, apart from the times that the receiver asks for, which have a bound too.
    patience: Duration,
}

impl Delivery {
    pub(super) fn new(sender: SpanSender, url: String, patience: Duration) -> Self {
        Self { sender, url, patience }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Blocks until all of them are settled.
    pub(crate) fn deliver(&self, spans: Vec<SpanData>, pace: &impl Pace) -> Delivered {
        let mut delivered = Delivered::default();
        let mut parcels = vec![spans];
        while let Some(parcel) = parcels.pop() {
            let count = parcel.len() as u64;
            let is_one = count <= 1;
            if !is_one && parcel.iter().map(weight).sum::<usize>() > MESSAGE_BYTES {
                parcels.extend(halves(parcel));
                continue;
            }
            match self.send(&parcel, pace) {
                Ok(answer) => delivered.taken(count, answer),
                Err(error) if error.kind == Failure::TooLarge && !is_one => parcels.extend(halves(parcel)),
                Err(error) if error.kind == Failure::TooLarge => delivered.too_large(&parcel, &error),
                Err(error) => delivered.given_up(count, error),
            }
        }
        delivered
    }

    fn send(&self, parcel: &[SpanData], pace: &impl Pace) -> Result<Answer, SendError> {
        let mut backoff = Backoff::new();
        let mut give_up = after(self.patience);
        let mut time_to_ask_for = LONGEST_WAIT;
        let mut attempts = 0_u32;
        loop {
            attempts += 1;
            let error = match self.sender.send(parcel.to_vec()) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let asked = match error.kind {
                Failure::TooLarge | Failure::Rejected | Failure::NotServed => return Err(error),
                // A connection that was idle may be gone: that is worth one more attempt.
                Failure::Unreachable if pace.is_closing() && attempts > 1 => return Err(error),
                Failure::Unreachable => Duration::ZERO,
                Failure::Busy(asked) => asked.unwrap_or_default().min(LONGEST_WAIT),
            };
            let Some(left) = time_to_ask_for.checked_sub(asked) else { return Err(error) };
            time_to_ask_for = left;
            give_up += asked;
            let again = Instant::now() + backoff.next().max(asked);
            if again > give_up || !pace.wait_until(again) {
                return Err(error);
            }
        }
    }
}

/// The second half and the first: what is pushed last goes first.
fn halves(mut parcel: Vec<SpanData>) -> [Vec<SpanData>; 2] {
    let second = parcel.split_off(parcel.len() / 2);
    [second, parcel]
}

impl Delivered {
    /// Nothing of it was taken.
    pub(super) fn refused(count: u64, cause: impl fmt::Display) -> Self {
        let dropped = DroppedSpans::new(DropReason::Rejected, count, Some(cause.to_string()));
        Self { dropped: vec![dropped], ..Self::default() }
    }

    fn taken(&mut self, count: u64, answer: Answer) {
        let rejected = answer.rejected.min(count);
        self.exported += count - rejected;
        if rejected > 0 {
            let cause = Some(answer.message).filter(|message| !message.is_empty());
            let cause = cause.map(|message| format!("the receiver says: {:.200}", message.escape_debug().to_string()));
            self.dropped.push(DroppedSpans::new(DropReason::Rejected, rejected, cause));
        }
    }

    /// It has one span at most.
    fn too_large(&mut self, parcel: &[SpanData], error: &SendError) {
        for span in parcel {
            let (id, name) = (span.span_context.span_id(), span.name.escape_debug());
            let cause = format!("span {id}, `{name:.200}`: {error}");
            self.dropped.push(DroppedSpans::new(DropReason::TooLarge, 1, Some(cause)));
        }
    }

    fn given_up(&mut self, count: u64, error: SendError) {
        let reason = match error.kind {
            Failure::Unreachable | Failure::Busy(_) => DropReason::Unreachable,
            Failure::TooLarge | Failure::Rejected | Failure::NotServed => DropReason::Rejected,
        };
        self.dropped.push(DroppedSpans::new(reason, count, Some(error.text.clone())));
        self.gave_up.get_or_insert(error);
    }
}

#[cfg(test)]
mod tests;
