//! The attributes of a span, of its facts.

use opentelemetry::{KeyValue, StringValue, Value};

use super::tool::{tool_name, tool_type};
use crate::event::{ExecutionStatus, ToolKind, Usage};
use crate::otlp::attribute;
use crate::otlp::error_type::error_type;
use crate::otlp::kind::Kind;
use crate::otlp::mapping::Mapping;
use crate::otlp::span_facts::{CellFacts, CompactionFacts, InferenceFacts, SpanFacts, ThreadFacts, ToolFacts, What};

/// Every attribute once.
pub(super) fn of(facts: &SpanFacts, kind: Kind, mapping: Mapping) -> Vec<KeyValue> {
    let mut attributes = Attributes { list: Vec::with_capacity(24), mapping };
    attributes.common(facts, kind);
    match &facts.what {
        What::Thread(thread) => attributes.thread(thread),
        What::Turn => {}
        What::Inference(inference) => attributes.inference(inference),
        What::Tool(tool) => attributes.tool(tool),
        What::CodeCell(cell) => attributes.cell(cell),
        What::Compaction(compaction) => attributes.compaction(compaction),
    }
    attributes.list
}

/// Attributes while they are put together.
struct Attributes {
    list: Vec<KeyValue>,
    mapping: Mapping,
}

impl Attributes {
    fn put(&mut self, key: &'static str, value: impl Into<Value>) {
        self.list.push(KeyValue::new(key, value));
    }

