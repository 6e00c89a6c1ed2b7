//! The kinds of operations that spans declare: [`OperationKind`].

/// The kind of operation that a span declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OperationKind {
    Thread,
    Turn,
    Inference,
    Tool,
    CodeCell,
    /// A compaction request.
    Compaction,
    /// `invoke_agent`: a thread, a turn or both, depending on the enclosing operations.
    Agent,
    /// `invoke_workflow`: like an agent, but each agent that is named in it has a thread of its own.
    Workflow,
}

impl OperationKind {
    /// Parses the value of `otel_trace.kind`. Returns `None` for other kinds.
    pub(super) fn from_name(name: &str) -> Option<Self> {
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

    /// Parses the value of `gen_ai.operation.name`. Returns `None` for operations that are not recorded.
    pub(super) fn from_operation_name(name: &str) -> Option<Self> {
        Some(match name {
            "chat" | "generate_content" | "text_completion" => Self::Inference,
            "execute_tool" => Self::Tool,
            "invoke_agent" => Self::Agent,
            "invoke_workflow" => Self::Workflow,
            _ => return None,
        })
    }
}
