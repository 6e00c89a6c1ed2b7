//! Where it goes, and how.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use super::deadline::FAR;
use super::endpoint;
use super::key_values::key_values;
use super::signal::{Setting, Signal};
use super::variables::Variables;
use super::{Compression, OtlpError, Protocol};

/// The longest that a receiver may take for one message, if nobody says else.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What a caller says itself. What is not said is up to the environment.
#[derive(Clone, Default)]
pub(crate) struct Said {
    pub(crate) endpoint: Option<String>,
    pub(crate) protocol: Option<Protocol>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) compression: Option<Compression>,
    /// In PEM.
    pub(crate) certificate: Option<Vec<u8>>,
}

/// Names headers, without their values.
impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Said")
            .field("endpoint", &self.endpoint.as_deref().map(endpoint::shown))
            .field("protocol", &self.protocol)
            .field("headers", &self.headers.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("timeout", &self.timeout)
            .field("compression", &self.compression)
            .finish_non_exhaustive()
    }
}

/// Everything that is needed to send one signal.
#[derive(Clone)]
pub(crate) struct Connection {
    pub(super) url: Uri,
    pub(super) protocol: Protocol,
    pub(super) headers: HeaderMap,
    pub(super) timeout: Duration,
    pub(super) compression: Option<Compression>,
    /// Of the authority that signed the receiver's certificate, in PEM.
    pub(super) certificate: Option<Vec<u8>>,
    pub(super) identity: Option<Identity>,
}

/// Who we are, to a receiver that wants to know, in PEM.
#[derive(Clone)]
pub(super) struct Identity {
    pub(super) certificate: Vec<u8>,
    pub(super) key: Vec<u8>,
}

impl Connection {
    /// Where it goes, without what of it may be a secret.
    pub(crate) fn shown_url(&self) -> String {
        endpoint::shown(&self.url.to_string())
    }

    pub(crate) fn resolve(signal: Signal, said: &Said, variables: &Variables) -> Result<Self, OtlpError> {
        let protocol = protocol(signal, said, variables)?;
        Ok(Self {
            url: endpoint::resolve(signal, protocol, said.endpoint.as_deref(), variables)?,
            protocol,
            headers: headers(signal, said, variables)?,
            timeout: timeout(signal, said, variables)?,
            compression: compression(signal, said, variables)?,
            certificate: certificate(signal, said, variables)?,
            identity: identity(signal, variables)?,
        })
    }
}

fn protocol(signal: Signal, said: &Said, variables: &Variables) -> Result<Protocol, OtlpError> {
    let names = signal.variables(Setting::Protocol);
    let (setting, protocol) = match (said.protocol, variables.first(&names)?) {
        (Some(protocol), _) => ("protocol", protocol),
        (None, Some((name, text))) => (name, Protocol::parse(name, text)?),
        (None, None) => ("protocol", Protocol::default()),
    };
    if protocol == Protocol::Grpc && !cfg!(feature = "otlp-grpc") {
        let allowed = "`http/protobuf`, or `grpc` where the crate has the feature `otlp-grpc`";
        return Err(OtlpError::value(setting, "grpc", allowed));
    }
    Ok(protocol)
}

fn headers(signal: Signal, said: &Said, variables: &Variables) -> Result<HeaderMap, OtlpError> {
    let mut headers = HeaderMap::new();
    if let Some((name, text)) = variables.first(&signal.variables(Setting::Headers))? {
        put_headers(&mut headers, name, key_values(name, text)?)?;
    }
    put_headers(&mut headers, "headers", said.headers.iter().cloned())?;
    Ok(headers)
}

