//! The same run in any OpenTelemetry backend, live and afterwards.

pub mod attribute;
mod content_policy;
mod describe;
mod digest;
mod error_type;
mod foreign;
mod kind;
mod map;
mod mapping;
mod pipeline;
mod span_facts;
mod usage_names;

pub use self::content_policy::ContentPolicy;
pub use self::map::{MapExporter, map};
pub use self::mapping::Mapping;
pub use self::pipeline::{
    Compression, DropReason, DroppedSpans, Otlp, OtlpBuilder, OtlpError, OtlpGuard, OtlpStats, Protocol,
};
pub use self::usage_names::UsageNames;
