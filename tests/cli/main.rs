//! The `otel-trace` command from the outside.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod hostile_names;
mod pack;
mod reduce_and_check;
#[cfg(target_os = "linux")]
mod sizes;
#[cfg(target_os = "linux")]
mod swapped_links;
