//! Instants: events of target `otel_trace` that say what happened to the span they are in.

use std::fmt;
use std::sync::Arc;

use tracing::Event;
use tracing::field::{Field, Visit};

use super::debug_text::text_of_debug;
use super::json_text::JsonText;
use super::operation::{CompactionName, TurnOperation, install};
use super::operations::{Enclosing, Operations};
use super::span_state::SpanState;
use crate::bundle::Body;
use crate::event::{CellStatus, ExecutionStatus, RawJson};

/// `otel_trace.event`, with `otel_trace.payload` as JSON text and `otel_trace.status` where it ends something.
#[derive(Debug)]
pub(super) struct Instant {
    kind: Kind,
    said: Said,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
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

impl Kind {
    fn by_name(name: &str) -> Option<Self> {
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

/// What an event's fields say.
#[derive(Debug, Default)]
struct Said {
    kind: Option<Kind>,
    status: Option<String>,
    payload: Option<String>,
    event_type: Option<String>,
    message: Option<String>,
    compaction_id: Option<String>,
    mcp_call_id: Option<String>,
    other_kind: Option<String>,
}

impl Instant {
    /// The instant that an event is; none where it says nothing that is known.
    pub(super) fn of(event: &Event<'_>) -> Option<Self> {
        let mut said = Said::default();
        event.record(&mut said);
        Some(Self { kind: said.kind?, said })
    }

    /// Whether it may be said of what this span is.
    pub(super) fn is_about(&self, state: &SpanState) -> bool {
        let Some(operations) = state.operations() else { return false };
        match self.kind {
            Kind::RuntimeStarted | Kind::RuntimeEnded | Kind::McpCorrelation => operations.tool().is_some(),
            Kind::CellResponded | Kind::CellEnded => operations.cell().is_some(),
            Kind::CompactionInstalled | Kind::AgentResult => {
                Enclosing::inside(operations).is_some_and(|inside| inside.turn.is_some())
            }
            Kind::ProtocolEvent | Kind::Other => Enclosing::inside(operations).is_some(),
        }
    }

    /// Records it.
    pub(super) fn happen_in(&self, state: &SpanState) {
        let Some(operations) = state.operations() else { return };
        let inside = Enclosing::inside(operations).unwrap_or_default();
        let body = JsonText::of(self.said.payload.as_deref().unwrap_or("{}"));
        match self.kind {
            Kind::RuntimeStarted => operations.tool().into_iter().for_each(|tool| tool.runtime_started(&body)),
            Kind::RuntimeEnded => {
                operations.tool().into_iter().for_each(|tool| tool.runtime_ended(self.execution_status(), &body));
            }
            Kind::CellResponded => {
                operations.cell().into_iter().for_each(|cell| cell.respond(self.cell_status(), &body))
            }
            Kind::CellEnded => operations.cell().into_iter().for_each(|cell| cell.ended(self.cell_status(), &body)),
            Kind::CompactionInstalled => self.install(operations, inside.turn.as_ref(), &body),
            Kind::AgentResult => {
                let message = self.said.message.as_deref().unwrap_or_default();
                inside.turn.iter().for_each(|turn| turn.agent_result(message, &body));
            }
            Kind::ProtocolEvent => {
                let event_type = self.said.event_type.as_deref().unwrap_or_default();
                inside.thread.iter().for_each(|thread| thread.protocol_event(event_type, &body));
            }
            Kind::McpCorrelation => {
                let id = self.said.mcp_call_id.as_deref().unwrap_or_default();
                operations.tool().into_iter().for_each(|tool| tool.mcp_call_id(id));
            }
            Kind::Other => {
                let Said { other_kind, message, .. } = &self.said;
                let (kind, summary) =
                    (other_kind.as_deref().unwrap_or("other"), message.as_deref().unwrap_or_default());
                inside.thread.iter().for_each(|thread| thread.other(kind, summary, RawJson::of(&body)));
            }
        }
    }

    /// As part of the compaction whose request the span is, else of the one that it names.
    fn install(&self, operations: &Operations, turn: Option<&Arc<TurnOperation>>, body: &dyn Body) {
        let named = CompactionName::new(self.said.compaction_id.clone());
        match (operations.compaction(), turn) {
            (Some(compaction), _) => install(compaction.turn(), compaction.name(), compaction.live(), body),
            (None, Some(turn)) => install(turn, &named, turn.live(), body),
            (None, None) => {}
        }
    }

    fn execution_status(&self) -> ExecutionStatus {
        match self.said.status.as_deref() {
            Some("failed") => ExecutionStatus::Failed,
            Some("cancelled") => ExecutionStatus::Cancelled,
            Some("aborted") => ExecutionStatus::Aborted,
            Some(_) | None => ExecutionStatus::Completed,
        }
    }

    fn cell_status(&self) -> CellStatus {
        match self.said.status.as_deref() {
            Some("yielded") => CellStatus::Yielded,
            Some("failed") => CellStatus::Failed,
            Some("terminated" | "cancelled" | "aborted") => CellStatus::Terminated,
            Some(_) | None => CellStatus::Completed,
        }
    }
}

impl Said {
    fn text(&mut self, name: &str) -> Option<&mut Option<String>> {
        Some(match name {
            "otel_trace.status" => &mut self.status,
            "otel_trace.payload" => &mut self.payload,
            "otel_trace.protocol_event" => &mut self.event_type,
            "otel_trace.message" => &mut self.message,
            "otel_trace.compaction.id" => &mut self.compaction_id,
            "otel_trace.mcp_call_id" => &mut self.mcp_call_id,
            "otel_trace.other.kind" => &mut self.other_kind,
            _ => return None,
        })
    }
}

const EVENT: &str = "otel_trace.event";

impl Visit for Said {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == EVENT {
            self.kind = Kind::by_name(value);
        } else if let Some(slot) = self.text(field.name()) {
            *slot = Some(value.to_owned());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if (field.name() == EVENT || self.text(field.name()).is_some())
            && let Some(text) = text_of_debug(value)
        {
            self.record_str(field, &text);
        }
    }
}
