//! The table of all attribute names that this crate exports.
//!
//! `gen_ai.*`, `mcp.*` and `error.type` are names of the [GenAI semantic conventions], `process.*` names of the
//! [process registry]. Attributes that these have no name for are `otel_trace.*`.
//!
//! [GenAI semantic conventions]: https://opentelemetry.io/docs/specs/semconv/gen-ai/
//! [process registry]: https://opentelemetry.io/docs/specs/semconv/registry/attributes/process/

use super::kind::Kind;
use crate::semconv;

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

/// Returns `true` for attributes that the conventions define and no event records: live spans export them as the
/// program set them.
pub(crate) fn is_program_attribute(key: &str) -> bool {
    matches!(key, semconv::AGENT_ID | semconv::AGENT_DESCRIPTION | semconv::TOOL_DESCRIPTION)
}

/// Returns `true` for keys that a program's own attributes may not have.
pub(crate) fn is_reserved(key: &str) -> bool {
    const NAMESPACES: [&str; 5] =
        [semconv::GEN_AI_NAMESPACE, semconv::OTEL_TRACE_NAMESPACE, "otel.", "code.", "thread."];
    const KEYS: [&str; 5] = [ERROR_TYPE, "busy_ns", "idle_ns", "level", "target"];
    NAMESPACES.iter().any(|namespace| key.starts_with(namespace)) || KEYS.contains(&key)
}

