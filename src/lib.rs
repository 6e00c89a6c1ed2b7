//! A flight recorder for LLM agents: *observe first, interpret later.*
//!
//! A [`tracing`] layer writes down what an agent did, in order, as a **bundle** on local disk. Afterwards a reducer
//! rebuilds the **graph** of the run: what the model saw, what the runtime did, and how information moved between them.
//!
//! # Recording
//! Three lines add the layer:
//!
//! ```no_run
//! use otel_trace::Recorder;
//! use tracing_subscriber::prelude::*;
//!
//! let (recorder, _guard) = Recorder::builder().root("traces").build()?;
//! let layer = recorder.layer().with_filter(recorder.filter());
//! tracing_subscriber::registry().with(layer).init();
//! # Ok::<(), otel_trace::layer::BuildError>(())
//! ```
//!
//! Then say what happens, with typed handles …
//!
//! ```
//! use otel_trace::{ToolCallMeta, Json, Model, AgentThread, ThreadMeta, Operation};
//! use serde_json::json;
//!
//! let thread = AgentThread::start(ThreadMeta::new().agent_name("coder"));
//! let turn = thread.turn(None);
//!
//! let inference = turn.inference(Model { name: "gpt-5-mini", provider: "openai" });
//! inference.request(Json(&json!({ "model": "gpt-5-mini", "input": "Which tests fail?" })));
//! inference.response(Json(&json!({ "output_items": [] })));
//! inference.complete();
//!
//! let tool = turn.tool_call(ToolCallMeta::new("exec_command").id("call_1").arguments(r#"{"cmd":"cargo test"}"#));
//! tool.output("test result: ok");
//! tool.complete();
//! ```
//!
//! … or with plain spans of the [GenAI semantic conventions]. Handles and spans cost next to nothing where nobody
//! records.
//!
//! # Reading
//! `otel-trace reduce <bundle>` writes the graph as `state.json`; [`reduce`](reduce::reduce) gives it to a program.
//!
//! # Features
//! None is on by default, and the layer needs none. `cli` builds the `otel-trace` binary; `tower` and `reqwest` bring
//! middlewares that record the exact bytes of a model's calls, in the module `client`; `otlp` exports the same spans to a
//! backend of OpenTelemetry over HTTP, `otlp-grpc` also over gRPC, in the module `otlp`.
//!
//! [GenAI semantic conventions]: https://opentelemetry.io/docs/specs/semconv/gen-ai/

pub mod bundle;
#[cfg(any(feature = "reqwest", feature = "tower"))]
pub mod client;
pub mod event;
pub mod graph;
pub mod layer;
#[cfg(feature = "otlp")]
pub mod otlp;
pub mod reduce;

pub use bundle::{
    Body, BodyBuf, BodyError, Bounds, Durability, Exact, Json, Limits, Loss, Lost, Masking, Redactor, Stats, Store,
    SyncEvery,
};
pub use event::{CellStatus, ExecutionStatus, PayloadKind, ToolKind, TurnId, Usage};
pub use layer::{
    AgentThread, AnyOperation, BuildError, ChildProcess, CodeCell, CodeCellMeta, Compaction, Exchange, Inference,
    Model, Operation, RecordFilter, RecordLayer, Recorder, RecorderBuilder, RecorderGuard, Reply, SpanExt, ThreadMeta,
    ToolCall, ToolCallMeta, Turn,
};

/// The README's code, compiled and run with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
