//! Instants: events of target `otel_trace` that report something about an operation, which they name by its id or by
//! standing in its span.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};
use tracing::Event;
use tracing::field::{Field, Visit};

use super::debug_text::{format_debug, format_fact};
use super::instant_target::InstantTarget;
use super::json_text::JsonText;
use crate::bundle::Body;
use crate::event::{CellStatus, ExecutionStatus, PayloadKind, RawJson};
use crate::layer::operation::{
    NotFound, OrphanEvent, SharedCompactionId, ThreadOperation, orphan_summary, record_compaction_installed,
};
use crate::layer::session::Session;
use crate::semconv;

/// An instant, that is, an event of target `otel_trace` that reports something about an operation: its kind, which the
/// field `otel_trace.event` names, and the values of its other fields.
#[derive(Debug)]
pub(super) struct Instant {
    /// `None` if the name of the event is unknown.
    pub(super) kind: Option<InstantKind>,
    pub(super) fields: InstantFields,
}

/// The kind of an instant: the value of the field `otel_trace.event`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InstantKind {
    RuntimeStarted,
    RuntimeEnded,
    CellResponded,
    CellEnded,
    CompactionInstalled,
    AgentResult,
    ProtocolEvent,
    McpCorrelation,
    Other,
}

impl InstantKind {
    /// Parses the value of `otel_trace.event`. Returns `None` for unknown kinds.
    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "tool_call_runtime_started" => Self::RuntimeStarted,
            "tool_call_runtime_ended" => Self::RuntimeEnded,
            "code_cell_initial_response" => Self::CellResponded,
            "code_cell_ended" => Self::CellEnded,
            "compaction_installed" => Self::CompactionInstalled,
            "agent_result_observed" => Self::AgentResult,
            "protocol_event_observed" => Self::ProtocolEvent,
            "mcp_tool_call_correlation_assigned" => Self::McpCorrelation,
            "other" => Self::Other,
            _ => return None,
        })
    }
}

/// The field values of an instant. `None` for fields that the event does not have.
#[derive(Debug, Default)]
pub(super) struct InstantFields {
    /// Name of the event.
    name: Option<String>,
    status: Option<String>,
    payload: Option<String>,
    event_type: Option<String>,
    message: Option<String>,
    compaction_id: Option<String>,
    mcp_call_id: Option<String>,
    other_kind: Option<String>,
    pub(super) tool_call_id: Option<String>,
    pub(super) cell_id: Option<String>,
    pub(super) turn_id: Option<String>,
    pub(super) conversation_id: Option<String>,
}

impl Instant {
    /// Reads an instant from an event. Returns `None` if the event has no field of this crate.
    pub(super) fn from_event(event: &Event<'_>) -> Option<Self> {
        let mut names = event.metadata().fields().iter().map(|field| field.name());
        names.any(|name| name.starts_with(semconv::OTEL_TRACE_NAMESPACE)).then(|| {
            let mut fields = InstantFields::default();
            event.record(&mut fields);
            Self { kind: fields.name.as_deref().and_then(InstantKind::from_name), fields }
        })
    }

    /// Records the instant for the operation that it is about.
    pub(super) fn record(&self, target: &InstantTarget) {
        let body = self.body();
        let text = |field: &Option<String>| field.clone().unwrap_or_default();
        match (target, self.kind) {
            (InstantTarget::Tool(tool), Some(InstantKind::RuntimeStarted)) => tool.record_runtime_started(&body),
            (InstantTarget::Tool(tool), Some(InstantKind::RuntimeEnded)) => {
                tool.record_runtime_ended(self.execution_status(), &body);
            }
            (InstantTarget::Tool(tool), _) => tool.record_mcp_call_id(&text(&self.fields.mcp_call_id)),
            (InstantTarget::Cell(cell), Some(InstantKind::CellEnded)) => cell.record_end(self.cell_status(), &body),
            (InstantTarget::Cell(cell), _) => cell.record_response(self.cell_status(), &body),
            (InstantTarget::Compaction(compaction), _) => {
                record_compaction_installed(compaction.turn(), compaction.compaction_id(), compaction.live(), &body);
            }
            (InstantTarget::Turn(turn), Some(InstantKind::AgentResult)) => {
                turn.record_agent_result(&text(&self.fields.message), &body);
            }
            (InstantTarget::Turn(turn), _) => {
                let named = SharedCompactionId::new(self.fields.compaction_id.clone());
                record_compaction_installed(turn, &named, turn.live(), &body);
            }
            (InstantTarget::Thread(thread), Some(InstantKind::ProtocolEvent)) => {
                thread.record_protocol_event(&text(&self.fields.event_type), &body);
            }
            (InstantTarget::Thread(thread), _) => {
                let kind = self.fields.other_kind.as_deref().unwrap_or("other");
                thread.record_other(kind, &text(&self.fields.message), RawJson::from_value(&body));
            }
        }
    }

