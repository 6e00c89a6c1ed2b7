//! The names of attributes, span fields and metrics: each is written here once.
//!
//! Names of `gen_ai.*` and `mcp.*` are those of the [GenAI semantic conventions] v0.1.0, the first release apart from the
//! general semantic conventions (v1.45.0, which define `error.*`, `process.*` and `service.*`). Names of earlier versions
//! and of frameworks are read too. Names of `otel_trace.*` are this crate's own: facts that no convention names.
//!
//! Field names in macros of `tracing` are tokens, not strings: they repeat the names.
//!
//! [GenAI semantic conventions]: https://github.com/open-telemetry/semantic-conventions-genai

#![cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "the names that only the export uses"))]

// The GenAI conventions.
pub(crate) const AGENT_DESCRIPTION: &str = "gen_ai.agent.description";
pub(crate) const AGENT_ID: &str = "gen_ai.agent.id";
pub(crate) const AGENT_NAME: &str = "gen_ai.agent.name";
pub(crate) const CONVERSATION_ID: &str = "gen_ai.conversation.id";
pub(crate) const INPUT_MESSAGES: &str = "gen_ai.input.messages";
pub(crate) const OPERATION_NAME: &str = "gen_ai.operation.name";
pub(crate) const OUTPUT_MESSAGES: &str = "gen_ai.output.messages";
pub(crate) const PROVIDER_NAME: &str = "gen_ai.provider.name";
pub(crate) const OUTPUT_TYPE: &str = "gen_ai.output.type";
pub(crate) const REQUEST_CHOICE_COUNT: &str = "gen_ai.request.choice.count";
pub(crate) const REQUEST_FREQUENCY_PENALTY: &str = "gen_ai.request.frequency_penalty";
pub(crate) const REQUEST_MAX_TOKENS: &str = "gen_ai.request.max_tokens";
pub(crate) const REQUEST_MODEL: &str = "gen_ai.request.model";
pub(crate) const REQUEST_PRESENCE_PENALTY: &str = "gen_ai.request.presence_penalty";
pub(crate) const REQUEST_PREVIOUS_RESPONSE_ID: &str = "gen_ai.request.previous_response.id";
pub(crate) const REQUEST_REASONING_LEVEL: &str = "gen_ai.request.reasoning.level";
pub(crate) const REQUEST_SEED: &str = "gen_ai.request.seed";
pub(crate) const REQUEST_STOP_SEQUENCES: &str = "gen_ai.request.stop_sequences";
pub(crate) const REQUEST_STREAM: &str = "gen_ai.request.stream";
pub(crate) const REQUEST_TEMPERATURE: &str = "gen_ai.request.temperature";
pub(crate) const REQUEST_TOP_K: &str = "gen_ai.request.top_k";
pub(crate) const REQUEST_TOP_P: &str = "gen_ai.request.top_p";
pub(crate) const RESPONSE_FINISH_REASONS: &str = "gen_ai.response.finish_reasons";
pub(crate) const RESPONSE_ID: &str = "gen_ai.response.id";
pub(crate) const RESPONSE_MODEL: &str = "gen_ai.response.model";
pub(crate) const RESPONSE_TIME_TO_FIRST_CHUNK: &str = "gen_ai.response.time_to_first_chunk";
pub(crate) const SYSTEM_INSTRUCTIONS: &str = "gen_ai.system_instructions";
pub(crate) const TOOL_CALL_ARGUMENTS: &str = "gen_ai.tool.call.arguments";
pub(crate) const TOOL_CALL_ID: &str = "gen_ai.tool.call.id";
pub(crate) const TOOL_CALL_RESULT: &str = "gen_ai.tool.call.result";
pub(crate) const TOOL_DEFINITIONS: &str = "gen_ai.tool.definitions";
pub(crate) const TOOL_DESCRIPTION: &str = "gen_ai.tool.description";
pub(crate) const TOOL_NAME: &str = "gen_ai.tool.name";
pub(crate) const TOOL_TYPE: &str = "gen_ai.tool.type";
pub(crate) const USAGE_CACHE_READ_INPUT_TOKENS: &str = "gen_ai.usage.cache_read.input_tokens";
pub(crate) const USAGE_CACHE_WRITE_INPUT_TOKENS: &str = "gen_ai.usage.cache_write.input_tokens";
pub(crate) const USAGE_INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
pub(crate) const USAGE_OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";
pub(crate) const USAGE_REASONING_OUTPUT_TOKENS: &str = "gen_ai.usage.reasoning.output_tokens";
pub(crate) const MCP_METHOD_NAME: &str = "mcp.method.name";

