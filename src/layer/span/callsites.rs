//! The spans and events that the layer examines, by target, level and names of fields.

use tracing::{Level, Metadata};

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

/// The field of the event that `#[instrument(ret)]` emits.
pub(in crate::layer) const RETURN_FIELD: &str = "return";

/// The field of the event that `#[instrument(err)]` emits.
pub(in crate::layer) const ERROR_FIELD: &str = "error";

/// The fields that report an error in words, the one that says most first.
pub(in crate::layer) const ERROR_FIELDS: [&str; 3] = ["exception.message", "error.message", ERROR_FIELD];

/// Returns `true` if events of this callsite may report how a function ended: by an error or a returned value alone, at
/// any level, or by an error among other fields, at level `ERROR` or `WARN`.
pub(in crate::layer) fn may_be_outcome_event(metadata: &Metadata<'_>) -> bool {
    if metadata.is_span() {
        return false;
    }
    let mut names = metadata.fields().iter().map(|field| field.name());
    [ERROR_FIELD, RETURN_FIELD].iter().any(|name| has_only_field(metadata, name))
        || is_serious(metadata) && names.any(|name| ERROR_FIELDS.contains(&name))
}

/// Returns `true` if spans or events of this callsite have the field of this name and no other.
pub(in crate::layer) fn has_only_field(metadata: &Metadata<'_>, name: &str) -> bool {
    metadata.fields().len() == 1 && metadata.fields().field(name).is_some()
}

/// Returns `true` for events of level `ERROR` or `WARN`.
pub(in crate::layer) fn is_serious(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::WARN
}
