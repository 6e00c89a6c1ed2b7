//! Work that leaves no trace.

use opentelemetry::Context;
use tracing::dispatcher::{self, Dispatch};

/// Does it with no subscriber and with OpenTelemetry suppressed: what a client traces of an export would be exported
/// itself, and traced again.
///
/// While some thread does, every other finds its subscriber a little more slowly: so nobody waits in here for work.
pub(crate) fn quietly<R>(work: impl FnOnce() -> R) -> R {
    let _suppressed = Context::enter_telemetry_suppressed_scope();
    dispatcher::with_default(&Dispatch::none(), work)
}