// Metrics of the GenAI conventions, and the attribute of token counts.
pub(crate) const CLIENT_OPERATION_DURATION: &str = "gen_ai.client.operation.duration";
pub(crate) const CLIENT_TIME_TO_FIRST_CHUNK: &str = "gen_ai.client.operation.time_to_first_chunk";
pub(crate) const CLIENT_TOKEN_USAGE: &str = "gen_ai.client.token.usage";
pub(crate) const TOKEN_TYPE: &str = "gen_ai.token.type";

// Names of earlier versions of the GenAI conventions.
pub(crate) const COMPLETION: &str = "gen_ai.completion";
pub(crate) const PROMPT: &str = "gen_ai.prompt";
pub(crate) const SYSTEM: &str = "gen_ai.system";
pub(crate) const USAGE_CACHE_CREATION_INPUT_TOKENS: &str = "gen_ai.usage.cache_creation.input_tokens";
pub(crate) const USAGE_COMPLETION_TOKENS: &str = "gen_ai.usage.completion_tokens";
pub(crate) const USAGE_PROMPT_TOKENS: &str = "gen_ai.usage.prompt_tokens";

/// Prefix of the names of the GenAI conventions.
pub(crate) const GEN_AI_NAMESPACE: &str = "gen_ai.";
/// Prefix of the names of this crate.
pub(crate) const OTEL_TRACE_NAMESPACE: &str = "otel_trace.";
/// Prefix of the names that tell the configuration of a thread.
pub(crate) const SESSION_NAMESPACE: &str = "otel_trace.session.";
/// Prefix of all token counts.
pub(crate) const USAGE_NAMESPACE: &str = "gen_ai.usage.";

// Names of frameworks.
pub(crate) const TOOL_CALL_OUTCOME: &str = "gen_ai.tool.call.outcome";
pub(crate) const TOOL_ERROR_TYPE: &str = "gen_ai.tool.error.type";
pub(crate) const USAGE_REASONING_TOKENS: &str = "gen_ai.usage.reasoning_tokens";
pub(crate) const RIG_PROVIDER_REQUEST_ID: &str = "rig.provider_request_id";

// The general conventions, and the fields that `tracing-opentelemetry` reads.
pub(crate) const ERROR_TYPE: &str = "error.type";
pub(crate) const OTEL_STATUS_CODE: &str = "otel.status_code";
pub(crate) const OTEL_STATUS_DESCRIPTION: &str = "otel.status_description";
pub(crate) const OTEL_STATUS_MESSAGE: &str = "otel.status_message";
pub(crate) const PROCESS_EXECUTABLE_NAME: &str = "process.executable.name";
pub(crate) const PROCESS_EXIT_CODE: &str = "process.exit.code";
pub(crate) const SERVICE_NAME: &str = "service.name";

