//! The same run in any OpenTelemetry backend, live and afterwards.

pub mod attribute;
mod content_policy;
mod derived_id;
mod describe;
mod digest;
mod error_type;
pub mod export;
mod foreign;
mod kind;
pub mod locate;
mod map;
mod mapping;
mod object;
mod pipeline;
mod placement;
#[cfg(test)]
mod samples;
mod span_facts;
mod usage_names;

pub use self::content_policy::ContentPolicy;
pub use self::map::{MapExporter, map};
pub use self::mapping::Mapping;
pub use self::pipeline::{
    Compression, DropReason, DroppedSpans, Otlp, OtlpBuilder, OtlpError, OtlpGuard, OtlpStats, Protocol,
};
pub use self::usage_names::UsageNames;
