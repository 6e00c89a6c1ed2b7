//! What is exported: spans or metrics.

/// One of the signals of OpenTelemetry that are exported here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    Traces,
    Metrics,
}

impl Signal {
    /// What is appended to the endpoint that all signals share.
    pub(super) fn http_path(self) -> &'static str {
        match self {
            Self::Traces => "v1/traces",
            Self::Metrics => "v1/metrics",
        }
    }

    /// The names of the variables that say it, this signal's own first.
    pub(super) fn variables(self, setting: Setting) -> [String; 2] {
        let signal = match self {
            Self::Traces => "TRACES",
            Self::Metrics => "METRICS",
        };
        let setting = setting.name();
        [format!("OTEL_EXPORTER_OTLP_{signal}_{setting}"), format!("OTEL_EXPORTER_OTLP_{setting}")]
    }
}

/// What a signal can have of its own.
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
