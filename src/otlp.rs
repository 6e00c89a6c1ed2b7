//! The same run in any OpenTelemetry backend, live and afterwards.
//!
//! Live, the program's spans go to a receiver of OTLP while it runs: those of its agents, by the [GenAI semantic
//! conventions], and those of its HTTP client and database, in the same trace. Two lines more than recording takes add
//! it:
//!
//! ```no_run
//! use otel_trace::{Recorder, otlp::Otlp};
//! use tracing_subscriber::{filter::LevelFilter, prelude::*};
//!
//! let (recorder, _recording) = Recorder::builder().root("traces").build()?;
//! let (otlp, _exporting) = Otlp::builder().endpoint("http://localhost:4318").build()?;
//! let bridge = otlp.bridge(&recorder).with_filter(LevelFilter::INFO);
//! let layer = recorder.layer().with_filter(recorder.filter());
//! tracing_subscriber::registry().with(bridge).with(layer).init();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Whoever runs the program can set up all of it by the standard `OTEL_*` variables, which [`OtlpBuilder`] lists, and
//! with [`Otlp::from_env`] turn it on. [`Recorder::unwritten`](crate::Recorder::unwritten) exports without recording.
//!
//! ```text
//! OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 OTEL_SERVICE_NAME=coder ./coder
//! ```
//!
//! # What it costs the program
//! A span that ends is put into a queue; a thread of its own exports it, over HTTP or, with the feature `otlp-grpc`, over
//! gRPC. That needs no runtime, and it matters not which one the program has. Nobody waits for a receiver that is slow or
//! gone: what has no room is dropped, [counted](OtlpStats) and told once, to [`on_drop`](OtlpBuilder::on_drop) or on
//! stderr. At the end the [guard](OtlpGuard) waits for what is left, for a few seconds at most.
//!
//! # What leaves the program
//! Of the agent's own spans names, times, counts and errors, masked as they are in the bundle. What was said stays, unless
//! [`content`](OtlpBuilder::content) is to be captured. Other spans of the program, and what it logs inside of spans, go
//! as they are, but for content under the conventions' names: what a program puts into fields of its own it exports.
//! Sampling thins what is exported, never a bundle.
//!
//! The calls of models are also measured, as the conventions' metrics: tokens, durations and the time until an answer
//! began.
//!
//! [GenAI semantic conventions]: https://opentelemetry.io/docs/specs/semconv/gen-ai/

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
mod kind;
mod live_facts;
mod live_run;
mod live_span;
pub mod locate;
mod map;
mod mapping;
mod metrics;
mod note_parents;
mod object;
mod pipeline;
mod placement;
#[cfg(test)]
mod samples;
mod span_facts;
mod usage_names;

pub use self::bridge::{Ahead, Behind, Bridge, bridge};
pub use self::content_policy::ContentPolicy;
pub use self::context::{TraceContext, TraceParentError};
pub use self::map::{MapExporter, map};
pub use self::mapping::Mapping;
pub use self::note_parents::NoteParents;
pub use self::pipeline::{
    Compression, DropReason, DroppedSpans, Otlp, OtlpBuilder, OtlpError, OtlpGuard, OtlpStats, Protocol,
};
pub use self::usage_names::UsageNames;
