//! From callbacks of `tracing` to operations: the layer, the state that a recorder keeps for each span, the fields and
//! events that it reads, and the operations that a span opens and closes.

pub(super) mod callsites;
mod classify;
mod debug_text;
mod entered_spans;
mod error_text;
pub(super) mod extension;
mod field_bodies;
mod field_facts;
mod fields;
mod implicit;
mod instant;
mod instant_address;
mod instant_target;
mod json_text;
mod operation_kind;
pub(super) mod operations;
mod outcome_event;
mod own_fields;
mod probe;
pub(super) mod record_layer;
mod reported_outcome;
mod session_fields;
mod setting_fields;
pub(super) mod span_end;
mod span_lifecycle;
mod span_progress;
pub(super) mod span_state;
mod surroundings;
mod tool_fields;
pub(super) mod tool_name;
mod usage_fields;
mod wire_event;
