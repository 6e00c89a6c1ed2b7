//! The same run in any OpenTelemetry backend, live and afterwards.

pub mod attribute;
mod bridge;
mod content_policy;
mod context;
mod derived_id;
mod describe;
mod digest;
mod error_type;
pub mod export;
mod foreign;
mod gathered;
mod kind;
mod live_run;
mod live_span;
pub mod locate;
mod map;
mod mapping;
mod metrics;
mod object;
mod pipeline;
mod placement;
#[cfg(test)]
mod samples;
mod span_facts;
mod usage_names;

pub use self::bridge::{Ahead, Behind, Bridge, bridge};
pub use self::content_policy::ContentPolicy;
pub use self::context::{BadTraceParent, TraceContext};
pub use self::map::{MapExporter, map};
pub use self::mapping::Mapping;
pub use self::pipeline::{
    Compression, DropReason, DroppedSpans, Otlp, OtlpBuilder, OtlpError, OtlpGuard, OtlpStats, Protocol,
};
pub use self::usage_names::UsageNames;
