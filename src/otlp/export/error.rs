//! The error that ends an export early.

use std::fmt;

use crate::otlp::pipeline::{OtlpError, Protocol, SendError, SendErrorKind};

/// The error of an export that failed as a whole or in part. Its text contains the destination, the receiver's answer,
/// the number of spans sent before, and advice.
#[derive(Debug, Clone)]
pub struct ExportError(ErrorKind);

#[derive(Debug, Clone)]
enum ErrorKind {
    Options(OtlpError),
    Refused { error: SendError, receiver: Receiver, sent: usize, total: usize },
}

/// The receiver of an export, for error messages.
#[derive(Debug, Clone)]
pub(super) struct Receiver {
    /// The URL, without password and query values.
    pub(super) url: String,
    pub(super) protocol: Protocol,
}

impl ExportError {
    /// Creates the error for invalid options.
    pub(super) fn options(error: OtlpError) -> Self {
        Self(ErrorKind::Options(error))
    }

    /// Creates the error for a message that was not accepted.
    pub(super) fn refused(error: SendError, receiver: Receiver, sent: usize, total: usize) -> Self {
        Self(ErrorKind::Refused { error, receiver, sent, total })
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
            ErrorKind::Refused { error, receiver: Receiver { url, protocol }, sent, total } => {
                write!(f, "{url}: {error}; {sent} of {total} spans were sent; ")?;
                write_advice(f, error.kind, *protocol)?;
                f.write_str("; it is safe to run again: spans keep their ids")
            }
        }
    }
}

impl std::error::Error for ExportError {}

/// Writes what the user can do about a failure.
fn write_advice(f: &mut fmt::Formatter<'_>, failure: SendErrorKind, protocol: Protocol) -> fmt::Result {
    match failure {
        SendErrorKind::Unreachable => {
            write!(f, "check that an OTLP receiver for {} listens there", protocol.name())
        }
        SendErrorKind::Busy(_) => f.write_str("try again when the receiver is less busy"),
        SendErrorKind::TooLarge | SendErrorKind::Rejected | SendErrorKind::NotServed => {
            f.write_str("check endpoint, protocol and headers, and the receiver's log")
        }
    }
}
