//! Memory and other resources of a recording process: allocations of a span, and resources that ended runs retain.
//!
//! Each test runs in a child process, because resources are counted per process.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod allocations;
#[path = "../common/mod.rs"]
mod common;
#[cfg(unix)]
mod conversations;
mod heap;
#[cfg(target_os = "linux")]
mod leaks;
