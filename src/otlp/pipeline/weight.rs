//! How large a span is.

use opentelemetry::{Array, KeyValue, Value};
use opentelemetry_sdk::trace::SpanData;

/// What a span and each of its attributes, events and links take beside their texts, at most.
const OVERHEAD: usize = 64;

/// How many bytes a span takes in a message, about and rather too many: nothing is encoded to know it.
pub(crate) fn weight(span: &SpanData) -> usize {
    let events = span.events.iter().map(|event| OVERHEAD + event.name.len() + attributes(&event.attributes));
    let links = span.links.iter().map(|link| 2 * OVERHEAD + attributes(&link.attributes));
    2 * OVERHEAD + span.name.len() + attributes(&span.attributes) + events.sum::<usize>() + links.sum::<usize>()
}

fn attributes(all: &[KeyValue]) -> usize {
    all.iter().map(|attribute| OVERHEAD + attribute.key.as_str().len() + text(&attribute.value)).sum()
}

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
