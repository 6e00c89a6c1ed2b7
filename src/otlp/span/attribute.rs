//! The table of all attribute names that this crate exports.
//!
//! `gen_ai.*`, `mcp.*` and `error.type` are names of the [GenAI semantic conventions], `process.*` names of the
//! [process registry]. Attributes that these have no name for are `otel_trace.*`.
//!
//! [GenAI semantic conventions]: https://opentelemetry.io/docs/specs/semconv/gen-ai/
//! [process registry]: https://opentelemetry.io/docs/specs/semconv/registry/attributes/process/

use super::kind::Kind;

/// A row of the attribute table.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// The kinds of spans that have the attribute. Empty for an attribute of links.
    pub(crate) kinds: &'static [Kind],
    /// `true` if the attribute holds content: messages, instructions, tool definitions, arguments or results.
    pub(crate) is_content: bool,
}

/// Returns the row of an attribute name. Returns `None` if the table does not list the name.
pub(crate) fn row(name: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.name == name)
}

/// Returns `true` if the table lists the name as an attribute that holds content.
pub(crate) fn is_content(name: &str) -> bool {
    row(name).is_some_and(|row| row.is_content)
}

macro_rules! table {
    (@is_content content) => { true };
    (@is_content) => { false };
    ($($(#[$doc:meta])* $name:ident = $text:literal on $on:expr $(, $content:ident)?;)*) => {
        $($(#[$doc])* pub const $name: &str = $text;)*

        /// Every attribute that a span of an operation and its links may have.
        pub(crate) const TABLE: &[Row] = &[
            $(Row { name: $name, kinds: $on, is_content: table!(@is_content $($content)?) },)*
        ];
    };
}

const LINKS: &[Kind] = &[];
const ALL: &[Kind] = &Kind::ALL;
const THREAD: &[Kind] = &[Kind::Thread];
const INFERENCE: &[Kind] = &[Kind::Inference];
const TOOL: &[Kind] = &[Kind::Tool];
const CALLS: &[Kind] = &[Kind::Tool, Kind::CodeCell];
const CELL: &[Kind] = &[Kind::CodeCell];
const COMPACTION: &[Kind] = &[Kind::Compaction];
const REQUESTS: &[Kind] = &[Kind::Inference, Kind::Compaction];
const MODELS: &[Kind] = &[Kind::Thread, Kind::Inference, Kind::Compaction];
const CONVERSATIONS: &[Kind] = &[Kind::Thread, Kind::Inference];
const OPERATIONS: &[Kind] = &[Kind::Thread, Kind::Inference, Kind::Tool];

table! {
    /// Id of the object in the graph of its bundle. Only spans of recorded operations have this attribute.
    OBJECT_ID = "otel_trace.object_id" on ALL;
    /// Kind of the object: `thread`, `turn`, `inference`, `tool`, `code_cell` or `compaction`.
    KIND = "otel_trace.kind" on ALL;
    /// Name of the bundle's directory.
    BUNDLE = "otel_trace.bundle" on ALL;
    /// Ids of the object's payloads in the bundle.
    PAYLOAD_IDS = "otel_trace.payload_ids" on ALL;
    /// Id of the thread that contains the object, or that the object is.
    THREAD_ID = "otel_trace.thread.id" on ALL;
    /// Id of the turn that contains the object, or that its span opened.
    TURN_ID = "otel_trace.turn.id" on ALL;
    /// Status of the object at its end: `completed`, `failed`, `cancelled` or `aborted`; `running` if no end was
    /// recorded.
    STATUS = "otel_trace.status" on ALL;
    /// Reason why the object was cancelled or aborted.
    STATUS_DESCRIPTION = "otel_trace.status_description" on ALL;
    /// Path of the agent in the tree of agents.
    AGENT_PATH = "otel_trace.agent.path" on THREAD;
    /// Name of the MCP server that provides the tool.
    MCP_SERVER = "otel_trace.mcp.server" on TOOL;
    /// The MCP client's id of the call.
    MCP_CALL_ID = "otel_trace.mcp_call_id" on TOOL;
    /// Status of the code cell.
    CODE_CELL_STATUS = "otel_trace.code_cell.status" on CELL;
    /// Id of the compaction that the request is part of.
    COMPACTION_ID = "otel_trace.compaction.id" on COMPACTION;
    /// Relation that a link expresses: `spawned_by`, `requested_by` or `agent_result`.
    LINK = "otel_trace.link" on LINKS;

    /// Kind of the error; `_OTHER` if it has no name.
    ERROR_TYPE = "error.type" on ALL;
    /// Id of the thread, on spans that the conventions define only: backends take every span with a `gen_ai.*`
    /// attribute for an inference call.
    CONVERSATION_ID = "gen_ai.conversation.id" on CONVERSATIONS;
    /// `chat`, `execute_tool` or `invoke_agent`.
    OPERATION_NAME = "gen_ai.operation.name" on OPERATIONS;
    /// Provider of the model.
    PROVIDER_NAME = "gen_ai.provider.name" on REQUESTS;
    /// Name of the agent.
    AGENT_NAME = "gen_ai.agent.name" on THREAD;
    /// Model that the request names.
    REQUEST_MODEL = "gen_ai.request.model" on MODELS;
    /// Sampling temperature of the request.
    REQUEST_TEMPERATURE = "gen_ai.request.temperature" on INFERENCE;
    /// Nucleus sampling probability (`top_p`) of the request.
    REQUEST_TOP_P = "gen_ai.request.top_p" on INFERENCE;
    /// Maximum number of tokens of the response.
    REQUEST_MAX_TOKENS = "gen_ai.request.max_tokens" on INFERENCE;
    /// `true` if the request asks for a streamed response.
    REQUEST_STREAM = "gen_ai.request.stream" on INFERENCE;
    /// Id of the response that the request continues.
    REQUEST_PREVIOUS_RESPONSE_ID = "gen_ai.request.previous_response.id" on INFERENCE;
    /// Reasoning effort that the request asks for.
    REQUEST_REASONING_LEVEL = "gen_ai.request.reasoning.level" on INFERENCE;
    /// The provider's id of the response.
    RESPONSE_ID = "gen_ai.response.id" on INFERENCE;
    /// Model that generated the response.
    RESPONSE_MODEL = "gen_ai.response.model" on INFERENCE;
    /// Reasons why the model stopped, in the provider's terms.
    RESPONSE_FINISH_REASONS = "gen_ai.response.finish_reasons" on INFERENCE;
    /// Time from the start of the call to the first chunk of its response, in seconds.
    RESPONSE_TIME_TO_FIRST_CHUNK = "gen_ai.response.time_to_first_chunk" on INFERENCE;
    /// Number of input tokens, including those read from a cache.
    USAGE_INPUT_TOKENS = "gen_ai.usage.input_tokens" on INFERENCE;
    /// Number of output tokens, including reasoning.
    USAGE_OUTPUT_TOKENS = "gen_ai.usage.output_tokens" on INFERENCE;
    /// The older name of [`USAGE_INPUT_TOKENS`].
    USAGE_PROMPT_TOKENS = "gen_ai.usage.prompt_tokens" on INFERENCE;
    /// The older name of [`USAGE_OUTPUT_TOKENS`].
    USAGE_COMPLETION_TOKENS = "gen_ai.usage.completion_tokens" on INFERENCE;
    /// Number of input tokens read from a cache. Absent if 0.
    USAGE_CACHE_READ_INPUT_TOKENS = "gen_ai.usage.cache_read.input_tokens" on INFERENCE;
    /// Number of input tokens written to a cache. Absent if 0.
    USAGE_CACHE_WRITE_INPUT_TOKENS = "gen_ai.usage.cache_write.input_tokens" on INFERENCE;
    /// Number of output tokens spent on reasoning. Absent if 0.
    USAGE_REASONING_OUTPUT_TOKENS = "gen_ai.usage.reasoning.output_tokens" on INFERENCE;
    /// Input messages of the request, as JSON text.
    INPUT_MESSAGES = "gen_ai.input.messages" on INFERENCE, content;
    /// Output messages of the response, as JSON text.
    OUTPUT_MESSAGES = "gen_ai.output.messages" on INFERENCE, content;
    /// System instructions that the request passes outside of its messages, as JSON text.
    SYSTEM_INSTRUCTIONS = "gen_ai.system_instructions" on INFERENCE, content;
    /// Definitions of the tools that the model may call, as JSON text.
    TOOL_DEFINITIONS = "gen_ai.tool.definitions" on INFERENCE, content;
    /// Name of the tool.
    TOOL_NAME = "gen_ai.tool.name" on TOOL;
    /// Type of the tool: `function`, or `extension` if it runs outside of the agent.
    TOOL_TYPE = "gen_ai.tool.type" on TOOL;
    /// The provider's id of the call.
    TOOL_CALL_ID = "gen_ai.tool.call.id" on CALLS;
    /// Arguments of the tool call.
    TOOL_CALL_ARGUMENTS = "gen_ai.tool.call.arguments" on TOOL, content;
    /// Result of the tool call.
    TOOL_CALL_RESULT = "gen_ai.tool.call.result" on TOOL, content;
    /// Method of the MCP request: `tools/call`.
    MCP_METHOD_NAME = "mcp.method.name" on TOOL;
    /// File name of the executable that the tool ran.
    PROCESS_EXECUTABLE_NAME = "process.executable.name" on TOOL;
    /// Exit code of the process that the tool ran.
    PROCESS_EXIT_CODE = "process.exit.code" on TOOL;
}
