//! Behavior of the OTLP pipeline, and of the program, if the receiver fails.
//!
//! The program never waits: a receiver that hangs does so until the test releases it, which is after the program went
//! on. Every span that did not arrive is counted.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod collector;
mod custom_exporter;
mod delivery;
mod environment;
mod gate;
mod grpc_connections;
mod grpc_receiver;
mod grpc_responses;
mod http_responses;
mod message_size;
mod program;
mod proxy;
mod receiver;
mod runtimes;
mod slow_receiver;
mod tls;
mod unreachable;
