//! Masking: what is a secret and what is not, that JSON stays JSON, and that nothing of it reaches the disk.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod credentials;
mod lines;
mod names;
mod plain;
mod recording;
mod redact;
mod redact_words;
mod secrets;
mod structure;
