//! The error that ends an export early.

use std::fmt;

use crate::otlp::send::error::OtlpError;
use crate::otlp::send::response::{SendError, SendErrorKind};

/// The error of an export that failed as a whole or in part. Its text contains the destination, the receiver's answer,
/// the number of spans sent before, and advice.
#[derive(Debug, Clone)]
pub struct ExportError(ErrorKind);

#[derive(Debug, Clone)]
enum ErrorKind {
    Options(OtlpError),
    Refused { error: SendError, url: String, sent: usize, total: usize },
}

impl ExportError {
    /// Creates the error for invalid options.
    pub(super) fn options(error: OtlpError) -> Self {
        Self(ErrorKind::Options(error))
    }

    /// Creates the error for a message that was not accepted.
    pub(super) fn refused(error: SendError, url: String, sent: usize, total: usize) -> Self {
        Self(ErrorKind::Refused { error, url, sent, total })
    }

    /// Returns the number of spans that the receiver accepted before the error.
    pub fn sent(&self) -> usize {
        match &self.0 {
            ErrorKind::Options(_) => 0,
            ErrorKind::Refused { sent, .. } => *sent,
        }
    }
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            ErrorKind::Options(error) => error.fmt(f),
            ErrorKind::Refused { error, url, sent, total } => {
                let advice = advice(error.kind);
                write!(f, "{url}: {error}; {sent} of {total} spans were sent; {advice}")?;
                f.write_str("; it is safe to run again: spans keep their ids")
            }
        }
    }
}

impl std::error::Error for ExportError {}

/// Returns what the user can do about a failure.
fn advice(failure: SendErrorKind) -> &'static str {
    match failure {
        SendErrorKind::Unreachable => "check that a receiver listens there and speaks that protocol",
        SendErrorKind::Busy(_) => "try again when the receiver is less busy",
        SendErrorKind::TooLarge | SendErrorKind::Rejected | SendErrorKind::NotServed => {
            "check endpoint, protocol and headers, and the receiver's log"
        }
    }
}