// Names of this crate.
pub(crate) const AGENT_PATH: &str = "otel_trace.agent.path";
pub(crate) const AGENT_ROLE: &str = "otel_trace.agent.role";
pub(crate) const BUNDLE: &str = "otel_trace.bundle";
pub(crate) const BYTES: &str = "otel_trace.bytes";
pub(crate) const CODE_CELL_ID: &str = "otel_trace.code_cell.id";
pub(crate) const CODE_CELL_SOURCE: &str = "otel_trace.code_cell.source";
pub(crate) const CODE_CELL_STATUS: &str = "otel_trace.code_cell.status";
pub(crate) const COMPACTION_ID: &str = "otel_trace.compaction.id";
pub(crate) const DESCRIBED: &str = "otel_trace.described";
pub(crate) const ENDED_BY: &str = "otel_trace.ended_by";
pub(crate) const EVENT: &str = "otel_trace.event";
pub(crate) const KIND: &str = "otel_trace.kind";
pub(crate) const LINK: &str = "otel_trace.link";
pub(crate) const LOST: &str = "otel_trace.lost";
pub(crate) const MCP_SERVER: &str = "otel_trace.mcp.server";
pub(crate) const MCP_CALL_ID: &str = "otel_trace.mcp_call_id";
pub(crate) const MESSAGE: &str = "otel_trace.message";
pub(crate) const OBJECT_ID: &str = "otel_trace.object_id";
pub(crate) const OTHER_KIND: &str = "otel_trace.other.kind";
pub(crate) const PAYLOAD: &str = "otel_trace.payload";
pub(crate) const PAYLOAD_IDS: &str = "otel_trace.payload_ids";
pub(crate) const PROTOCOL_EVENT: &str = "otel_trace.protocol_event";
pub(crate) const SESSION_APPROVAL_POLICY: &str = "otel_trace.session.approval_policy";
pub(crate) const SESSION_CWD: &str = "otel_trace.session.cwd";
pub(crate) const SESSION_METADATA: &str = "otel_trace.session.metadata";
pub(crate) const SESSION_ROLLOUT_PATH: &str = "otel_trace.session.rollout_path";
pub(crate) const SESSION_SANDBOX_POLICY: &str = "otel_trace.session.sandbox_policy";
pub(crate) const SESSION_SOURCE: &str = "otel_trace.session.source";
pub(crate) const STATUS: &str = "otel_trace.status";
pub(crate) const STATUS_DESCRIPTION: &str = "otel_trace.status_description";
pub(crate) const TASK_NAME: &str = "otel_trace.task.name";
pub(crate) const TOOL_INVOCATION: &str = "otel_trace.tool.invocation";
pub(crate) const TOOL_KIND: &str = "otel_trace.tool.kind";
pub(crate) const TOOL_NAMESPACE: &str = "otel_trace.tool.namespace";
pub(crate) const TOOL_RUNTIME_ID: &str = "otel_trace.tool.runtime_id";
pub(crate) const THREAD_ID: &str = "otel_trace.thread.id";
pub(crate) const TRUNCATED: &str = "otel_trace.truncated";
pub(crate) const TURN_ID: &str = "otel_trace.turn.id";
pub(crate) const UPSTREAM_REQUEST_ID: &str = "otel_trace.upstream_request_id";

/// Attributes that hold content, by which frameworks record messages, arguments and results. Some number them:
/// `gen_ai.prompt.0.content`.
const CONTENT: [&str; 17] = [
    INPUT_MESSAGES,
    OUTPUT_MESSAGES,
    SYSTEM_INSTRUCTIONS,
    TOOL_DEFINITIONS,
    TOOL_CALL_ARGUMENTS,
    TOOL_CALL_RESULT,
    CODE_CELL_SOURCE,
    PAYLOAD,
    PROMPT,
    COMPLETION,
    "gen_ai.retrieval.documents",
    "gen_ai.retrieval.query.text",
    "input.value",
    "output.value",
    "llm.input_messages",
    "llm.output_messages",
    "llm.prompts",
];

/// Returns `true` if an attribute of this name holds content.
pub(crate) fn is_content(name: &str) -> bool {
    CONTENT.iter().any(|content| {
        let rest = name.strip_prefix(content);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

/// The attributes that hold settings of a request, beside model and messages.
pub(crate) const REQUEST_SETTINGS: [&str; 12] = [
    REQUEST_TEMPERATURE,
    REQUEST_TOP_P,
    REQUEST_TOP_K,
    REQUEST_MAX_TOKENS,
    REQUEST_SEED,
    REQUEST_STOP_SEQUENCES,
    REQUEST_FREQUENCY_PENALTY,
    REQUEST_PRESENCE_PENALTY,
    REQUEST_CHOICE_COUNT,
    REQUEST_REASONING_LEVEL,
    REQUEST_STREAM,
    OUTPUT_TYPE,
];
