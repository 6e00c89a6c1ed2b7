//! Fuzzes the masking with arbitrary text, as JSON and as plain text.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use otel_trace::Masking;
use serde::de::IgnoredAny;

/// A salt makes the placeholders of a crash the same in its reproduction.
static MASKING: LazyLock<Masking> = LazyLock::new(|| Masking::new().salt([7; 16]));

fuzz_target!(|bytes: &[u8]| {
    for is_json in [false, true] {
        let (mut first, mut second) = (bytes.to_vec(), bytes.to_vec());
        let is_changed = MASKING.body(&mut first, is_json);
        MASKING.body(&mut second, is_json);
        assert!(first == second, "masking is a function of the text and the salt");
        assert!(is_changed || first == bytes, "a text that is reported unchanged is unchanged");
        assert!(str::from_utf8(bytes).is_err() || str::from_utf8(&first).is_ok(), "text stays text");
        let parses = |text: &[u8]| serde_json::from_slice::<IgnoredAny>(text).is_ok();
        assert!(!is_json || !parses(bytes) || parses(&first), "JSON stays JSON");
    }
    if let Ok(text) = str::from_utf8(bytes) {
        let _ = MASKING.text(text);
    }
});
