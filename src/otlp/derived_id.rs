//! Ids of spans that no live span was: made from the bundle, so that exporting twice gives the same trace.

use opentelemetry::trace::{SpanId, TraceId};
use uuid::Uuid;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::kind::Kind;
use crate::event;

/// The trace of a bundle: its own id where that is a UUID, as the bundles of this crate have, else a hash of it.
pub(crate) fn trace_id(bundle: &event::TraceId) -> TraceId {
    let text = bundle.as_str();
    let of_uuid = Uuid::try_parse(text).ok().filter(|uuid| !uuid.is_nil()).map(Uuid::into_bytes);
    TraceId::from_bytes(of_uuid.unwrap_or_else(|| xxh3_128(text.as_bytes()).max(1).to_be_bytes()))
}

/// The span of an object: a hash of bundle, kind and id.
pub(crate) fn span_id(bundle: &event::TraceId, kind: Kind, object: &str) -> SpanId {
    let name = format!("{bundle}/{}/{object}", kind.name());
    SpanId::from_bytes(xxh3_64(name.as_bytes()).max(1).to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_the_trace_id_and_anything_else_is_hashed() {
        let of = |text: &str| trace_id(&text.into()).to_string();
        assert_eq!(of("019d3c5e-7a4b-7c12-9d10-1f2e3a4b5c6d"), "019d3c5e7a4b7c129d101f2e3a4b5c6d");
        assert_eq!(of("trace-gen"), format!("{:032x}", xxh3_128(b"trace-gen")));
        let nil = "00000000-0000-0000-0000-000000000000";
        assert_eq!(of(nil), format!("{:032x}", xxh3_128(nil.as_bytes())));
    }

    #[test]
    fn a_span_id_tells_bundle_kind_and_object_apart() {
        let of = |bundle: &str, kind, object| span_id(&bundle.into(), kind, object).to_string();
        assert_eq!(of("b", Kind::Tool, "x"), format!("{:016x}", xxh3_64(b"b/tool/x")));
        assert_eq!(of("b", Kind::CodeCell, "x"), format!("{:016x}", xxh3_64(b"b/code_cell/x")));
        assert_ne!(of("b", Kind::Turn, "x"), of("c", Kind::Turn, "x"));
    }
}
