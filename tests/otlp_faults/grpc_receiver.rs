//! An OTLP receiver over gRPC with scripted responses.

use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver as Channel};
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

type ExportResult = Result<ExportTraceServiceResponse, Status>;
type Script = dyn Fn(usize) -> ExportResult + Send + Sync;

/// A receiver on its own runtime.
pub(crate) struct GrpcReceiver {
    runtime: Runtime,
    address: SocketAddr,
    received: Channel<Received>,
}

/// Span names of a message, and its metadata `x-tenant`.
pub(crate) struct Received {
    pub(crate) spans: Vec<String>,
    pub(crate) tenant: Option<String>,
}

impl GrpcReceiver {
    /// Starts a receiver. `script` gets the number of earlier messages and returns the response.
    pub(crate) fn start(script: impl Fn(usize) -> ExportResult + Send + Sync + 'static) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, received) = mpsc::channel();
        let service = Service { script: Arc::new(script), sender, count: Mutex::new(0) };
        let server = Server::builder().add_service(TraceServiceServer::new(service));
        runtime.spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        Self { runtime, address, received }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops the receiver and returns the received messages.
    pub(crate) fn stop(self) -> Vec<Received> {
        self.runtime.shutdown_background();
        self.received.try_iter().collect()
    }
}

struct Service {
    script: Arc<Script>,
    sender: mpsc::Sender<Received>,
    count: Mutex<usize>,
}

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let tenant = request.metadata().get("x-tenant").map(|value| value.to_str().unwrap().to_owned());
        let scopes = request.into_inner().resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        let spans = scopes.flat_map(|scope| scope.spans).map(|span| span.name).collect();
        self.sender.send(Received { spans, tenant }).unwrap();
        let mut count = self.count.lock().unwrap();
        *count += 1;
        (self.script)(*count - 1).map(Response::new)
    }
}