    /// Counts and reports an instant that is about no recorded operation, and keeps it in the bundle of `home`.
    pub(super) fn record_orphan(
        &self,
        session: &Session,
        reason: Option<NotFound>,
        home: Option<&Arc<ThreadOperation>>,
    ) {
        let name = self.fields.name.as_deref().unwrap_or_default();
        let reason = reason.map_or(UNKNOWN_NAME, NotFound::name);
        session.report_orphan(&orphan_summary(name, reason), home.is_some());
        let Some(home) = home else { return };
        let body = self.body();
        let kind = self.payload_kind();
        let body = self.fields.payload.is_some().then_some((kind, &body as &dyn Body));
        home.record_orphan_event(OrphanEvent { name, reason, fields: self.fields.to_map(), body });
    }

    fn body(&self) -> JsonText<'_> {
        JsonText::parse(self.fields.payload.as_deref().unwrap_or("{}"))
    }

    /// Returns the kind of payload that the body of the instant is.
    fn payload_kind(&self) -> PayloadKind {
        match self.kind {
            Some(InstantKind::RuntimeStarted | InstantKind::RuntimeEnded) => PayloadKind::ToolRuntimeEvent,
            Some(InstantKind::CellResponded | InstantKind::CellEnded) => PayloadKind::ToolResult,
            Some(InstantKind::CompactionInstalled) => PayloadKind::CompactionCheckpoint,
            Some(InstantKind::AgentResult) => PayloadKind::AgentResult,
            Some(InstantKind::ProtocolEvent | InstantKind::McpCorrelation | InstantKind::Other) | None => {
                PayloadKind::ProtocolEvent
            }
        }
    }

    /// Returns the status of an ended tool call. Unknown and missing values count as completed.
    fn execution_status(&self) -> ExecutionStatus {
        match self.fields.status.as_deref() {
            Some("failed") => ExecutionStatus::Failed,
            Some("cancelled") => ExecutionStatus::Cancelled,
            Some("aborted") => ExecutionStatus::Aborted,
            Some(_) | None => ExecutionStatus::Completed,
        }
    }

    /// Returns the status of a code cell. Unknown and missing values count as completed.
    fn cell_status(&self) -> CellStatus {
        match self.fields.status.as_deref() {
            Some("yielded") => CellStatus::Yielded,
            Some("failed") => CellStatus::Failed,
            Some("terminated" | "cancelled" | "aborted") => CellStatus::Terminated,
            Some(_) | None => CellStatus::Completed,
        }
    }
}

/// The reason of an orphan whose name is unknown.
const UNKNOWN_NAME: &str = "unknown_name";

impl InstantFields {
    /// Returns the member that stores the text field `name`. Returns `None` for fields that instants do not have.
    fn text_slot(&mut self, name: &str) -> Option<&mut Option<String>> {
        Some(match name {
            semconv::EVENT => &mut self.name,
            semconv::STATUS => &mut self.status,
            semconv::PAYLOAD => &mut self.payload,
            semconv::PROTOCOL_EVENT => &mut self.event_type,
            semconv::MESSAGE => &mut self.message,
            semconv::COMPACTION_ID => &mut self.compaction_id,
            semconv::MCP_CALL_ID => &mut self.mcp_call_id,
            semconv::OTHER_KIND => &mut self.other_kind,
            semconv::TOOL_CALL_ID => &mut self.tool_call_id,
            semconv::CODE_CELL_ID => &mut self.cell_id,
            semconv::TURN_ID => &mut self.turn_id,
            semconv::CONVERSATION_ID => &mut self.conversation_id,
            _ => return None,
        })
    }

    /// Returns the texts by the names of their fields, without the name and the payload of the event.
    fn to_map(&self) -> Map<String, Value> {
        let named = [
            (semconv::STATUS, &self.status),
            (semconv::PROTOCOL_EVENT, &self.event_type),
            (semconv::MESSAGE, &self.message),
            (semconv::COMPACTION_ID, &self.compaction_id),
            (semconv::MCP_CALL_ID, &self.mcp_call_id),
            (semconv::OTHER_KIND, &self.other_kind),
            (semconv::TOOL_CALL_ID, &self.tool_call_id),
            (semconv::CODE_CELL_ID, &self.cell_id),
            (semconv::TURN_ID, &self.turn_id),
            (semconv::CONVERSATION_ID, &self.conversation_id),
        ];
        named.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text.clone()?.into()))).collect()
    }
}

/// Returns `true` if the field `name` of an instant holds content, not an id or a name.
fn is_content(name: &str) -> bool {
    matches!(name, semconv::PAYLOAD | semconv::MESSAGE)
}

impl Visit for InstantFields {
    fn record_str(&mut self, field: &Field, value: &str) {
        // An empty id or name tells nothing.
        let is_told = !value.is_empty() || is_content(field.name());
        if is_told && let Some(slot) = self.text_slot(field.name()) {
            *slot = Some(value.to_owned());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let format = if is_content(field.name()) { format_debug } else { format_fact };
        if self.text_slot(field.name()).is_some()
            && let Some(text) = format(value)
        {
            self.record_str(field, &text);
        }
    }
}
