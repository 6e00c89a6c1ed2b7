//! What can be done about a status.
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
use crate::otlp::pipeline::connection::Said;
use crate::otlp::pipeline::sending::SpanSender;
use crate::otlp::pipeline::signal::Signal;
use crate::otlp::pipeline::variables::Variables;
use crate::otlp::pipeline::{Protocol, suppress::quietly};

/// Gives each message the same answer.
struct Refusing(Status);

#[tonic::async_trait]
impl TraceService for Refusing {
    async fn export(
        &self,
        _: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        Err(self.0.clone())
    }
}

/// Why a message is not taken by a receiver that answers so.
fn answered(status: Status) -> SendError {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let endpoint = Some(format!("http://{}", listener.local_addr().unwrap()));
    let server = Server::builder().add_service(TraceServiceServer::new(Refusing(status)));
    runtime.spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    let said = Said { endpoint, protocol: Some(Protocol::Grpc), ..Said::default() };
    let connection = Connection::resolve(Signal::Traces, &said, &Variables::default()).unwrap();
    let sender = SpanSender::new(&connection, &Resource::builder_empty().build()).unwrap();
    let error = quietly(|| sender.send(Vec::new())).unwrap_err();
    runtime.shutdown_background();
    error
}

fn with_delay(code: Code) -> Status {
    let details = ErrorDetails::with_retry_info(Some(Duration::from_millis(7500)));
    Status::with_error_details(code, "later", details)
}

#[track_caller]
fn check(status: Status, expected: Failure) {
    let text = format!("{status:?}");
    assert_eq!(answered(status).kind, expected, "{text}");
}

#[test]
fn a_status_says_what_can_be_done() {
    let busy = Failure::Busy(Some(Duration::from_millis(7500)));
    check(with_delay(Code::Unavailable), busy);
    check(with_delay(Code::ResourceExhausted), busy);
    check(with_delay(Code::Internal), Failure::Unreachable);
    check(Status::unknown(""), Failure::Unreachable);
    check(Status::unimplemented(""), Failure::NotServed);
    check(Status::unauthenticated(""), Failure::Rejected);
    check(Status::unavailable(""), Failure::Unreachable);
    check(Status::resource_exhausted("quota"), Failure::Rejected);
    check(Status::resource_exhausted("grpc: received message larger than max (5 vs. 4)"), Failure::TooLarge);
    check(Status::out_of_range("Error, decoded message length too large: found 5"), Failure::TooLarge);
    check(Status::out_of_range("later"), Failure::Unreachable);
}

/// As the exporter tells it where tonic has its feature `server`, as here, and where it has not.
#[test]
fn what_no_receiver_said_is_no_refusal_whatever_its_code() {
    for code in ALL_CODES {
        let text = format!("TonicTracesClient export failed with gRPC code: {code:?}: transport error: broken pipe");
        let error = refused(&text, "larger than", &[]);
        assert_eq!(error, SendError::new(Failure::Unreachable, "no answer: transport error: broken pipe"));
    }
}

#[test]
fn every_code_is_told_from_the_others() {
    for code in ALL_CODES {
        let error = answered(Status::new(code, "token abc is bad"));
        // What a receiver says may be a secret.
        assert_eq!(error.text, format!("the receiver answered with gRPC status {code:?}"));
    }
}
