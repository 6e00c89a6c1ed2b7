//! Tests of `send::connection`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

fn resolve(settings: &ExporterSettings, variables: &Variables) -> Result<Connection, String> {
    Connection::resolve(Signal::Traces, settings, variables).map_err(|error| error.to_string())
}

/// Asserts that `value` is refused for a variable.
#[track_caller]
fn check_bad(variable: &str, value: &str, allowed: &str) {
    let error = resolve(&ExporterSettings::default(), &[(variable, value)].into()).err();
    assert_eq!(error, Some(format!("{variable} is `{value}`; expected {allowed}")));
}

#[test]
fn errors_name_the_variable_and_the_expected_values() {
    check_bad("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "`http/protobuf` or `grpc`");
    check_bad("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "GRPC", "`http/protobuf` or `grpc`");
    check_bad("OTEL_EXPORTER_OTLP_COMPRESSION", "brotli", "`gzip`, `zstd` or `none`");
    for value in ["10s", "-1", "0", "1.5"] {
        check_bad("OTEL_EXPORTER_OTLP_TIMEOUT", value, "an integer above 0, in milliseconds");
    }
    let allowed = "the path of a file with certificates in PEM (No such file or directory (os error 2))";
    check_bad("OTEL_EXPORTER_OTLP_CERTIFICATE", "/no/such/file", allowed);
    check_bad("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/no/such/file", allowed);
    let allowed = "the path of a file with a key in PEM (No such file or directory (os error 2))";
    check_bad("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "/no/such/file", allowed);
}

#[test]
fn client_keys_and_certificates_are_required_together() {
    let names = ["OTEL_EXPORTER_OTLP_CLIENT_KEY", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"];
    for (present, missing) in [(names[0], names[1]), (names[1], names[0])] {
        let error = resolve(&ExporterSettings::default(), &[(present, "/dev/null")].into()).err();
        assert_eq!(error, Some(format!("{present} is set but {missing} is not; set both or neither")));
    }
}

#[test]
fn header_errors_do_not_contain_the_value() {
    let check = |text, expected: &str| {
        let error = resolve(&ExporterSettings::default(), &[("OTEL_EXPORTER_OTLP_HEADERS", text)].into()).err();
        assert_eq!(error.as_deref(), Some(expected), "{text}");
    };
    let name = "`a b` in OTEL_EXPORTER_OTLP_HEADERS is not a header name; expected letters, digits and `-`";
    check("a b=secret", name);
    let value = "the value of `a` in OTEL_EXPORTER_OTLP_HEADERS is not a header value; expected one line of text";
    check("a=secret%0A", value);
}

#[test]
fn settings_by_code_take_precedence_over_variables() {
    let variables = [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "7"),
        ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "zstd"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=1,b=2"),
    ];
    let by_variables = resolve(&ExporterSettings::default(), &variables.into()).unwrap();
    assert_eq!(by_variables.protocol, Protocol::Grpc);
    assert_eq!(by_variables.timeout, Duration::from_millis(7));
    assert_eq!(by_variables.compression, Some(Compression::Zstd));

    let settings = ExporterSettings {
        protocol: Some(Protocol::HttpProtobuf),
        timeout: Some(Duration::from_secs(1)),
        compression: Some(Compression::Gzip),
        headers: vec![("B".to_owned(), "3".to_owned())],
        ..ExporterSettings::default()
    };
    let by_code = resolve(&settings, &variables.into()).unwrap();
    assert_eq!(by_code.protocol, Protocol::HttpProtobuf);
    assert_eq!(by_code.timeout, Duration::from_secs(1));
    assert_eq!(by_code.compression, Some(Compression::Gzip));
    let mut headers: Vec<_> = by_code.headers.iter().map(|(k, v)| (k.as_str(), v.to_str().unwrap())).collect();
    headers.sort_unstable();
    assert_eq!(headers, [("a", "1"), ("b", "3")]);
}
