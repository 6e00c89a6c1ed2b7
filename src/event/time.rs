//! Times of events: the causal order of the log and the wall clock.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// Sequence number of an event in its log, counted from 1. It defines the causal order of the events, and is assigned
/// by the writer of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Milliseconds since the Unix epoch by the wall clock. For display and latency only: the clock may go backwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMillis(pub i64);

impl UnixMillis {
    /// Returns the current time of the wall clock.
    pub fn now() -> Self {
        Timestamp::now().unix_ms
    }

    /// Returns this time plus `delay`, rounded down to whole milliseconds and saturating at the largest time.
    pub fn after(self, delay: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(delay.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Returns the milliseconds from `earlier` to this time, or 0 if the clock went backwards.
    pub fn millis_since(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }
}

impl fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
thread_local! {
    /// Number of times that this thread read the wall clock.
    pub(crate) static READS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// Nanoseconds in a millisecond.
const NANOS_PER_MILLI: u32 = 1_000_000;

/// A time of the wall clock in nanoseconds: `wall_time_unix_ms` and `wall_time_sub_ms_ns` of a line. Other producers of
/// format 1 write whole milliseconds, which convert with `From`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    unix_ms: UnixMillis,
    /// Nanoseconds beyond the whole milliseconds, 0 to 999,999.
    sub_ms_ns: u32,
}

impl Timestamp {
    /// Returns the current time of the wall clock.
    pub fn now() -> Self {
        #[cfg(test)]
        READS.with(|reads| reads.set(reads.get() + 1));
        let nanos_per_milli = i128::from(NANOS_PER_MILLI);
        let nanos = match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => i128::try_from(since.as_nanos()).unwrap_or(i128::MAX),
            Err(before) => i128::try_from(before.duration().as_nanos()).map_or(i128::MIN, |nanos| -nanos),
        };
        let millis = nanos.div_euclid(nanos_per_milli);
        // A clock beyond the year 292,000,000 saturates.
        let unix_ms = UnixMillis(i64::try_from(millis).unwrap_or(if millis < 0 { i64::MIN } else { i64::MAX }));
        Self { unix_ms, sub_ms_ns: u32::try_from(nanos.rem_euclid(nanos_per_milli)).unwrap_or(0) }
    }

    /// Creates a timestamp of whole milliseconds and the nanoseconds beyond them. `sub_ms_ns` of 1,000,000 or more
    /// counts as 0.
    pub fn new(unix_ms: UnixMillis, sub_ms_ns: u32) -> Self {
        Self { unix_ms, sub_ms_ns: if sub_ms_ns < NANOS_PER_MILLI { sub_ms_ns } else { 0 } }
    }

    /// Returns the whole milliseconds since the Unix epoch, rounded down.
    pub fn unix_ms(self) -> UnixMillis {
        self.unix_ms
    }

    /// Returns the nanoseconds beyond the whole milliseconds, 0 to 999,999.
    pub fn sub_ms_ns(self) -> u32 {
        self.sub_ms_ns
    }

    /// Returns the whole milliseconds from `earlier` to this time by [`unix_ms`](Self::unix_ms), or 0 if the clock went
    /// backwards.
    pub fn millis_since(self, earlier: Self) -> u64 {
        self.unix_ms.millis_since(earlier.unix_ms)
    }
}

impl From<UnixMillis> for Timestamp {
    fn from(unix_ms: UnixMillis) -> Self {
        Self { unix_ms, sub_ms_ns: 0 }
    }
}
