//! The bounded queue between the threads that end spans and the export thread.
//!
//! It stands in for the queue of the SDK's `BatchSpanProcessor` (`opentelemetry_sdk` 0.33), which has these gaps:
//! - It is bounded in spans only. Spans with captured content have megabytes: its 2048 spans can hold gigabytes.
//! - It drops spans with no more than a log event of its own: no callback, and no count that a program can read.
//! - A batch that exceeds the receiver's size limit is lost as a whole: nothing splits it.
//! - A shutdown cannot abort the retries of the batch in flight, and spans that end afterwards are lost uncounted.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry_sdk::trace::SpanData;

use super::deadline::after;
use super::estimated_size::estimated_size;
use super::ledger::Ledger;
use super::retrying_sender::{BatchOutcome, RetryControl};
use super::stats::{DropReason, DroppedSpans};

/// Capacity of the queue in estimated bytes, including the batch in flight.
const MAX_QUEUE_BYTES: usize = 64 << 20;

/// The limits and the schedule of a queue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueueLimits {
    /// Capacity in spans.
    pub(crate) spans: usize,
    /// Maximum number of spans per batch.
    pub(crate) batch: usize,
    /// Maximum time between two exports while no batch is full.
    pub(crate) delay: Duration,
}

/// A bounded queue of ended spans. It applies no backpressure: a thread that ends a span never waits for space; spans
/// that exceed the capacity are dropped and counted.
pub(crate) struct Queue {
    limits: QueueLimits,
    state: Mutex<State>,
    /// Notified if the worker thread has a batch to export, a flush to serve or a shutdown to perform.
    wake_worker: Condvar,
    /// Notified after each completed batch and after shutdown, for threads that flush or shut down.
    batch_completed: Condvar,
    ledger: Arc<Ledger>,
}

#[derive(Default)]
struct State {
    spans: VecDeque<SpanData>,
    /// Estimated bytes of the queued spans and of the batch in flight.
    bytes: usize,
    /// Number of spans that the worker thread has taken and not completed.
    in_flight: u64,
    bytes_in_flight: usize,
    /// Number of spans ever enqueued.
    enqueued: u64,
    /// Number of enqueued spans that were exported or dropped by the worker thread.
    completed: u64,
    /// Value of `completed` that the last flush waits for.
    flush_target: u64,
    /// Set once the queue accepts no more spans: the deadline until which the worker thread may export the rest.
    shutdown_deadline: Option<Instant>,
    /// `true` once the counts are final; outcomes that the worker thread reports later are ignored.
    is_shut_down: bool,
}

