//! What windows start with, as a span's fields say it.

use std::sync::Arc;

use super::fields::{Fields, Kind};
use super::operation::{CellFacts, CodeCellOperation, InferenceFacts, SessionMetadata, ThreadFacts, ToolFacts};
use super::tool_name::tool_name;
use crate::event::ToolKind;

/// Whether a span's windows can start before it is entered. A request may still gain fields, so an inference call
/// waits.
pub(super) fn has_required_facts(fields: &Fields) -> bool {
    match fields.kind() {
        Some(Kind::Thread) => fields.conversation_id.is_some(),
        Some(Kind::Turn) => fields.turn_id.is_some(),
        Some(Kind::Tool) => fields.tool_name.is_some() && fields.call_id.is_some() && fields.arguments.is_some(),
        Some(Kind::CodeCell) => fields.cell_id.is_some() && fields.call_id.is_some() && fields.source.is_some(),
        Some(Kind::Agent | Kind::Inference | Kind::Compaction) | None => false,
    }
}

pub(super) fn inference_facts(fields: &Fields) -> InferenceFacts {
    InferenceFacts {
        model: fields.model.clone().unwrap_or_default(),
        provider_name: fields.provider.clone().unwrap_or_default(),
    }
}

pub(super) fn thread_facts(fields: &Fields) -> ThreadFacts {
    ThreadFacts {
        id: fields.conversation_id.clone(),
        agent_path: fields.agent_path.clone(),
        metadata: SessionMetadata {
            nickname: fields.agent_name.clone(),
            agent_role: fields.agent_role.clone(),
            task_name: fields.task_name.clone(),
            model: fields.model.clone(),
            provider_name: fields.provider.clone(),
            ..SessionMetadata::default()
        },
        orphan: None,
        spawned_by: None,
    }
}

/// `cell` is the code cell that asks, if one does.
pub(super) fn tool_facts(fields: &Fields, cell: Option<Arc<CodeCellOperation>>) -> ToolFacts {
    ToolFacts {
        name: fields.tool_name.clone().unwrap_or_else(|| tool_name("")),
        call_id: fields.call_id.clone(),
        kind: fields.mcp_server.clone().map(|server| {
            let tool = fields.tool_name.as_deref().unwrap_or_default().to_owned();
            ToolKind::Mcp { server, tool }
        }),
        arguments: fields.arguments.clone(),
        cell,
    }
}

pub(super) fn cell_facts(fields: &Fields) -> CellFacts {
    CellFacts {
        runtime_id: fields.cell_id.clone(),
        call_id: fields.call_id.as_ref().map(ToString::to_string),
        source: fields.source.clone().unwrap_or_default(),
    }
}
