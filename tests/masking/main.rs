//! Masking: which texts are secrets, that JSON keeps its structure, and that no secret reaches the disk.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod credentials;
mod false_positives;
mod forms;
mod ids;
mod lines;
mod names;
mod recording;
mod redact;
mod redact_fields;
mod secrets;
mod structure;
