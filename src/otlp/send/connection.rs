//! Settings, how: the connection of a signal, resolved from code and variables.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use super::deadline::MAX_DURATION;
use super::endpoint::{self, Protocol};
use super::error::OtlpError;
use super::variables::{Setting, Signal, Variables, key_values};

/// Default timeout of one export request.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// The compression of exported messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Gzip, which every receiver supports.
    Gzip,
    /// Zstandard, which is faster and compresses better, but is not supported by every receiver.
    Zstd,
}

impl Compression {
    /// Parses the value `text` of the variable `setting`. Returns `None` for `none`.
    pub(crate) fn parse(setting: &str, text: &str) -> Result<Option<Self>, OtlpError> {
        match text {
            "none" => Ok(None),
            "gzip" => Ok(Some(Self::Gzip)),
            "zstd" => Ok(Some(Self::Zstd)),
            _ => Err(OtlpError::invalid_value(setting, text, "`gzip`, `zstd` or `none`")),
        }
    }
}

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
#[path = "tests/connection.rs"]
mod tests;
