//! Tests of `live::context`.

use super::*;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[test]
fn context_survives_a_round_trip() {
    let parsed = TraceContext::parse(PARENT, Some("vendor=1")).expect("valid");
    let injected = TraceContext::from_otel_context(&parsed.context()).expect("valid");
    assert_eq!(injected.headers().collect::<Vec<_>>(), [("traceparent", PARENT), ("tracestate", "vendor=1")]);
}

#[test]
fn invalid_traceparent_is_an_error() {
    let zero = "00-00000000000000000000000000000000-00f067aa0ba902b7-01";
    for bad in ["", "00", zero, "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"] {
        assert_eq!(TraceContext::parse(bad, None), Err(TraceParentError(bad.to_owned())));
    }
    assert_eq!(TraceContext::from_headers(|_| None), None);
}
