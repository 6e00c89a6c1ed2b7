//! Fuzzes the reducer with arbitrary bytes as all files of a bundle.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use otel_trace_fuzz::{Bundle, SEPARATOR};

static BUNDLE: LazyLock<Bundle> = LazyLock::new(Bundle::new);

fuzz_target!(|input: &[u8]| {
    let mut rest = input;
    let mut number = 0;
    loop {
        let end = rest.windows(SEPARATOR.len()).position(|bytes| bytes == SEPARATOR);
        let file = &rest[..end.unwrap_or(rest.len())];
        if number == 0 {
            BUNDLE.log(file);
        } else {
            BUNDLE.payload(number, file);
        }
        number += 1;
        match end {
            Some(end) => rest = &rest[end + SEPARATOR.len()..],
            None => break,
        }
    }
    BUNDLE.end_payloads(number);
    BUNDLE.check();
});
