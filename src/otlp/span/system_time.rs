//! Times of spans: [`system_time`].

use std::time::{Duration, SystemTime};

use crate::event::Timestamp;

/// Converts a time to the range of OTLP, nanoseconds from 1970 to 2554. Times outside of it are clamped.
pub(in crate::otlp) fn system_time(at: Timestamp) -> SystemTime {
    const LAST_MILLIS: u64 = u64::MAX / 1_000_000;
    let (millis, nanos) = match u64::try_from(at.unix_ms().0) {
        Ok(millis) if millis < LAST_MILLIS => (millis, at.sub_ms_ns()),
        Ok(_) => (LAST_MILLIS, 0),
        Err(_before_1970) => (0, 0),
    };
    SystemTime::UNIX_EPOCH + Duration::from_millis(millis) + Duration::from_nanos(nanos.into())
}
