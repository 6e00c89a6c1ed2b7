//! From `tracing` spans to events: the part that runs inside the recorded program.
//!
//! ```text
//!   Recorder ──► RecordLayer (one a subscriber)        typed handles: AgentThread, Turn, Inference, ToolCall, CodeCell …
//!                   │ new_span, record, enter, close       │ bodies, instants, explicit ends
//!                   ▼                                      ▼
//!               span state (in the span's extensions) ──► windows ──► Writer (one a bundle)
//! ```
//!
//! A *window* is something with a start and an end in the log: a thread, a turn, an inference call, a tool call, a code
//! cell, a request to compact. A span opens none, one or several of them. The layer finds out which, keeps them in the span's extensions, and
//! writes a start and an end for each.
//!
//! # Spans that a program makes itself
//! A span says what it is by `otel_trace.kind` (`thread`, `turn`, `inference`, `tool`, `code_cell`, `compaction`; any
//! other word, as `none` for a warm-up call, is not recorded), else by `gen_ai.operation.name`: `chat`, `generate_content` and `text_completion` are inference calls, `execute_tool` a tool
//! call, `invoke_agent` and `invoke_workflow` a turn, with a thread of their own where they need one. All other spans
//! pass. Fields may be recorded late, and ids with `%` or `?`.
//!
//! | field | says |
//! | --- | --- |
//! | `gen_ai.conversation.id` | the thread |
//! | `otel_trace.turn.id` | the turn |
//! | `gen_ai.agent.name`, `otel_trace.agent.path`, `otel_trace.agent.role`, `otel_trace.task.name` | the agent, and what it is to do |
//! | `gen_ai.request.model`, `gen_ai.provider.name` | who is asked |
//! | `gen_ai.input.messages`, `gen_ai.system_instructions`, `gen_ai.tool.definitions` | the request, as JSON text |
//! | `gen_ai.output.messages`, `gen_ai.response.id`, `gen_ai.response.model`, `gen_ai.response.finish_reasons`, `gen_ai.usage.*` | the response |
//! | `otel_trace.upstream_request_id` | the provider's id of the request |
//! | `gen_ai.tool.name`, `gen_ai.tool.call.id` | the tool call |
//! | `otel_trace.mcp.server` | that it is a tool of this MCP server |
//! | `gen_ai.tool.call.arguments`, `gen_ai.tool.call.result` | its invocation and its result |
//! | `otel_trace.code_cell.id`, `otel_trace.code_cell.source` | the code cell of the call `gen_ai.tool.call.id` |
//! | `otel_trace.compaction.id` | the compaction that a request is for |
//! | `error.type`, `otel.status_code`, `otel.status_description` | that it failed, and why; `OK` that it did not |
//! | `gen_ai.response.time_to_first_chunk` | when the first piece of the answer came, in seconds from the call's opening |
//!
//! What rig says otherwise is understood too: `gen_ai.usage.reasoning_tokens`, `gen_ai.tool.call.outcome`,
//! `gen_ai.tool.error.type`, `rig.provider_request_id`, and, with [`RecordFilter::wire_events`], its `TRACE` events of target
//! `rig::completions`, which hold the bodies of requests and replies. An inference call inside a tool call that names an
//! agent (`gen_ai.agent.name`) is the first of an agent that is that tool: a thread of its own, which ends with the tool call.
//!
//! A span that closes is ended by what it said: an error fails it; a response completes an inference call, a result or
//! an `otel.status_code` of `OK` a tool call; a call without any of these was dropped and is cancelled. A thread or turn
//! that a panic unwinds through failed. A tool's name
//! and call id that a span declares as empty are waited for until something happens in it. A tool span below that of a
//! code cell was asked for by the cell.
//!
//! Other bodies go past the fields, through [`SpanExt`]. *Instants* are events of target `otel_trace`, inside the span
//! that they are about or below it. `otel_trace.event` says what happened, `otel_trace.payload` is the body as JSON
//! text:
//!
//! | `otel_trace.event` | is about the nearest | says more by |
//! | --- | --- | --- |
//! | `tool_call_runtime_started`, `tool_call_runtime_ended` | tool call | `otel_trace.status`: `failed`, `cancelled`, `aborted` |
//! | `code_cell_initial_response`, `code_cell_ended` | code cell | `otel_trace.status`: `yielded`, `failed`, `terminated` |
//! | `compaction_installed` | request to compact, else turn | `otel_trace.compaction.id` |
//! | `agent_result_observed` | turn of a spawned thread | `otel_trace.message` |
//! | `protocol_event_observed` | thread | `otel_trace.protocol_event` |
//! | `mcp_tool_call_correlation_assigned` | tool call | `otel_trace.mcp_call_id` |
//! | `other` | thread | `otel_trace.other.kind`, `otel_trace.message` as its summary; the payload is its metadata |
//!
//! ```
//! let tool = tracing::info_span!("bash", gen_ai.operation.name = "execute_tool", gen_ai.tool.name = "bash");
//! tool.in_scope(|| {
//!     tracing::event!(
//!         target: "otel_trace",
//!         tracing::Level::INFO,
//!         otel_trace.event = "tool_call_runtime_ended",
//!         otel_trace.payload = r#"{"exit_code":0}"#,
//!     );
//! });
//! ```
//!
//! # Agents in other processes
//! [`Operation::child_process`] gives the environment that makes another process's recording the child of this one:
//! [`ROOT_VARIABLE`] and [`PARENT_VARIABLE`]. See [`ChildProcess`], and [`RecorderBuilder::build`] for the child's side.
//!
//! # Rules that hold everywhere here
//! - The host never fails or panics because of recording.
//! - No lock and no extension borrow is held while a visitor, a `Serialize` or a program's callback runs. A window's
//!   own lock is held while its start or its end is written: who needs a start in the log before its own line waits
//!   for that line, and nobody else.
//! - What a program does inside its `on_loss` callback or its redactor is not recorded, but for the ends of what was
//!   begun before.
//! - Handles reach the span's state, never the layer: they work under `Filtered`, `Option`, `Vec`, `Box`, `reload`.

mod builder;
mod classify;
mod debug_text;
mod exchange;
mod extension;
#[cfg(test)]
mod faulty_disk;
mod field_bodies;
mod field_facts;
mod fields;
mod filter;
mod guard;
mod handle;
#[cfg(test)]
mod idle;
mod implicit;
mod instant;
mod json_text;
pub(crate) mod live;
mod operation;
mod operations;
mod parent;
mod record_layer;
mod recorder;
mod reentrancy;
mod span_end;
mod span_state;
#[cfg(test)]
mod stalled_disk;
pub(crate) mod stderr;
mod tool_kind;
mod tool_name;
mod wire_event;

pub use builder::{BuildError, ROOT_VARIABLE, RecorderBuilder, STORE_VARIABLE};
pub use exchange::{Exchange, Reply};
pub use filter::RecordFilter;
pub use guard::RecorderGuard;
pub use handle::{
    AgentThread, AnyOperation, ChildProcess, CodeCell, CodeCellMeta, Compaction, Inference, Model, Operation, SpanExt,
    ThreadMeta, ToolCall, ToolCallMeta, Turn,
};
pub use parent::PARENT_VARIABLE;
pub use record_layer::RecordLayer;
pub use recorder::Recorder;
