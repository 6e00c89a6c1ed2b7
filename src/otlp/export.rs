//! Exports a finished bundle as spans: to any backend that accepts OTLP, or to a file.
//!
//! [`spans()`] returns the spans, [`export`] sends them, [`JsonFile`] writes them, [`Plan`] only counts them. All but
//! [`Plan`] read the payloads of one span at a time. The ids of spans are those of the live spans or are derived from
//! the bundle: exporting again, also after a failure, sends equal spans. A backend that already has some of them may
//! show these twice, as Jaeger does.

mod batch;
mod error;
mod facts;
mod json;
mod links;
mod options;
mod plan;
mod resource;
mod retry;
mod send;
mod spans;

pub use error::ExportError;
pub(in crate::otlp) use facts::payload_ids;
pub use json::JsonFile;
pub use options::ExportOptions;
pub use plan::Plan;
pub use send::{ExportSummary, Progress, export};
pub use spans::spans;
