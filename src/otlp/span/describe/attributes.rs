//! Converts the facts about an operation to attributes.

use opentelemetry::{KeyValue, StringValue, Value};
use serde_json::Map;

use super::tool::{mcp_tool, tool_name, tool_type};
use crate::event::{EndedBy, ExecutionStatus, Usage};
use crate::graph::McpTool;
use crate::otlp::span::attribute;
use crate::otlp::span::facts::{
    CellFacts, CompactionFacts, InferenceFacts, SpanDetail, SpanFacts, ThreadFacts, ToolFacts,
};
use crate::otlp::span::kind::Kind;
use crate::otlp::span::mapping::Mapping;

/// Returns the attributes of a span, each key once.
pub(super) fn build(facts: &SpanFacts, kind: Kind, mapping: Mapping) -> Vec<KeyValue> {
    let mut attributes = AttributeList { list: Vec::with_capacity(24), mapping };
    attributes.add_common(facts, kind);
    match &facts.detail {
        SpanDetail::Thread(thread) => attributes.add_thread(thread),
        SpanDetail::Turn => {}
        SpanDetail::Inference(inference) => attributes.add_inference(inference),
        SpanDetail::Tool(tool) => attributes.add_tool(tool),
        SpanDetail::CodeCell(cell) => attributes.add_cell(cell),
        SpanDetail::Compaction(compaction) => attributes.add_compaction(compaction),
    }
    attributes.add_own(facts);
    attributes.list
}

/// A list of attributes under construction.
struct AttributeList {
    list: Vec<KeyValue>,
    mapping: Mapping,
}

impl AttributeList {
    fn put(&mut self, key: &'static str, value: impl Into<Value>) {
        self.list.push(KeyValue::new(key, value));
    }

