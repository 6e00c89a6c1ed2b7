//! The description of spans: names, kinds, statuses and attributes of the facts about operations.
//!
//! Live spans and spans exported from a bundle are described here, so that they are equal.

pub mod attribute;
pub(in crate::otlp) mod content_policy;
pub(in crate::otlp) mod describe;
pub(in crate::otlp) mod digest;
pub(in crate::otlp) mod facts;
mod foreign;
pub(in crate::otlp) mod kind;
pub(in crate::otlp) mod map;
pub(in crate::otlp) mod mapping;
pub(in crate::otlp) mod measures;
pub(in crate::otlp) mod span_masking;
pub(in crate::otlp) mod system_time;
#[cfg(test)]
mod tests;
pub(in crate::otlp) mod usage_names;

pub use self::content_policy::ContentPolicy;
pub use self::map::{MapExporter, map};
pub use self::mapping::Mapping;
pub use self::usage_names::UsageNames;
