//! The fields of a span that we know, by their names.
//!
//! Names are those of the [GenAI semantic conventions](https://opentelemetry.io/docs/specs/semconv/gen-ai/); what they
//! have no name for is `otel_trace.*`.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tracing::Metadata;
use tracing::field::{Field, Visit};

use super::debug_text::text_of_debug;
use super::tool_name::tool_name;
use crate::event::{CallId, Usage};

/// What a span is, as it says itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Thread,
    Turn,
    Inference,
    Tool,
    CodeCell,
    /// A request to compact.
    Compaction,
    /// `invoke_agent`, `invoke_workflow`: a thread, a turn or both, by what is above it.
    Agent,
}

impl Kind {
    /// By `otel_trace.kind`.
    fn by_name(name: &str) -> Option<Self> {
        Some(match name {
            "thread" => Self::Thread,
            "turn" => Self::Turn,
            "inference" => Self::Inference,
            "tool" => Self::Tool,
            "code_cell" => Self::CodeCell,
            "compaction" => Self::Compaction,
            _ => return None,
        })
    }

    /// By `gen_ai.operation.name`.
    fn by_operation(name: &str) -> Option<Self> {
        Some(match name {
            "chat" | "generate_content" | "text_completion" => Self::Inference,
            "execute_tool" => Self::Tool,
            "invoke_agent" | "invoke_workflow" => Self::Agent,
            _ => return None,
        })
    }
}

/// Whether spans of this callsite can say what they are. The names are compared at every span: that is cheaper than
/// any table of callsites, which would need a lock.
pub(super) fn can_say_kind(metadata: &Metadata<'_>) -> bool {
    metadata.fields().iter().any(|field| matches!(field.name(), "otel_trace.kind" | "gen_ai.operation.name"))
}

/// What a span's fields said so far. The last value of a field counts.
#[derive(Debug, Default, Clone)]
pub(super) struct Fields {
    /// What `otel_trace.kind` says, be it of a kind that is known here or not.
    own_kind: Option<Option<Kind>>,
    operation: Option<Kind>,
    pub(super) conversation_id: Option<String>,
    pub(super) turn_id: Option<String>,
    pub(super) agent_path: Option<String>,
    pub(super) agent_name: Option<String>,
    pub(super) agent_role: Option<String>,
    pub(super) task_name: Option<String>,
    pub(super) mcp_server: Option<String>,
    pub(super) model: Option<String>,
    pub(super) provider: Option<String>,
    pub(super) response_id: Option<String>,
    pub(super) response_model: Option<String>,
    /// Why the model stopped, a list as JSON text.
    pub(super) finish_reasons: Option<String>,
    /// The transport's id of the request, known once the provider answered, be it with an error.
    pub(super) upstream_request_id: Option<String>,
    /// From the call's start to the first piece of its answer.
    pub(super) time_to_first_chunk: Option<Duration>,
    pub(super) call_id: Option<CallId>,
    pub(super) tool_name: Option<Arc<str>>,
    pub(super) cell_id: Option<String>,
    pub(super) source: Option<String>,
    pub(super) compaction_id: Option<String>,
    error_type: Option<String>,
    status: Option<Status>,
    status_description: Option<String>,
    pub(super) usage: PartialUsage,
    pub(super) request: RequestFields,
    pub(super) output_messages: Option<String>,
    pub(super) arguments: Option<String>,
    pub(super) result: Option<String>,
}

/// What `otel.status_code` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Unset,
    Ok,
    Error,
}

impl Status {
    fn by_code(code: &str) -> Self {
        if code.eq_ignore_ascii_case("ok") {
            Self::Ok
        } else if code.eq_ignore_ascii_case("error") {
            Self::Error
        } else {
            Self::Unset
        }
    }
}

/// The content fields that make a request.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct RequestFields {
    pub(super) input_messages: Option<String>,
    pub(super) system_instructions: Option<String>,
    pub(super) tool_definitions: Option<String>,
}

/// What of a call's usage was counted.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct PartialUsage {
    pub(super) input: Option<u64>,
    pub(super) cached: Option<u64>,
    pub(super) cache_write: Option<u64>,
    pub(super) output: Option<u64>,
    pub(super) reasoning: Option<u64>,
}

thread_local! {
    static KEPT: Cell<Option<Arc<Fields>>> = const { Cell::new(None) };
}

impl Fields {
    /// Empty ones, in this thread's memory for them, or in new where that is in use or the thread is ending.
    pub(super) fn kept() -> Arc<Self> {
        KEPT.try_with(Cell::take).ok().flatten().unwrap_or_default()
    }

    /// Keeps the memory for the next span, where nobody else has these.
    pub(super) fn keep(mut fields: Arc<Self>) {
        if let Some(own) = Arc::get_mut(&mut fields) {
            *own = Self::default();
            // A thread that is ending keeps nothing.
            let _ = KEPT.try_with(|kept| kept.set(Some(fields)));
        }
    }

    /// What the span is: `otel_trace.kind` where set, else `gen_ai.operation.name`.
    pub(super) fn kind(&self) -> Option<Kind> {
        self.own_kind.unwrap_or(self.operation)
    }

