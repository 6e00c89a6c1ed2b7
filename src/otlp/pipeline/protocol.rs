//! How it is sent.

use super::OtlpError;

/// The protocol that a receiver is spoken to in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// OTLP over HTTP, in binary protobuf: port 4318 by default.
    #[default]
    HttpProtobuf,
    /// OTLP over gRPC, with the feature `otlp-grpc`: port 4317 by default.
    ///
    /// What a receiver rejects of a message that it takes, and when it wants to be asked again, is told by events of
    /// `tracing`: in a program that compiles those out (`max_level_off`, say) it counts as exported, and is asked again
    /// after the usual pauses.
    Grpc,
}

impl Protocol {
    pub(super) fn parse(setting: &str, text: &str) -> Result<Self, OtlpError> {
        match text {
            "http/protobuf" => Ok(Self::HttpProtobuf),
            "grpc" => Ok(Self::Grpc),
            _ => Err(OtlpError::value(setting, text, "`http/protobuf` or `grpc`")),
        }
    }
}

/// What makes a message smaller on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Every receiver takes it.
    Gzip,
    /// Faster and smaller; not every receiver takes it.
    Zstd,
}

impl Compression {
    pub(super) fn parse(setting: &str, text: &str) -> Result<Option<Self>, OtlpError> {
        match text {
            "none" => Ok(None),
            "gzip" => Ok(Some(Self::Gzip)),
            "zstd" => Ok(Some(Self::Zstd)),
            _ => Err(OtlpError::value(setting, text, "`gzip`, `zstd` or `none`")),
        }
    }
}
