//! A flight recorder for LLM agents: *observe first, interpret later.*
//!
//! A [`tracing`] layer records the operations of an agent, in order, as a **bundle** on local disk. Afterwards a
//! reducer rebuilds the **graph** of the run: what the model saw, what the runtime did, and how information moved
//! between them.
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
//! Then record operations with typed handles:
//!
//! ```
//! use otel_trace::{AgentThread, Json, Model, Operation, ThreadMeta, ToolCallMeta};
//! use serde_json::json;
//!
//! let thread = AgentThread::start(ThreadMeta::new().agent_name("coder"));
//! let turn = thread.turn(None);
//!
//! let inference = turn.inference(Model { name: "gpt-5-mini", provider: "openai" });
//! let question = json!({ "type": "message", "role": "user", "content": "Which tests fail?" });
//! inference.request(Json(&json!({ "model": "gpt-5-mini", "input": [question] })));
//! let arguments = r#"{"cmd":"cargo test"}"#;
//! let call = json!({ "type": "function_call", "call_id": "call_1", "name": "exec_command", "arguments": arguments });
//! inference.response(Json(&json!({ "response_id": "resp_1", "output_items": [call] })));
//! inference.complete();
//!
//! let tool = turn.tool_call(ToolCallMeta::new("exec_command").id("call_1").arguments(arguments));
//! tool.output("test result: ok");
//! tool.complete();
//! ```
//!
//! Plain spans of the [GenAI semantic conventions] are recorded too. Handles and spans cost next to nothing while
//! recording is disabled.
//!
//! # Reading
//! `otel-trace show <bundle>` shows a run to people, and `otel-trace reduce <bundle>` writes its graph as `state.json`. In
//! a program, [`reduce`](reduce::reduce) returns the graph.
//!
//! # Features
//! No feature is enabled by default, and the layer needs none. `cli` builds the `otel-trace` binary. `view` lays runs out
//! for terminals and knows the prices of models, in the module `view`. `tower` and
//! `reqwest` add middlewares that record the exact bytes of inference calls, in the module `client`. `otlp` exports the
//! recorded spans to an OpenTelemetry backend over HTTP, and `otlp-grpc` also over gRPC, in the module `otlp`.
//!
//! [GenAI semantic conventions]: https://opentelemetry.io/docs/specs/semconv/gen-ai/

pub mod bundle;
#[cfg(any(feature = "reqwest", feature = "tower"))]
pub mod client;
pub mod event;
pub mod graph;
mod keyed_hash;
pub mod layer;
mod mask;
#[cfg(feature = "otlp")]
pub mod otlp;
#[cfg(not(fuzzing))]
#[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "the exporter reads more of a body than the reducer"))]
mod provider;
#[cfg(fuzzing)]
#[doc(hidden)]
#[expect(dead_code, reason = "the fuzz target does not use all of it")]
pub mod provider;
pub mod reduce;
mod retention;
pub mod rewrite;
mod semconv;
#[cfg(feature = "view")]
pub mod view;
mod worker;

pub use bundle::{
    Body, BodyBuf, BodyError, Bounds, Durability, Exact, Json, Limits, Loss, Lost, Stats, Store, SyncEvery,
};
pub use event::{CellStatus, ExecutionStatus, PayloadKind, ToolKind, TurnId, Usage};
pub use layer::{
    AgentThread, AnyOperation, BuildError, ChildProcess, CodeCell, CodeCellMeta, Compaction, CompactionMeta, Exchange,
    Inference, Model, Operation, OperationIds, RecordFilter, RecordLayer, Recorder, RecorderBuilder, RecorderGuard,
    Reply, SessionSource, SpanExt, ThreadMeta, ToolCall, ToolCallMeta, ToolInvocation, Turn,
};
pub use mask::{Masking, PatternError, Redactor};

/// Compiles and runs the code of the README with the doc tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
