//! Conversion of span fields to the attributes that operations start with.

use std::sync::Arc;

use super::fields::Fields;
use super::operation_kind::OperationKind;
use super::tool_name::intern_tool_name;
use crate::layer::operation::{
    CodeCellFacts, CodeCellOperation, InferenceFacts, SessionMetadata, ThreadFacts, ToolCallFacts,
};

/// Returns `true` if the fields already have every attribute that the start events of the span's operations report, so
/// that they can start before the span is entered. Always `false` for inference calls, agents and compaction requests,
/// whose requests may still gain fields.
pub(super) fn has_required_facts(fields: &Fields) -> bool {
    match fields.kind() {
        Some(OperationKind::Thread) => fields.conversation_id.is_some(),
        Some(OperationKind::Turn) => fields.turn_id.is_some(),
        Some(OperationKind::Tool) => {
            fields.tool_name.is_some() && fields.call_id.is_some() && fields.arguments.is_some()
        }
        Some(OperationKind::CodeCell) => {
            fields.cell_id.is_some() && fields.call_id.is_some() && fields.source.is_some()
        }
        Some(OperationKind::Agent | OperationKind::Workflow | OperationKind::Inference | OperationKind::Compaction)
        | None => false,
    }
}

/// Returns the attributes that an inference call or a compaction request starts with.
pub(super) fn inference_facts(fields: &Fields) -> InferenceFacts {
    InferenceFacts {
        model: fields.model.clone().unwrap_or_default(),
        provider_name: fields.provider.clone().unwrap_or_default(),
        settings: fields.request.settings.to_map(),
    }
}

/// Returns the attributes that a thread starts with if no known tool call spawned it.
pub(super) fn thread_facts(fields: &Fields) -> ThreadFacts {
    let mut metadata = SessionMetadata {
        nickname: fields.agent_name.clone(),
        agent_role: fields.agent_role.clone(),
        task_name: fields.task_name.clone(),
        model: fields.model.clone(),
        provider_name: fields.provider.clone(),
        ..SessionMetadata::default()
    };
    if let Some(session) = &fields.session {
        session.apply_to(&mut metadata);
    }
    ThreadFacts {
        id: fields.conversation_id.clone(),
        agent_path: fields.agent_path.clone(),
        metadata,
        orphan: None,
        spawned_by: None,
        is_supplied: false,
    }
}

/// Returns the attributes that a tool call starts with. `cell` is the code cell that requested it, if any.
pub(super) fn tool_facts(fields: &Fields, cell: Option<Arc<CodeCellOperation>>) -> ToolCallFacts {
    let name = fields.tool_name.clone().unwrap_or_else(|| intern_tool_name(""));
    let tool = fields.tool.as_deref();
    ToolCallFacts {
        namespace: tool.and_then(|tool| tool.namespace.clone()),
        call_id: fields.call_id.clone(),
        runtime_id: tool.and_then(|tool| tool.runtime_id.clone()),
        kind: tool.and_then(|tool| tool.kind(&name)),
        invocation: fields.invocation(),
        name,
        cell,
    }
}

/// Returns the attributes that a code cell starts with.
pub(super) fn cell_facts(fields: &Fields) -> CodeCellFacts {
    CodeCellFacts {
        runtime_id: fields.cell_id.clone(),
        call_id: fields.call_id.as_ref().map(ToString::to_string),
        source: fields.source.clone().unwrap_or_default(),
        tool_name: fields.tool_name.as_deref().filter(|name| !name.is_empty()).map(str::to_owned),
    }
}
