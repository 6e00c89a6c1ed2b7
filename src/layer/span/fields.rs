//! The span fields that the layer understands, by name.
//!
//! Names follow the [GenAI semantic conventions](https://opentelemetry.io/docs/specs/semconv/gen-ai/). Fields without a
//! name there are called `otel_trace.*`.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tracing::Metadata;
use tracing::field::{Field, Visit};

use super::debug_text::{format_debug, format_fact};
use super::operation_kind::OperationKind;
use super::own_fields::{OwnFields, OwnValue};
use super::reported_outcome::ReportedOutcome;
use super::session_fields::SessionFields;
use super::setting_fields::SettingFields;
use super::tool_fields::ToolFields;
use super::tool_name::intern_tool_name;
use super::usage_fields::{CountField, UsageFields};
use crate::event::{CallId, RawJson};
use crate::layer::operation::ToolInvocation;
use crate::layer::span::callsites::ERROR_FIELDS;
use crate::semconv;

/// The name that rig gives an agent whose program gave it none.
const RIG_UNNAMED_AGENT: &str = "Unnamed Agent";

/// Returns `true` if spans of this callsite have a field that declares their kind. Compares the field names for every
/// span, which is cheaper than any table of callsites: a table would need a lock.
pub(super) fn has_kind_field(metadata: &Metadata<'_>) -> bool {
    metadata.fields().iter().any(|field| matches!(field.name(), semconv::KIND | semconv::OPERATION_NAME))
}

/// The values of the fields of a span so far. A later value of a field replaces an earlier one.
#[derive(Debug, Default, Clone)]
pub(in crate::layer) struct Fields {
    /// Parsed value of `otel_trace.kind`. `None` if the field is not set, `Some(None)` if its value is a kind that is
    /// not recorded.
    declared_kind: Option<Option<OperationKind>>,
    operation_kind: Option<OperationKind>,
    pub(super) conversation_id: Option<String>,
    pub(super) turn_id: Option<String>,
    pub(super) agent_path: Option<String>,
    pub(super) agent_name: Option<String>,
    pub(super) agent_role: Option<String>,
    pub(super) task_name: Option<String>,
    pub(super) model: Option<String>,
    pub(super) provider: Option<String>,
    pub(super) response_id: Option<String>,
    pub(super) response_model: Option<String>,
    /// The finish reasons of the response, a list as JSON text.
    pub(super) finish_reasons: Option<String>,
    /// The id that the provider gave the request, available once it responded, even with an error.
    pub(super) upstream_request_id: Option<String>,
    /// Time from the start of the call to the first piece of the response.
    pub(super) time_to_first_chunk: Option<Duration>,
    pub(super) call_id: Option<CallId>,
    pub(super) tool_name: Option<Arc<str>>,
    pub(super) cell_id: Option<String>,
    pub(super) source: Option<String>,
    pub(super) compaction_id: Option<String>,
    /// More of a tool call than its name, id and arguments.
    pub(super) tool: Option<Box<ToolFields>>,
    /// More of a thread than its agent and model.
    pub(super) session: Option<Box<SessionFields>>,
    /// The fields that no rule reads.
    own: Option<Box<OwnFields>>,
    /// How the operation ended.
    pub(super) outcome: ReportedOutcome,
    pub(super) usage: UsageFields,
    pub(super) request: RequestFields,
    pub(super) output_messages: Option<String>,
    pub(super) arguments: Option<String>,
    pub(super) result: Option<String>,
    /// Number of times that a field of the answer, or the result, was recorded.
    pub(super) answers: u32,
}

/// The fields that a request body is built from.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct RequestFields {
    pub(super) input_messages: Option<String>,
    pub(super) system_instructions: Option<String>,
    pub(super) tool_definitions: Option<String>,
    pub(super) settings: SettingFields,
}

thread_local! {
    /// A cleared `Fields` whose allocation the next span of this thread reuses.
    static SPARE: Cell<Option<Arc<Fields>>> = const { Cell::new(None) };
}

impl Fields {
    /// Returns empty fields in the spare allocation of this thread, or in a new one if the spare is in use or the
    /// thread is ending.
    pub(super) fn take_spare() -> Arc<Self> {
        SPARE.try_with(Cell::take).ok().flatten().unwrap_or_default()
    }

