//! Describes spans: makes name, kind, status and attributes of the facts about an operation. Live spans and spans
//! exported from a bundle are described by this one module, so that they are equal.

mod attributes;
#[cfg(test)]
#[path = "tests/describe.rs"]
mod tests;
mod tool;

use opentelemetry::trace::{SpanKind, Status};
use opentelemetry::{KeyValue, Value};

use super::attribute;
use super::facts::{SpanDetail, SpanFacts};
use super::kind::Kind;
pub(crate) use super::mapping::Mapping;
use crate::event::ExecutionStatus;
use crate::semconv;

/// Name, kind, status and attributes of an OpenTelemetry span.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SpanDescription {
    pub(crate) name: String,
    pub(crate) kind: SpanKind,
    pub(crate) status: Status,
    pub(crate) attributes: Vec<KeyValue>,
}

impl SpanDescription {
    /// Returns the attributes to set on a live span when it ends. They begin with a marker, by which
    /// [`map`](super::map()) separates them from the program's own attributes, and they include the error's
    /// description: the status of a live span cannot be relied on, because of two error statuses the SDK keeps the one
    /// whose description sorts last.
    pub(crate) fn into_live_attributes(self) -> Vec<KeyValue> {
        let Self { name: _, kind: _, status, attributes } = self;
        let error = match status {
            Status::Error { description } => Some(KeyValue::new(attribute::STATUS_DESCRIPTION, description)),
            Status::Unset | Status::Ok => None,
        };
        [KeyValue::new(DESCRIBED_MARKER, true)].into_iter().chain(attributes).chain(error).collect()
    }
}

/// Key of the marker attribute that precedes the attributes made by [`describe`]. It is never exported.
pub(super) const DESCRIBED_MARKER: &str = semconv::DESCRIBED;

/// Describes the span of an operation.
pub(crate) fn describe(facts: &SpanFacts, mapping: Mapping) -> SpanDescription {
    let kind = kind(&facts.detail);
    let attributes = attributes::build(facts, kind, mapping);
    SpanDescription { name: name(kind, &attributes), kind: kind.span_kind(), status: status(facts), attributes }
}

fn kind(detail: &SpanDetail) -> Kind {
    match detail {
        SpanDetail::Thread(_) => Kind::Thread,
        SpanDetail::Turn => Kind::Turn,
        SpanDetail::Inference(_) => Kind::Inference,
        SpanDetail::Tool(_) => Kind::Tool,
        SpanDetail::CodeCell(_) => Kind::CodeCell,
        SpanDetail::Compaction(_) => Kind::Compaction,
    }
}

/// Returns the name of a span: its operation, followed by the model, agent or tool that its attributes name.
pub(super) fn name(kind: Kind, attributes: &[KeyValue]) -> String {
    let with_subject = |verb: &str, key: &str| match text(attributes, key) {
        Some(subject) => format!("{verb} {subject}"),
        None => verb.to_owned(),
    };
    match kind {
        Kind::Thread => with_subject("invoke_agent", attribute::AGENT_NAME),
        Kind::Turn | Kind::CodeCell => kind.name().to_owned(),
        Kind::Inference => with_subject("chat", attribute::REQUEST_MODEL),
        Kind::Tool => with_subject("execute_tool", attribute::TOOL_NAME),
        Kind::Compaction => with_subject("compaction", attribute::REQUEST_MODEL),
    }
}

/// Returns the value of the last attribute with this key. Returns `None` if there is none or its value is not text.
pub(super) fn text<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a str> {
    let attribute = attributes.iter().rev().find(|attribute| attribute.key.as_str() == key)?;
    if let Value::String(text) = &attribute.value { Some(text.as_str()) } else { None }
}

fn status(facts: &SpanFacts) -> Status {
    match facts.status {
        ExecutionStatus::Failed => Status::error(error_description(facts)),
        ExecutionStatus::Running
        | ExecutionStatus::Completed
        | ExecutionStatus::Cancelled
        | ExecutionStatus::Aborted => Status::Unset,
    }
}

/// Describes the error of a failed operation: by the text of the program, and by that of the provider if the program's
/// lacks it.
fn error_description(facts: &SpanFacts) -> String {
    let own = facts.error.as_deref().unwrap_or_default();
    let response = match &facts.detail {
        SpanDetail::Inference(inference) => inference.response.as_ref(),
        SpanDetail::Thread(_)
        | SpanDetail::Turn
        | SpanDetail::Tool(_)
        | SpanDetail::CodeCell(_)
        | SpanDetail::Compaction(_) => None,
    };
    match response.and_then(|response| response.error.as_deref()) {
        Some(of_provider) if own.is_empty() => of_provider.to_owned(),
        Some(of_provider) if !own.contains(of_provider) => format!("{own}: {of_provider}"),
        Some(_) | None => own.to_owned(),
    }
}
