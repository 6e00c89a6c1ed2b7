//! The names of attributes, all in one table.
//!
//! `gen_ai.*`, `mcp.*` and `error.type` are those of the [GenAI semantic conventions], `process.*` of the [process
//! registry]. What they have no name for is `otel_trace.*`.
//!
//! [GenAI semantic conventions]: https://opentelemetry.io/docs/specs/semconv/gen-ai/
//! [process registry]: https://opentelemetry.io/docs/specs/semconv/registry/attributes/process/

use super::kind::Kind;

/// An attribute, and on which spans it is.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// None where it is an attribute of links.
    pub(crate) on: &'static [Kind],
    /// Whether it tells what was said.
    pub(crate) is_content: bool,
}

/// The row of a name.
pub(crate) fn row(name: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.name == name)
}

/// Whether an attribute of this name tells what was said.
pub(crate) fn is_content(name: &str) -> bool {
    row(name).is_some_and(|row| row.is_content)
}

macro_rules! table {
    (@is_content content) => { true };
    (@is_content) => { false };
    ($($(#[$doc:meta])* $name:ident = $text:literal on $on:expr $(, $content:ident)?;)*) => {
        $($(#[$doc])* pub const $name: &str = $text;)*

        /// Every attribute that a span of ours may have, and that of its links.
        pub(crate) const TABLE: &[Row] = &[
            $(Row { name: $name, on: $on, is_content: table!(@is_content $($content)?) },)*
        ];
    };
}

const LINKS: &[Kind] = &[];
const EVERY: &[Kind] = &Kind::ALL;
const THREAD: &[Kind] = &[Kind::Thread];
const INFERENCE: &[Kind] = &[Kind::Inference];
const TOOL: &[Kind] = &[Kind::Tool];
const CALLED: &[Kind] = &[Kind::Tool, Kind::CodeCell];
const CELL: &[Kind] = &[Kind::CodeCell];
const COMPACTION: &[Kind] = &[Kind::Compaction];
const REQUESTS: &[Kind] = &[Kind::Inference, Kind::Compaction];
const MODELS: &[Kind] = &[Kind::Thread, Kind::Inference, Kind::Compaction];
const CONVERSATIONS: &[Kind] = &[Kind::Thread, Kind::Inference];
const OPERATIONS: &[Kind] = &[Kind::Thread, Kind::Inference, Kind::Tool];

table! {
    /// The id of the object in the graph of its bundle. Only spans of ours have it.
    OBJECT_ID = "otel_trace.object_id" on EVERY;
    /// What the object is: `thread`, `turn`, `inference`, `tool`, `code_cell` or `compaction`.
    KIND = "otel_trace.kind" on EVERY;
    /// The name of the bundle's directory.
    BUNDLE = "otel_trace.bundle" on EVERY;
    /// The ids of the bodies that tell of it, in the bundle.
    PAYLOAD_IDS = "otel_trace.payload_ids" on EVERY;
    /// The thread it is in, or is.
    THREAD_ID = "otel_trace.thread.id" on EVERY;
    /// The turn it is in, or opened.
    TURN_ID = "otel_trace.turn.id" on EVERY;
    /// How it ended: `completed`, `failed`, `cancelled` or `aborted`; `running` where no end was seen.
    STATUS = "otel_trace.status" on EVERY;
    /// Why it was cancelled or aborted.
    STATUS_DESCRIPTION = "otel_trace.status_description" on EVERY;
    /// The agent's place in the tree of agents.
    AGENT_PATH = "otel_trace.agent.path" on THREAD;
    /// The MCP server that a tool is of.
    MCP_SERVER = "otel_trace.mcp.server" on TOOL;
    /// The MCP client's number of the call.
    MCP_CALL_ID = "otel_trace.mcp_call_id" on TOOL;
    /// How the script stands.
    CODE_CELL_STATUS = "otel_trace.code_cell.status" on CELL;
    /// The compaction that the request is part of.
    COMPACTION_ID = "otel_trace.compaction.id" on COMPACTION;
    /// What a link says: `spawned_by`, `requested_by` or `agent_result`.
    LINK = "otel_trace.link" on LINKS;

    /// What kind of error it was; `_OTHER` where it has no name.
    ERROR_TYPE = "error.type" on EVERY;
    /// The thread's id, on what the conventions know of: backends take any span with a key of theirs for a model's call.
    CONVERSATION_ID = "gen_ai.conversation.id" on CONVERSATIONS;
    /// `chat`, `execute_tool` or `invoke_agent`.
    OPERATION_NAME = "gen_ai.operation.name" on OPERATIONS;
    /// Who runs the model.
    PROVIDER_NAME = "gen_ai.provider.name" on REQUESTS;
    /// The agent's name.
    AGENT_NAME = "gen_ai.agent.name" on THREAD;
    /// The model asked for.
    REQUEST_MODEL = "gen_ai.request.model" on MODELS;
    /// The request's temperature.
    REQUEST_TEMPERATURE = "gen_ai.request.temperature" on INFERENCE;
    /// The request's bound of probability.
    REQUEST_TOP_P = "gen_ai.request.top_p" on INFERENCE;
    /// How many tokens the answer may have.
    REQUEST_MAX_TOKENS = "gen_ai.request.max_tokens" on INFERENCE;
    /// Whether the answer was to come in pieces.
    REQUEST_STREAM = "gen_ai.request.stream" on INFERENCE;
    /// The response that the request goes on from.
    REQUEST_PREVIOUS_RESPONSE_ID = "gen_ai.request.previous_response.id" on INFERENCE;
    /// How much the model was to think.
    REQUEST_REASONING_LEVEL = "gen_ai.request.reasoning.level" on INFERENCE;
    /// The provider's id of the response.
    RESPONSE_ID = "gen_ai.response.id" on INFERENCE;
    /// The model that answered.
    RESPONSE_MODEL = "gen_ai.response.model" on INFERENCE;
    /// Why the model stopped, in the provider's words.
    RESPONSE_FINISH_REASONS = "gen_ai.response.finish_reasons" on INFERENCE;
    /// From the call's start to the first piece of its answer, in seconds.
    RESPONSE_TIME_TO_FIRST_CHUNK = "gen_ai.response.time_to_first_chunk" on INFERENCE;
    /// Tokens the model read, those from a cache included.
    USAGE_INPUT_TOKENS = "gen_ai.usage.input_tokens" on INFERENCE;
    /// Tokens the model wrote, reasoning included.
    USAGE_OUTPUT_TOKENS = "gen_ai.usage.output_tokens" on INFERENCE;
    /// The older name of [`USAGE_INPUT_TOKENS`].
    USAGE_PROMPT_TOKENS = "gen_ai.usage.prompt_tokens" on INFERENCE;
    /// The older name of [`USAGE_OUTPUT_TOKENS`].
    USAGE_COMPLETION_TOKENS = "gen_ai.usage.completion_tokens" on INFERENCE;
    /// Tokens of the input that came from a cache, where there were any.
    USAGE_CACHE_READ_INPUT_TOKENS = "gen_ai.usage.cache_read.input_tokens" on INFERENCE;
    /// Tokens of the input that went into a cache, where there were any.
    USAGE_CACHE_WRITE_INPUT_TOKENS = "gen_ai.usage.cache_write.input_tokens" on INFERENCE;
    /// Tokens of the output that were reasoning, where there were any.
    USAGE_REASONING_OUTPUT_TOKENS = "gen_ai.usage.reasoning.output_tokens" on INFERENCE;
    /// The messages the model was sent, as JSON text.
    INPUT_MESSAGES = "gen_ai.input.messages" on INFERENCE, content;
    /// The messages the model returned, as JSON text.
    OUTPUT_MESSAGES = "gen_ai.output.messages" on INFERENCE, content;
    /// What the model was told to do beside the messages, as JSON text.
    SYSTEM_INSTRUCTIONS = "gen_ai.system_instructions" on INFERENCE, content;
    /// The tools that the model could ask for, as JSON text.
    TOOL_DEFINITIONS = "gen_ai.tool.definitions" on INFERENCE, content;
    /// The tool's name.
    TOOL_NAME = "gen_ai.tool.name" on TOOL;
    /// `function`, or `extension` where it runs beyond the agent.
    TOOL_TYPE = "gen_ai.tool.type" on TOOL;
    /// The provider's id of the call.
    TOOL_CALL_ID = "gen_ai.tool.call.id" on CALLED;
    /// What the tool was called with.
    TOOL_CALL_ARGUMENTS = "gen_ai.tool.call.arguments" on TOOL, content;
    /// What the tool gave back.
    TOOL_CALL_RESULT = "gen_ai.tool.call.result" on TOOL, content;
    /// What was asked of an MCP server: `tools/call`.
    MCP_METHOD_NAME = "mcp.method.name" on TOOL;
    /// The file name of what a tool ran.
    PROCESS_EXECUTABLE_NAME = "process.executable.name" on TOOL;
    /// How what a tool ran exited.
    PROCESS_EXIT_CODE = "process.exit.code" on TOOL;
}
