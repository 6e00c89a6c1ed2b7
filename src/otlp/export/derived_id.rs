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
mod tests {
    use super::*;

    #[test]
    fn trace_id_is_the_bundle_uuid_or_a_hash() {
        let of = |text: &str| trace_id(&text.into()).to_string();
        assert_eq!(of("019d3c5e-7a4b-7c12-9d10-1f2e3a4b5c6d"), "019d3c5e7a4b7c129d101f2e3a4b5c6d");
        assert_eq!(of("trace-gen"), format!("{:032x}", xxh3_128(b"trace-gen")));
        let nil = "00000000-0000-0000-0000-000000000000";
        assert_eq!(of(nil), format!("{:032x}", xxh3_128(nil.as_bytes())));
    }

    #[test]
    fn span_id_depends_on_bundle_kind_and_object() {
        let of = |bundle: &str, kind, object| span_id(&bundle.into(), kind, object).to_string();
        assert_eq!(of("b", Kind::Tool, "x"), format!("{:016x}", xxh3_64(b"b/tool/x")));
        assert_eq!(of("b", Kind::CodeCell, "x"), format!("{:016x}", xxh3_64(b"b/code_cell/x")));
        assert_ne!(of("b", Kind::Turn, "x"), of("c", Kind::Turn, "x"));
    }
}
