//! Messages over gRPC.

mod grpc_log_capture;
mod runtime;

use std::error::Error;
use std::fmt;
use std::time::Duration;

use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Status};
use tonic_types::StatusExt;
use tracing::dispatcher;

use self::grpc_log_capture::Overheard;
use self::runtime::Runtime;
use super::OtlpError;
use super::blocking::wait_for;
use super::connection::Connection;
use super::http::OWN_NAME;
use super::sending::{Answer, Failure, SendError};

/// A connection in a runtime of its own: it matters to it neither which one the caller is in, nor that there is one.
pub(super) struct Grpc {
    channel: Channel,
    timeout: Duration,
    overheard: Overheard,
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
        Ok(Self { channel, timeout: connection.timeout, overheard: Overheard::default(), runtime })
    }

    pub(super) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// Waits for an export that sends by this channel, and tells what the receiver said.
    pub(super) fn carry(&self, export: impl Future<Output = OTelSdkResult>) -> Result<Answer, SendError> {
        let exported = dispatcher::with_default(self.overheard.dispatch(), || {
            let _entered = self.runtime.enter();
            wait_for(tokio::time::timeout(self.timeout, export))
        });
        let heard = self.overheard.take();
        match exported {
            Ok(Ok(())) => Ok(heard.answer),
            Ok(Err(OTelSdkError::InternalFailure(text))) => Err(refused(&text, &heard.message, &heard.details)),
            Ok(Err(error)) => Err(SendError::new(Failure::Rejected, error)),
            Err(_) => Err(SendError::new(Failure::Unreachable, "no answer in time")),
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
        OtlpError::new(format!("no connection can be made to {}: {}", connection.shown_url(), chain(&error)))
    };
    let endpoint =
        Endpoint::from(connection.url.clone()).user_agent(OWN_NAME).map_err(bad)?.connect_timeout(connection.timeout);
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

/// What the exporter says, which is the code and, if no receiver gave it, where it comes from; and what was overheard.
fn refused(text: &str, message: &str, details: &[u8]) -> SendError {
    let said = text.split_once("gRPC code: ").map_or(text, |(_, said)| said);
    let (name, source) = said.split_once(": ").map_or((said, None), |(name, source)| (name, Some(source)));
    let code = ALL_CODES.into_iter().find(|code| format!("{code:?}") == name).unwrap_or(Code::Unknown);
    match source {
        // Of whatever code: tonic makes one up, another with its feature `server` than without.
        Some(source) => SendError::new(Failure::Unreachable, format_args!("no answer: {source}")),
        None => {
            let kind = kind(&Status::with_details(code, message, details.to_vec().into()));
            SendError::new(kind, format_args!("the receiver answered with gRPC status {code:?}"))
        }
    }
}

/// Those of errors.
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

fn kind(status: &Status) -> Failure {
    match status.code() {
        Code::ResourceExhausted | Code::OutOfRange if says_too_large(status) => Failure::TooLarge,
        Code::ResourceExhausted => match retry_delay(status) {
            Some(delay) => Failure::Busy(Some(delay)),
            None => Failure::Rejected,
        },
        Code::Unavailable => match retry_delay(status) {
            Some(delay) => Failure::Busy(Some(delay)),
            None => Failure::Unreachable,
        },
        // Unknown and internal are also what is made of an answer that was cut or has no status.
        Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Internal
        | Code::DataLoss => Failure::Unreachable,
        Code::Unimplemented => Failure::NotServed,
        Code::Ok
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::Unauthenticated => Failure::Rejected,
    }
}

/// Servers in Go and Rust have a code each for it, and use both for other things too.
fn says_too_large(status: &Status) -> bool {
    ["larger than", "too large"].iter().any(|words| status.message().contains(words))
}

fn retry_delay(status: &Status) -> Option<Duration> {
    status.get_details_retry_info()?.retry_delay
}

fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text = format!("{text}: {error}");
        next = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
