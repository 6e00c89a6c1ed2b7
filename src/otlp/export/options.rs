//! Where a bundle goes, and as what.

use super::ExportError;
use crate::otlp::mapping::Mapping;
use crate::otlp::pipeline::{Connection, Protocol, Said, Signal, Variables};

/// Where a bundle is exported to, and what of it. What is not said is as the environment's `OTEL_*` variables have it,
/// else <http://localhost:4318> over HTTP or <http://localhost:4317> over gRPC.
#[derive(Debug, Clone)]
pub struct ExportOptions {
    pub(super) said: Said,
    pub(super) service_name: Option<String>,
    pub(super) mapping: Mapping,
}

impl Default for ExportOptions {
    fn default() -> Self {
        Self { said: Said::default(), service_name: None, mapping: Mapping::from_env() }
    }
}

impl ExportOptions {
    /// As the environment says it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends to this URL. Over HTTP `/v1/traces` is appended where it does not end so.
    #[must_use]
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.said.endpoint = Some(url.into());
        self
    }

    /// Speaks this protocol.
    #[must_use]
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.said.protocol = Some(protocol);
        self
    }

    /// Sends this header too, say for authorization.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.said.headers.push((name.into(), value.into()));
        self
    }

    /// Says that this service did it: the resource attribute `service.name`. What nobody says is the name of the root
    /// agent.
    #[must_use]
    pub fn service_name(mut self, name: impl Into<String>) -> Self {
        self.service_name = Some(name.into());
        self
    }

    /// Exports content, and names of counts, so.
    #[must_use]
    pub fn mapping(mut self, mapping: Mapping) -> Self {
        self.mapping = mapping;
        self
    }

    /// The URL that would be sent to, without a password or the values of a query.
    ///
    /// # Errors
    /// [`ExportError`] where what was said, here or in the environment, can't be done.
    pub fn destination(&self) -> Result<String, ExportError> {
        let connection = Connection::resolve(Signal::Traces, &self.said, &Variables::of_process());
        Ok(connection.map_err(ExportError::options)?.shown_url())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_in_what_is_shown_for_debugging() {
        let options =
            ExportOptions::new().endpoint("http://user:secret@a:1/?key=secret").header("authorization", "secret");
        let shown = format!("{options:?}");
        assert!(shown.contains("http://a:1/?…") && shown.contains("authorization"), "{shown}");
        assert!(!shown.contains("secret"), "{shown}");
    }
}
