//! Fuzzes the reducer with arbitrary bytes as the log of a bundle with valid payloads.
#![no_main]

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use otel_trace_fuzz::Bundle;

static BUNDLE: LazyLock<Bundle> = LazyLock::new(|| {
    let bundle = Bundle::new();
    let payloads = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/conformance/chat/payloads");
    for number in 1.. {
        let Ok(body) = fs::read(payloads.join(format!("{number}.json"))) else { break };
        bundle.payload(number, &body);
    }
    bundle
});

fuzz_target!(|log: &[u8]| {
    BUNDLE.log(log);
    BUNDLE.check();
});
