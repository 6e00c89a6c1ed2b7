//! Why an export ended early.

use std::fmt;

use crate::otlp::pipeline::{Failure, OtlpError, SendError};

/// A bundle could not be exported, or not all of it. The text says where to, what was answered, what was sent by then and
/// what to do.
#[derive(Debug, Clone)]
pub struct ExportError(Why);

#[derive(Debug, Clone)]
enum Why {
    Options(OtlpError),
    Refused { error: SendError, url: String, sent: usize, total: usize },
}

impl ExportError {
    pub(super) fn options(error: OtlpError) -> Self {
        Self(Why::Options(error))
    }

    pub(super) fn refused(error: SendError, url: String, sent: usize, total: usize) -> Self {
        Self(Why::Refused { error, url, sent, total })
    }

    /// How many spans the receiver had taken by then.
    pub fn sent(&self) -> usize {
        match &self.0 {
            Why::Options(_) => 0,
            Why::Refused { sent, .. } => *sent,
        }
    }
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Why::Options(error) => error.fmt(f),
            Why::Refused { error, url, sent, total } => {
                let advice = advice(error.kind);
                write!(f, "{url}: {error}; {sent} of {total} spans were sent; {advice}")?;
                f.write_str("; it is safe to run again: spans keep their ids")
            }
        }
    }
}

impl std::error::Error for ExportError {}

fn advice(failure: Failure) -> &'static str {
    match failure {
        Failure::Unreachable => "check that a receiver listens there and speaks that protocol",
        Failure::Busy(_) => "try again when the receiver is less busy",
        Failure::TooLarge | Failure::Rejected | Failure::NotServed => {
            "check endpoint, protocol and headers, and the receiver's log"
        }
    }
}
