//! The estimated size of a span.

use opentelemetry::trace::Status;
use opentelemetry::{Array, KeyValue, Value};
use opentelemetry_sdk::trace::SpanData;

/// Upper bound, in bytes, of the encoded size of a span, attribute, event or link beside its texts.
const OVERHEAD: usize = 64;

/// Estimates the encoded size of a span in an OTLP message, in bytes. Rather overestimates, and encodes nothing.
pub(crate) fn estimated_size(span: &SpanData) -> usize {
    let events = span.events.iter().map(|event| OVERHEAD + event.name.len() + attributes(&event.attributes));
    let links = span.links.iter().map(|link| 2 * OVERHEAD + attributes(&link.attributes));
    let status = match &span.status {
        Status::Error { description } => description.len(),
        Status::Ok | Status::Unset => 0,
    };
    2 * OVERHEAD
        + span.name.len()
        + status
        + attributes(&span.attributes)
        + events.sum::<usize>()
        + links.sum::<usize>()
}

/// Estimates the encoded size of attributes, in bytes.
fn attributes(all: &[KeyValue]) -> usize {
    all.iter().map(|attribute| OVERHEAD + attribute.key.as_str().len() + text(&attribute.value)).sum()
}

/// Estimates the encoded size of a value, in bytes, without the overhead of its attribute.
fn text(value: &Value) -> usize {
    match value {
        Value::String(text) => text.as_str().len(),
        Value::Array(Array::String(texts)) => texts.iter().map(|text| text.as_str().len() + OVERHEAD).sum(),
        Value::Array(Array::I64(numbers)) => numbers.len() * OVERHEAD,
        Value::Array(Array::F64(numbers)) => numbers.len() * OVERHEAD,
        Value::Array(Array::Bool(flags)) => flags.len() * OVERHEAD,
        Value::Bool(_) | Value::I64(_) | Value::F64(_) | Value::Array(_) | _ => 0,
    }
}

#[cfg(test)]
#[path = "tests/estimated_size.rs"]
mod tests;
