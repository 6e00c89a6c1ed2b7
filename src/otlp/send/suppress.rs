//! Suppression of telemetry about the pipeline's own work.

use opentelemetry::Context;
#[cfg(feature = "otlp-grpc")]
use opentelemetry::ContextGuard;
#[cfg(feature = "otlp-grpc")]
use tracing::dispatcher::DefaultGuard;
use tracing::dispatcher::{self, Dispatch};

/// Runs `work` without a `tracing` subscriber and with OpenTelemetry suppressed. Otherwise spans that an HTTP or gRPC
/// client emits during an export would be exported themselves, and traced again.
///
/// While any thread has a scoped subscriber, every other thread looks up its subscriber more slowly. Therefore `work`
/// must not block waiting for new spans.
pub(crate) fn without_telemetry<R>(work: impl FnOnce() -> R) -> R {
    let _suppressed = Context::enter_telemetry_suppressed_scope();
    dispatcher::with_default(&Dispatch::none(), work)
}

/// A guard that suppresses telemetry on the current thread until it is dropped, like [`without_telemetry`].
#[cfg(feature = "otlp-grpc")]
pub(super) struct SuppressionGuard {
    _suppressed: ContextGuard,
    _no_subscriber: DefaultGuard,
}

#[cfg(feature = "otlp-grpc")]
impl SuppressionGuard {
    /// Starts the suppression on the current thread.
    pub(super) fn enter() -> Self {
        let suppressed = Context::enter_telemetry_suppressed_scope();
        Self { _suppressed: suppressed, _no_subscriber: dispatcher::set_default(&Dispatch::none()) }
    }
}
