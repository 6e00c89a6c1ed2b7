//! Tests of `send::endpoint`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

#[track_caller]
fn check(protocol: Protocol, configured: Option<&str>, variables: &Variables, expected: &str) {
    let url = resolve(Signal::Traces, protocol, configured, variables).map(|url| url.to_string());
    let url = url.unwrap_or_else(|error| error.to_string());
    assert_eq!(url, expected, "{configured:?}, {variables:?}");
}

#[test]
fn signal_paths_are_appended_to_shared_endpoints() {
    let none = Variables::default();
    let check = |configured, expected| check(Protocol::HttpProtobuf, configured, &none, expected);
    check(None, "http://localhost:4318/v1/traces");
    check(Some("http://a:1"), "http://a:1/v1/traces");
    check(Some("https://a/b/"), "https://a/b/v1/traces");
    check(Some("http://a:1/v1/traces"), "http://a:1/v1/traces");
    check(Some("http://a:1/b/v1/metrics/"), "http://a:1/b/v1/traces");
    check(Some("http://a:1/?tenant=k"), "http://a:1/v1/traces?tenant=k");
    check(Some("http://a:1?tenant=k/"), "http://a:1/v1/traces?tenant=k/");
    check(Some("http://a:1/b/v1/traces/?a=b&c=d"), "http://a:1/b/v1/traces?a=b&c=d");
}

#[test]
fn redacted_urls_have_no_credentials_and_no_query() {
    let check = |text, expected: &str| assert_eq!(redacted(text), expected, "{text}");
    check("http://localhost:4318/v1/traces", "http://localhost:4318/v1/traces");
    check("http://user:p@w@a:1/b@c", "http://a:1/b@c");
    check("user:pw@a:1", "a:1");
    check("https://a/b?tenant=k", "https://a/b?…");
    check("http://user:pw@a?x=http://b/", "http://a?…");
    let bad = "endpoint is `ftp://a/?…`; expected a URL like `http://localhost:4318`, with `http` or `https`";
    let none = Variables::default();
    super::tests::check(Protocol::Grpc, Some("ftp://user:pw@a/?key=k"), &none, bad);
}

#[test]
fn signal_endpoints_are_used_as_is() {
    let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://a:1/here");
    let shared = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://b:2/all");
    check(Protocol::HttpProtobuf, None, &[own, shared].into(), "http://a:1/here");
    check(Protocol::HttpProtobuf, None, &[shared].into(), "http://b:2/all/v1/traces");
    check(Protocol::HttpProtobuf, Some("http://c:3"), &[own, shared].into(), "http://c:3/v1/traces");
    let metrics = resolve(Signal::Metrics, Protocol::HttpProtobuf, None, &[own, shared].into()).unwrap();
    assert_eq!(metrics.to_string(), "http://b:2/all/v1/metrics");
}

#[test]
fn grpc_endpoints_without_a_scheme_use_tls_by_default() {
    let shared = ("OTEL_EXPORTER_OTLP_ENDPOINT", "a:4317");
    let insecure = |value| ("OTEL_EXPORTER_OTLP_INSECURE", value);
    check(Protocol::Grpc, None, &Variables::default(), "http://localhost:4317/");
    check(Protocol::Grpc, None, &[shared].into(), "https://a:4317/");
    check(Protocol::Grpc, None, &[shared, insecure("false")].into(), "https://a:4317/");
    check(Protocol::Grpc, None, &[shared, insecure("True")].into(), "http://a:4317/");
    check(Protocol::Grpc, Some("https://b"), &[shared, insecure("true")].into(), "https://b/");
    let bad = "OTEL_EXPORTER_OTLP_INSECURE is `yes`; expected `true` or `false`";
    check(Protocol::Grpc, None, &[shared, insecure("yes")].into(), bad);
}

#[test]
fn invalid_endpoints_are_refused() {
    for bad in ["localhost:4318", "ftp://a", "http://", "not a url", "/v1/traces"] {
        let allowed = "a URL like `http://localhost:4318`, with `http` or `https`";
        let variables = [("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", bad)].into();
        let expected = format!("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is `{bad}`; expected {allowed}");
        check(Protocol::HttpProtobuf, None, &variables, &expected);
    }
}
