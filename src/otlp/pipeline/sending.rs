//! One message to a receiver, and what becomes of it.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use super::connection::Connection;
#[cfg(feature = "otlp-grpc")]
use super::grpc::GrpcSender;
use super::http_sender::HttpSender;
use super::{OtlpError, Protocol};

/// Sends messages of one signal. It blocks, at most for the timeout of the connection, and needs no runtime around it.
#[derive(Debug)]
pub(crate) enum Sender {
    Http(HttpSender),
    #[cfg(feature = "otlp-grpc")]
    Grpc(GrpcSender),
}

impl Sender {
    pub(crate) fn new(connection: Connection) -> Result<Self, OtlpError> {
        match connection.protocol {
            Protocol::HttpProtobuf => Ok(Self::Http(HttpSender::new(connection)?)),
            #[cfg(feature = "otlp-grpc")]
            Protocol::Grpc => Ok(Self::Grpc(GrpcSender::new(connection)?)),
            #[cfg(not(feature = "otlp-grpc"))]
            Protocol::Grpc => Err(OtlpError::value("protocol", "grpc", "`http/protobuf`")),
        }
    }

    /// Sends a message in protobuf; gives the answer, in protobuf too.
    pub(crate) fn send(&self, message: Bytes) -> Result<Bytes, SendError> {
        match self {
            Self::Http(sender) => sender.send(&message),
            #[cfg(feature = "otlp-grpc")]
            Self::Grpc(sender) => sender.send(message),
        }
    }
}

/// Why a message was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SendError {
    pub(crate) kind: Failure,
    /// For people: no secrets, and nothing that the receiver said.
    pub(crate) text: String,
}

/// What can be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The receiver was not reached, or didn't answer. It may have the message, and may be tried again.
    Unreachable,
    /// The receiver asks to try again, after this time if it says one.
    Busy(Option<Duration>),
    /// In smaller messages the same may be taken.
    TooLarge,
    /// The receiver will never take it.
    Rejected,
}

impl SendError {
    pub(super) fn new(kind: Failure, text: impl fmt::Display) -> Self {
        Self { kind, text: text.to_string() }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for SendError {}
