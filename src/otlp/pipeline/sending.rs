//! One message to a receiver, by `opentelemetry-otlp`, and what becomes of it.

use std::fmt;
use std::time::Duration;

#[cfg(feature = "otlp-grpc")]
use opentelemetry_otlp::WithTonicConfig;
use opentelemetry_otlp::{Compression as Encoding, MetricExporter, RetryPolicy, SpanExporter, WithExportConfig};
use opentelemetry_otlp::{Protocol as Spoken, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};

use super::connection::Connection;
#[cfg(feature = "otlp-grpc")]
use super::grpc::Grpc;
use super::http::Http;
use super::suppress::quietly;
use super::{Compression, OtlpError, Protocol};

/// Sends spans. It blocks, at most for the timeout of the connection, and needs no runtime around it.
#[derive(Debug)]
pub(super) struct SpanSender {
    exporter: SpanExporter,
    wire: Wire,
}

/// Sends metrics, as spans are sent.
#[derive(Debug)]
pub(super) struct MetricSender {
    exporter: MetricExporter,
    wire: Wire,
}

/// What the exporter's messages go through. It sees what the exporter doesn't tell: what the receiver answers.
#[derive(Debug)]
enum Wire {
    Http(Http),
    #[cfg(feature = "otlp-grpc")]
    Grpc(Grpc),
}

/// What the receiver says of a message that it took.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Answer {
    /// So many of the message's spans it did not take.
    pub(super) rejected: u64,
    /// Why, in the receiver's words.
    pub(super) message: String,
}

impl SpanSender {
    pub(super) fn new(connection: &Connection, resource: &Resource) -> Result<Self, OtlpError> {
        quietly(|| {
            let wire = Wire::new(connection)?;
            let builder = SpanExporter::builder();
            let exporter = match &wire {
                Wire::Http(http) => over_http(builder.with_http(), http, connection).build(),
                #[cfg(feature = "otlp-grpc")]
                Wire::Grpc(grpc) => over_grpc(builder.with_tonic(), grpc, connection).build(),
            };
            let mut exporter = exporter.map_err(OtlpError::new)?;
            exporter.set_resource(resource);
            Ok(Self { exporter, wire })
        })
    }

    pub(super) fn send(&self, spans: Vec<SpanData>) -> Result<Answer, SendError> {
        self.wire.carry(self.exporter.export(spans))
    }
}

impl MetricSender {
    pub(super) fn new(connection: &Connection) -> Result<Self, OtlpError> {
        quietly(|| {
            let wire = Wire::new(connection)?;
            let builder = MetricExporter::builder().with_temporality(Temporality::Cumulative);
            let exporter = match &wire {
                Wire::Http(http) => over_http(builder.with_http(), http, connection).build(),
                #[cfg(feature = "otlp-grpc")]
                Wire::Grpc(grpc) => over_grpc(builder.with_tonic(), grpc, connection).build(),
            };
            Ok(Self { exporter: exporter.map_err(OtlpError::new)?, wire })
        })
    }

    pub(super) fn send(&self, metrics: &ResourceMetrics) -> Result<Answer, SendError> {
        quietly(|| self.wire.carry(self.exporter.export(metrics)))
    }
}

impl Wire {
    fn new(connection: &Connection) -> Result<Self, OtlpError> {
        match connection.protocol {
            Protocol::HttpProtobuf => Ok(Self::Http(Http::new(connection)?)),
            #[cfg(feature = "otlp-grpc")]
            Protocol::Grpc => Ok(Self::Grpc(Grpc::new(connection)?)),
            #[cfg(not(feature = "otlp-grpc"))]
            Protocol::Grpc => Err(OtlpError::value("protocol", "grpc", "`http/protobuf`")),
        }
    }

    fn carry(&self, export: impl Future<Output = OTelSdkResult>) -> Result<Answer, SendError> {
        match self {
            Self::Http(http) => http.carry(export),
            #[cfg(feature = "otlp-grpc")]
            Self::Grpc(grpc) => grpc.carry(export),
        }
    }
}

/// Tries once: when it is worth to try again is for us to say. The exporter's own retries can't be stopped.
fn over_http<B: WithExportConfig + WithHttpConfig>(builder: B, http: &Http, connection: &Connection) -> B {
    let builder = builder
        .with_protocol(Spoken::HttpBinary)
        .with_endpoint(connection.url.to_string())
        .with_timeout(connection.timeout)
        .with_shared_http_client(http.client())
        .with_retry_policy(RetryPolicy::disabled());
    match connection.compression {
        Some(compression) => builder.with_compression(encoding(compression)),
        None => builder,
    }
}

#[cfg(feature = "otlp-grpc")]
fn over_grpc<B: WithExportConfig + WithTonicConfig>(builder: B, grpc: &Grpc, connection: &Connection) -> B {
    let metadata = tonic::metadata::MetadataMap::from_headers(connection.headers.clone());
    // Behind the exporter's own, which has the variables' headers win over those of code.
    let ours = move |mut request: tonic::Request<()>| {
        request.metadata_mut().clone_from(&metadata);
        Ok(request)
    };
    let builder = builder
        .with_timeout(connection.timeout)
        .with_channel(grpc.channel())
        .with_interceptor(ours)
        .with_retry_policy(RetryPolicy::disabled());
    match connection.compression {
        Some(compression) => builder.with_compression(encoding(compression)),
        None => builder,
    }
}

fn encoding(compression: Compression) -> Encoding {
    match compression {
        Compression::Gzip => Encoding::Gzip,
        Compression::Zstd => Encoding::Zstd,
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
    /// The receiver takes nothing of the kind there.
    NotServed,
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
