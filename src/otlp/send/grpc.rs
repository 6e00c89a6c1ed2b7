//! The gRPC client of the exporters.

mod log_capture;
mod runtime;

use std::error::Error;
use std::fmt;
use std::time::Duration;

use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Status};
use tonic_types::StatusExt;
use tracing::dispatcher;

use self::log_capture::GrpcLogCapture;
use self::runtime::Runtime;
use super::blocking::block_on;
use super::connection::Connection;
use super::error::OtlpError;
use super::http::USER_AGENT_VALUE;
use super::response::{ExportResponse, SendError, SendErrorKind};

/// A gRPC channel on a dedicated runtime, so that it works on threads with any async runtime or without one.
pub(super) struct Grpc {
    channel: Channel,
    timeout: Duration,
    log_capture: GrpcLogCapture,
    runtime: Runtime,
}

impl Grpc {
    pub(super) fn new(connection: &Connection) -> Result<Self, OtlpError> {
        let runtime = Runtime::start()?;
        let endpoint = endpoint(connection)?;
        let channel = {
            let _entered = runtime.enter();
            endpoint.connect_lazy()
        };
        Ok(Self { channel, timeout: connection.timeout, log_capture: GrpcLogCapture::default(), runtime })
    }

    pub(super) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// Runs an export that sends through this channel, and returns the receiver's response.
    pub(super) fn run_export(&self, export: impl Future<Output = OTelSdkResult>) -> Result<ExportResponse, SendError> {
        let exported = dispatcher::with_default(self.log_capture.dispatch(), || {
            let _entered = self.runtime.enter();
            block_on(tokio::time::timeout(self.timeout, export))
        });
        let captured = self.log_capture.take();
        match exported {
            Ok(Ok(())) => Ok(captured.response),
            Ok(Err(OTelSdkError::InternalFailure(text))) => {
                Err(export_error(&text, &captured.message, &captured.details))
            }
            Ok(Err(error)) => Err(SendError::new(SendErrorKind::Rejected, error)),
            Err(_) => Err(SendError::new(SendErrorKind::Unreachable, "no response within the timeout")),
        }
    }
}

impl fmt::Debug for Grpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grpc").finish_non_exhaustive()
    }
}

fn endpoint(connection: &Connection) -> Result<Endpoint, OtlpError> {
    let bad = |error: tonic::transport::Error| {
        OtlpError::new(format!("cannot create a connection to {}: {}", connection.redacted_url(), error_chain(&error)))
    };
    let endpoint = Endpoint::from(connection.url.clone())
        .user_agent(USER_AGENT_VALUE)
        .map_err(bad)?
        .connect_timeout(connection.timeout);
    if connection.url.scheme_str() != Some("https") {
        return Ok(endpoint);
    }
    let tls = match &connection.certificate {
        Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
        None => ClientTlsConfig::new().with_webpki_roots(),
    };
    let tls = match &connection.identity {
        Some(own) => tls.identity(Identity::from_pem(&own.certificate, &own.key)),
        None => tls,
    };
    endpoint.tls_config(tls).map_err(bad)
}

/// Creates the error of a failed export.
///
/// `text` is the exporter's error. It contains the status code and, if the status did not come from a receiver, its
/// source. `message` and `details` are the captured fields of the status.
fn export_error(text: &str, message: &str, details: &[u8]) -> SendError {
    let status = text.split_once("gRPC code: ").map_or(text, |(_, status)| status);
    let (name, source) = status.split_once(": ").map_or((status, None), |(name, source)| (name, Some(source)));
    let code = ALL_CODES.into_iter().find(|code| format!("{code:?}") == name).unwrap_or(Code::Unknown);
    match source {
        // The code is meaningless here: tonic makes one up, which depends on whether its feature `server` is enabled.
        Some(source) => SendError::new(SendErrorKind::Unreachable, format_args!("no response: {source}")),
        None => {
            let error_kind = error_kind(&Status::with_details(code, message, details.to_vec().into()));
            SendError::new(error_kind, format_args!("the receiver answered with gRPC status {code:?}"))
        }
    }
}

/// All gRPC codes except `Ok`.
const ALL_CODES: [Code; 16] = [
    Code::Cancelled,
    Code::Unknown,
    Code::InvalidArgument,
    Code::DeadlineExceeded,
    Code::NotFound,
    Code::AlreadyExists,
    Code::PermissionDenied,
    Code::ResourceExhausted,
    Code::FailedPrecondition,
    Code::Aborted,
    Code::OutOfRange,
    Code::Unimplemented,
    Code::Internal,
    Code::Unavailable,
    Code::DataLoss,
    Code::Unauthenticated,
];

/// Classifies a status by the retry rules of the OTLP specification.
fn error_kind(status: &Status) -> SendErrorKind {
    match status.code() {
        Code::ResourceExhausted | Code::OutOfRange if is_too_large(status) => SendErrorKind::TooLarge,
        Code::ResourceExhausted => match retry_delay(status) {
            Some(delay) => SendErrorKind::Busy(Some(delay)),
            None => SendErrorKind::Rejected,
        },
        Code::Unavailable => match retry_delay(status) {
            Some(delay) => SendErrorKind::Busy(Some(delay)),
            None => SendErrorKind::Unreachable,
        },
        // `Unknown` and `Internal` also stand for responses that are truncated or have no status.
        Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Internal
        | Code::DataLoss => SendErrorKind::Unreachable,
        Code::Unimplemented => SendErrorKind::NotServed,
        Code::Ok
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::Unauthenticated => SendErrorKind::Rejected,
    }
}

/// Returns `true` if the status means that the message is too large. Servers in Go and Rust use different codes for it,
/// and use both codes for other errors, too.
fn is_too_large(status: &Status) -> bool {
    ["larger than", "too large"].iter().any(|words| status.message().contains(words))
}

fn retry_delay(status: &Status) -> Option<Duration> {
    status.get_details_retry_info()?.retry_delay
}

/// Joins the texts of an error and its sources.
fn error_chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text = format!("{text}: {error}");
        next = error.source();
    }
    text
}

#[cfg(test)]
#[path = "tests/grpc.rs"]
mod tests;
