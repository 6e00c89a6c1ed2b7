//! What has ended and is not exported yet.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry_sdk::trace::SpanData;

use super::deadline::after;
use super::delivery::{Delivered, Pace};
use super::ledger::Ledger;
use super::stats::{DropReason, DroppedSpans};
use super::weight::weight;

/// How many bytes of spans can wait, about, with those that are on their way.
const QUEUED_BYTES: usize = 64 << 20;

/// The sizes and times of a queue.
#[derive(Debug, Clone, Copy)]
pub(super) struct QueueLimits {
    pub(super) spans: usize,
    pub(super) batch: usize,
    /// From one export to the next, where no batch is full.
    pub(super) delay: Duration,
}

/// Spans between the threads that end them and the worker. Nobody who ends one waits: what has no room is dropped.
pub(super) struct Queue {
    limits: QueueLimits,
    state: Mutex<State>,
    /// For the worker.
    work: Condvar,
    /// For whoever flushes.
    settled: Condvar,
    ledger: Arc<Ledger>,
}

#[derive(Default)]
struct State {
    spans: VecDeque<SpanData>,
    /// Of those and of those in flight.
    bytes: usize,
    /// Given to the worker, and not settled.
    in_flight: u64,
    bytes_in_flight: usize,
    /// How many were ever taken, exported or dropped behind the queue.
    taken: u64,
    done: u64,
    /// Up to which one somebody waits for.
    wanted: u64,
    /// No more spans; the worker may go on until then.
    closing: Option<Instant>,
    /// Nothing that the worker says counts any more.
    is_over: bool,
}

impl Queue {
    pub(super) fn new(limits: QueueLimits, ledger: Arc<Ledger>) -> Self {
        Self { limits, state: Mutex::default(), work: Condvar::new(), settled: Condvar::new(), ledger }
    }

    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub(super) fn push(&self, span: SpanData) {
        let bytes = weight(&span);
        let mut state = self.lock();
        if state.closing.is_some() {
            drop(state);
            return self.ledger.dropped(DroppedSpans::new(DropReason::ShutDown, 1, None));
        }
        if state.spans.len() >= self.limits.spans || state.bytes + bytes > QUEUED_BYTES {
            drop(state);
            return self.ledger.dropped(DroppedSpans::new(DropReason::QueueFull, 1, None));
        }
        state.spans.push_back(span);
        state.bytes += bytes;
        state.taken += 1;
        if state.spans.len() == self.limits.batch {
            self.work.notify_one();
        }
    }

    /// The next spans to export, when it is time. None at the end.
    pub(super) fn next_batch(&self) -> Option<Vec<SpanData>> {
        let due = after(self.limits.delay);
        let mut state = self.lock();
        loop {
            if state.is_over || (state.closing.is_some() && state.spans.is_empty()) {
                state.is_over = true;
                self.settled.notify_all();
                return None;
            }
            let now = Instant::now();
            let is_wanted = state.closing.is_some() || state.done < state.wanted || now >= due;
            if state.spans.len() >= self.limits.batch || (is_wanted && !state.spans.is_empty()) {
                let count = state.spans.len().min(self.limits.batch);
                let batch: Vec<_> = state.spans.drain(..count).collect();
                state.in_flight = count as u64;
                state.bytes_in_flight = batch.iter().map(weight).sum();
                return Some(batch);
            }
            state = if now >= due {
                // Nothing is there: the first that comes is exported a delay after now.
                return Some(Vec::new());
            } else {
                self.work.wait_timeout(state, due - now).unwrap_or_else(PoisonError::into_inner).0
            };
        }
    }

    /// What became of the last batch.
    pub(super) fn settle(&self, delivered: Delivered) {
        let mut state = self.lock();
        if state.is_over {
            return;
        }
        state.done += std::mem::take(&mut state.in_flight);
        state.bytes -= std::mem::take(&mut state.bytes_in_flight);
        self.ledger.exported(delivered.exported);
        delivered.dropped.into_iter().for_each(|dropped| self.ledger.dropped(dropped));
        self.settled.notify_all();
    }

    /// Waits until all that has ended is exported or dropped. Gives how many were dropped meanwhile.
    pub(super) fn flush(&self, timeout: Duration) -> Result<u64, TimedOut> {
        let deadline = after(timeout);
        let dropped_before = self.ledger.stats().dropped();
        let mut state = self.lock();
        let wanted = state.taken;
        state.wanted = wanted;
        self.work.notify_one();
        while state.done < wanted && !state.is_over {
            let left = deadline.checked_duration_since(Instant::now()).ok_or(TimedOut)?;
            state = self.settled.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(self.ledger.stats().dropped() - dropped_before)
    }

    /// Takes no more, and waits for what is left; what is still left when the time has passed is dropped.
    pub(super) fn close(&self, timeout: Duration) {
        let deadline = after(timeout);
        let mut state = self.lock();
        state.closing.get_or_insert(deadline);
        self.work.notify_all();
        while !state.is_over {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { break };
            state = self.settled.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.is_over = true;
        let left = state.spans.len() as u64 + std::mem::take(&mut state.in_flight);
        state.spans = VecDeque::new();
        drop(state);
        self.work.notify_all();
        self.settled.notify_all();
        if left > 0 {
            self.ledger.dropped(DroppedSpans::new(DropReason::ShutDown, left, None));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Without the spans, which have what was said still.
impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("limits", &self.limits).field("ledger", &self.ledger).finish_non_exhaustive()
    }
}

/// A flush took too long.
#[derive(Debug)]
pub(super) struct TimedOut;

impl Pace for Queue {
    fn wait_until(&self, moment: Instant) -> bool {
        let mut state = self.lock();
        loop {
            if state.is_over || state.closing.is_some_and(|deadline| moment > deadline) {
                return false;
            }
            let Some(left) = moment.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else {
                return true;
            };
            state = self.work.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn is_closing(&self) -> bool {
        self.lock().closing.is_some()
    }
}
