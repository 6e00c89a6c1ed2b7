//! The part that runs inside the recorded program: turns `tracing` spans into the events of a bundle.
//!
//! ```text
//!   Recorder ──► RecordLayer (one per subscriber)       typed handles: AgentThread, Turn, Inference, ToolCall, CodeCell …
//!                   │ new_span, record, enter, close       │ bodies, instants, explicit ends
//!                   ▼                                      ▼
//!               span state (in the span's extensions) ──► operations ──► Writer (one per bundle)
//! ```
//!
//! An *operation* has a start and an end in the log: a thread, a turn, an inference call, a tool call, a code cell or a
//! compaction request. A span opens no operation, one or several. The layer decides which, keeps them in the span's
//! extensions, and writes a start event and an end event for each.
//!
//! # Spans that a program creates itself
//! The field `otel_trace.kind` declares what a span represents: `thread`, `turn`, `inference`, `tool`, `code_cell` or
//! `compaction`. A span with any other value, such as `none` for a warm-up call, is not recorded. Without that field,
//! `gen_ai.operation.name` decides: `chat`, `generate_content` and `text_completion` are inference calls, `execute_tool`
//! is a tool call, and `invoke_agent` and `invoke_workflow` are turns, with a thread of their own if they need one. The
//! layer ignores all other spans. Fields may be recorded after the span was created, and ids may be recorded with `%` or
//! `?`.
//!
//! | field | meaning |
//! | --- | --- |
//! | `gen_ai.conversation.id` | id of the thread |
//! | `otel_trace.session.` followed by `source`, `cwd`, `rollout_path`, `approval_policy`, `sandbox_policy` | configuration of the thread; a source may be an object as JSON text |
//! | `otel_trace.session.metadata` | further members of the thread's metadata, an object as JSON text |
//! | `otel_trace.turn.id` | id of the turn |
//! | `gen_ai.agent.name`, `otel_trace.agent.path`, `otel_trace.agent.role`, `otel_trace.task.name` | the agent and its task |
//! | `gen_ai.request.model`, `gen_ai.provider.name` | the requested model and its provider |
//! | `gen_ai.input.messages`, `gen_ai.system_instructions`, `gen_ai.tool.definitions` | the request, as JSON text |
//! | `gen_ai.request.` followed by `temperature`, `top_p`, `top_k`, `max_tokens`, `seed`, `stop_sequences`, `frequency_penalty`, `presence_penalty`, `choice.count`, `reasoning.level` or `stream`; `gen_ai.output.type` | settings of the request |
//! | `gen_ai.output.messages`, `gen_ai.response.id`, `gen_ai.response.model`, `gen_ai.response.finish_reasons`, `gen_ai.usage.*` | the response |
//! | `otel_trace.upstream_request_id` | the provider's id of the request; empty if the provider gave none |
//! | `gen_ai.tool.name`, `gen_ai.tool.call.id` | name and id of the tool call |
//! | `otel_trace.mcp.server`, `otel_trace.tool.namespace` | the MCP server that provides the tool, and the namespace of its name |
//! | `otel_trace.tool.kind` | the kind of tool, if its name does not tell it: `exec_command`, `write_stdin`, `apply_patch`, `mcp`, `web`, `image_generation`, `spawn_agent`, `assign_agent_task`, `send_message`, `wait_agent`, `close_agent`, `other` |
//! | `otel_trace.tool.runtime_id` | the id that the runtime of a code cell gave the call, if it is not that of the call |
//! | `gen_ai.tool.call.arguments`, `gen_ai.tool.call.result` | arguments and result of the tool call; bytes that are UTF-8 are their text |
//! | `otel_trace.tool.invocation` | what the arguments are: those of a `function` (the default), `tool_search`, `local_shell` or `mcp` call, or the input of a `custom` one |
//! | `otel_trace.code_cell.id`, `otel_trace.code_cell.source` | id and source of the code cell that the call `gen_ai.tool.call.id` started |
//! | `otel_trace.compaction.id` | the compaction that a request belongs to |
//! | `error.type`, `otel.status_code`, `otel.status_description` | failure and its cause; a status code of `OK` means success |
//! | `error`, `error.message`, `exception.message` | an error in words, like a status description with the code `ERROR`; `false`, `0`, `None` and empty text mean that there is none |
//! | `gen_ai.response.time_to_first_chunk` | time until the first piece of the response, in seconds from the start of the call |
//!
//! Fields and events that rig uses instead are understood too: `gen_ai.usage.reasoning_tokens`,
//! `gen_ai.tool.call.outcome`, `gen_ai.tool.error.type`, `rig.provider_request_id`, and, with
//! [`RecordFilter::wire_events`], its `TRACE` events of target `rig::completions`, which contain the bodies of requests
//! and responses. An inference call inside a tool call that names an agent (`gen_ai.agent.name`) is the first call of
//! an agent that runs as that tool: it gets a separate thread, which ends with the tool call.
//!
//! The fields of a span decide how its operations end when it closes. An error fails them; a response, or a sign of one
//! such as its id or token usage, completes an inference call, unless its client received an HTTP error, which fails the
//! call, a stream in which the provider reports an error, which fails it too, or a stream without its last event, which
//! cancels it; a result or an `otel.status_code` of `OK` completes a
//! tool call; a panic that unwinds through an operation fails it, unless it has an answer or a result; a call without
//! any of these is cancelled. A turn ends as its last inference call did, and a thread as its last turn did, unless the
//! shutdown ends it while no turn is open: it is then completed.
//!
//! The end event of an operation tells what ended it (`ended_by`: `handle`, `close`, `error_event`, `settled` or `shutdown`),
//! the type of its error (`error_type`: the span's `error.type`, or the HTTP status of the response), and the fields of its
//! span that no rule reads and that are no content (`attributes`), masked: at most 64, and 8 KiB with their names. The graph has
//! them, and an export has them as attributes of the span.
//!
//! A span may never close, because a connection pool or a spawned task holds a clone of it. So an inference call, a tool
//! call or a compaction request that has an answer, a result or an error settles when the last thread exits its span, and
//! ends at that time when its turn ends, when a model is called in its thread, or at the shutdown. Whoever enters the span
//! later and records nothing changes nothing. At the shutdown, a turn is completed if what ended in it last is an inference
//! call that was answered, asked for no tool, and left nothing open.
//!
//! Spans that stand in no thread or turn are given one. Those below one root span share a thread. A span of an inference
//! call or an agent that names another agent (`gen_ai.agent.name`) than that thread's has a thread of its own, which the
//! thread spawns; so has an agent directly inside another agent or a workflow, and each agent that an inference call in a
//! workflow names: a workflow without a name is no agent. A span of an agent that runs while another span of the same agent
//! waits for an answer or a tool has a thread of its own, unless it names its conversation. Inference calls alone do not tell which of
//! several questions at the same time they belong to: below one span they share a turn. A turn that the layer supplies ends, and the next begins, when a
//! model is asked with a message of the user behind an answer that asked for no tool. A tool span that stands in no thread,
//! or beside the calls of such agents, belongs to the only open turn in which a model asked for its call id. The thread of
//! a conversation (`gen_ai.conversation.id`) outlives its root spans; it ends when no turn was open in it for
//! [`RecorderBuilder::conversation_idle`].
//!
//! An inference call inside the span of a compaction request that records nothing itself is that request: a framework has
//! recorded it. It stays an inference call of the turn, and no other request is recorded.
//!
//! A field for an id or a name with empty text, or with the `Debug` output of an empty `Option`, counts as absent; that of
//! another `Option` is the value in it. Content is recorded as it is.
//!
//! If the callsite of a tool span declares its name and call id as empty fields, the start of the tool call is delayed until
//! both are recorded or something happens inside the span. So are the starts of a thread, a turn, an agent and a workflow whose
//! callsite declares a conversation, a turn id or the name of an agent as empty fields. A tool span below the span of a code cell is a tool call that the cell requested.
//!
//! Events inside of a span are read as programs emit them. The event of `#[instrument(err)]`, which has the field `error`
//! and no other, fails the operation of its span. The event of `#[instrument(ret)]`, with the field `return` and no
//! other, is the result of a tool call that has none; a returned `Err` fails the operation. Any other event of level `ERROR` or `WARN` with a field for an error
//! in words may have been handled: it fails an inference call, a tool call or a compaction request that closes without a
//! response or result, and never a turn or a thread. The error that a function around an agent returns fails the turn that the
//! layer has supplied below its root span, unless the model was answered; the error of an agent or a workflow also fails the
//! unanswered turns of the agents in it. An end that a handle gives takes precedence over
//! all of these.
//!
//! A request that the program deliberately does not record, such as a warm-up call, must not be one that later requests
//! build on: the next recorded request is recorded whole. If it was sent as a delta on the response of the unrecorded one
//! (`previous_response_id`), record the full request in its place, with all items and without that id; the model sees the
//! same. A graph has a gap otherwise, with the notice that the earlier response is unknown.
//!
//! Other bodies do not go through fields, but through [`SpanExt`]. *Instants* are events of target `otel_trace`.
//! `otel_trace.event` names the kind of instant and `otel_trace.payload` is its body as JSON text:
//!
//! | `otel_trace.event` | is about a | further fields |
//! | --- | --- | --- |
//! | `tool_call_runtime_started`, `tool_call_runtime_ended` | tool call | `otel_trace.status`: `failed`, `cancelled`, `aborted` |
//! | `code_cell_initial_response`, `code_cell_ended` | code cell | `otel_trace.status`: `yielded`, `failed`, `terminated` |
//! | `compaction_installed` | compaction request, else turn | `otel_trace.compaction.id` |
//! | `agent_result_observed` | turn of a spawned thread | `otel_trace.message` |
//! | `protocol_event_observed` | thread | `otel_trace.protocol_event` |
//! | `mcp_tool_call_correlation_assigned` | tool call | `otel_trace.mcp_call_id` |
//! | `other` | thread | `otel_trace.other.kind`, `otel_trace.message` as its summary; the payload is its metadata |
//!
//! An instant names its operation by a field with its id, and may then be emitted anywhere, as in a spawned task or after the
//! span closed: `gen_ai.tool.call.id` a tool call, `otel_trace.code_cell.id` a code cell, `otel_trace.turn.id` a turn, and
//! `gen_ai.conversation.id` a thread, or the only open turn of that thread. Without such a field it is about the nearest
//! operation of its kind at or above the span that it stands in. An id is looked up in the thread that the instant stands in,
//! then in the thread that `gen_ai.conversation.id` names, then in the other threads of the bundle; an instant that stands in
//! no thread is looked up in the only bundle that is open. Of several operations with one id in a thread, an open one comes
//! before those that have ended, and a later one before an earlier one. A tool call or a code cell that has ended is found
//! until its turn ends (in a long turn, the last 1,024 of its thread), the last turn until its thread ends.
//!
//! An instant that finds no operation, finds one in several threads or has an unknown name is an *orphan*. It is recorded as an
//! `other` event of kind `orphan_event`, with its fields and its body, in the bundle that it stands in, otherwise in the only
//! open one, and is the notice `orphan_event` of a graph. [`Stats::orphan_events`](crate::Stats::orphan_events) counts all
//! orphans, also those for which there is no bundle; the first one is reported on stderr, or each to `on_loss`.
//!
//! ```
//! let tool = tracing::info_span!(
//!     "bash",
//!     gen_ai.operation.name = "execute_tool",
//!     gen_ai.tool.name = "bash",
//!     gen_ai.tool.call.id = "call_1",
//!     gen_ai.tool.call.result = tracing::field::Empty,
//! );
//! tool.in_scope(|| {
//!     tracing::event!(
//!         target: "otel_trace",
//!         tracing::Level::INFO,
//!         otel_trace.event = "tool_call_runtime_started",
//!         otel_trace.payload = r#"{"call_id":"call_1","turn_id":"turn-1","command":["pwd"],"cwd":"/repo"}"#,
//!     );
//!     // … run it …
//!     tracing::Span::current().record("gen_ai.tool.call.result", "/repo");
//! });
//! ```
//!
//! # Agents in other processes
//! [`Operation::child_process`] returns the environment that links the recording of another process to this one as its
//! child: [`ROOT_VARIABLE`] and [`PARENT_VARIABLE`]. See [`ChildProcess`], and [`RecorderBuilder::build`] for the child's
//! side.
//!
//! # Invariants
//! - The host program never fails or panics because of recording.
//! - No lock and no borrow of span extensions is held while a visitor, a `Serialize` implementation or a callback of the
//!   host program runs. The lock of an operation is held while its start or its end is written: a caller that needs the
//!   start in the log before its own line waits for that line, and no other caller does.
//! - What the host program does inside its `on_loss` callback or its redactor is not recorded, except for the ends of
//!   operations that were started before.
//! - Handles reach the span's state through the registry, never through the layer: they work under `Filtered`, `Option`,
//!   `Vec`, `Box` and `reload`.

mod handle;
mod operation;
mod recorder;
mod session;
mod span;
#[cfg(test)]
mod tests;

pub use handle::{
    AgentThread, AnyOperation, ChildProcess, CodeCell, CodeCellMeta, Compaction, CompactionMeta, Exchange, Inference,
    Model, Operation, OperationIds, Reply, SpanExt, ThreadMeta, ToolCall, ToolCallMeta, Turn,
};
pub use operation::{SessionSource, ToolInvocation};
pub use recorder::Recorder;
pub use recorder::builder::{BuildError, RecorderBuilder};
pub use recorder::filter::RecordFilter;
pub use recorder::guard::RecorderGuard;
pub use session::environment::{PARENT_VARIABLE, ROOT_VARIABLE, STORE_VARIABLE};
#[cfg(feature = "otlp")]
pub(crate) use session::{live, stderr};
pub use span::record_layer::RecordLayer;
