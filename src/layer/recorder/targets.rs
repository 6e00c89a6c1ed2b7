//! The targets of the spans and events that the layer examines.

use tracing::Metadata;

/// Target of the spans that handles create.
pub(in crate::layer) const HANDLE_TARGET: &str = "otel_trace::handle";

/// Target of the events that are recorded as instants.
const INSTANT_TARGET: &str = "otel_trace";

/// Returns `true` if events of this callsite are instants: their target is `otel_trace` or below it.
pub(in crate::layer) fn is_instant(metadata: &Metadata<'_>) -> bool {
    let rest = metadata.target().strip_prefix(INSTANT_TARGET);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Returns `true` if the target can contain logged bodies. Also `true` for callsites that are only checked with
/// `enabled!` before an event is emitted.
pub(in crate::layer) fn may_be_wire_event(metadata: &Metadata<'_>) -> bool {
    !metadata.is_span() && matches!(metadata.target(), "rig::completions" | "rig::streaming")
}
