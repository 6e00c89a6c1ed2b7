//! The same run in any OpenTelemetry backend, live and afterwards.

mod digest;
mod span_facts;