impl Queue {
    pub(crate) fn new(limits: QueueLimits, ledger: Arc<Ledger>) -> Self {
        Self { limits, state: Mutex::default(), wake_worker: Condvar::new(), batch_completed: Condvar::new(), ledger }
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Enqueues a span. Drops and counts it if the queue is full or shut down.
    pub(crate) fn enqueue(&self, span: SpanData) {
        let bytes = estimated_size(&span);
        let mut state = self.lock();
        if state.shutdown_deadline.is_some() {
            drop(state);
            return self.ledger.count_dropped(DroppedSpans::new(DropReason::ShutDown, 1, None));
        }
        if state.spans.len() >= self.limits.spans || state.bytes + bytes > MAX_QUEUE_BYTES {
            drop(state);
            return self.ledger.count_dropped(DroppedSpans::new(DropReason::QueueFull, 1, None));
        }
        state.spans.push_back(span);
        state.bytes += bytes;
        state.enqueued += 1;
        if state.spans.len() == self.limits.batch {
            self.wake_worker.notify_one();
        }
    }

    /// Blocks until a batch is full, a flush or shutdown is pending, or the schedule delay passes, and returns the next
    /// batch. The batch is empty if the delay passed without a span. Returns `None` after shutdown.
    pub(crate) fn next_batch(&self) -> Option<Vec<SpanData>> {
        let due = after(self.limits.delay);
        let mut state = self.lock();
        loop {
            if state.is_shut_down || (state.shutdown_deadline.is_some() && state.spans.is_empty()) {
                state.is_shut_down = true;
                self.batch_completed.notify_all();
                return None;
            }
            let now = Instant::now();
            let is_due = state.shutdown_deadline.is_some() || state.completed < state.flush_target || now >= due;
            if state.spans.len() >= self.limits.batch || (is_due && !state.spans.is_empty()) {
                let count = state.spans.len().min(self.limits.batch);
                let batch: Vec<_> = state.spans.drain(..count).collect();
                state.in_flight = count as u64;
                state.bytes_in_flight = batch.iter().map(estimated_size).sum();
                return Some(batch);
            }
            state = if now >= due {
                // Return to start a new delay. The next span to end is then exported within one delay from now.
                return Some(Vec::new());
            } else {
                self.wake_worker.wait_timeout(state, due - now).unwrap_or_else(PoisonError::into_inner).0
            };
        }
    }

    /// Records the outcome of the batch in flight.
    pub(crate) fn complete_batch(&self, outcome: BatchOutcome) {
        let mut state = self.lock();
        if state.is_shut_down {
            return;
        }
        state.completed += std::mem::take(&mut state.in_flight);
        state.bytes -= std::mem::take(&mut state.bytes_in_flight);
        self.ledger.count_exported(outcome.exported);
        outcome.dropped.into_iter().for_each(|dropped| self.ledger.count_dropped(dropped));
        self.batch_completed.notify_all();
    }

    /// Blocks until every span enqueued so far is exported or dropped. Returns the number of spans dropped meanwhile.
    ///
    /// # Errors
    /// Returns [`TimedOut`] if `timeout` passes first.
    pub(crate) fn flush(&self, timeout: Duration) -> Result<u64, TimedOut> {
        let deadline = after(timeout);
        let dropped_before = self.ledger.stats().dropped();
        let mut state = self.lock();
        let target = state.enqueued;
        state.flush_target = target;
        self.wake_worker.notify_one();
        while state.completed < target && !state.is_shut_down {
            let left = deadline.checked_duration_since(Instant::now()).ok_or(TimedOut)?;
            state = self.batch_completed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(self.ledger.stats().dropped() - dropped_before)
    }

    /// Rejects further spans and blocks until the worker thread has exported the rest, at most for `timeout`. Drops the
    /// spans that are left then.
    pub(crate) fn shut_down(&self, timeout: Duration) {
        let deadline = after(timeout);
        let mut state = self.lock();
        state.shutdown_deadline.get_or_insert(deadline);
        self.wake_worker.notify_all();
        while !state.is_shut_down {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { break };
            state = self.batch_completed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.is_shut_down = true;
        let left = state.spans.len() as u64 + std::mem::take(&mut state.in_flight);
        state.spans = VecDeque::new();
        drop(state);
        self.wake_worker.notify_all();
        self.batch_completed.notify_all();
        if left > 0 {
            self.ledger.count_dropped(DroppedSpans::new(DropReason::ShutDown, left, None));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Omits the spans, which still contain conversation content.
impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("limits", &self.limits).field("ledger", &self.ledger).finish_non_exhaustive()
    }
}

/// The error of a flush whose timeout passed.
#[derive(Debug)]
pub(crate) struct TimedOut;

impl RetryControl for Queue {
    fn wait_until(&self, moment: Instant) -> bool {
        let mut state = self.lock();
        loop {
            if state.is_shut_down || state.shutdown_deadline.is_some_and(|deadline| moment > deadline) {
                return false;
            }
            let Some(left) = moment.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else {
                return true;
            };
            state = self.wake_worker.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn retries_unreachable_once(&self) -> bool {
        self.lock().shutdown_deadline.is_some()
    }
}
