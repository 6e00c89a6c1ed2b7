//! The kinds of recorded objects that are spans: the values of `otel_trace.kind`.

use opentelemetry::trace::SpanKind;

/// A kind of object that is a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Thread,
    Turn,
    Inference,
    Tool,
    CodeCell,
    /// A compaction request.
    Compaction,
}

impl Kind {
    pub(crate) const ALL: [Self; 6] =
        [Self::Thread, Self::Turn, Self::Inference, Self::Tool, Self::CodeCell, Self::Compaction];

    /// Returns the value of `otel_trace.kind`.
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

    /// Parses a value of `otel_trace.kind`. Returns `None` if it is not a known kind.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Returns OpenTelemetry's span kind: `Client` for requests to a model, otherwise `Internal`.
    pub(crate) fn span_kind(self) -> SpanKind {
        match self {
            Self::Inference | Self::Compaction => SpanKind::Client,
            Self::Thread | Self::Turn | Self::Tool | Self::CodeCell => SpanKind::Internal,
        }
    }

    /// Returns the value of `gen_ai.operation.name`. Returns `None` if the conventions define no operation for the
    /// kind.
    pub(crate) fn operation_name(self) -> Option<&'static str> {
        match self {
            Self::Thread => Some("invoke_agent"),
            Self::Inference => Some("chat"),
            Self::Tool => Some("execute_tool"),
            Self::Turn | Self::CodeCell | Self::Compaction => None,
        }
    }
}