    /// Keeps the allocation for the next span of this thread, unless `fields` is shared.
    pub(super) fn recycle(mut fields: Arc<Self>) {
        if let Some(own) = Arc::get_mut(&mut fields) {
            *own = Self::default();
            // The thread-local is gone on a thread that is ending; the allocation is then freed.
            let _ = SPARE.try_with(|spare| spare.set(Some(fields)));
        }
    }

    /// Returns the kind of operation that the span declares: the value of `otel_trace.kind` if set, else that of
    /// `gen_ai.operation.name`.
    pub(super) fn kind(&self) -> Option<OperationKind> {
        self.declared_kind.unwrap_or(self.operation_kind)
    }

    /// Returns `true` if the callsite declares a field that the start event needs and that has no value yet: name and
    /// id of a tool call, model and provider of an inference call, and the conversation, turn and agent of an operation that
    /// others are inside of.
    pub(super) fn lacks_facts(&self, metadata: &Metadata<'_>) -> bool {
        let lacks = |is_set: bool, name: &str| !is_set && metadata.fields().field(name).is_some();
        match self.kind() {
            Some(OperationKind::Tool) => {
                lacks(self.tool_name.is_some(), semconv::TOOL_NAME)
                    || lacks(self.call_id.is_some(), semconv::TOOL_CALL_ID)
            }
            Some(OperationKind::Inference) => {
                lacks(self.model.is_some(), semconv::REQUEST_MODEL)
                    || lacks(self.provider.is_some(), semconv::PROVIDER_NAME)
            }
            Some(OperationKind::Thread | OperationKind::Turn | OperationKind::Agent | OperationKind::Workflow) => {
                lacks(self.conversation_id.is_some(), semconv::CONVERSATION_ID)
                    || lacks(self.turn_id.is_some(), semconv::TURN_ID)
                    || lacks(self.agent_name.is_some(), semconv::AGENT_NAME)
            }
            Some(OperationKind::CodeCell | OperationKind::Compaction) | None => false,
        }
    }

    /// Returns `true` if the span has the field `otel_trace.kind`. The program then opens its threads itself, and an
    /// operation without a thread has lost its parent.
    pub(super) fn has_declared_kind(&self) -> bool {
        self.declared_kind.is_some()
    }

