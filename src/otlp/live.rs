//! The live export of a program's spans and metrics.
//!
//! The bridge joins a recorder and `tracing-opentelemetry`: the recorder's operations become attributes and links of
//! OpenTelemetry spans, and recorded events carry the ids of these spans. The pipeline exports the spans that end.

mod bridge;
mod builder;
mod context;
mod export;
mod factory;
mod facts;
mod guard;
mod link_target;
mod parent_span_processor;
pub(in crate::otlp) mod pipeline;
mod span;
mod tool_requests;

pub use self::bridge::{AfterOpenTelemetry, BeforeOpenTelemetry, Bridge, bridge};
pub use self::builder::OtlpBuilder;
pub use self::context::{TraceContext, TraceParentError};
pub use self::guard::OtlpGuard;
pub use self::parent_span_processor::ParentSpanProcessor;
pub use self::pipeline::Otlp;
