//! The attempts of a call of a model: several HTTP exchanges in one span, each a call of its own.
//!
//! ```text
//!   span ──► first attempt ──next──► attempt ──next──► latest attempt
//!            failed, HTTP 429        failed, HTTP 503  open until the span ends it
//! ```
//!
//! The call is an inference call or a compaction request. A client that retries sends each attempt inside of the span of
//! the call, one after the other, or two at once if it hedges. An attempt ends when its exchange is over and a later one
//! has begun. The attempt that was answered last, otherwise the latest one, is the *current* one: what the span and its
//! handle report belongs to it, and it ends with the span.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use super::end::End;
use crate::event::Timestamp;
use crate::layer::session::reentrancy::lock;

/// The place of an attempt among those of its call.
#[derive(Debug)]
pub(in crate::layer) struct AttemptPlace<T> {
    exchange: AttemptExchange,
    /// The next attempt in the span, if there was another exchange.
    next: OnceLock<Arc<T>>,
    /// `true` once the span has ended the call: the end of the exchange of a later attempt ends that.
    is_detached: AtomicBool,
}

impl<T> Default for AttemptPlace<T> {
    fn default() -> Self {
        Self { exchange: AttemptExchange::default(), next: OnceLock::new(), is_detached: AtomicBool::new(false) }
    }
}

/// The HTTP exchange of an attempt.
#[derive(Debug, Default)]
struct AttemptExchange(Mutex<ExchangeState>);

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

/// An attempt of a call of a model.
pub(in crate::layer) trait Attempt: Sized + 'static {
    /// Returns the place of the attempt among those of its call.
    fn place(&self) -> &AttemptPlace<Self>;

    /// Opens another attempt of the same call, which starts with its request.
    fn another(&self) -> Arc<Self>;

    /// Returns `true` if the attempt has started and not ended.
    fn is_open(&self) -> bool;

    /// Returns `true` if the model answered the attempt, and not only with a part of a response.
    fn is_answered(&self) -> bool;

    /// Ends the attempt. If its request was never recorded, the attempt is started first, except at shutdown.
    fn end(self: &Arc<Self>, end: End, at: Timestamp);

    /// Returns the latest attempt of the call. Called for the first one.
    fn latest(self: &Arc<Self>) -> &Arc<Self> {
        attempts(self).last().unwrap_or(self)
    }

    /// Returns the attempt to which what the span or the handle reports belongs: the open one that was answered last,
    /// otherwise the latest one. Called for the first one.
    fn current(self: &Arc<Self>) -> &Arc<Self> {
        if self.place().next.get().is_none() {
            return self;
        }
        let answered = attempts(self).filter(|attempt| attempt.is_open() && attempt.is_answered());
        answered.last().unwrap_or_else(|| self.latest())
    }

    /// Returns `true` if another exchange in the span would be a new attempt that follows the current one. Called for the
    /// first one.
    fn is_retried_next(self: &Arc<Self>) -> bool {
        self.current().place().exchange.over_at().is_some()
    }

    /// Begins an HTTP exchange and returns its attempt: the first one if no exchange has begun yet, otherwise a new one.
    /// Attempts whose exchange is over end. Called for the first one.
    fn begin_exchange(self: &Arc<Self>) -> Arc<Self> {
        let mut attempt = self;
        while !attempt.place().exchange.begin() {
            attempt = attempt.place().next.get_or_init(|| follow(attempt));
        }
        for earlier in attempts(self).take_while(|earlier| !Arc::ptr_eq(earlier, attempt)) {
            if let Some(at) = earlier.place().exchange.over_at() {
                earlier.end(End::Closed, at);
            }
        }
        Arc::clone(attempt)
    }

    /// Records that the exchange of this attempt is over. The attempt ends if nothing else will end it: another one has
    /// begun, or the span has ended the call.
    fn finish_exchange(self: &Arc<Self>) {
        let at = Timestamp::now();
        let AttemptPlace { exchange, next, is_detached } = self.place();
        exchange.finish(at);
        let is_superseded = next.get().is_some() && !self.is_answered();
        if is_superseded || is_detached.load(Ordering::Relaxed) {
            self.end(End::Closed, at);
        }
    }

    /// Ends the attempts of the call: the current one as `end` says, the others as their exchanges ended. Called for the
    /// first one.
    fn end_attempts(self: &Arc<Self>, end: End, at: Timestamp) {
        let current = self.current();
        for attempt in attempts(self) {
            let AttemptPlace { exchange, is_detached, .. } = attempt.place();
            is_detached.store(true, Ordering::Relaxed);
            if !Arc::ptr_eq(attempt, current) {
                let (end, at) = match (exchange.over_at(), &end) {
                    (Some(over_at), _) => (End::Closed, over_at),
                    (None, End::Shutdown) => (End::Shutdown, at),
                    (None, _) => (End::Closed, at),
                };
                attempt.end(end, at);
            }
        }
        current.end(end, at);
    }
}

/// Returns the attempts of a call, in the order of their beginnings.
fn attempts<T: Attempt>(first: &Arc<T>) -> impl Iterator<Item = &Arc<T>> {
    std::iter::successors(Some(first), |attempt| attempt.place().next.get())
}

/// Opens the attempt after `attempt`.
fn follow<T: Attempt>(attempt: &Arc<T>) -> Arc<T> {
    let next = attempt.another();
    next.place().is_detached.store(attempt.place().is_detached.load(Ordering::Relaxed), Ordering::Relaxed);
    next
}
