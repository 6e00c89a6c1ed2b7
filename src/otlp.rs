//! The same run in any OpenTelemetry backend, live and afterwards.

pub mod attribute;
mod bridge;
mod content_policy;
mod context;
mod describe;
mod digest;
mod error_type;
mod foreign;
mod gathered;
mod kind;
mod live_run;
mod live_span;
mod map;
mod mapping;
mod span_facts;
mod usage_names;

pub use bridge::{Ahead, Behind, Bridge, bridge};
pub use content_policy::ContentPolicy;
pub use context::{BadTraceParent, TraceContext};
pub use map::{MapExporter, map};
pub use mapping::Mapping;
pub use usage_names::UsageNames;