    /// Whether something is not said yet that its callsite can say, and that its start must: the name and id of a tool
    /// call, the model and provider of an inference call.
    pub(super) fn lacks_facts(&self, metadata: &Metadata<'_>) -> bool {
        let lacks = |is_said: bool, name: &str| !is_said && metadata.fields().field(name).is_some();
        match self.kind() {
            Some(Kind::Tool) => {
                lacks(self.tool_name.is_some(), "gen_ai.tool.name")
                    || lacks(self.call_id.is_some(), "gen_ai.tool.call.id")
            }
            Some(Kind::Inference) => {
                lacks(self.model.is_some(), "gen_ai.request.model")
                    || lacks(self.provider.is_some(), "gen_ai.provider.name")
            }
            Some(Kind::Thread | Kind::Turn | Kind::CodeCell | Kind::Compaction | Kind::Agent) | None => false,
        }
    }

    /// Whether the span says so in our own words. Then the program has threads of its own, and a window without one
    /// has lost its surroundings.
    pub(super) fn is_in_our_words(&self) -> bool {
        self.own_kind.is_some()
    }

    /// `error.type` and the status description, where either says that the span failed.
    pub(super) fn error(&self) -> Option<String> {
        match (&self.error_type, &self.status_description) {
            (Some(kind), Some(description)) => Some(format!("{kind}: {description}")),
            (Some(kind), None) => Some(kind.clone()),
            (None, Some(description)) if self.status == Some(Status::Error) => Some(description.clone()),
            (None, None) if self.status == Some(Status::Error) => Some("error".to_owned()),
            (None, _) => None,
        }
    }

    /// Whether the span says that it did what it was for.
    pub(super) fn is_ok(&self) -> bool {
        self.status == Some(Status::Ok) && self.error_type.is_none()
    }

    /// Whether anything here is part of an [`error`](Self::error).
    pub(super) fn speak_of_status(&self) -> bool {
        self.error_type.is_some() || self.status.is_some() || self.status_description.is_some()
    }

    /// Tokens, where the span counted any.
    pub(super) fn usage(&self) -> Option<Usage> {
        let PartialUsage { input, cached, cache_write: _, output, reasoning } = self.usage;
        (input.is_some() || output.is_some()).then(|| Usage {
            input_tokens: input.unwrap_or(0),
            cached_input_tokens: cached.unwrap_or(0),
            output_tokens: output.unwrap_or(0),
            reasoning_output_tokens: reasoning.unwrap_or(0),
        })
    }

    /// Takes over what is newer.
    pub(super) fn merge(&mut self, newer: Self) {
        fn take<T>(old: &mut Option<T>, new: Option<T>) {
            if new.is_some() {
                *old = new;
            }
        }
        let Self {
            own_kind,
            operation,
            conversation_id,
            turn_id,
            agent_path,
            agent_name,
            agent_role,
            task_name,
            mcp_server,
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
            error_type,
            status,
            status_description,
            usage: PartialUsage { input, cached, cache_write, output, reasoning },
            request: RequestFields { input_messages, system_instructions, tool_definitions },
            output_messages,
            arguments,
            result,
        } = newer;
        take(&mut self.own_kind, own_kind);
        take(&mut self.operation, operation);
        take(&mut self.conversation_id, conversation_id);
        take(&mut self.turn_id, turn_id);
        take(&mut self.agent_path, agent_path);
        take(&mut self.agent_name, agent_name);
        take(&mut self.agent_role, agent_role);
        take(&mut self.task_name, task_name);
        take(&mut self.mcp_server, mcp_server);
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
        take(&mut self.error_type, error_type);
        take(&mut self.status_description, status_description);
        take(&mut self.usage.input, input);
        take(&mut self.usage.cached, cached);
        take(&mut self.usage.cache_write, cache_write);
        take(&mut self.usage.output, output);
        take(&mut self.usage.reasoning, reasoning);
        take(&mut self.request.input_messages, input_messages);
        take(&mut self.request.system_instructions, system_instructions);
        take(&mut self.request.tool_definitions, tool_definitions);
        take(&mut self.output_messages, output_messages);
        take(&mut self.arguments, arguments);
        take(&mut self.result, result);
        take(&mut self.status, status);
    }

    fn is_text(&mut self, name: &str) -> bool {
        matches!(name, CALL_ID | TOOL_NAME) || self.text(name).is_some()
    }

