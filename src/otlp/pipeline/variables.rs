//! The standard variables of the environment.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

use super::OtlpError;
use crate::layer::stderr::tell;

/// What the environment says under `OTEL_*`, at one moment.
#[derive(Clone, Default)]
pub(crate) struct Variables(HashMap<String, OsString>);

/// Without values: those of headers are secrets.
impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Variables {
    pub(crate) fn of_process() -> Self {
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value))).collect()
    }

    /// An empty value is none, as the specification wants it.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, OtlpError> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let text = value.to_str().ok_or_else(|| OtlpError::value(name, value.to_string_lossy(), "text in UTF-8"))?;
        Ok(Some(text.trim()).filter(|text| !text.is_empty()))
    }

    /// The value of the first of these that has one, and whose it is.
    pub(super) fn first<'a>(&self, names: &'a [impl AsRef<str>]) -> Result<Option<(&'a str, &str)>, OtlpError> {
        for name in names.iter().map(AsRef::as_ref) {
            if let Some(value) = self.text(name)? {
                return Ok(Some((name, value)));
            }
        }
        Ok(None)
    }

    /// Whether a list of exporters has ours, where there is one. One that is not ours is said, and ignored: the program
    /// is to run in the environment of others.
    pub(super) fn has_otlp(&self, name: &str) -> Result<Option<bool>, OtlpError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let mut has_otlp = false;
        for exporter in text.split(',').map(str::trim) {
            match exporter {
                "otlp" => has_otlp = true,
                "none" => {}
                other => tell(format_args!(
                    "{name} is `{other}`: only `otlp` and `none` are supported here; nothing is exported by it"
                )),
            }
        }
        Ok(Some(has_otlp))
    }

    pub(super) fn flag(&self, names: &[impl AsRef<str>]) -> Result<bool, OtlpError> {
        match self.first(names)? {
            None => Ok(false),
            Some((_, value)) if value.eq_ignore_ascii_case("true") => Ok(true),
            Some((_, value)) if value.eq_ignore_ascii_case("false") => Ok(false),
            Some((name, value)) => Err(OtlpError::value(name, value, "`true` or `false`")),
        }
    }

    /// A count of at least one.
    pub(super) fn count(&self, name: &str) -> Result<Option<usize>, OtlpError> {
        let Some(value) = self.text(name)? else { return Ok(None) };
        let count = value.parse().ok().filter(|count| *count > 0);
        count.map(Some).ok_or_else(|| OtlpError::value(name, value, "a whole number above 0"))
    }

    /// A time in milliseconds, above none.
    pub(super) fn milliseconds(&self, names: &[impl AsRef<str>]) -> Result<Option<Duration>, OtlpError> {
        let Some((name, value)) = self.first(names)? else { return Ok(None) };
        let milliseconds = value.parse().ok().filter(|milliseconds| *milliseconds > 0);
        let milliseconds =
            milliseconds.ok_or_else(|| OtlpError::value(name, value, "a whole number of milliseconds above 0"))?;
        Ok(Some(Duration::from_millis(milliseconds)))
    }
}

impl FromIterator<(String, OsString)> for Variables {
    fn from_iter<I: IntoIterator<Item = (String, OsString)>>(all: I) -> Self {
        Self(all.into_iter().filter(|(name, _)| name.starts_with("OTEL_")).collect())
    }
}

#[cfg(test)]
impl<const N: usize> From<[(&str, &str); N]> for Variables {
    fn from(all: [(&str, &str); N]) -> Self {
        all.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
    }
}
