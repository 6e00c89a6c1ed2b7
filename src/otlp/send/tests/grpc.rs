//! Tests of the classification of gRPC statuses.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_sdk::Resource;
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response};
use tonic_types::ErrorDetails;

use super::*;
use crate::otlp::send::connection::ExporterSettings;
use crate::otlp::send::endpoint::Protocol;
use crate::otlp::send::sender::SpanSender;
use crate::otlp::send::suppress::without_telemetry;
use crate::otlp::send::variables::Signal;
use crate::otlp::send::variables::Variables;

/// A trace service that answers every message with one status.
struct RefusingService(Status);

#[tonic::async_trait]
impl TraceService for RefusingService {
    async fn export(
        &self,
        _: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        Err(self.0.clone())
    }
}

/// Sends a message to a receiver that answers with `status`, and returns the resulting error.
fn error_for(status: Status) -> SendError {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let endpoint = Some(format!("http://{}", listener.local_addr().unwrap()));
    let server = Server::builder().add_service(TraceServiceServer::new(RefusingService(status)));
    runtime.spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    let settings = ExporterSettings { endpoint, protocol: Some(Protocol::Grpc), ..ExporterSettings::default() };
    let connection = Connection::resolve(Signal::Traces, &settings, &Variables::default()).unwrap();
    let sender = SpanSender::new(&connection, &Resource::builder_empty().build()).unwrap();
    let error = without_telemetry(|| sender.send(Vec::new())).unwrap_err();
    runtime.shutdown_background();
    error
}

fn with_delay(code: Code) -> Status {
    let details = ErrorDetails::with_retry_info(Some(Duration::from_millis(7500)));
    Status::with_error_details(code, "later", details)
}

#[track_caller]
fn check(status: Status, expected: SendErrorKind) {
    let text = format!("{status:?}");
    assert_eq!(error_for(status).kind, expected, "{text}");
}

#[test]
fn statuses_are_classified_for_retries() {
    let busy = SendErrorKind::Busy(Some(Duration::from_millis(7500)));
    check(with_delay(Code::Unavailable), busy);
    check(with_delay(Code::ResourceExhausted), busy);
    check(with_delay(Code::Internal), SendErrorKind::Unreachable);
    check(Status::unknown(""), SendErrorKind::Unreachable);
    check(Status::unimplemented(""), SendErrorKind::NotServed);
    check(Status::unauthenticated(""), SendErrorKind::Rejected);
    check(Status::unavailable(""), SendErrorKind::Unreachable);
    check(Status::resource_exhausted("quota"), SendErrorKind::Rejected);
    check(Status::resource_exhausted("grpc: received message larger than max (5 vs. 4)"), SendErrorKind::TooLarge);
    check(Status::out_of_range("Error, decoded message length too large: found 5"), SendErrorKind::TooLarge);
    check(Status::out_of_range("later"), SendErrorKind::Unreachable);
}

/// Covers the exporter's texts both with tonic's feature `server`, which is enabled in tests, and without it.
#[test]
fn statuses_without_a_receiver_are_unreachable() {
    for code in ALL_CODES {
        let text = format!("TonicTracesClient export failed with gRPC code: {code:?}: transport error: broken pipe");
        let error = export_error(&text, "larger than", &[]);
        assert_eq!(error, SendError::new(SendErrorKind::Unreachable, "no response: transport error: broken pipe"));
    }
}

#[test]
fn errors_name_the_code_without_the_message() {
    for code in ALL_CODES {
        let error = error_for(Status::new(code, "token abc is bad"));
        // A receiver's message may contain secrets.
        assert_eq!(error.text, format!("the receiver answered with gRPC status {code:?}"));
    }
}
