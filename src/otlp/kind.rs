//! What a span of ours is: the values of `otel_trace.kind`.

use opentelemetry::trace::SpanKind;

/// A kind of object that is a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Thread,
    Turn,
    Inference,
    Tool,
    CodeCell,
    /// A request to compact.
    Compaction,
}

impl Kind {
    pub(crate) const ALL: [Self; 6] =
        [Self::Thread, Self::Turn, Self::Inference, Self::Tool, Self::CodeCell, Self::Compaction];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Thread => "thread",
            Self::Turn => "turn",
            Self::Inference => "inference",
            Self::Tool => "tool",
            Self::CodeCell => "code_cell",
            Self::Compaction => "compaction",
        }
    }

    pub(crate) fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether somebody else does what the span stands for.
    pub(crate) fn span_kind(self) -> SpanKind {
        match self {
            Self::Inference | Self::Compaction => SpanKind::Client,
            Self::Thread | Self::Turn | Self::Tool | Self::CodeCell => SpanKind::Internal,
        }
    }

    /// `gen_ai.operation.name`, where the conventions have one for it.
    pub(crate) fn operation(self) -> Option<&'static str> {
        match self {
            Self::Thread => Some("invoke_agent"),
            Self::Inference => Some("chat"),
            Self::Tool => Some("execute_tool"),
            Self::Turn | Self::CodeCell | Self::Compaction => None,
        }
    }
}