macro_rules! table {
    (@is_content content) => { true };
    (@is_content) => { false };
    ($($(#[$doc:meta])* $name:ident on $on:expr $(, $content:ident)?;)*) => {
        $($(#[$doc])* pub const $name: &str = semconv::$name;)*

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
    /// What ended the operation: `handle`, `close`, `error_event`, `settled` or `shutdown`.
    ENDED_BY on ALL;
    /// Id of the object in the graph of its bundle. Only spans of recorded operations have this attribute.
    OBJECT_ID on ALL;
    /// Kind of the object: `thread`, `turn`, `inference`, `tool`, `code_cell` or `compaction`.
    KIND on ALL;
    /// Name of the bundle's directory.
    BUNDLE on ALL;
    /// Ids of the object's payloads in the bundle.
    PAYLOAD_IDS on ALL;
    /// Id of the thread that contains the object, or that the object is.
    THREAD_ID on ALL;
    /// Id of the turn that contains the object, or that its span opened.
    TURN_ID on ALL;
    /// Status of the object at its end: `completed`, `failed`, `cancelled` or `aborted`; `running` if no end was
    /// recorded.
    STATUS on ALL;
    /// Reason why the object was cancelled or aborted.
    STATUS_DESCRIPTION on ALL;
    /// Path of the agent in the tree of agents.
    AGENT_PATH on THREAD;
    /// Name of the MCP server that provides the tool.
    MCP_SERVER on TOOL;
    /// The MCP client's id of the call.
    MCP_CALL_ID on TOOL;
    /// Status of the code cell.
    CODE_CELL_STATUS on CELL;
    /// Id of the compaction that the request is part of.
    COMPACTION_ID on COMPACTION;
    /// Relation that a link expresses: `spawned_by`, `requested_by` or `agent_result`.
    LINK on LINKS;

    /// Kind of the error; `_OTHER` if it has no name.
    ERROR_TYPE on ALL;
    /// Id of the conversation of the provider that a request continues, else the one that the program gave. Only spans that
    /// the conventions define have it: backends take every span with a `gen_ai.*` attribute for an inference call.
    CONVERSATION_ID on CONVERSATIONS;
    /// `chat`, `execute_tool` or `invoke_agent`.
    OPERATION_NAME on OPERATIONS;
    /// Provider of the model.
    PROVIDER_NAME on REQUESTS;
    /// Name of the agent.
    AGENT_NAME on THREAD;
    /// Model that the request names.
    REQUEST_MODEL on MODELS;
    /// Sampling temperature of the request.
    REQUEST_TEMPERATURE on INFERENCE;
    /// Nucleus sampling probability (`top_p`) of the request.
    REQUEST_TOP_P on INFERENCE;
    /// Number of most likely tokens among which the model chooses (`top_k`).
    REQUEST_TOP_K on INFERENCE;
    /// Penalty for tokens that occur often in the text so far.
    REQUEST_FREQUENCY_PENALTY on INFERENCE;
    /// Penalty for tokens that occur in the text so far.
    REQUEST_PRESENCE_PENALTY on INFERENCE;
    /// Number of alternative answers that the request asks for, if it is not 1.
    REQUEST_CHOICE_COUNT on INFERENCE;
    /// Seed of the sampling.
    REQUEST_SEED on INFERENCE;
    /// Texts at which the model stops.
    REQUEST_STOP_SEQUENCES on INFERENCE;
    /// Maximum number of tokens of the response.
    REQUEST_MAX_TOKENS on INFERENCE;
    /// Form of the output that the request asks for: `text`, `json`, `image` or `speech`.
    OUTPUT_TYPE on INFERENCE;
    /// `true` if the request asks for a streamed response.
    REQUEST_STREAM on INFERENCE;
    /// Id of the response that the request continues.
    REQUEST_PREVIOUS_RESPONSE_ID on INFERENCE;
    /// Reasoning effort that the request asks for.
    REQUEST_REASONING_LEVEL on INFERENCE;
    /// The provider's id of the response.
    RESPONSE_ID on INFERENCE;
    /// Model that generated the response.
    RESPONSE_MODEL on INFERENCE;
    /// Reasons why the model stopped, in the provider's terms.
    RESPONSE_FINISH_REASONS on INFERENCE;
    /// Time from the start of the call to the first chunk of its response, in seconds.
    RESPONSE_TIME_TO_FIRST_CHUNK on INFERENCE;
    /// Number of input tokens, including those read from and written to a cache.
    USAGE_INPUT_TOKENS on REQUESTS;
    /// Number of output tokens, including reasoning.
    USAGE_OUTPUT_TOKENS on REQUESTS;
    /// The older name of [`USAGE_INPUT_TOKENS`].
    USAGE_PROMPT_TOKENS on REQUESTS;
    /// The older name of [`USAGE_OUTPUT_TOKENS`].
    USAGE_COMPLETION_TOKENS on REQUESTS;
    /// Number of input tokens read from a cache. Absent if 0.
    USAGE_CACHE_READ_INPUT_TOKENS on REQUESTS;
    /// Number of input tokens written to a cache. Absent if 0.
    USAGE_CACHE_WRITE_INPUT_TOKENS on REQUESTS;
    /// Number of output tokens spent on reasoning. Absent if 0.
    USAGE_REASONING_OUTPUT_TOKENS on REQUESTS;
    /// Input messages of the request, as JSON text.
    INPUT_MESSAGES on INFERENCE, content;
    /// Output messages of the response, as JSON text.
    OUTPUT_MESSAGES on INFERENCE, content;
    /// System instructions that the request passes outside of its messages, as JSON text.
    SYSTEM_INSTRUCTIONS on INFERENCE, content;
    /// Definitions of the tools that the model may call, as JSON text.
    TOOL_DEFINITIONS on INFERENCE, content;
    /// Name of the tool.
    TOOL_NAME on TOOL;
    /// Type of the tool: `function`, or `extension` if it runs outside of the agent.
    TOOL_TYPE on TOOL;
    /// The provider's id of the call.
    TOOL_CALL_ID on CALLS;
    /// Arguments of the tool call.
    TOOL_CALL_ARGUMENTS on TOOL, content;
    /// Result of the tool call.
    TOOL_CALL_RESULT on TOOL, content;
    /// Method of the MCP request: `tools/call`.
    MCP_METHOD_NAME on TOOL;
    /// File name of the executable that the tool ran.
    PROCESS_EXECUTABLE_NAME on TOOL;
    /// Exit code of the process that the tool ran.
    PROCESS_EXIT_CODE on TOOL;
}
