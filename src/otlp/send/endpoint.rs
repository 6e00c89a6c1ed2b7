//! Settings, where to: the protocol and the URL of the receiver.

use http::Uri;

use super::error::OtlpError;
use super::variables::{Setting, Signal, Variables};

/// The protocol of the receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// OTLP over HTTP with binary protobuf. Default port: 4318.
    #[default]
    HttpProtobuf,
    /// OTLP over gRPC. Requires the feature `otlp-grpc`. Default port: 4317.
    ///
    /// `opentelemetry-otlp` reports a partial success and a requested retry delay only through `tracing` events. In a
    /// program that compiles those events out (with `max_level_off`, for example), partially rejected spans count as
    /// exported, and retries use the regular backoff.
    Grpc,
}

impl Protocol {
    /// Returns the value of the variable that selects the protocol.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::HttpProtobuf => "http/protobuf",
            Self::Grpc => "grpc",
        }
    }

    /// Parses the value `text` of the variable `setting`.
    pub(crate) fn parse(setting: &str, text: &str) -> Result<Self, OtlpError> {
        match text {
            "http/protobuf" => Ok(Self::HttpProtobuf),
            "grpc" => Ok(Self::Grpc),
            _ => Err(OtlpError::invalid_value(setting, text, "`http/protobuf` or `grpc`")),
        }
    }
}

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
#[path = "tests/endpoint.rs"]
mod tests;