    /// Returns what the tool of the span is called with. Returns `None` if no arguments were recorded.
    pub(super) fn invocation(&self) -> Option<ToolInvocation<'static>> {
        let arguments = self.arguments.as_deref()?;
        let name = self.tool_name.as_deref().unwrap_or_default();
        Some(match &self.tool {
            Some(tool) => tool.invocation(name, arguments),
            None => ToolInvocation::Function { arguments: arguments.to_owned().into() },
        })
    }

    /// Returns `true` if any field is set that the body of an answer or a result is made from.
    fn has_answer(&self) -> bool {
        let UsageFields { input, cached, cache_write, output, reasoning } = &self.usage;
        self.output_messages.is_some()
            || self.response_id.is_some()
            || self.response_model.is_some()
            || self.finish_reasons.is_some()
            || [input, cached, cache_write, output, reasoning].into_iter().any(Option::is_some)
            || self.result.is_some()
            || self.outcome.returned.is_some()
    }

    /// Returns `true` if these fields show that an operation of this kind is over: its answer, why the model stopped, how
    /// many tokens it wrote, its result, or an error. An id or the model alone may come at the beginning of a stream.
    pub(super) fn has_outcome_of(&self, kind: OperationKind) -> bool {
        let has_error = || self.outcome.has_error();
        match kind {
            OperationKind::Inference | OperationKind::Compaction => {
                self.output_messages.is_some()
                    || self.finish_reasons.is_some()
                    || self.usage.output.is_some()
                    || has_error()
            }
            OperationKind::Tool => {
                self.result.is_some() || self.outcome.returned.is_some() || self.outcome.has_status_ok() || has_error()
            }
            // These go on after whatever happens inside them.
            OperationKind::Thread
            | OperationKind::Turn
            | OperationKind::CodeCell
            | OperationKind::Agent
            | OperationKind::Workflow => false,
        }
    }

    /// Takes the fields that tell how an attempt of a call of a model went. Returns `None` if none is set.
    pub(super) fn take_outcome(&mut self) -> Option<Self> {
        let is_set = self.outcome.is_set()
            || self.has_answer()
            || self.upstream_request_id.is_some()
            || self.time_to_first_chunk.is_some();
        is_set.then(|| Self {
            response_id: self.response_id.take(),
            response_model: self.response_model.take(),
            finish_reasons: self.finish_reasons.take(),
            upstream_request_id: self.upstream_request_id.take(),
            time_to_first_chunk: self.time_to_first_chunk.take(),
            outcome: std::mem::take(&mut self.outcome),
            usage: std::mem::take(&mut self.usage),
            output_messages: self.output_messages.take(),
            ..Self::default()
        })
    }

    /// Replaces the values of all fields that are set in `newer`.
    pub(super) fn merge(&mut self, newer: Self) {
        fn take<T>(old: &mut Option<T>, new: Option<T>) {
            if new.is_some() {
                *old = new;
            }
        }
        self.answers = self.answers.saturating_add(u32::from(newer.has_answer()));
        let Self {
            declared_kind,
            operation_kind,
            conversation_id,
            turn_id,
            agent_path,
            agent_name,
            agent_role,
            task_name,
            model,
            provider,
            response_id,
            response_model,
            finish_reasons,
            upstream_request_id,
            time_to_first_chunk,
            call_id,
            tool_name,
            cell_id,
            source,
            compaction_id,
            tool,
            session,
            own,
            outcome,
            usage: UsageFields { input, cached, cache_write, output, reasoning },
            request: RequestFields { input_messages, system_instructions, tool_definitions, settings },
            output_messages,
            arguments,
            result,
            answers: _,
        } = newer;
        take(&mut self.declared_kind, declared_kind);
        take(&mut self.operation_kind, operation_kind);
        take(&mut self.conversation_id, conversation_id);
        take(&mut self.turn_id, turn_id);
        take(&mut self.agent_path, agent_path);
        take(&mut self.agent_name, agent_name);
        take(&mut self.agent_role, agent_role);
        take(&mut self.task_name, task_name);
        take(&mut self.model, model);
        take(&mut self.provider, provider);
        take(&mut self.response_id, response_id);
        take(&mut self.response_model, response_model);
        take(&mut self.finish_reasons, finish_reasons);
        take(&mut self.upstream_request_id, upstream_request_id);
        take(&mut self.time_to_first_chunk, time_to_first_chunk);
        take(&mut self.call_id, call_id);
        take(&mut self.tool_name, tool_name);
        take(&mut self.cell_id, cell_id);
        take(&mut self.source, source);
        take(&mut self.compaction_id, compaction_id);
        if let Some(tool) = tool {
            self.tool.get_or_insert_default().merge(*tool);
        }
        if let Some(session) = session {
            self.session.get_or_insert_default().merge(*session);
        }
        if let Some(own) = own {
            self.own.get_or_insert_default().merge(*own);
        }
        self.outcome.merge(outcome);
        take(&mut self.usage.input, input);
        take(&mut self.usage.cached, cached);
        take(&mut self.usage.cache_write, cache_write);
        take(&mut self.usage.output, output);
        take(&mut self.usage.reasoning, reasoning);
        take(&mut self.request.input_messages, input_messages);
        take(&mut self.request.system_instructions, system_instructions);
        take(&mut self.request.tool_definitions, tool_definitions);
        self.request.settings.merge(settings);
        take(&mut self.output_messages, output_messages);
        take(&mut self.arguments, arguments);
        take(&mut self.result, result);
    }

    /// Returns `true` if the layer stores the value of the field `name` from its text: a text, or a token count that is
    /// no integer.
    fn stores_text(&mut self, name: &str) -> bool {
        matches!(name, semconv::TOOL_CALL_ID | semconv::TOOL_NAME)
            || ERROR_FIELDS.contains(&name)
            || SettingFields::has_name(name)
            || self.text_slot(name).is_some()
            || self.count_slot(name).is_some()
    }

    /// Returns `true` if the field `name` is an id, a name or another fact of which an empty text tells nothing. Many programs
    /// record one for an id that they do not have.
    fn is_fact(&mut self, name: &str) -> bool {
        let is_told_empty = matches!(name, semconv::RIG_PROVIDER_REQUEST_ID | semconv::UPSTREAM_REQUEST_ID);
        let is_text = !is_told_empty && !semconv::is_content(name) && self.text_slot(name).is_some();
        is_text || matches!(name, semconv::TOOL_CALL_ID | semconv::TOOL_NAME)
    }

    /// Returns the member that stores the text field `name`. Returns `None` if the layer does not store that field as
    /// it is.
    fn text_slot(&mut self, name: &str) -> Option<&mut Option<String>> {
        Some(match name {
            semconv::CONVERSATION_ID => &mut self.conversation_id,
            semconv::TURN_ID => &mut self.turn_id,
            semconv::AGENT_PATH => &mut self.agent_path,
            semconv::AGENT_NAME => &mut self.agent_name,
            semconv::AGENT_ROLE => &mut self.agent_role,
            semconv::TASK_NAME => &mut self.task_name,
            semconv::REQUEST_MODEL => &mut self.model,
            semconv::PROVIDER_NAME | semconv::SYSTEM => &mut self.provider,
            semconv::RESPONSE_ID => &mut self.response_id,
            semconv::RESPONSE_MODEL => &mut self.response_model,
            semconv::RESPONSE_FINISH_REASONS => &mut self.finish_reasons,
            semconv::RIG_PROVIDER_REQUEST_ID | semconv::UPSTREAM_REQUEST_ID => &mut self.upstream_request_id,
            semconv::CODE_CELL_ID => &mut self.cell_id,
            semconv::CODE_CELL_SOURCE => &mut self.source,
            semconv::COMPACTION_ID => &mut self.compaction_id,
            semconv::ERROR_TYPE | semconv::TOOL_ERROR_TYPE => &mut self.outcome.error_type,
            semconv::OTEL_STATUS_DESCRIPTION | semconv::OTEL_STATUS_MESSAGE => &mut self.outcome.status_description,
            semconv::INPUT_MESSAGES => &mut self.request.input_messages,
            semconv::SYSTEM_INSTRUCTIONS => &mut self.request.system_instructions,
            semconv::TOOL_DEFINITIONS => &mut self.request.tool_definitions,
            semconv::OUTPUT_MESSAGES => &mut self.output_messages,
            semconv::TOOL_CALL_ARGUMENTS => &mut self.arguments,
            semconv::TOOL_CALL_RESULT => &mut self.result,
            name if ToolFields::has_name(name) => return self.tool.get_or_insert_default().slot(name),
            name if SessionFields::has_name(name) => return self.session.get_or_insert_default().slot(name),
            _ => return None,
        })
    }

    /// Records a value that is no text: as text if the layer stores the text of the field, otherwise as an own field.
    fn record_number(&mut self, field: &Field, value: impl ToString, own: OwnValue) {
        if self.stores_text(field.name()) || is_keyword(field.name()) {
            self.record_str(field, &value.to_string());
        } else {
            self.record_own(field, || Some(own));
        }
    }

    /// Records the value of a field that no rule reads.
    fn record_own(&mut self, field: &Field, value: impl FnOnce() -> Option<OwnValue>) {
        if OwnFields::has_name(field.name())
            && let Some(value) = value()
        {
            self.own.get_or_insert_default().record(field.name(), value);
        }
    }

    /// Returns the own fields as a JSON object. Returns `None` if there are none.
    pub(super) fn own_attributes(&self) -> Option<RawJson> {
        self.own.as_ref()?.to_json()
    }

    /// Returns the member that stores the token count `name`. Returns `None` if that field is not a token count.
    fn count_slot(&mut self, name: &str) -> Option<&mut Option<CountField>> {
        Some(match name {
            semconv::USAGE_INPUT_TOKENS | semconv::USAGE_PROMPT_TOKENS => &mut self.usage.input,
            semconv::USAGE_CACHE_READ_INPUT_TOKENS => &mut self.usage.cached,
            semconv::USAGE_CACHE_WRITE_INPUT_TOKENS | semconv::USAGE_CACHE_CREATION_INPUT_TOKENS => {
                &mut self.usage.cache_write
            }
            semconv::USAGE_OUTPUT_TOKENS | semconv::USAGE_COMPLETION_TOKENS => &mut self.usage.output,
            semconv::USAGE_REASONING_OUTPUT_TOKENS | semconv::USAGE_REASONING_TOKENS => &mut self.usage.reasoning,
            _ => return None,
        })
    }
}

