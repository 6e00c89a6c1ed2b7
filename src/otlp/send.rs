//! Sends spans and metrics over OTLP.
//!
//! The span processor enqueues each span that ends in a bounded queue. A dedicated worker thread takes batches from the
//! queue and exports them through `opentelemetry-otlp`. The pipeline needs no async runtime, never blocks a thread that
//! ends a span, and runs its own work with telemetry suppressed, so that an export is not traced and exported itself.
//!
//! The settings are in four files: `variables` (what to read), `endpoint` (where to), `connection` (how) and `resource`
//! (who).

pub(in crate::otlp) mod backoff;
pub(in crate::otlp) mod blocking;
pub(in crate::otlp) mod connection;
pub(in crate::otlp) mod deadline;
pub(in crate::otlp) mod endpoint;
pub(in crate::otlp) mod error;
pub(in crate::otlp) mod estimated_size;
pub(in crate::otlp) mod exporter;
#[cfg(feature = "otlp-grpc")]
mod grpc;
pub(in crate::otlp) mod http;
pub(in crate::otlp) mod ledger;
pub(in crate::otlp) mod metric_sink;
pub(in crate::otlp) mod metrics;
pub(in crate::otlp) mod processor;
pub(in crate::otlp) mod queue;
pub(in crate::otlp) mod resource;
pub(in crate::otlp) mod response;
pub(in crate::otlp) mod retrying_sender;
pub(in crate::otlp) mod sender;
pub(in crate::otlp) mod span_sink;
pub(in crate::otlp) mod stats;
pub(in crate::otlp) mod suppress;
mod this_machine;
pub(in crate::otlp) mod variables;

pub use self::connection::Compression;
pub use self::endpoint::Protocol;
pub use self::error::OtlpError;
pub use self::stats::{DropReason, DroppedSpans, OtlpStats};
