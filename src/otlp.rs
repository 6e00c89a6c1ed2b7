//! Exports runs to any OpenTelemetry backend: live, while the program runs, and afterwards, from a bundle.
//!
//! Live export sends the program's spans to an OTLP receiver: the spans of its agents, described by the [GenAI semantic
//! conventions], and those of its HTTP client and database, in one trace. It takes two lines more than recording alone:
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
//! Every setting can also be made by the standard `OTEL_*` variables, which [`OtlpBuilder`] lists; [`Otlp::from_env`]
//! exports only if they enable it. With [`Recorder::unwritten`](crate::Recorder::unwritten) a program
//! exports without recording.
//!
//! ```text
//! OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 OTEL_SERVICE_NAME=coder ./coder
//! ```
//!
//! # Cost for the program
//!
//! A span that ends is put into a bounded queue; a dedicated thread exports it, over HTTP or, with the feature
//! `otlp-grpc`, over gRPC. The export needs no async runtime and works beside any. The program never waits for a slow
//! or unreachable receiver: spans that do not fit into the queue are dropped, [counted](OtlpStats) and reported, the
//! first of each reason, to the [`on_drop`](OtlpBuilder::on_drop) callback or to stderr. Dropping the
//! [guard](OtlpGuard) waits a few seconds at most for the remaining spans.
//!
//! # Data that leaves the process
//!
//! The agents' spans export names, times, counts and errors, with secrets masked as they are in the bundle. Content
//! (messages, instructions, tool arguments and results) is exported only if [`content`](OtlpBuilder::content) is set to
//! capture it. Other spans of the program, and the events inside of spans, are exported except for content
//! under the conventions' attribute names: a program that puts content into other fields exports it. Their names, statuses,
//! attributes and events are masked like the texts in the bundle: by the recorder's [redactor](crate::RecorderBuilder::redact)
//! and [masking](crate::RecorderBuilder::mask), on the thread that sends them. Sampling reduces the exported spans, never the
//! bundle.
//!
//! The export of a finished bundle sends what is in the bundle, which the recorder masked. A bundle of a program that did not mask
//! it is first copied by `otel-trace redact`.
//!
//! Inference calls are also measured, by the conventions' metrics: token usage, duration and time to first chunk.
//!
//! # Attempts of a call
//!
//! If the client of a program retries a request in the span of an inference call, each attempt is a call of the graph, and
//! there is one live span: it covers all attempts, and has the request, the response and the status of the attempt that
//! ended last, which is the one that was answered. The export of the bundle gives that attempt the live span's ids and times, and each
//! earlier attempt a span below it, with a status of its own.
//!
//! [GenAI semantic conventions]: https://opentelemetry.io/docs/specs/semconv/gen-ai/

pub mod export;
mod live;
mod resource_json;
mod send;
mod span;

pub use self::export::locate;
pub use self::live::{
    AfterOpenTelemetry, BeforeOpenTelemetry, Bridge, Otlp, OtlpBuilder, OtlpGuard, ParentSpanProcessor, TraceContext,
    TraceParentError, bridge,
};
pub use self::send::{Compression, DropReason, DroppedSpans, OtlpError, OtlpStats, Protocol};
pub use self::span::{ContentPolicy, MapExporter, Mapping, UsageNames, attribute, map};
