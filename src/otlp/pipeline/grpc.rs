//! Messages over gRPC.

mod bytes_codec;
mod retry_info;
mod runtime;

use std::error::Error;
use std::fmt;
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use tonic::client::Grpc;
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status};

use self::bytes_codec::BytesCodec;
use self::retry_info::retry_delay;
use self::runtime::Runtime;
use super::connection::Connection;
use super::http_sender::OWN_NAME;
use super::sending::{Failure, SendError};
use super::{Compression, OtlpError};

/// A connection in a runtime of its own: it matters to it neither which one the caller is in, nor that there is one.
pub(crate) struct GrpcSender {
    client: Grpc<Channel>,
    path: PathAndQuery,
    metadata: MetadataMap,
    timeout: Duration,
    runtime: Runtime,
}

impl GrpcSender {
    pub(super) fn new(connection: Connection) -> Result<Self, OtlpError> {
        let runtime = Runtime::start()?;
        let endpoint = endpoint(&connection)?;
        let channel = {
            let _entered = runtime.enter();
            endpoint.connect_lazy()
        };
        let mut client = Grpc::new(channel);
        if let Some(compression) = connection.compression {
            let encoding = match compression {
                Compression::Gzip => CompressionEncoding::Gzip,
                Compression::Zstd => CompressionEncoding::Zstd,
            };
            client = client.send_compressed(encoding).accept_compressed(encoding);
        }
        Ok(Self {
            client,
            path: PathAndQuery::from_static(connection.signal.grpc_path()),
            metadata: MetadataMap::from_headers(connection.headers),
            timeout: connection.timeout,
            runtime,
        })
    }

    pub(super) fn send(&self, message: Bytes) -> Result<Bytes, SendError> {
        let (mut client, path) = (self.client.clone(), self.path.clone());
        let mut request = Request::new(message);
        *request.metadata_mut() = self.metadata.clone();
        let timeout = self.timeout;
        let (answered, answer) = mpsc::sync_channel(1);
        self.runtime.spawn(async move {
            let call = async {
                client.ready().await.map_err(|error| Status::unavailable(chain(&error)))?;
                client.unary(request, path, BytesCodec).await
            };
            let answer = tokio::time::timeout(timeout, call).await;
            let _ = answered.send(answer.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time"))));
        });
        match answer.recv() {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(refused(&status)),
            Err(mpsc::RecvError) => Err(SendError::new(Failure::Unreachable, "the connection's runtime is gone")),
        }
    }
}

impl fmt::Debug for GrpcSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrpcSender").finish_non_exhaustive()
    }
}

fn endpoint(connection: &Connection) -> Result<Endpoint, OtlpError> {
    let bad = |error: tonic::transport::Error| {
        OtlpError::new(format!("no connection can be made to {}: {}", connection.url, chain(&error)))
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
    endpoint.tls_config(tls).map_err(bad)
}

fn refused(status: &Status) -> SendError {
    let kind = match status.code() {
        Code::ResourceExhausted | Code::OutOfRange if says_too_large(status) => Failure::TooLarge,
        Code::ResourceExhausted => match retry_delay(status.details()) {
            Some(delay) => Failure::Busy(Some(delay)),
            None => Failure::Rejected,
        },
        Code::Unavailable => match retry_delay(status.details()) {
            Some(delay) => Failure::Busy(Some(delay)),
            None => Failure::Unreachable,
        },
        Code::Cancelled | Code::DeadlineExceeded | Code::Aborted | Code::OutOfRange | Code::DataLoss => {
            Failure::Unreachable
        }
        Code::Ok
        | Code::Unknown
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::Unimplemented
        | Code::Internal
        | Code::Unauthenticated => Failure::Rejected,
    };
    // What stands behind a source is tonic's own text; else it would be the receiver's.
    match status.source() {
        Some(source) => SendError::new(kind, format_args!("no answer: {}", chain(source))),
        None => SendError::new(kind, format_args!("the receiver answered with gRPC status {:?}", status.code())),
    }
}

/// Servers in Go and Rust have a code each for it, and use both for other things too.
fn says_too_large(status: &Status) -> bool {
    ["larger than", "too large"].iter().any(|words| status.message().contains(words))
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
mod tests {
    use super::*;

    /// A status with a `RetryInfo` of 7.5 s, as it comes in `grpc-status-details-bin`.
    fn with_delay(code: Code) -> Status {
        let delay = [0x08, 7, 0x10, 0x80, 0xca, 0xb5, 0xee, 0x01];
        let info = [&[0x0a, 8][..], &delay].concat();
        let name = b"type.googleapis.com/google.rpc.RetryInfo";
        let any = [&[0x0a, 40][..], name, &[0x12, 10], &info].concat();
        let details = [&[0x08, 14, 0x1a, 54][..], &any].concat();
        Status::with_details(code, "later", details.into())
    }

    #[track_caller]
    fn check(status: &Status, expected: Failure) {
        assert_eq!(refused(status).kind, expected, "{status:?}");
    }

    #[test]
    fn a_status_says_what_can_be_done() {
        let busy = Failure::Busy(Some(Duration::from_millis(7500)));
        check(&with_delay(Code::Unavailable), busy);
        check(&with_delay(Code::ResourceExhausted), busy);
        check(&with_delay(Code::Internal), Failure::Rejected);
        check(&Status::unavailable(""), Failure::Unreachable);
        check(&Status::resource_exhausted("quota"), Failure::Rejected);
        check(&Status::resource_exhausted("grpc: received message larger than max (5 vs. 4)"), Failure::TooLarge);
        check(&Status::out_of_range("Error, decoded message length too large: found 5"), Failure::TooLarge);
        check(&Status::out_of_range("later"), Failure::Unreachable);
    }

    #[test]
    fn what_a_receiver_says_may_be_a_secret() {
        let error = refused(&Status::unauthenticated("token abc is bad"));
        assert_eq!(error.text, "the receiver answered with gRPC status Unauthenticated");
    }
}
