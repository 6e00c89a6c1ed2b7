//! The address of a receiver.

use http::Uri;

use super::signal::{Setting, Signal};
use super::variables::Variables;
use super::{OtlpError, Protocol};

/// Where the messages of a signal go.
///
/// Over HTTP the signal's path is appended to what all signals share: what is said by code, or by
/// `OTEL_EXPORTER_OTLP_ENDPOINT`. A signal's own variable is taken as it is.
pub(super) fn resolve(
    signal: Signal,
    protocol: Protocol,
    said: Option<&str>,
    variables: &Variables,
) -> Result<Uri, OtlpError> {
    let names = signal.variables(Setting::Endpoint);
    let (setting, text) = match (said, variables.first(&names)?) {
        (Some(text), _) => ("endpoint", text),
        (None, Some((name, text))) => (name, text),
        (None, None) => ("endpoint", default(protocol)),
    };
    match protocol {
        Protocol::HttpProtobuf if setting == names[0] => parse(setting, text),
        Protocol::HttpProtobuf => parse(setting, &format!("{}/{}", base(text), signal.http_path())),
        Protocol::Grpc => parse(setting, &with_scheme(text, signal, variables)?),
    }
}

fn default(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::HttpProtobuf => "http://localhost:4318",
        Protocol::Grpc => "http://localhost:4317",
    }
}

/// Without a path that a signal adds: people copy the whole address.
fn base(text: &str) -> &str {
    let text = text.trim_end_matches('/');
    let paths = [Signal::Traces, Signal::Metrics].map(Signal::http_path);
    paths.iter().find_map(|path| text.strip_suffix(path)).unwrap_or(text).trim_end_matches('/')
}

/// What has no scheme is encrypted, unless a variable says that it is not.
fn with_scheme(text: &str, signal: Signal, variables: &Variables) -> Result<String, OtlpError> {
    if text.contains("://") {
        return Ok(text.to_owned());
    }
    let is_insecure = variables.flag(&signal.variables(Setting::Insecure))?;
    Ok(format!("{}://{text}", if is_insecure { "http" } else { "https" }))
}

fn parse(setting: &str, text: &str) -> Result<Uri, OtlpError> {
    let allowed = "a URL like `http://localhost:4318`, with `http` or `https`";
    let url: Uri = text.parse().map_err(|_| OtlpError::value(setting, text, allowed))?;
    let has_scheme = url.scheme_str().is_some_and(|scheme| scheme == "http" || scheme == "https");
    if !has_scheme || url.host().is_none_or(str::is_empty) {
        return Err(OtlpError::value(setting, text, allowed));
    }
    Ok(url)
}