    fn maybe(&mut self, key: &'static str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    /// Text that is empty where it is not known.
    fn text(&mut self, key: &'static str, text: &str) {
        self.maybe(key, Some(text).filter(|text| !text.is_empty()).map(str::to_owned));
    }

    fn texts(&mut self, key: &'static str, texts: Vec<StringValue>) {
        if !texts.is_empty() {
            self.put(key, Value::Array(texts.into()));
        }
    }

    fn count(&mut self, key: &'static str, count: u64) {
        self.put(key, i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// A count that is 0 where it is not known.
    fn counted(&mut self, key: &'static str, count: u64) {
        if count > 0 {
            self.count(key, count);
        }
    }

    fn content(&mut self, key: &'static str, content: Option<&String>) {
        if self.mapping.content.captures() {
            self.maybe(key, content.cloned());
        }
    }

    fn common(&mut self, facts: &SpanFacts, kind: Kind) {
        let SpanFacts { bundle, object_id, thread_id, turn_id, status, error, payload_ids, what: _ } = facts;
        self.put(attribute::OBJECT_ID, object_id.clone());
        self.put(attribute::KIND, kind.name());
        self.maybe(attribute::BUNDLE, bundle.clone());
        self.texts(attribute::PAYLOAD_IDS, payload_ids.iter().map(|id| id.as_arc().clone().into()).collect());
        self.put(attribute::THREAD_ID, thread_id.as_arc().clone());
        if matches!(kind, Kind::Thread | Kind::Inference) {
            self.put(attribute::CONVERSATION_ID, thread_id.as_arc().clone());
        }
        self.maybe(attribute::TURN_ID, turn_id.as_ref().map(|id| id.as_arc().clone()));
        self.put(attribute::STATUS, status.name());
        match status {
            ExecutionStatus::Failed => {
                let error = error.as_deref().unwrap_or_default();
                self.put(attribute::ERROR_TYPE, error_type(error).to_owned());
            }
            ExecutionStatus::Cancelled | ExecutionStatus::Aborted => {
                self.text(attribute::STATUS_DESCRIPTION, error.as_deref().unwrap_or_default());
            }
            ExecutionStatus::Running | ExecutionStatus::Completed => {}
        }
        self.maybe(attribute::OPERATION_NAME, kind.operation());
    }

    fn thread(&mut self, facts: &ThreadFacts) {
        let ThreadFacts { agent_path, agent_name, default_model } = facts;
        self.put(attribute::AGENT_PATH, agent_path.as_arc().clone());
        self.text(attribute::AGENT_NAME, agent_name.as_deref().unwrap_or_default());
        self.text(attribute::REQUEST_MODEL, default_model.as_deref().unwrap_or_default());
    }

    fn inference(&mut self, facts: &InferenceFacts) {
        let InferenceFacts { model, provider, response_id, usage: _, time_to_first_chunk_ms, request, response } =
            facts;
        self.text(attribute::PROVIDER_NAME, provider);
        self.text(attribute::REQUEST_MODEL, model);
        self.maybe(attribute::REQUEST_TEMPERATURE, request.temperature);
        self.maybe(attribute::REQUEST_TOP_P, request.top_p);
        self.maybe(attribute::REQUEST_MAX_TOKENS, request.max_tokens);
        self.maybe(attribute::REQUEST_STREAM, request.stream.filter(|streams| *streams));
        self.maybe(attribute::REQUEST_PREVIOUS_RESPONSE_ID, request.previous_response_id.clone());
        self.maybe(attribute::REQUEST_REASONING_LEVEL, request.reasoning_level.clone());
        self.content(attribute::INPUT_MESSAGES, request.input_messages.as_ref());
        self.content(attribute::SYSTEM_INSTRUCTIONS, request.system_instructions.as_ref());
        self.content(attribute::TOOL_DEFINITIONS, request.tool_definitions.as_ref());
        #[expect(clippy::cast_precision_loss, reason = "a call takes no 2^53 milliseconds")]
        let seconds = time_to_first_chunk_ms.map(|ms| ms as f64 / 1000.0);
        self.maybe(attribute::RESPONSE_TIME_TO_FIRST_CHUNK, seconds);
        let response = response.as_ref();
        let id = response_id.as_ref().or(response.and_then(|response| response.response_id.as_ref()));
        self.maybe(attribute::RESPONSE_ID, id.cloned());
        if let Some(usage) = facts.counted() {
            self.usage(usage);
        }
        let Some(response) = response else { return };
        self.counted(attribute::USAGE_CACHE_WRITE_INPUT_TOKENS, response.cache_write_tokens.unwrap_or(0));
        self.maybe(attribute::RESPONSE_MODEL, response.model.clone());
        let reasons = response.finish_reasons.iter().map(|reason| reason.clone().into()).collect();
        self.texts(attribute::RESPONSE_FINISH_REASONS, reasons);
        self.content(attribute::OUTPUT_MESSAGES, response.output_messages.as_ref());
    }

    fn usage(&mut self, usage: Usage) {
        let Usage { input_tokens, cached_input_tokens, output_tokens, reasoning_output_tokens } = usage;
        if self.mapping.usage_names.has_current() {
            self.count(attribute::USAGE_INPUT_TOKENS, input_tokens);
            self.count(attribute::USAGE_OUTPUT_TOKENS, output_tokens);
        }
        if self.mapping.usage_names.has_older() {
            self.count(attribute::USAGE_PROMPT_TOKENS, input_tokens);
            self.count(attribute::USAGE_COMPLETION_TOKENS, output_tokens);
        }
        self.counted(attribute::USAGE_CACHE_READ_INPUT_TOKENS, cached_input_tokens);
        self.counted(attribute::USAGE_REASONING_OUTPUT_TOKENS, reasoning_output_tokens);
    }

    fn tool(&mut self, facts: &ToolFacts) {
        let ToolFacts { call_id, kind, label, mcp_call_id, invocation, runtime, result } = facts;
        self.text(attribute::TOOL_NAME, tool_name(kind, label.as_deref()));
        self.put(attribute::TOOL_TYPE, tool_type(kind));
        self.maybe(attribute::TOOL_CALL_ID, call_id.as_ref().map(|id| id.as_arc().clone()));
        if let ToolKind::Mcp { server, tool: _ } = kind {
            self.put(attribute::MCP_METHOD_NAME, "tools/call");
            self.text(attribute::MCP_SERVER, server);
        }
        self.maybe(attribute::MCP_CALL_ID, mcp_call_id.clone());
        let executable = runtime.iter().rev().find_map(|seen| seen.executable.clone());
        self.maybe(attribute::PROCESS_EXECUTABLE_NAME, executable);
        self.maybe(attribute::PROCESS_EXIT_CODE, runtime.iter().rev().find_map(|seen| seen.exit_code));
        let arguments = invocation.as_ref().and_then(|invocation| invocation.arguments.as_ref());
        self.content(attribute::TOOL_CALL_ARGUMENTS, arguments);
        self.content(attribute::TOOL_CALL_RESULT, result.as_ref().and_then(|result| result.result.as_ref()));
    }

    fn cell(&mut self, facts: &CellFacts) {
        let CellFacts { call_id, status } = facts;
        self.put(attribute::TOOL_CALL_ID, call_id.as_arc().clone());
        self.put(attribute::CODE_CELL_STATUS, status.name());
    }

    fn compaction(&mut self, facts: &CompactionFacts) {
        let CompactionFacts { compaction_id, model, provider } = facts;
        self.put(attribute::COMPACTION_ID, compaction_id.as_arc().clone());
        self.text(attribute::REQUEST_MODEL, model);
        self.text(attribute::PROVIDER_NAME, provider);
    }
}
