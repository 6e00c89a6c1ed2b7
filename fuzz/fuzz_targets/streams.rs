//! Fuzzes the assembly of streamed responses with arbitrary bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use otel_trace::provider::fuzz::put_together;

fuzz_target!(|bytes: &[u8]| put_together(bytes));
