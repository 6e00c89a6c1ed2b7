//! What a span is called and what it tells, made of what it was: once, for live spans and for exported ones.

mod attributes;
#[cfg(test)]
mod tests;
mod tool;

use opentelemetry::trace::{SpanKind, Status};
use opentelemetry::{KeyValue, Value};

use super::attribute;
use super::kind::Kind;
pub(crate) use super::mapping::Mapping;
use super::span_facts::{SpanFacts, What};
use crate::event::ExecutionStatus;

/// A span as OpenTelemetry has it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Described {
    pub(crate) name: String,
    pub(crate) kind: SpanKind,
    pub(crate) status: Status,
    pub(crate) attributes: Vec<KeyValue>,
}

impl Described {
    /// What to set on a live span when it ends: so [`map`](super::map()) knows which attributes are not the program's, and
    /// what the error was. A status that is set twice is that whose text comes later in the alphabet.
    pub(crate) fn into_live(self) -> Vec<KeyValue> {
        let Self { name: _, kind: _, status, attributes } = self;
        let error = match status {
            Status::Error { description } => Some(KeyValue::new(attribute::STATUS_DESCRIPTION, description)),
            Status::Unset | Status::Ok => None,
        };
        [KeyValue::new(DESCRIBED, true)].into_iter().chain(attributes).chain(error).collect()
    }
}

/// Stands before the attributes that were made by [`describe`], and is never exported.
pub(super) const DESCRIBED: &str = "otel_trace.described";

/// Describes a span.
pub(crate) fn describe(facts: &SpanFacts, mapping: Mapping) -> Described {
    let kind = kind(&facts.what);
    let attributes = attributes::of(facts, kind, mapping);
    Described { name: name(kind, &attributes), kind: kind.span_kind(), status: status(facts), attributes }
}

fn kind(what: &What) -> Kind {
    match what {
        What::Thread(_) => Kind::Thread,
        What::Turn => Kind::Turn,
        What::Inference(_) => Kind::Inference,
        What::Tool(_) => Kind::Tool,
        What::CodeCell(_) => Kind::CodeCell,
        What::Compaction(_) => Kind::Compaction,
    }
}

/// The name of a span of that kind, with what its attributes say it is about.
pub(super) fn name(kind: Kind, attributes: &[KeyValue]) -> String {
    let about = |verb: &str, key: &str| match text(attributes, key) {
        Some(about) => format!("{verb} {about}"),
        None => verb.to_owned(),
    };
    match kind {
        Kind::Thread => about("invoke_agent", attribute::AGENT_NAME),
        Kind::Turn | Kind::CodeCell => kind.name().to_owned(),
        Kind::Inference => about("chat", attribute::REQUEST_MODEL),
        Kind::Tool => about("execute_tool", attribute::TOOL_NAME),
        Kind::Compaction => about("compaction", attribute::REQUEST_MODEL),
    }
}

/// The last text under a key.
pub(super) fn text<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a str> {
    let said = attributes.iter().rev().find(|attribute| attribute.key.as_str() == key)?;
    if let Value::String(text) = &said.value { Some(text.as_str()) } else { None }
}

fn status(facts: &SpanFacts) -> Status {
    match facts.status {
        ExecutionStatus::Failed => Status::error(facts.error.clone().unwrap_or_default()),
        ExecutionStatus::Running
        | ExecutionStatus::Completed
        | ExecutionStatus::Cancelled
        | ExecutionStatus::Aborted => Status::Unset,
    }
}
