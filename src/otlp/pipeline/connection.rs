//! The connection settings of a signal, resolved from code and variables.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use super::deadline::MAX_DURATION;
use super::endpoint;
use super::key_values::key_values;
use super::signal::{Setting, Signal};
use super::variables::Variables;
use super::{Compression, OtlpError, Protocol};

/// Default timeout of one export request.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// Exporter settings made by code. Unset ones are taken from the environment.
#[derive(Clone, Default)]
pub(crate) struct ExporterSettings {
    pub(crate) endpoint: Option<String>,
    pub(crate) protocol: Option<Protocol>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) compression: Option<Compression>,
    /// Certificate authorities of the receiver, in PEM.
    pub(crate) certificate: Option<Vec<u8>>,
}

/// Lists the names of headers without their values, which may be secrets.
impl fmt::Debug for ExporterSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExporterSettings")
            .field("endpoint", &self.endpoint.as_deref().map(endpoint::redacted))
            .field("protocol", &self.protocol)
            .field("headers", &self.headers.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("timeout", &self.timeout)
            .field("compression", &self.compression)
            .finish_non_exhaustive()
    }
}

/// The resolved settings for exporting one signal.
#[derive(Clone)]
pub(crate) struct Connection {
    pub(super) url: Uri,
    pub(super) protocol: Protocol,
    pub(super) headers: HeaderMap,
    pub(super) timeout: Duration,
    pub(super) compression: Option<Compression>,
    /// Certificate authorities of the receiver, in PEM. `None` for the roots that browsers trust.
    pub(super) certificate: Option<Vec<u8>>,
    /// The client certificate for mutual TLS.
    pub(super) identity: Option<Identity>,
}

/// A client certificate and its private key for mutual TLS, both in PEM.
#[derive(Clone)]
pub(super) struct Identity {
    pub(super) certificate: Vec<u8>,
    pub(super) key: Vec<u8>,
}

impl Connection {
    /// Returns the URL without user, password and query, which may be secrets.
    pub(crate) fn redacted_url(&self) -> String {
        endpoint::redacted(&self.url.to_string())
    }

    /// Returns the protocol of the receiver.
    pub(crate) fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Resolves the settings of a signal: from code, else from the variables, else the defaults.
    ///
    /// # Errors
    /// Returns an error if a setting or a variable has an invalid value, or if a PEM file cannot be read.
    pub(crate) fn resolve(
        signal: Signal,
        settings: &ExporterSettings,
        variables: &Variables,
    ) -> Result<Self, OtlpError> {
        let protocol = protocol(signal, settings, variables)?;
        Ok(Self {
            url: endpoint::resolve(signal, protocol, settings.endpoint.as_deref(), variables)?,
            protocol,
            headers: headers(signal, settings, variables)?,
            timeout: timeout(signal, settings, variables)?,
            compression: compression(signal, settings, variables)?,
            certificate: certificate(signal, settings, variables)?,
            identity: identity(signal, variables)?,
        })
    }
}

fn protocol(signal: Signal, settings: &ExporterSettings, variables: &Variables) -> Result<Protocol, OtlpError> {
    let names = signal.variables(Setting::Protocol);
    let (setting, protocol) = match (settings.protocol, variables.first(&names)?) {
        (Some(protocol), _) => ("protocol", protocol),
        (None, Some((name, text))) => (name, Protocol::parse(name, text)?),
        (None, None) => ("protocol", Protocol::default()),
    };
    if protocol == Protocol::Grpc && !cfg!(feature = "otlp-grpc") {
        let allowed = "`http/protobuf`, or `grpc` where the crate has the feature `otlp-grpc`";
        return Err(OtlpError::invalid_value(setting, "grpc", allowed));
    }
    Ok(protocol)
}

fn headers(signal: Signal, settings: &ExporterSettings, variables: &Variables) -> Result<HeaderMap, OtlpError> {
    let mut headers = HeaderMap::new();
    if let Some((name, text)) = variables.first(&signal.variables(Setting::Headers))? {
        insert_headers(&mut headers, name, key_values(name, text)?)?;
    }
    insert_headers(&mut headers, "headers", settings.headers.iter().cloned())?;
    Ok(headers)
}

fn insert_headers(
    headers: &mut HeaderMap,
    setting: &str,
    pairs: impl IntoIterator<Item = (String, String)>,
) -> Result<(), OtlpError> {
    for (key, value) in pairs {
        let name = HeaderName::try_from(&key).map_err(|_| {
            OtlpError::new(format!("`{key}` in {setting} is not a header name; expected letters, digits and `-`"))
        })?;
        let mut value = HeaderValue::try_from(value).map_err(|_| {
            OtlpError::new(format!(
                "the value of `{key}` in {setting} is not a header value; expected one line of text"
            ))
        })?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(())
}

fn timeout(signal: Signal, settings: &ExporterSettings, variables: &Variables) -> Result<Duration, OtlpError> {
    let from_variable = variables.milliseconds(&signal.variables(Setting::Timeout))?;
    Ok(settings.timeout.or(from_variable).unwrap_or(DEFAULT_TIMEOUT).min(MAX_DURATION))
}

fn compression(
    signal: Signal,
    settings: &ExporterSettings,
    variables: &Variables,
) -> Result<Option<Compression>, OtlpError> {
    if settings.compression.is_some() {
        return Ok(settings.compression);
    }
    match variables.first(&signal.variables(Setting::Compression))? {
        Some((name, text)) => Compression::parse(name, text),
        None => Ok(None),
    }
}

fn certificate(
    signal: Signal,
    settings: &ExporterSettings,
    variables: &Variables,
) -> Result<Option<Vec<u8>>, OtlpError> {
    if let Some(pem) = &settings.certificate {
        return Ok(Some(pem.clone()));
    }
    read_pem(&signal.variables(Setting::Certificate), "certificates", variables)
}

fn identity(signal: Signal, variables: &Variables) -> Result<Option<Identity>, OtlpError> {
    let [certificate, key] = [Setting::ClientCertificate, Setting::ClientKey].map(|setting| signal.variables(setting));
    let has_certificate = read_pem(&certificate, "certificates", variables)?;
    match (has_certificate, read_pem(&key, "a key", variables)?) {
        (Some(certificate), Some(key)) => Ok(Some(Identity { certificate, key })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(unpaired(&certificate, &key)),
        (None, Some(_)) => Err(unpaired(&key, &certificate)),
    }
}

/// Creates the error for a client certificate without its key, or a key without its certificate.
fn unpaired([_, present]: &[String; 2], [_, missing]: &[String; 2]) -> OtlpError {
    OtlpError::new(format!("{present} is set but {missing} is not; set both or neither"))
}

/// Reads the PEM file that the first set variable in `names` refers to. Returns `None` if no variable is set.
///
/// # Errors
/// Returns an error if the file cannot be read. `what` describes its expected content.
fn read_pem(names: &[String], what: &str, variables: &Variables) -> Result<Option<Vec<u8>>, OtlpError> {
    let Some((name, path)) = variables.first(names)? else { return Ok(None) };
    let pem = std::fs::read(Path::new(path));
    pem.map(Some).map_err(|error| {
        OtlpError::invalid_value(name, path, format_args!("the path of a file with {what} in PEM ({error})"))
    })
}

#[cfg(test)]
mod tests {
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
}
