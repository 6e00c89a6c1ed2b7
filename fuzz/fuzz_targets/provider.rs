//! Fuzzes the reader of provider bodies with arbitrary bytes as a request and as a response of every API.
#![no_main]

use libfuzzer_sys::fuzz_target;
use otel_trace::provider::fuzz::read_all;

fuzz_target!(|body: &[u8]| read_all(body));
