//! Ids for objects that had no live span. They are derived from the bundle, so that exporting it twice gives equal
//! traces.

use opentelemetry::trace::{SpanId, TraceId};
use uuid::Uuid;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::event;
use crate::otlp::span::kind::Kind;

/// Returns the trace id of a bundle: the bundle's own id if that is a UUID, as in all bundles that this crate writes;
/// otherwise a hash of it.
pub(crate) fn trace_id(bundle: &event::TraceId) -> TraceId {
    let text = bundle.as_str();
    let uuid = Uuid::try_parse(text).ok().filter(|uuid| !uuid.is_nil()).map(Uuid::into_bytes);
    TraceId::from_bytes(uuid.unwrap_or_else(|| xxh3_128(text.as_bytes()).max(1).to_be_bytes()))
}

/// Returns the span id of an object: a hash of bundle, kind and object id.
pub(crate) fn span_id(bundle: &event::TraceId, kind: Kind, object: &str) -> SpanId {
    let name = format!("{bundle}/{}/{object}", kind.name());
    SpanId::from_bytes(xxh3_64(name.as_bytes()).max(1).to_be_bytes())
}

#[cfg(test)]
#[path = "tests/derived_id.rs"]
mod tests;
