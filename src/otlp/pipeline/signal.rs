//! The OpenTelemetry signals and the settings that each signal may override.

/// An OpenTelemetry signal that the pipeline exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    Traces,
    Metrics,
}

impl Signal {
    /// Returns the path that is appended to the shared endpoint over HTTP.
    pub(super) fn http_path(self) -> &'static str {
        match self {
            Self::Traces => "v1/traces",
            Self::Metrics => "v1/metrics",
        }
    }

    /// Returns the names of the variables of a setting: the signal's own, then the shared one.
    pub(super) fn variables(self, setting: Setting) -> [String; 2] {
        let signal = match self {
            Self::Traces => "TRACES",
            Self::Metrics => "METRICS",
        };
        let setting = setting.name();
        [format!("OTEL_EXPORTER_OTLP_{signal}_{setting}"), format!("OTEL_EXPORTER_OTLP_{setting}")]
    }
}

/// A setting that a separate variable may override for each signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setting {
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
    /// Returns the suffix that the names of the setting's variables have, such as `ENDPOINT`.
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
