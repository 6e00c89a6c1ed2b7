//! What becomes of spans, and of the program, when their receiver does not do what it should.
//!
//! The program never waits: where a receiver hangs, it hangs until the test lets it go, which is after the program went
//! on. What did not arrive is counted.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod absent;
mod arriving;
mod broken_grpc;
mod collector;
mod environment;
mod gate;
mod grpc_receiver;
mod hanging;
mod large;
mod own_exporter;
mod program;
mod receiver;
mod refusing;
mod refusing_grpc;
mod runtimes;
mod tls;
