//! A finished bundle as spans: sent to any backend that takes OTLP, or written to a file.
//!
//! [`spans`] gives what would be sent; [`export`] sends it, [`JsonFile`] writes it, [`Plan`] only counts it. All of them
//! read bodies one span at a time. The ids of spans follow from the bundle, or are those of the live spans: doing it
//! again, after a failure too, changes nothing in a backend that has some of them.

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
pub use send::{Exported, Progress, export};
pub use spans::spans;