    /// Adds an attribute if it has a value.
    fn put_some(&mut self, key: &'static str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    /// Adds a text unless it is empty: an unknown text is empty.
    fn put_text(&mut self, key: &'static str, text: &str) {
        self.put_some(key, Some(text).filter(|text| !text.is_empty()).map(str::to_owned));
    }

    /// Adds a list of texts unless it is empty.
    fn put_texts(&mut self, key: &'static str, texts: Vec<StringValue>) {
        if !texts.is_empty() {
            self.put(key, Value::Array(texts.into()));
        }
    }

    /// Adds a count. Counts above `i64::MAX` are clamped to it.
    fn put_count(&mut self, key: &'static str, count: u64) {
        self.put(key, i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Adds a count unless it is 0: an unknown count is 0.
    fn put_positive(&mut self, key: &'static str, count: u64) {
        if count > 0 {
            self.put_count(key, count);
        }
    }

    /// Adds content if the mapping captures it.
    fn put_content(&mut self, key: &'static str, content: Option<&String>) {
        if self.mapping.content.captures() {
            self.put_some(key, content.cloned());
        }
    }

    fn add_common(&mut self, facts: &SpanFacts, kind: Kind) {
        let SpanFacts {
            bundle,
            object_id,
            thread_id,
            conversation_id: _,
            turn_id,
            status,
            error,
            payload_ids,
            end,
            detail: _,
        } = facts;
        self.put(attribute::OBJECT_ID, object_id.clone());
        self.put(attribute::KIND, kind.name());
        self.put_some(attribute::BUNDLE, bundle.clone());
        self.put_texts(attribute::PAYLOAD_IDS, payload_ids.iter().map(|id| id.as_arc().clone().into()).collect());
        self.put(attribute::THREAD_ID, thread_id.as_arc().clone());
        if matches!(kind, Kind::Thread | Kind::Inference) {
            self.put_some(attribute::CONVERSATION_ID, conversation_id(facts));
        }
        self.put_some(attribute::TURN_ID, turn_id.as_ref().map(|id| id.as_arc().clone()));
        self.put(attribute::STATUS, status.name());
        match status {
            ExecutionStatus::Failed => {
                self.put(attribute::ERROR_TYPE, facts.error_type().to_owned());
            }
            ExecutionStatus::Cancelled | ExecutionStatus::Aborted => {
                self.put_text(attribute::STATUS_DESCRIPTION, error.as_deref().unwrap_or_default());
            }
            ExecutionStatus::Running | ExecutionStatus::Completed => {}
        }
        self.put_some(attribute::OPERATION_NAME, kind.operation_name());
        self.put_some(attribute::ENDED_BY, end.ended_by.map(EndedBy::name));
    }

    /// Adds the own attributes of the span, with keys that no other attribute has.
    fn add_own(&mut self, facts: &SpanFacts) {
        let Some(attributes) = &facts.end.attributes else { return };
        let own: Map<String, serde_json::Value> = serde_json::from_str(attributes.as_str()).unwrap_or_default();
        for (key, value) in own {
            let is_taken = self.list.iter().any(|attribute| attribute.key.as_str() == key);
            if !is_taken && (!attribute::is_reserved(&key) || attribute::is_program_attribute(&key)) {
                self.list.push(KeyValue::new(key, own_value(value)));
            }
        }
    }

    fn add_thread(&mut self, facts: &ThreadFacts) {
        let ThreadFacts { agent_path, agent_name, default_model } = facts;
        self.put(attribute::AGENT_PATH, agent_path.as_arc().clone());
        self.put_text(attribute::AGENT_NAME, agent_name.as_deref().unwrap_or_default());
        self.put_text(attribute::REQUEST_MODEL, default_model.as_deref().unwrap_or_default());
    }

    fn add_inference(&mut self, facts: &InferenceFacts) {
        let InferenceFacts { model, provider, response_id, usage: _, time_to_first_chunk_ms, request, response } =
            facts;
        self.put_text(attribute::PROVIDER_NAME, provider);
        self.put_text(attribute::REQUEST_MODEL, model);
        self.put_some(attribute::REQUEST_TEMPERATURE, request.temperature);
        self.put_some(attribute::REQUEST_TOP_P, request.top_p);
        self.put_some(attribute::REQUEST_TOP_K, request.top_k);
        self.put_some(attribute::REQUEST_MAX_TOKENS, request.max_tokens);
        self.put_some(attribute::REQUEST_FREQUENCY_PENALTY, request.frequency_penalty);
        self.put_some(attribute::REQUEST_PRESENCE_PENALTY, request.presence_penalty);
        self.put_some(attribute::REQUEST_CHOICE_COUNT, request.choice_count.filter(|count| *count != 1));
        self.put_some(attribute::REQUEST_SEED, request.seed);
        self.put_texts(
            attribute::REQUEST_STOP_SEQUENCES,
            request.stop_sequences.iter().cloned().map(Into::into).collect(),
        );
        self.put_some(attribute::REQUEST_STREAM, request.stream.filter(|streams| *streams));
        self.put_some(attribute::OUTPUT_TYPE, request.output_type.clone());
        self.put_some(attribute::REQUEST_PREVIOUS_RESPONSE_ID, request.previous_response_id.clone());
        self.put_some(attribute::REQUEST_REASONING_LEVEL, request.reasoning_level.clone());
        self.put_content(attribute::INPUT_MESSAGES, request.input_messages.as_ref());
        self.put_content(attribute::SYSTEM_INSTRUCTIONS, request.system_instructions.as_ref());
        self.put_content(attribute::TOOL_DEFINITIONS, request.tool_definitions.as_ref());
        #[expect(clippy::cast_precision_loss, reason = "a call takes no 2^53 milliseconds")]
        let seconds = time_to_first_chunk_ms.map(|ms| ms as f64 / 1000.0);
        self.put_some(attribute::RESPONSE_TIME_TO_FIRST_CHUNK, seconds);
        let response = response.as_ref();
        let id = response_id.as_ref().or(response.and_then(|response| response.response_id.as_ref()));
        self.put_some(attribute::RESPONSE_ID, id.cloned());
        if let Some(usage) = facts.effective_usage() {
            self.add_usage(usage);
        }
        let Some(response) = response else { return };
        self.put_some(attribute::RESPONSE_MODEL, response.model.clone());
        let reasons = response.finish_reasons.iter().map(|reason| reason.clone().into()).collect();
        self.put_texts(attribute::RESPONSE_FINISH_REASONS, reasons);
        self.put_content(attribute::OUTPUT_MESSAGES, response.output_messages.as_ref());
    }

    fn add_usage(&mut self, usage: Usage) {
        let Usage {
            input_tokens,
            cached_input_tokens,
            cache_write_input_tokens,
            cache_write_1h_input_tokens: _,
            output_tokens,
            reasoning_output_tokens,
        } = usage;
        if self.mapping.usage_names.has_current() {
            self.put_count(attribute::USAGE_INPUT_TOKENS, input_tokens);
            self.put_count(attribute::USAGE_OUTPUT_TOKENS, output_tokens);
        }
        if self.mapping.usage_names.has_older() {
            self.put_count(attribute::USAGE_PROMPT_TOKENS, input_tokens);
            self.put_count(attribute::USAGE_COMPLETION_TOKENS, output_tokens);
        }
        self.put_positive(attribute::USAGE_CACHE_READ_INPUT_TOKENS, cached_input_tokens);
        self.put_positive(attribute::USAGE_CACHE_WRITE_INPUT_TOKENS, cache_write_input_tokens);
        self.put_positive(attribute::USAGE_REASONING_OUTPUT_TOKENS, reasoning_output_tokens);
    }

    fn add_tool(&mut self, facts: &ToolFacts) {
        let ToolFacts { call_id, kind, label, mcp_call_id, invocation, runtime, result } = facts;
        let mcp = mcp_tool(facts);
        self.put_text(attribute::TOOL_NAME, tool_name(kind, label.as_deref(), mcp.as_ref()));
        self.put(attribute::TOOL_TYPE, tool_type(kind, mcp.as_ref()));
        self.put_some(attribute::TOOL_CALL_ID, call_id.as_ref().map(|id| id.as_arc().clone()));
        if let Some(McpTool { server, tool: _ }) = &mcp {
            self.put(attribute::MCP_METHOD_NAME, "tools/call");
            self.put_text(attribute::MCP_SERVER, server.as_deref().unwrap_or_default());
        }
        self.put_some(attribute::MCP_CALL_ID, mcp_call_id.clone());
        let executable = runtime.iter().rev().find_map(|digest| digest.executable.clone());
        self.put_some(attribute::PROCESS_EXECUTABLE_NAME, executable);
        self.put_some(attribute::PROCESS_EXIT_CODE, runtime.iter().rev().find_map(|digest| digest.exit_code));
        let arguments = invocation.as_ref().and_then(|invocation| invocation.arguments.as_ref());
        self.put_content(attribute::TOOL_CALL_ARGUMENTS, arguments);
        self.put_content(attribute::TOOL_CALL_RESULT, result.as_ref().and_then(|result| result.result.as_ref()));
    }

    fn add_cell(&mut self, facts: &CellFacts) {
        let CellFacts { call_id, status } = facts;
        self.put(attribute::TOOL_CALL_ID, call_id.as_arc().clone());
        self.put(attribute::CODE_CELL_STATUS, status.name());
    }

    fn add_compaction(&mut self, facts: &CompactionFacts) {
        let CompactionFacts { compaction_id, model, provider, usage } = facts;
        self.put(attribute::COMPACTION_ID, compaction_id.as_arc().clone());
        self.put_text(attribute::REQUEST_MODEL, model);
        self.put_text(attribute::PROVIDER_NAME, provider);
        if let Some(usage) = usage {
            self.add_usage(*usage);
        }
    }
}

/// Returns the value of an own attribute, in its type.
fn own_value(value: serde_json::Value) -> Value {
    match value {
        serde_json::Value::Bool(value) => value.into(),
        serde_json::Value::String(text) => text.into(),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => integer.into(),
            (None, Some(float)) if !number.is_u64() => float.into(),
            (None, _) => number.to_string().into(),
        },
        value @ (serde_json::Value::Null | serde_json::Value::Array(_) | serde_json::Value::Object(_)) => {
            value.to_string().into()
        }
    }
}

/// Returns the id of the conversation that a span belongs to: the one of the provider that the request names, else the one
/// that the program gave. Returns `None` if there is neither: the id of the thread alone names no conversation.
fn conversation_id(facts: &SpanFacts) -> Option<StringValue> {
    let of_provider = match &facts.detail {
        SpanDetail::Inference(inference) => inference.request.conversation_id.clone(),
        SpanDetail::Thread(_)
        | SpanDetail::Turn
        | SpanDetail::Tool(_)
        | SpanDetail::CodeCell(_)
        | SpanDetail::Compaction(_) => None,
    };
    let given = || Some(facts.conversation_id.as_ref()?.as_arc().clone().into());
    of_provider.map(StringValue::from).or_else(given)
}
