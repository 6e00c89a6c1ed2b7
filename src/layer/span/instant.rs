//! Instants: events of target `otel_trace` that report something about the span that they are emitted in.

use std::fmt;
use std::sync::Arc;

use tracing::Event;
use tracing::field::{Field, Visit};

use super::debug_text::format_debug;
use super::json_text::JsonText;
use super::operations::{Enclosing, Operations};
use super::span_state::SpanState;
use crate::bundle::Body;
use crate::event::{CellStatus, ExecutionStatus, RawJson};
use crate::layer::operation::{SharedCompactionId, TurnOperation, record_compaction_installed};
use crate::semconv;

/// An instant, that is, an event of target `otel_trace` that reports something about an operation: its kind, which the
/// field `otel_trace.event` names, and the values of its other fields.
#[derive(Debug)]
pub(super) struct Instant {
    kind: InstantKind,
    fields: InstantFields,
}

/// The kind of an instant: the value of the field `otel_trace.event`.
#[derive(Debug, Clone, Copy)]
enum InstantKind {
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
struct InstantFields {
    kind: Option<InstantKind>,
    status: Option<String>,
    payload: Option<String>,
    event_type: Option<String>,
    message: Option<String>,
    compaction_id: Option<String>,
    mcp_call_id: Option<String>,
    other_kind: Option<String>,
}

impl Instant {
    /// Reads an instant from an event. Returns `None` if the event names no known kind.
    pub(super) fn from_event(event: &Event<'_>) -> Option<Self> {
        let mut fields = InstantFields::default();
        event.record(&mut fields);
        Some(Self { kind: fields.kind?, fields })
    }

    /// Returns `true` if the instant can be about an operation of this span.
    pub(super) fn applies_to(&self, state: &SpanState) -> bool {
        let Some(operations) = state.operations() else { return false };
        match self.kind {
            InstantKind::RuntimeStarted | InstantKind::RuntimeEnded | InstantKind::McpCorrelation => {
                operations.tool().is_some()
            }
            InstantKind::CellResponded | InstantKind::CellEnded => operations.cell().is_some(),
            InstantKind::CompactionInstalled | InstantKind::AgentResult => {
                Enclosing::within(operations).is_some_and(|inside| inside.turn.is_some())
            }
            InstantKind::ProtocolEvent | InstantKind::Other => Enclosing::within(operations).is_some(),
        }
    }

    /// Records the instant for the operations of this span.
    pub(super) fn record_in(&self, state: &SpanState) {
        let Some(operations) = state.operations() else { return };
        let inside = Enclosing::within(operations).unwrap_or_default();
        let body = JsonText::parse(self.fields.payload.as_deref().unwrap_or("{}"));
        match self.kind {
            InstantKind::RuntimeStarted => {
                operations.tool().into_iter().for_each(|tool| tool.record_runtime_started(&body))
            }
            InstantKind::RuntimeEnded => {
                operations
                    .tool()
                    .into_iter()
                    .for_each(|tool| tool.record_runtime_ended(self.execution_status(), &body));
            }
            InstantKind::CellResponded => {
                operations.cell().into_iter().for_each(|cell| cell.record_response(self.cell_status(), &body))
            }
            InstantKind::CellEnded => {
                operations.cell().into_iter().for_each(|cell| cell.record_end(self.cell_status(), &body))
            }
            InstantKind::CompactionInstalled => self.install(operations, inside.turn.as_ref(), &body),
            InstantKind::AgentResult => {
                let message = self.fields.message.as_deref().unwrap_or_default();
                inside.turn.iter().for_each(|turn| turn.record_agent_result(message, &body));
            }
            InstantKind::ProtocolEvent => {
                let event_type = self.fields.event_type.as_deref().unwrap_or_default();
                inside.thread.iter().for_each(|thread| thread.record_protocol_event(event_type, &body));
            }
            InstantKind::McpCorrelation => {
                let id = self.fields.mcp_call_id.as_deref().unwrap_or_default();
                operations.tool().into_iter().for_each(|tool| tool.record_mcp_call_id(id));
            }
            InstantKind::Other => {
                let InstantFields { other_kind, message, .. } = &self.fields;
                let (kind, summary) =
                    (other_kind.as_deref().unwrap_or("other"), message.as_deref().unwrap_or_default());
                inside.thread.iter().for_each(|thread| thread.record_other(kind, summary, RawJson::from_value(&body)));
            }
        }
    }

    /// Records that a shorter history was installed: that of the compaction whose request the span represents, or else
    /// of the compaction that the instant names.
    fn install(&self, operations: &Operations, turn: Option<&Arc<TurnOperation>>, body: &dyn Body) {
        let named = SharedCompactionId::new(self.fields.compaction_id.clone());
        match (operations.compaction(), turn) {
            (Some(compaction), _) => {
                record_compaction_installed(compaction.turn(), compaction.compaction_id(), compaction.live(), body)
            }
            (None, Some(turn)) => record_compaction_installed(turn, &named, turn.live(), body),
            (None, None) => {}
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

impl InstantFields {
    /// Returns the member that stores the text field `name`. Returns `None` for fields that instants do not have.
    fn text_slot(&mut self, name: &str) -> Option<&mut Option<String>> {
        Some(match name {
            semconv::STATUS => &mut self.status,
            semconv::PAYLOAD => &mut self.payload,
            semconv::PROTOCOL_EVENT => &mut self.event_type,
            semconv::MESSAGE => &mut self.message,
            semconv::COMPACTION_ID => &mut self.compaction_id,
            semconv::MCP_CALL_ID => &mut self.mcp_call_id,
            semconv::OTHER_KIND => &mut self.other_kind,
            _ => return None,
        })
    }
}

impl Visit for InstantFields {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == semconv::EVENT {
            self.kind = InstantKind::from_name(value);
        } else if let Some(slot) = self.text_slot(field.name()) {
            *slot = Some(value.to_owned());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if (field.name() == semconv::EVENT || self.text_slot(field.name()).is_some())
            && let Some(text) = format_debug(value)
        {
            self.record_str(field, &text);
        }
    }
}
