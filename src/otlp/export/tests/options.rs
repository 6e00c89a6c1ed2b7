//! Tests of `export::options`.

use super::*;

#[test]
fn debug_output_contains_no_secrets() {
    let options = ExportOptions::new().endpoint("http://user:secret@a:1/?key=secret").header("authorization", "secret");
    let shown = format!("{options:?}");
    assert!(shown.contains("http://a:1/?…") && shown.contains("authorization"), "{shown}");
    assert!(!shown.contains("secret"), "{shown}");
}
