//! Statistics about exported and dropped spans.

use std::fmt;

/// The numbers of exported and dropped spans, and of failed metric exports, since the pipeline was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct OtlpStats {
    /// Number of spans that the receiver accepted.
    pub exported: u64,
    /// Number of spans that were dropped because they ended while the queue was full.
    pub queue_full: u64,
    /// Number of spans that were dropped because the receiver was unreachable, did not answer or was busy for too long.
    pub unreachable: u64,
    /// Number of spans that the receiver rejected.
    pub rejected: u64,
    /// Number of spans that were dropped because each of them alone exceeds the receiver's size limit.
    pub too_large: u64,
    /// Number of spans that were dropped because they were not exported within the flush timeout at shutdown, or ended
    /// after the shutdown. The receiver may have received some of them.
    pub shut_down: u64,
    /// Number of failed metric exports. Sums are cumulative, so the next successful export includes their values.
    pub metrics_failed: u64,
}

impl OtlpStats {
    /// Returns the number of dropped spans, for all reasons together.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        DropReason::ALL.iter().map(|reason| self.dropped_for(*reason)).sum()
    }

    /// Returns the number of spans that were dropped for `reason`.
    #[must_use]
    pub fn dropped_for(&self, reason: DropReason) -> u64 {
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
            let count = self.dropped_for(reason);
            if count > 0 {
                write!(f, ", {count} {reason}")?;
            }
        }
        Ok(())
    }
}

/// The reason for which spans were dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// The spans ended while the queue was full.
    QueueFull,
    /// The receiver was unreachable, did not answer or was busy for too long.
    Unreachable,
    /// The receiver rejected the spans.
    Rejected,
    /// A span alone exceeds the receiver's size limit.
    TooLarge,
    /// The spans were not exported within the flush timeout at shutdown, or ended after the shutdown.
    ShutDown,
}

impl DropReason {
    pub(super) const ALL: [Self; 5] =
        [Self::QueueFull, Self::Unreachable, Self::Rejected, Self::TooLarge, Self::ShutDown];
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::QueueFull => "dropped because the queue was full",
            Self::Unreachable => "dropped because the receiver was unreachable or busy",
            Self::Rejected => "rejected by the receiver",
            Self::TooLarge => "too large for the receiver",
            Self::ShutDown => "not exported before shutdown",
        })
    }
}

/// A group of spans that were dropped for one reason, passed to [`on_drop`](crate::otlp::OtlpBuilder::on_drop).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DroppedSpans {
    /// The reason for which the spans were dropped.
    pub reason: DropReason,
    /// Number of dropped spans.
    pub count: u64,
    /// Text of the last error that caused the drop, if there is one. Contains no secrets.
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
