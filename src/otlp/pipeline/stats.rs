//! What was exported, and what was not.

use std::fmt;

/// Counts of spans, since the pipeline was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct OtlpStats {
    /// Taken by the receiver.
    pub exported: u64,
    /// Ended while the queue was full.
    pub queue_full: u64,
    /// Given up: the receiver was not there, didn't answer or was busy for too long.
    pub unreachable: u64,
    /// Refused by the receiver.
    pub rejected: u64,
    /// Larger, each for itself, than what the receiver takes.
    pub too_large: u64,
    /// Left when the flush timeout had passed at the shutdown, or ended after it. The receiver may have some of them.
    pub shut_down: u64,
    /// Collections of metrics that did not arrive. Sums are cumulative: the next one that arrives has them.
    pub metrics_failed: u64,
}

impl OtlpStats {
    /// All spans that were dropped, whatever the reason.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        DropReason::ALL.iter().map(|reason| self.of(*reason)).sum()
    }

    /// Those that were dropped for this reason.
    #[must_use]
    pub fn of(&self, reason: DropReason) -> u64 {
        match reason {
            DropReason::QueueFull => self.queue_full,
            DropReason::Unreachable => self.unreachable,
            DropReason::Rejected => self.rejected,
            DropReason::TooLarge => self.too_large,
            DropReason::ShutDown => self.shut_down,
        }
    }

    pub(super) fn add(&mut self, reason: DropReason, count: u64) {
        let counter = match reason {
            DropReason::QueueFull => &mut self.queue_full,
            DropReason::Unreachable => &mut self.unreachable,
            DropReason::Rejected => &mut self.rejected,
            DropReason::TooLarge => &mut self.too_large,
            DropReason::ShutDown => &mut self.shut_down,
        };
        *counter += count;
    }
}

impl fmt::Display for OtlpStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} exported", self.exported)?;
        for reason in DropReason::ALL {
            let count = self.of(reason);
            if count > 0 {
                write!(f, ", {count} {reason}")?;
            }
        }
        Ok(())
    }
}

/// Why spans were dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// They ended while the queue was full.
    QueueFull,
    /// The receiver was not there, didn't answer or was busy for too long.
    Unreachable,
    /// The receiver refused them.
    Rejected,
    /// One span is larger than what the receiver takes.
    TooLarge,
    /// They were left when the flush timeout had passed at the shutdown, or ended after it.
    ShutDown,
}

impl DropReason {
    pub(super) const ALL: [Self; 5] =
        [Self::QueueFull, Self::Unreachable, Self::Rejected, Self::TooLarge, Self::ShutDown];
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::QueueFull => "dropped as the queue was full",
            Self::Unreachable => "given up as the receiver could not be reached or was busy",
            Self::Rejected => "refused by the receiver",
            Self::TooLarge => "too large for the receiver",
            Self::ShutDown => "left at the shutdown",
        })
    }
}

/// Spans that were dropped together.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DroppedSpans {
    /// Why.
    pub reason: DropReason,
    /// How many.
    pub count: u64,
    /// What went wrong last, where that is known.
    pub cause: Option<String>,
}

impl DroppedSpans {
    pub(super) fn new(reason: DropReason, count: u64, cause: Option<String>) -> Self {
        Self { reason, count, cause }
    }
}

impl fmt::Display for DroppedSpans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} spans {}", self.count, self.reason)?;
        match &self.cause {
            Some(cause) => write!(f, " ({cause})"),
            None => Ok(()),
        }
    }
}
