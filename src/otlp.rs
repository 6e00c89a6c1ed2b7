//! The same run in any OpenTelemetry backend, live and afterwards.

mod digest;
mod pipeline;
mod span_facts;

pub use self::pipeline::{
    Compression, DropReason, DroppedSpans, Otlp, OtlpBuilder, OtlpError, OtlpGuard, OtlpStats, Protocol,
};
