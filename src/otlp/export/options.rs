//! Options of an export.

use super::error::ExportError;
use super::error::Receiver;
use crate::otlp::send::connection::{Connection, ExporterSettings};
use crate::otlp::send::endpoint::Protocol;
use crate::otlp::send::variables::Signal;
use crate::otlp::send::variables::Variables;
use crate::otlp::span::mapping::Mapping;

/// Destination and content of an export. Options that are not set are read from the `OTEL_*` variables of the
/// environment; the endpoint is otherwise <http://localhost:4318> over HTTP and <http://localhost:4317> over gRPC.
#[derive(Debug, Clone)]
pub struct ExportOptions {
    pub(super) settings: ExporterSettings,
    pub(super) service_name: Option<String>,
    pub(super) mapping: Mapping,
}

impl Default for ExportOptions {
    fn default() -> Self {
        Self { settings: ExporterSettings::default(), service_name: None, mapping: Mapping::from_env() }
    }
}

impl ExportOptions {
    /// Creates options that are read from the environment.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the endpoint's URL. Over HTTP `/v1/traces` is appended if it does not end with it.
    #[must_use]
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.settings.endpoint = Some(url.into());
        self
    }

    /// Sets the OTLP protocol. Default: the value of `OTEL_EXPORTER_OTLP_PROTOCOL`, otherwise
    /// [`Protocol::HttpProtobuf`].
    #[must_use]
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.settings.protocol = Some(protocol);
        self
    }

    /// Adds a header that is sent with each request, for example `authorization`.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the resource attribute `service.name`. Default: the service of the environment, otherwise the name of the
    /// root agent.
    #[must_use]
    pub fn service_name(mut self, name: impl Into<String>) -> Self {
        self.service_name = Some(name.into());
        self
    }

    /// Sets the policy for content and the names of usage attributes.
    #[must_use]
    pub fn mapping(mut self, mapping: Mapping) -> Self {
        self.mapping = mapping;
        self
    }

    /// Returns the URL that the export sends to, without password and query values.
    ///
    /// # Errors
    /// [`ExportError`] if these options or the environment's variables are invalid.
    pub fn destination(&self) -> Result<String, ExportError> {
        Ok(self.receiver()?.url)
    }

    /// Returns the receiver that the export sends to, for error messages.
    pub(super) fn receiver(&self) -> Result<Receiver, ExportError> {
        let connection = Connection::resolve(Signal::Traces, &self.settings, &Variables::from_process());
        let connection = connection.map_err(ExportError::options)?;
        Ok(Receiver { url: connection.redacted_url(), protocol: connection.protocol() })
    }
}

#[cfg(test)]
#[path = "tests/options.rs"]
mod tests;