    /// Where the text of that field is kept as it is.
    fn text(&mut self, name: &str) -> Option<&mut Option<String>> {
        Some(match name {
            "gen_ai.conversation.id" => &mut self.conversation_id,
            "otel_trace.turn.id" => &mut self.turn_id,
            "otel_trace.agent.path" => &mut self.agent_path,
            "gen_ai.agent.name" => &mut self.agent_name,
            "otel_trace.agent.role" => &mut self.agent_role,
            "otel_trace.task.name" => &mut self.task_name,
            "otel_trace.mcp.server" => &mut self.mcp_server,
            "gen_ai.request.model" => &mut self.model,
            "gen_ai.provider.name" | "gen_ai.system" => &mut self.provider,
            "gen_ai.response.id" => &mut self.response_id,
            "gen_ai.response.model" => &mut self.response_model,
            "gen_ai.response.finish_reasons" => &mut self.finish_reasons,
            "rig.provider_request_id" | "otel_trace.upstream_request_id" => &mut self.upstream_request_id,
            "otel_trace.code_cell.id" => &mut self.cell_id,
            "otel_trace.code_cell.source" => &mut self.source,
            "otel_trace.compaction.id" => &mut self.compaction_id,
            "error.type" | "gen_ai.tool.error.type" => &mut self.error_type,
            "otel.status_description" | "otel.status_message" => &mut self.status_description,
            "gen_ai.input.messages" => &mut self.request.input_messages,
            "gen_ai.system_instructions" => &mut self.request.system_instructions,
            "gen_ai.tool.definitions" => &mut self.request.tool_definitions,
            "gen_ai.output.messages" => &mut self.output_messages,
            "gen_ai.tool.call.arguments" => &mut self.arguments,
            "gen_ai.tool.call.result" => &mut self.result,
            _ => return None,
        })
    }

    /// How rig says that a tool call ended, beside its result. One that a hook stopped is a failed call.
    fn tool_outcome(&mut self, outcome: &str) {
        match outcome {
            "success" => self.status = Some(Status::Ok),
            "error" => self.status = Some(Status::Error),
            "denied" | "skipped" => {
                self.status = Some(Status::Error);
                self.status_description.get_or_insert_with(|| format!("{outcome} by a hook"));
            }
            _ => {}
        }
    }

    fn count(&mut self, name: &str) -> Option<&mut Option<u64>> {
        Some(match name {
            "gen_ai.usage.input_tokens" | "gen_ai.usage.prompt_tokens" => &mut self.usage.input,
            "gen_ai.usage.cache_read.input_tokens" => &mut self.usage.cached,
            "gen_ai.usage.cache_write.input_tokens" | "gen_ai.usage.cache_creation.input_tokens" => {
                &mut self.usage.cache_write
            }
            "gen_ai.usage.output_tokens" | "gen_ai.usage.completion_tokens" => &mut self.usage.output,
            "gen_ai.usage.reasoning.output_tokens" | "gen_ai.usage.reasoning_tokens" => &mut self.usage.reasoning,
            _ => return None,
        })
    }
}

const CALL_ID: &str = "gen_ai.tool.call.id";
const TOOL_NAME: &str = "gen_ai.tool.name";
const TIME_TO_FIRST_CHUNK: &str = "gen_ai.response.time_to_first_chunk";

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "otel_trace.kind" => self.own_kind = Some(Kind::by_name(value)),
            "gen_ai.operation.name" => self.operation = Kind::by_operation(value),
            "otel.status_code" => self.status = Some(Status::by_code(value)),
            "gen_ai.tool.call.outcome" => self.tool_outcome(value),
            CALL_ID => self.call_id = Some(value.into()),
            TOOL_NAME => self.tool_name = Some(tool_name(value)),
            name => {
                if let Some(slot) = self.text(name) {
                    *slot = Some(value.to_owned());
                }
            }
        }
    }

    /// A count, or an id that is a number.
    fn record_u64(&mut self, field: &Field, value: u64) {
        if let Some(slot) = self.count(field.name()) {
            *slot = Some(value);
        } else if field.name() == TIME_TO_FIRST_CHUNK {
            self.time_to_first_chunk = Some(Duration::from_secs(value));
        } else if self.is_text(field.name()) {
            self.record_str(field, &value.to_string());
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        if let Ok(value) = u64::try_from(value) {
            self.record_u64(field, value);
        } else if self.is_text(field.name()) {
            self.record_str(field, &value.to_string());
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        if self.is_text(field.name()) {
            self.record_str(field, &value.to_string());
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if field.name() == TIME_TO_FIRST_CHUNK {
            self.time_to_first_chunk = Duration::try_from_secs_f64(value).ok();
        } else if self.is_text(field.name()) {
            self.record_str(field, &value.to_string());
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.record_debug(field, &tracing::field::display(value));
    }

    /// Frameworks give ids with `%` and `?` too. Only fields we know are formatted, and what panics while it is
    /// formatted says nothing.
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let name = field.name();
        let is_said_once = matches!(
            name,
            "otel_trace.kind" | "gen_ai.operation.name" | "otel.status_code" | "gen_ai.tool.call.outcome"
        );
        let is_number = self.count(name).is_some() || name == TIME_TO_FIRST_CHUNK;
        if !is_said_once && !is_number && !self.is_text(name) {
            return;
        }
        let Some(text) = text_of_debug(value) else { return };
        match (is_number, text.parse::<u64>(), text.parse::<f64>()) {
            (false, ..) => self.record_str(field, &text),
            (true, Ok(number), _) => self.record_u64(field, number),
            (true, Err(_), Ok(number)) => self.record_f64(field, number),
            (true, Err(_), Err(_)) => {}
        }
    }
}
