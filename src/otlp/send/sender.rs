//! Senders of single messages through `opentelemetry-otlp`, for both protocols.

#[cfg(feature = "otlp-grpc")]
use opentelemetry_otlp::WithTonicConfig;
use opentelemetry_otlp::{Compression as OtlpCompression, MetricExporter, RetryPolicy, SpanExporter, WithExportConfig};
use opentelemetry_otlp::{Protocol as OtlpProtocol, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};

use super::connection::Compression;
use super::connection::Connection;
use super::endpoint::Protocol;
use super::error::OtlpError;
#[cfg(feature = "otlp-grpc")]
use super::grpc::Grpc;
use super::http::Http;
use super::response::{ExportResponse, SendError};
use super::suppress::without_telemetry;

/// A sender of spans. Sending blocks, at most for the timeout of the connection, and needs no async runtime.
#[derive(Debug)]
pub(crate) struct SpanSender {
    exporter: SpanExporter,
    transport: Transport,
}

/// A sender of metrics. Sending blocks, at most for the timeout of the connection, and needs no async runtime.
#[derive(Debug)]
pub(crate) struct MetricSender {
    exporter: MetricExporter,
    transport: Transport,
}

/// The client that carries the exporter's requests. It captures the receiver's responses, which the exporter does not
/// return.
#[derive(Debug)]
enum Transport {
    Http(Http),
    #[cfg(feature = "otlp-grpc")]
    Grpc(Grpc),
}

impl SpanSender {
    pub(crate) fn new(connection: &Connection, resource: &Resource) -> Result<Self, OtlpError> {
        without_telemetry(|| {
            let transport = Transport::new(connection)?;
            let builder = SpanExporter::builder();
            let exporter = match &transport {
                Transport::Http(http) => over_http(builder.with_http(), http, connection).build(),
                #[cfg(feature = "otlp-grpc")]
                Transport::Grpc(grpc) => over_grpc(builder.with_tonic(), grpc, connection).build(),
            };
            let mut exporter = exporter.map_err(OtlpError::new)?;
            exporter.set_resource(resource);
            Ok(Self { exporter, transport })
        })
    }

    /// Sends spans in one message, without retries.
    pub(crate) fn send(&self, spans: Vec<SpanData>) -> Result<ExportResponse, SendError> {
        self.transport.run_export(self.exporter.export(spans))
    }
}

impl MetricSender {
    pub(crate) fn new(connection: &Connection) -> Result<Self, OtlpError> {
        without_telemetry(|| {
            let transport = Transport::new(connection)?;
            let builder = MetricExporter::builder().with_temporality(Temporality::Cumulative);
            let exporter = match &transport {
                Transport::Http(http) => over_http(builder.with_http(), http, connection).build(),
                #[cfg(feature = "otlp-grpc")]
                Transport::Grpc(grpc) => over_grpc(builder.with_tonic(), grpc, connection).build(),
            };
            Ok(Self { exporter: exporter.map_err(OtlpError::new)?, transport })
        })
    }

    /// Sends metrics in one message, without retries.
    pub(crate) fn send(&self, metrics: &ResourceMetrics) -> Result<ExportResponse, SendError> {
        without_telemetry(|| self.transport.run_export(self.exporter.export(metrics)))
    }
}

impl Transport {
    fn new(connection: &Connection) -> Result<Self, OtlpError> {
        match connection.protocol {
            Protocol::HttpProtobuf => Ok(Self::Http(Http::new(connection)?)),
            #[cfg(feature = "otlp-grpc")]
            Protocol::Grpc => Ok(Self::Grpc(Grpc::new(connection)?)),
            #[cfg(not(feature = "otlp-grpc"))]
            Protocol::Grpc => Err(OtlpError::invalid_value("protocol", "grpc", "`http/protobuf`")),
        }
    }

    /// Runs an export of an exporter that uses this transport, and returns the receiver's response.
    fn run_export(&self, export: impl Future<Output = OTelSdkResult>) -> Result<ExportResponse, SendError> {
        match self {
            Self::Http(http) => http.run_export(export),
            #[cfg(feature = "otlp-grpc")]
            Self::Grpc(grpc) => grpc.run_export(export),
        }
    }
}

/// Configures an exporter over HTTP. Its own retries are disabled, because they cannot be aborted at shutdown; retries
/// are the task of [`RetryingSender`](super::retrying_sender::RetryingSender).
fn over_http<B: WithExportConfig + WithHttpConfig>(builder: B, http: &Http, connection: &Connection) -> B {
    let builder = builder
        .with_protocol(OtlpProtocol::HttpBinary)
        .with_endpoint(connection.url.to_string())
        .with_timeout(connection.timeout)
        .with_shared_http_client(http.client())
        .with_retry_policy(RetryPolicy::disabled());
    match connection.compression {
        Some(compression) => builder.with_compression(encoding(compression)),
        None => builder,
    }
}

/// Configures an exporter over gRPC, with its own retries disabled as over HTTP.
#[cfg(feature = "otlp-grpc")]
fn over_grpc<B: WithExportConfig + WithTonicConfig>(builder: B, grpc: &Grpc, connection: &Connection) -> B {
    let metadata = tonic::metadata::MetadataMap::from_headers(connection.headers.clone());
    // The exporter lets headers of variables override those set by code. This interceptor runs after it and restores
    // the resolved headers.
    let set_headers = move |mut request: tonic::Request<()>| {
        request.metadata_mut().clone_from(&metadata);
        Ok(request)
    };
    let builder = builder
        .with_timeout(connection.timeout)
        .with_channel(grpc.channel())
        .with_interceptor(set_headers)
        .with_retry_policy(RetryPolicy::disabled());
    match connection.compression {
        Some(compression) => builder.with_compression(encoding(compression)),
        None => builder,
    }
}

fn encoding(compression: Compression) -> OtlpCompression {
    match compression {
        Compression::Gzip => OtlpCompression::Gzip,
        Compression::Zstd => OtlpCompression::Zstd,
    }
}
