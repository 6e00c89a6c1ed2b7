//! Bundles: the round trip of events, the writer, the reader, payload stores, quotas and retention.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod event_round_trip;
mod limits;
mod long_lines;
mod pack;
mod reader;
mod writer;
