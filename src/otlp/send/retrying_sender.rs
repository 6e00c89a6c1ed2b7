//! Splitting and retrying of batches until they are exported or dropped.

use std::fmt;
use std::time::{Duration, Instant};

use opentelemetry_sdk::trace::SpanData;

use super::backoff::Backoff;
use super::deadline::after;
use super::endpoint::Protocol;
use super::estimated_size::estimated_size;
use super::response::{ExportResponse, SendError, SendErrorKind};
use super::sender::SpanSender;
use super::stats::{DropReason, DroppedSpans};

/// Maximum estimated size of a message: the default limit of gRPC servers, less a reserve for the frame and the
/// resource.
const MAX_MESSAGE_BYTES: usize = (4 << 20) - (64 << 10);

/// Maximum total delay that a receiver may request for one message, over all of its retries.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(600);

/// The caller's control over the retries of a message.
pub(crate) trait RetryControl {
    /// Blocks until `moment` and returns `true`. Returns `false`, possibly at once, if the message must not be retried.
    fn wait_until(&self, moment: Instant) -> bool;

    /// Returns `true` if an unreachable receiver is to be retried only once, because a thread or user is waiting.
    fn retries_unreachable_once(&self) -> bool;
}

/// The outcome of a batch, which counts each of its spans once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct BatchOutcome {
    pub(crate) exported: u64,
    pub(crate) dropped: Vec<DroppedSpans>,
    /// The first error for which a whole message was dropped. A single span that is too large is not such an error,
    /// since the other spans can still be exported.
    pub(crate) first_failure: Option<SendError>,
}

/// A sender that splits batches into messages within the receiver's size limit and retries messages that may succeed.
#[derive(Debug)]
pub(crate) struct RetryingSender {
    sender: SpanSender,
    /// The redacted URL of the receiver.
    url: String,
    protocol: Protocol,
    /// Maximum time for which one message is retried, excluding the delays that the receiver requests. Those are
    /// bounded by [`MAX_RETRY_AFTER`].
    retry_timeout: Duration,
}

impl RetryingSender {
    pub(crate) fn new(sender: SpanSender, url: String, protocol: Protocol, retry_timeout: Duration) -> Self {
        Self { sender, url, protocol, retry_timeout }
    }

    /// Returns the redacted URL of the receiver.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Returns the protocol of the receiver.
    pub(crate) fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Exports a batch. Blocks until each span of it is exported or dropped.
    pub(crate) fn export_batch(&self, spans: Vec<SpanData>, retry: &impl RetryControl) -> BatchOutcome {
        let mut outcome = BatchOutcome::default();
        let mut pending = vec![spans];
        while let Some(batch) = pending.pop() {
            let count = batch.len() as u64;
            let is_one = count <= 1;
            if !is_one && batch.iter().map(estimated_size).sum::<usize>() > MAX_MESSAGE_BYTES {
                pending.extend(halves(batch));
                continue;
            }
            match self.send_with_retries(&batch, retry) {
                Ok(response) => outcome.record_response(count, response),
                Err(error) if error.kind == SendErrorKind::TooLarge && !is_one => pending.extend(halves(batch)),
                Err(error) if error.kind == SendErrorKind::TooLarge => outcome.record_too_large(&batch, &error),
                Err(error) => outcome.record_failure(count, error),
            }
        }
        outcome
    }

    /// Sends one message, retrying it with backoff.
    fn send_with_retries(&self, batch: &[SpanData], retry: &impl RetryControl) -> Result<ExportResponse, SendError> {
        let mut backoff = Backoff::new();
        let mut deadline = after(self.retry_timeout);
        let mut retry_after_budget = MAX_RETRY_AFTER;
        let mut attempts = 0_u32;
        loop {
            attempts += 1;
            let error = match self.sender.send(batch.to_vec()) {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            let retry_after = match error.kind {
                SendErrorKind::TooLarge | SendErrorKind::Rejected | SendErrorKind::NotServed => return Err(error),
                // An idle connection may have been closed by the receiver, which justifies one more attempt.
                SendErrorKind::Unreachable if retry.retries_unreachable_once() && attempts > 1 => return Err(error),
                SendErrorKind::Unreachable => Duration::ZERO,
                SendErrorKind::Busy(retry_after) => retry_after.unwrap_or_default().min(MAX_RETRY_AFTER),
            };
            let Some(left) = retry_after_budget.checked_sub(retry_after) else { return Err(error) };
            retry_after_budget = left;
            deadline += retry_after;
            let retry_at = Instant::now() + backoff.next_delay().max(retry_after);
            if retry_at > deadline || !retry.wait_until(retry_at) {
                return Err(error);
            }
        }
    }
}

/// Splits a batch into its second and its first half. The first half comes last because it is popped first.
fn halves(mut batch: Vec<SpanData>) -> [Vec<SpanData>; 2] {
    let second = batch.split_off(batch.len() / 2);
    [second, batch]
}

impl BatchOutcome {
    /// Creates the outcome of a batch that was rejected as a whole.
    pub(crate) fn rejected(count: u64, cause: impl fmt::Display) -> Self {
        let dropped = DroppedSpans::new(DropReason::Rejected, count, Some(cause.to_string()));
        Self { dropped: vec![dropped], ..Self::default() }
    }

    /// Records the response to an accepted message of `count` spans.
    fn record_response(&mut self, count: u64, response: ExportResponse) {
        let rejected = response.rejected.min(count);
        self.exported += count - rejected;
        if rejected > 0 {
            let cause = Some(response.message).filter(|message| !message.is_empty());
            let cause =
                cause.map(|message| format!("the receiver reported: {:.200}", message.escape_debug().to_string()));
            self.dropped.push(DroppedSpans::new(DropReason::Rejected, rejected, cause));
        }
    }

    /// Records the drop of a batch of at most one span that exceeds the receiver's size limit.
    fn record_too_large(&mut self, batch: &[SpanData], error: &SendError) {
        for span in batch {
            let (id, name) = (span.span_context.span_id(), span.name.escape_debug());
            let cause = format!("span {id}, `{name:.200}`: {error}");
            self.dropped.push(DroppedSpans::new(DropReason::TooLarge, 1, Some(cause)));
        }
    }

    /// Records the drop of a message of `count` spans.
    fn record_failure(&mut self, count: u64, error: SendError) {
        let reason = match error.kind {
            SendErrorKind::Unreachable | SendErrorKind::Busy(_) => DropReason::Unreachable,
            SendErrorKind::TooLarge | SendErrorKind::Rejected | SendErrorKind::NotServed => DropReason::Rejected,
        };
        self.dropped.push(DroppedSpans::new(reason, count, Some(error.text.clone())));
        self.first_failure.get_or_insert(error);
    }
}

#[cfg(test)]
#[path = "tests/retrying_sender.rs"]
mod tests;
