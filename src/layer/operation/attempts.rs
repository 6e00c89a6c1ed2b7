//! The attempts of a call of a model: several HTTP exchanges in one span, each a call of its own.
//!
//! ```text
//!   span ──► first attempt ──next──► attempt ──next──► latest attempt
//!            failed, HTTP 429        failed, HTTP 503  open until the span ends it
//! ```
//!
//! A client that retries sends each attempt inside of the span of the call, one after the other, or two at once if it hedges.
//! An attempt ends when its exchange is over and a later one has begun. The attempt that was answered last, otherwise the
//! latest one, is the *current* one: what the span and its handle report belongs to it, and it ends with the span.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use super::end::End;
use super::inference::InferenceOperation;
use crate::event::Timestamp;
use crate::layer::session::reentrancy::lock;

/// The HTTP exchange of an attempt.
#[derive(Debug, Default)]
pub(super) struct AttemptExchange(Mutex<ExchangeState>);

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum ExchangeState {
    /// No client has begun an exchange.
    #[default]
    Unused,
    InFlight,
    /// The response has arrived, or will not arrive any more.
    Over(Timestamp),
}

impl AttemptExchange {
    /// Begins the exchange. Returns `false` if one has begun before.
    fn begin(&self) -> bool {
        let mut state = lock(&self.0);
        let is_unused = *state == ExchangeState::Unused;
        if is_unused {
            *state = ExchangeState::InFlight;
        }
        is_unused
    }

    /// Ends the exchange. Does nothing if it has ended before.
    fn finish(&self, at: Timestamp) {
        let mut state = lock(&self.0);
        if *state == ExchangeState::InFlight {
            *state = ExchangeState::Over(at);
        }
    }

    /// Returns the time at which the exchange was over. Returns `None` if it is not.
    fn over_at(&self) -> Option<Timestamp> {
        match *lock(&self.0) {
            ExchangeState::Over(at) => Some(at),
            ExchangeState::Unused | ExchangeState::InFlight => None,
        }
    }
}

impl InferenceOperation {
    /// Returns the attempts of the call, in the order of their beginnings. Called for the first one.
    fn attempts(self: &Arc<Self>) -> impl Iterator<Item = &Arc<Self>> {
        std::iter::successors(Some(self), |attempt| attempt.next.get())
    }

    /// Returns the latest attempt of the call. Called for the first one.
    pub(in crate::layer) fn latest(self: &Arc<Self>) -> &Arc<Self> {
        self.attempts().last().unwrap_or(self)
    }

    /// Returns the attempt to which what the span or the handle reports belongs: the open one that was answered last,
    /// otherwise the latest one. Called for the first one.
    pub(in crate::layer) fn current(self: &Arc<Self>) -> &Arc<Self> {
        if self.next.get().is_none() {
            return self;
        }
        let answered = self.attempts().filter(|attempt| attempt.is_open() && attempt.is_answered());
        answered.last().unwrap_or_else(|| self.latest())
    }

    /// Returns `true` if another exchange in the span would be a new attempt that follows the current one. Called for the
    /// first one.
    pub(in crate::layer) fn is_retried_next(self: &Arc<Self>) -> bool {
        self.current().exchange.over_at().is_some()
    }

    /// Begins an HTTP exchange and returns its attempt: the first one if no exchange has begun yet, otherwise a new one.
    /// Attempts whose exchange is over end. Called for the first one.
    pub(in crate::layer) fn begin_exchange(self: &Arc<Self>) -> Arc<Self> {
        let mut attempt = self;
        while !attempt.exchange.begin() {
            attempt = attempt.next.get_or_init(|| attempt.new_attempt());
        }
        for earlier in self.attempts().take_while(|earlier| !Arc::ptr_eq(earlier, attempt)) {
            if let Some(at) = earlier.exchange.over_at() {
                earlier.end(End::Closed, at);
            }
        }
        Arc::clone(attempt)
    }

    fn new_attempt(self: &Arc<Self>) -> Arc<Self> {
        let (turn, facts) = (Arc::clone(self.turn()), lock(&self.facts).clone());
        let attempt = Self::new(turn, Timestamp::now(), facts, self.live.clone());
        attempt.is_detached.store(self.is_detached.load(Ordering::Relaxed), Ordering::Relaxed);
        attempt
    }

    /// Records that the exchange of this attempt is over. The attempt ends if nothing else will end it: another one has
    /// begun, or the span has ended the call.
    pub(in crate::layer) fn finish_exchange(self: &Arc<Self>) {
        let at = Timestamp::now();
        self.exchange.finish(at);
        let is_superseded = self.next.get().is_some() && !self.is_answered();
        if is_superseded || self.is_detached.load(Ordering::Relaxed) {
            self.end(End::Closed, at);
        }
    }

    /// Ends the attempts of the call: the current one as `end` says, the others as their exchanges ended. Called for the
    /// first one.
    pub(in crate::layer) fn end_attempts(self: &Arc<Self>, end: End, at: Timestamp) {
        let current = self.current();
        for attempt in self.attempts() {
            attempt.is_detached.store(true, Ordering::Relaxed);
            if !Arc::ptr_eq(attempt, current) {
                let (end, at) = match (attempt.exchange.over_at(), &end) {
                    (Some(over_at), _) => (End::Closed, over_at),
                    (None, End::Shutdown) => (End::Shutdown, at),
                    (None, _) => (End::Closed, at),
                };
                attempt.end(end, at);
            }
        }
        current.end(end, at);
    }

    fn is_answered(&self) -> bool {
        lock(&self.progress).is_answered()
    }
}
