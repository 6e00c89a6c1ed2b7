//! Settings, what to read: the standard `OTEL_*` variables, their names per signal, and the lists in their values.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

use percent_encoding::percent_decode_str;

use super::error::OtlpError;
use crate::layer::stderr::report;

/// A snapshot of the `OTEL_*` environment variables.
#[derive(Clone, Default)]
pub(crate) struct Variables(HashMap<String, OsString>);

/// Lists names only, because header values are secrets.
impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Variables {
    /// Takes a snapshot of the process's environment. Variables whose name is not UTF-8 are ignored.
    pub(crate) fn from_process() -> Self {
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value))).collect()
    }

    /// Returns the trimmed value of a variable. Returns `None` if it is unset or empty; the specification treats an
    /// empty value as unset.
    ///
    /// # Errors
    /// Returns an error if the value is not UTF-8.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, OtlpError> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let text =
            value.to_str().ok_or_else(|| OtlpError::invalid_value(name, value.to_string_lossy(), "text in UTF-8"))?;
        Ok(Some(text.trim()).filter(|text| !text.is_empty()))
    }

    /// Returns name and value of the first variable in `names` that is set.
    pub(crate) fn first<'a>(&self, names: &'a [impl AsRef<str>]) -> Result<Option<(&'a str, &str)>, OtlpError> {
        for name in names.iter().map(AsRef::as_ref) {
            if let Some(value) = self.text(name)? {
                return Ok(Some((name, value)));
            }
        }
        Ok(None)
    }

    /// Returns `Some(true)` if the exporter list in the variable `name` contains `otlp`. Returns `None` if it is unset.
    ///
    /// Unsupported exporters are reported on stderr and ignored, because a program may inherit an environment that was
    /// made for other programs.
    pub(crate) fn has_otlp(&self, name: &str) -> Result<Option<bool>, OtlpError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let mut has_otlp = false;
        for exporter in text.split(',').map(str::trim) {
            match exporter {
                "otlp" => has_otlp = true,
                "none" => {}
                other => report(format_args!(
                    "{name} contains `{other}`, which is ignored; supported exporters are `otlp` and `none`"
                )),
            }
        }
        Ok(Some(has_otlp))
    }

    /// Returns the boolean value of the first variable in `names` that is set. Default: `false`.
    pub(crate) fn flag(&self, names: &[impl AsRef<str>]) -> Result<bool, OtlpError> {
        match self.first(names)? {
            None => Ok(false),
            Some((_, value)) if value.eq_ignore_ascii_case("true") => Ok(true),
            Some((_, value)) if value.eq_ignore_ascii_case("false") => Ok(false),
            Some((name, value)) => Err(OtlpError::invalid_value(name, value, "`true` or `false`")),
        }
    }

    /// Returns the value of a variable as a count of at least 1. Returns `None` if it is unset.
    pub(crate) fn count(&self, name: &str) -> Result<Option<usize>, OtlpError> {
        let Some(value) = self.text(name)? else { return Ok(None) };
        let count = value.parse().ok().filter(|count| *count > 0);
        count.map(Some).ok_or_else(|| OtlpError::invalid_value(name, value, "an integer above 0"))
    }

    /// Returns the value of the first variable in `names` that is set, as a duration of at least 1 ms.
    pub(crate) fn milliseconds(&self, names: &[impl AsRef<str>]) -> Result<Option<Duration>, OtlpError> {
        let Some((name, value)) = self.first(names)? else { return Ok(None) };
        let milliseconds = value.parse().ok().filter(|milliseconds| *milliseconds > 0);
        let milliseconds =
            milliseconds.ok_or_else(|| OtlpError::invalid_value(name, value, "an integer above 0, in milliseconds"))?;
        Ok(Some(Duration::from_millis(milliseconds)))
    }
}

impl FromIterator<(String, OsString)> for Variables {
    fn from_iter<I: IntoIterator<Item = (String, OsString)>>(all: I) -> Self {
        Self(all.into_iter().filter(|(name, _)| name.starts_with("OTEL_")).collect())
    }
}

/// An OpenTelemetry signal that the pipeline exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    Traces,
    Metrics,
}

impl Signal {
    /// Returns the path that is appended to the shared endpoint over HTTP.
    pub(crate) fn http_path(self) -> &'static str {
        match self {
            Self::Traces => "v1/traces",
            Self::Metrics => "v1/metrics",
        }
    }

    /// Returns the names of the variables of a setting: the signal's own, then the shared one.
    pub(crate) fn variables(self, setting: Setting) -> [String; 2] {
        let signal = match self {
            Self::Traces => "TRACES",
            Self::Metrics => "METRICS",
        };
        let setting = setting.name();
        [format!("OTEL_EXPORTER_OTLP_{signal}_{setting}"), format!("OTEL_EXPORTER_OTLP_{setting}")]
    }
}

/// A setting that each signal may override by a variable of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setting {
    Endpoint,
    Protocol,
    Headers,
    Timeout,
    Compression,
    Certificate,
    ClientCertificate,
    ClientKey,
    Insecure,
}

impl Setting {
    /// Returns the suffix of the variables' names.
    fn name(self) -> &'static str {
        match self {
            Self::Endpoint => "ENDPOINT",
            Self::Protocol => "PROTOCOL",
            Self::Headers => "HEADERS",
            Self::Timeout => "TIMEOUT",
            Self::Compression => "COMPRESSION",
            Self::Certificate => "CERTIFICATE",
            Self::ClientCertificate => "CLIENT_CERTIFICATE",
            Self::ClientKey => "CLIENT_KEY",
            Self::Insecure => "INSECURE",
        }
    }
}

/// Parses a list like `a=1,b=2` and percent-decodes its values.
///
/// # Errors
/// Returns an error for the first invalid entry. The error names the entry by its number, from 1, or by its key,
/// because the value may be a secret.
pub(super) fn key_values(setting: &str, text: &str) -> Result<Vec<(String, String)>, OtlpError> {
    text.split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .enumerate()
        .map(|(index, entry)| parse_entry(setting, index, entry))
        .collect()
}

/// Parses one entry of the list. `index` counts from 0.
fn parse_entry(setting: &str, index: usize, entry: &str) -> Result<(String, String), OtlpError> {
    let number = index + 1;
    let (key, value) = entry.split_once('=').filter(|(key, _)| !key.trim().is_empty()).ok_or_else(|| {
        OtlpError::new(format!(
            "entry {number} of {setting} is not `key=value`; expected a list like `key=value,key=value`"
        ))
    })?;
    let key = key.trim();
    let value = percent_decode(value.trim()).ok_or_else(|| {
        OtlpError::new(format!(
            "the value of `{key}` in {setting} has a `%` that is not followed by two hex digits of UTF-8 text; \
             write a `%` as `%25`"
        ))
    })?;
    Ok((key.to_owned(), value))
}

/// Decodes percent-encoded text. Returns `None` if an escape is malformed, which the crate would keep as it is, or if the
/// bytes are not UTF-8.
fn percent_decode(text: &str) -> Option<String> {
    let is_escape = |rest: &str| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    let is_well_formed = text.split('%').skip(1).all(is_escape);
    let decoded = is_well_formed.then(|| percent_decode_str(text).decode_utf8().ok())??;
    Some(decoded.into_owned())
}

#[cfg(test)]
impl<const N: usize> From<[(&str, &str); N]> for Variables {
    fn from(all: [(&str, &str); N]) -> Self {
        all.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
    }
}

#[cfg(test)]
#[path = "tests/variables.rs"]
mod tests;
