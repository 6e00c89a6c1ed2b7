//! A program that is compiled without spans of level `INFO` learns of it.

use std::process::Command;

#[test]
fn missing_spans_are_reported_once_for_each_layer() {
    let root = std::env::temp_dir().join(format!("static-level-{}", std::process::id()));
    let output = Command::new(env!("CARGO_BIN_EXE_static-level")).arg(&root).output().expect("the program runs");
    let bundles =
        root.read_dir().map_or(0, |entries| entries.filter_map(Result::ok).filter(|it| it.path().is_dir()).count());
    std::fs::remove_dir_all(&root).ok();
    let stderr = String::from_utf8(output.stderr).expect("text");
    assert!(output.status.success(), "{stderr}");
    assert_eq!(stderr.matches("compiled without spans of level `INFO`").count(), 2, "{stderr}");
    assert_eq!(bundles, 0);
}
