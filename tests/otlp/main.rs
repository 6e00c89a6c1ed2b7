//! OpenTelemetry: spans of finished bundles, live spans, and both as independent backends understand them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod export;
mod live;
mod phoenix;
mod rotel;
#[path = "../common/trace_tree.rs"]
mod trace_tree;
