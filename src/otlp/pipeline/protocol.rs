//! The protocol and the compression of an export.

use super::OtlpError;

/// The OTLP protocol over which spans and metrics are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// OTLP over HTTP with binary protobuf. Default port: 4318.
    #[default]
    HttpProtobuf,
    /// OTLP over gRPC. Requires the feature `otlp-grpc`. Default port: 4317.
    ///
    /// `opentelemetry-otlp` reports a partial success and a requested retry delay only through `tracing` events. In a
    /// program that compiles those events out (with `max_level_off`, for example), partially rejected spans count as
    /// exported, and retries use the regular backoff.
    Grpc,
}

impl Protocol {
    /// Returns the protocol's name, as in `OTEL_EXPORTER_OTLP_PROTOCOL`: `http/protobuf` or `grpc`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::HttpProtobuf => "http/protobuf",
            Self::Grpc => "grpc",
        }
    }

    /// Parses the value `text` of the variable `setting`.
    pub(super) fn parse(setting: &str, text: &str) -> Result<Self, OtlpError> {
        match text {
            "http/protobuf" => Ok(Self::HttpProtobuf),
            "grpc" => Ok(Self::Grpc),
            _ => Err(OtlpError::invalid_value(setting, text, "`http/protobuf` or `grpc`")),
        }
    }
}

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
    pub(super) fn parse(setting: &str, text: &str) -> Result<Option<Self>, OtlpError> {
        match text {
            "none" => Ok(None),
            "gzip" => Ok(Some(Self::Gzip)),
            "zstd" => Ok(Some(Self::Zstd)),
            _ => Err(OtlpError::invalid_value(setting, text, "`gzip`, `zstd` or `none`")),
        }
    }
}
