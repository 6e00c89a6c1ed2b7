//! Work that leaves no trace.

use opentelemetry::Context;
#[cfg(feature = "otlp-grpc")]
use opentelemetry::ContextGuard;
#[cfg(feature = "otlp-grpc")]
use tracing::dispatcher::DefaultGuard;
use tracing::dispatcher::{self, Dispatch};

/// Does it with no subscriber and with OpenTelemetry suppressed: what a client traces of an export would be exported
/// itself, and traced again.
///
/// While some thread does, every other finds its subscriber a little more slowly: so nobody waits in here for work.
pub(crate) fn quietly<R>(work: impl FnOnce() -> R) -> R {
    let _suppressed = Context::enter_telemetry_suppressed_scope();
    dispatcher::with_default(&Dispatch::none(), work)
}

/// The same for what this thread does until it is dropped.
#[cfg(feature = "otlp-grpc")]
pub(super) struct Quiet {
    _suppressed: ContextGuard,
    _no_subscriber: DefaultGuard,
}

#[cfg(feature = "otlp-grpc")]
impl Quiet {
    pub(super) fn begin() -> Self {
        let suppressed = Context::enter_telemetry_suppressed_scope();
        Self { _suppressed: suppressed, _no_subscriber: dispatcher::set_default(&Dispatch::none()) }
    }
}
