//! The layer: what it records of spans and handles, when operations start and end, and faults of the program.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod addressed_events;
mod both_sides;
mod child_processes;
mod coding_agent;
#[path = "../common/mod.rs"]
mod common;
mod concurrent_reentrancy;
mod concurrent_runs;
mod context;
mod conversations;
mod disabled;
mod documented;
mod end_details;
mod ends;
mod exit;
mod facts;
mod faults;
mod found_handles;
mod frameworks;
mod handles;
mod held_spans;
mod ids;
mod invocations;
mod late_fields;
mod lifetimes;
mod operations;
mod outcome_events;
mod pack;
mod random_spans;
mod reentrancy;
mod reloads;
mod runtimes;
mod shutdown;
mod spans;
mod stacks;
mod strict_reader;
mod survivors;
mod unwinding;
mod usage;
mod wire;
mod workflows;
