//! When a message is sent again.

use std::time::Duration;

use crate::otlp::pipeline::{Failure, SendError};

/// How often a message is sent that a receiver asks to be sent later.
const WHEN_BUSY: u32 = 6;

/// How often a message is sent that nobody answers.
const WHEN_UNREACHABLE: u32 = 3;

/// How long is waited the first time, where the receiver does not say it. Each time twice as long.
const FIRST: Duration = Duration::from_millis(250);

/// The longest time that a receiver may ask to wait for.
const LONGEST: Duration = Duration::from_mins(2);

/// How long to wait before the message is sent again after `tries`; `None` where that is of no use.
pub(super) fn wait(error: &SendError, tries: u32) -> Option<Duration> {
    let (most, asked) = match error.kind {
        Failure::Busy(asked) => (WHEN_BUSY, asked),
        Failure::Unreachable => (WHEN_UNREACHABLE, None),
        Failure::TooLarge | Failure::Rejected => return None,
    };
    let wait = asked.unwrap_or_else(|| FIRST * 2_u32.saturating_pow(tries.saturating_sub(1)));
    (tries < most && wait <= LONGEST).then_some(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(kind: Failure) -> SendError {
        SendError { kind, text: String::new() }
    }

    #[test]
    fn a_busy_receiver_is_asked_again_when_it_says_and_not_for_ever() {
        let told = failed(Failure::Busy(Some(Duration::from_secs(7))));
        assert_eq!(wait(&told, 1), Some(Duration::from_secs(7)));
        assert_eq!(wait(&told, 5), Some(Duration::from_secs(7)));
        assert_eq!(wait(&told, 6), None);
        let silent = failed(Failure::Busy(None));
        let waits: Vec<_> = (1..=6).map(|tries| wait(&silent, tries).map(|wait| wait.as_millis())).collect();
        assert_eq!(waits, [Some(250), Some(500), Some(1000), Some(2000), Some(4000), None]);
        assert_eq!(wait(&failed(Failure::Busy(Some(Duration::from_secs(121)))), 1), None);
    }

    #[test]
    fn what_was_refused_is_not_sent_again_and_what_nobody_answered_twice() {
        assert_eq!(wait(&failed(Failure::Rejected), 1), None);
        assert_eq!(wait(&failed(Failure::TooLarge), 1), None);
        let waits: Vec<_> = (1..=3).map(|tries| wait(&failed(Failure::Unreachable), tries).is_some()).collect();
        assert_eq!(waits, [true, true, false]);
    }
}