fn put_headers(
    headers: &mut HeaderMap,
    setting: &str,
    pairs: impl IntoIterator<Item = (String, String)>,
) -> Result<(), OtlpError> {
    for (key, value) in pairs {
        let name = HeaderName::try_from(&key).map_err(|_| {
            OtlpError::new(format!("`{key}` in {setting} is no name of a header: it can have letters, digits and `-`"))
        })?;
        let mut value = HeaderValue::try_from(value).map_err(|_| {
            OtlpError::new(format!(
                "the value of `{key}` in {setting} can't be in a header: it can be one line of text"
            ))
        })?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(())
}

fn timeout(signal: Signal, said: &Said, variables: &Variables) -> Result<Duration, OtlpError> {
    let from_variable = variables.milliseconds(&signal.variables(Setting::Timeout))?;
    Ok(said.timeout.or(from_variable).unwrap_or(TIMEOUT).min(FAR))
}

fn compression(signal: Signal, said: &Said, variables: &Variables) -> Result<Option<Compression>, OtlpError> {
    if said.compression.is_some() {
        return Ok(said.compression);
    }
    match variables.first(&signal.variables(Setting::Compression))? {
        Some((name, text)) => Compression::parse(name, text),
        None => Ok(None),
    }
}

fn certificate(signal: Signal, said: &Said, variables: &Variables) -> Result<Option<Vec<u8>>, OtlpError> {
    if let Some(pem) = &said.certificate {
        return Ok(Some(pem.clone()));
    }
    file(&signal.variables(Setting::Certificate), "certificates", variables)
}

fn identity(signal: Signal, variables: &Variables) -> Result<Option<Identity>, OtlpError> {
    let [certificate, key] = [Setting::ClientCertificate, Setting::ClientKey].map(|setting| signal.variables(setting));
    let has_certificate = file(&certificate, "certificates", variables)?;
    match (has_certificate, file(&key, "a key", variables)?) {
        (Some(certificate), Some(key)) => Ok(Some(Identity { certificate, key })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(lonely(&certificate, &key)),
        (None, Some(_)) => Err(lonely(&key, &certificate)),
    }
}

fn lonely([_, said]: &[String; 2], [_, missing]: &[String; 2]) -> OtlpError {
    OtlpError::new(format!("{said} is set and {missing} is not: set both, or none of them"))
}

fn file(names: &[String], what: &str, variables: &Variables) -> Result<Option<Vec<u8>>, OtlpError> {
    let Some((name, path)) = variables.first(names)? else { return Ok(None) };
    let pem = std::fs::read(Path::new(path));
    pem.map(Some)
        .map_err(|error| OtlpError::value(name, path, format_args!("the path of a file with {what} in PEM ({error})")))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn resolve(said: &Said, variables: &Variables) -> Result<Connection, String> {
        Connection::resolve(Signal::Traces, said, variables).map_err(|error| error.to_string())
    }

    /// What is wrong with the value of a variable.
    #[track_caller]
    fn check_bad(variable: &str, value: &str, allowed: &str) {
        let error = resolve(&Said::default(), &[(variable, value)].into()).err();
        assert_eq!(error, Some(format!("{variable} is `{value}`: it can be {allowed}")));
    }

    #[test]
    fn a_bad_value_is_told_with_what_it_can_be() {
        check_bad("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "`http/protobuf` or `grpc`");
        check_bad("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "GRPC", "`http/protobuf` or `grpc`");
        check_bad("OTEL_EXPORTER_OTLP_COMPRESSION", "brotli", "`gzip`, `zstd` or `none`");
        for value in ["10s", "-1", "0", "1.5"] {
            check_bad("OTEL_EXPORTER_OTLP_TIMEOUT", value, "a whole number of milliseconds above 0");
        }
        let allowed = "the path of a file with certificates in PEM (No such file or directory (os error 2))";
        check_bad("OTEL_EXPORTER_OTLP_CERTIFICATE", "/no/such/file", allowed);
        check_bad("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/no/such/file", allowed);
        let allowed = "the path of a file with a key in PEM (No such file or directory (os error 2))";
        check_bad("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "/no/such/file", allowed);
    }

    #[test]
    fn a_key_without_its_certificate_is_told() {
        let names = ["OTEL_EXPORTER_OTLP_CLIENT_KEY", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"];
        for (said, missing) in [(names[0], names[1]), (names[1], names[0])] {
            let error = resolve(&Said::default(), &[(said, "/dev/null")].into()).err();
            assert_eq!(error, Some(format!("{said} is set and {missing} is not: set both, or none of them")));
        }
    }

    #[test]
    fn a_bad_header_is_told_without_its_value() {
        let check = |text, expected: &str| {
            let error = resolve(&Said::default(), &[("OTEL_EXPORTER_OTLP_HEADERS", text)].into()).err();
            assert_eq!(error.as_deref(), Some(expected), "{text}");
        };
        let name = "`a b` in OTEL_EXPORTER_OTLP_HEADERS is no name of a header: it can have letters, digits and `-`";
        check("a b=secret", name);
        let value = "the value of `a` in OTEL_EXPORTER_OTLP_HEADERS can't be in a header: it can be one line of text";
        check("a=secret%0A", value);
    }

    #[test]
    fn what_is_said_by_code_wins_over_the_variables() {
        let variables = [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "7"),
            ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "zstd"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=1,b=2"),
        ];
        let by_variables = resolve(&Said::default(), &variables.into()).unwrap();
        assert_eq!(by_variables.protocol, Protocol::Grpc);
        assert_eq!(by_variables.timeout, Duration::from_millis(7));
        assert_eq!(by_variables.compression, Some(Compression::Zstd));

        let said = Said {
            protocol: Some(Protocol::HttpProtobuf),
            timeout: Some(Duration::from_secs(1)),
            compression: Some(Compression::Gzip),
            headers: vec![("B".to_owned(), "3".to_owned())],
            ..Said::default()
        };
        let by_code = resolve(&said, &variables.into()).unwrap();
        assert_eq!(by_code.protocol, Protocol::HttpProtobuf);
        assert_eq!(by_code.timeout, Duration::from_secs(1));
        assert_eq!(by_code.compression, Some(Compression::Gzip));
        let mut headers: Vec<_> = by_code.headers.iter().map(|(k, v)| (k.as_str(), v.to_str().unwrap())).collect();
        headers.sort_unstable();
        assert_eq!(headers, [("a", "1"), ("b", "3")]);
    }
}
