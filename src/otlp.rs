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
#[cfg(test)]
mod samples;
mod span_facts;
mod usage_names;

pub use content_policy::ContentPolicy;
pub use map::{MapExporter, map};
pub use mapping::Mapping;
pub use usage_names::UsageNames;
