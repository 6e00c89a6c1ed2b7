//! The URL of the receiver.

use http::Uri;

use super::error::OtlpError;
use super::protocol::Protocol;
use super::signal::{Setting, Signal};
use super::variables::Variables;

/// Resolves the URL to which a signal is exported. `configured` is the endpoint set by code.
///
/// Over HTTP, the path of the signal is appended to a shared endpoint, which is set by code or by
/// `OTEL_EXPORTER_OTLP_ENDPOINT`. The signal's own variable is used as is.
///
/// # Errors
/// Returns an error if the endpoint is not a URL with the scheme `http` or `https`.
pub(super) fn resolve(
    signal: Signal,
    protocol: Protocol,
    configured: Option<&str>,
    variables: &Variables,
) -> Result<Uri, OtlpError> {
    let names = signal.variables(Setting::Endpoint);
    let (setting, text) = match (configured, variables.first(&names)?) {
        (Some(text), _) => ("endpoint", text),
        (None, Some((name, text))) => (name, text),
        (None, None) => ("endpoint", default(protocol)),
    };
    match protocol {
        Protocol::HttpProtobuf if setting == names[0] => parse(setting, text, text),
        Protocol::HttpProtobuf => parse(setting, text, &with_path(text, signal)),
        Protocol::Grpc => parse(setting, text, &with_scheme(text, signal, variables)?),
    }
}

/// Returns the default endpoint of the OpenTelemetry specification.
fn default(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::HttpProtobuf => "http://localhost:4318",
        Protocol::Grpc => "http://localhost:4317",
    }
}

/// Appends the path of a signal, before the query.
fn with_path(text: &str, signal: Signal) -> String {
    let at = text.find(['?', '#']).unwrap_or(text.len());
    let (address, rest) = text.split_at(at);
    format!("{}/{}{rest}", without_signal_path(address), signal.http_path())
}

/// Redacts a URL for display: removes user and password, and replaces the query by `…`.
pub(super) fn redacted(text: &str) -> String {
    let (address, query) = match text.find(['?', '#']) {
        Some(at) => (&text[..at], "?…"),
        None => (text, ""),
    };
    let (scheme, rest) = match address.find("://") {
        Some(at) => address.split_at(at + "://".len()),
        None => ("", address),
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}{host}{path}{query}")
}

/// Removes the path of a signal, because users copy the whole URL from a backend's documentation.
fn without_signal_path(text: &str) -> &str {
    let text = text.trim_end_matches('/');
    let paths = [Signal::Traces, Signal::Metrics].map(Signal::http_path);
    paths.iter().find_map(|path| text.strip_suffix(path)).unwrap_or(text).trim_end_matches('/')
}

/// Adds a scheme to an endpoint without one: `https`, unless the variable for insecure connections is `true`.
fn with_scheme(text: &str, signal: Signal, variables: &Variables) -> Result<String, OtlpError> {
    if text.contains("://") {
        return Ok(text.to_owned());
    }
    let is_insecure = variables.flag(&signal.variables(Setting::Insecure))?;
    Ok(format!("{}://{text}", if is_insecure { "http" } else { "https" }))
}

/// Parses `text`, the URL that was derived from `original`. An error contains `original`, the value that the user
/// wrote.
fn parse(setting: &str, original: &str, text: &str) -> Result<Uri, OtlpError> {
    let allowed = "a URL like `http://localhost:4318`, with `http` or `https`";
    let url: Uri = text.parse().map_err(|_| OtlpError::invalid_value(setting, redacted(original), allowed))?;
    let has_scheme = url.scheme_str().is_some_and(|scheme| scheme == "http" || scheme == "https");
    if !has_scheme || url.host().is_none_or(str::is_empty) {
        return Err(OtlpError::invalid_value(setting, redacted(original), allowed));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
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
}