/// Returns `true` if the layer reads only certain words in the field `name`.
fn is_keyword(name: &str) -> bool {
    matches!(name, semconv::KIND | semconv::OPERATION_NAME | semconv::OTEL_STATUS_CODE | semconv::TOOL_CALL_OUTCOME)
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        if value.is_empty() && self.is_fact(field.name()) {
            return;
        }
        match field.name() {
            semconv::AGENT_NAME if value == RIG_UNNAMED_AGENT => {}
            semconv::KIND => self.declared_kind = Some(OperationKind::from_name(value)),
            semconv::OPERATION_NAME => self.operation_kind = OperationKind::from_operation_name(value),
            semconv::OTEL_STATUS_CODE => self.outcome.set_status(value),
            semconv::TOOL_CALL_OUTCOME => self.outcome.set_tool_outcome(value),
            semconv::TOOL_CALL_ID => self.call_id = Some(value.into()),
            semconv::TOOL_NAME => self.tool_name = Some(intern_tool_name(value)),
            name => {
                self.outcome.record_error(name, value);
                if let Some(slot) = self.text_slot(name) {
                    *slot = Some(value.to_owned());
                } else if let Some(slot) = self.count_slot(name) {
                    *slot = CountField::parse(value);
                } else if SettingFields::has_name(name) {
                    self.request.settings.record_text(name, value);
                } else if !ERROR_FIELDS.contains(&name) {
                    self.record_own(field, || Some(OwnValue::Text(value.to_owned())));
                }
            }
        }
    }

    /// Records a token count, a time to first chunk in seconds, or an id that is a number.
    fn record_u64(&mut self, field: &Field, value: u64) {
        if let Some(slot) = self.count_slot(field.name()) {
            *slot = Some(CountField::Tokens(value));
        } else if field.name() == semconv::RESPONSE_TIME_TO_FIRST_CHUNK {
            self.time_to_first_chunk = Some(Duration::from_secs(value));
        } else if !self.request.settings.record(field.name(), value) {
            self.record_number(field, value, OwnValue::Unsigned(value));
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        if let Ok(value) = u64::try_from(value) {
            self.record_u64(field, value);
        } else if !self.request.settings.record(field.name(), value) {
            self.record_number(field, value, OwnValue::Integer(value));
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        if !self.request.settings.record(field.name(), value) {
            self.record_number(field, value, OwnValue::Bool(value));
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if field.name() == semconv::RESPONSE_TIME_TO_FIRST_CHUNK {
            self.time_to_first_chunk = Duration::try_from_secs_f64(value).ok();
        } else if !self.request.settings.record(field.name(), value) {
            self.record_number(field, value, OwnValue::Float(value));
        }
    }

    /// Records bytes, such as the output of a command, as their text if they are UTF-8.
    fn record_bytes(&mut self, field: &Field, value: &[u8]) {
        match std::str::from_utf8(value) {
            Ok(text) => self.record_str(field, text),
            Err(_) => self.record_debug(field, &value),
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.record_debug(field, &tracing::field::display(value));
    }

    /// Records ids that frameworks pass with `%` and `?`. Formats only what is recorded; a value that panics
    /// while it is formatted is ignored.
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let name = field.name();
        let is_keyword = is_keyword(name);
        let is_duration = name == semconv::RESPONSE_TIME_TO_FIRST_CHUNK;
        if !is_keyword && !is_duration && !self.stores_text(name) {
            return self.record_own(field, || OwnValue::from_debug(value));
        }
        // Content may be text that only looks like an `Option`.
        let format = if semconv::is_content(name) { format_debug } else { format_fact };
        let Some(text) = format(value) else { return };
        if !is_duration {
            self.record_str(field, &text);
        } else if let Ok(seconds) = text.parse() {
            self.record_f64(field, seconds);
        }
    }
}
