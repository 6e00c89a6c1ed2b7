//! Tests of `export::derived_id`.

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
