//! Texts without secrets are unchanged.

use std::path::{Path, PathBuf};

use otel_trace::Masking;
use serde::de::IgnoredAny;

/// Directories without text, and what contains secrets: the guide to masking, tests of masking, and tests of exports to
/// receivers with a password.
const SKIPPED: [&str; 8] = [
    "target",
    "traces",
    "docs/masking.md",
    "fuzz/corpus",
    "fuzz/artifacts",
    "tests/masking",
    "tests/otlp/export",
    "tests/otlp_faults",
];

/// Collects every text file of this project.
fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in directory.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with('.') || SKIPPED.iter().any(|skipped| path.ends_with(skipped)) {
            continue;
        }
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn project_files_are_unchanged() {
    let masking = Masking::new();
    let mut paths = Vec::new();
    files(Path::new(env!("CARGO_MANIFEST_DIR")), &mut paths);
    assert!(paths.len() > 500, "{}", paths.len());
    for path in paths {
        let text = std::fs::read(&path).unwrap();
        let mut masked = text.clone();
        // These unit tests contain secrets.
        let has_secrets = ["src/mask", "src/otlp/send/tests/endpoint.rs", "src/otlp/export/tests/options.rs"];
        if !has_secrets.iter().any(|it| path.to_string_lossy().contains(it)) {
            masking.body(&mut masked, false);
            assert!(masked == text, "{}: {}", path.display(), difference(&text, &masked));
        }
    }
}

fn difference(text: &[u8], masked: &[u8]) -> String {
    let at = text.iter().zip(masked).take_while(|(a, b)| a == b).count();
    let excerpt =
        |bytes: &[u8]| String::from_utf8_lossy(&bytes[at.saturating_sub(60)..bytes.len().min(at + 60)]).into_owned();
    format!("{:?} became {:?}", excerpt(text), excerpt(masked))
}

#[test]
fn hashes_ids_images_and_models_are_unchanged() {
    let masking = Masking::new();
    let image: String = (0..20_000_u32).map(|n| char::from(b"ABCDefgh0123+/xyz"[(n * n % 17) as usize])).collect();
    for text in [
        "d1b2b03b7c0f4f2a9c1e5d6f7a8b9c0d1e2f3a4b",
        "0197f3a2-7c3b-7d1e-9a40-3f1d2c4b5a69",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "call_a7Bq9Zk2Xw4Lm8Rt6Yp1Vs3N",
        "resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b",
        "gpt-5-mini-2025-08-07",
        "task-force-with-a-very-long-name-2024",
        "sk-estimator-doc-link-fitted-container-id-12",
        "https://example.com:8080/a@b?x=1",
        "git@github.com:owner/name.git",
        "ssh://git@github.com/owner/name",
        &format!("data:image/png;base64,{image}"),
    ] {
        assert_eq!(masking.text(text), *text);
    }
}

/// Collects the sources of packages that this project depends on, and of Python's library if it is installed.
fn ordinary_files() -> Vec<PathBuf> {
    let home = |variable: &str, directory: &str| {
        std::env::var_os(variable).map(PathBuf::from).or_else(|| Some(std::env::home_dir()?.join(directory)))
    };
    let mut found = Vec::new();
    if let Some(registry) = home("CARGO_HOME", ".cargo").map(|home| home.join("registry/src")).filter(|it| it.is_dir())
    {
        files(&registry, &mut found);
    }
    let libraries = ["/usr/lib", "/usr/local/lib"].iter().filter_map(|lib| Path::new(lib).read_dir().ok()).flatten();
    for library in libraries.flatten().map(|entry| entry.path()) {
        if library.file_name().is_some_and(|name| name.to_string_lossy().starts_with("python3")) {
            files(&library, &mut found);
        }
    }
    let is_text = |path: &PathBuf| {
        let extension = path.extension().unwrap_or_default().to_string_lossy().into_owned();
        ["cfg", "json", "py", "rs", "toml", "txt", "yml"].contains(&extension.as_str())
    };
    found.retain(is_text);
    found.sort();
    found
}

/// Returns `true` for files about secrets: tests, examples and documentation have invented ones in them.
fn is_about_secrets(path: &Path, changed_line: &str) -> bool {
    let path = path.to_string_lossy().to_lowercase();
    let line = changed_line.trim_start();
    ["test", "bench", "example", "doc", "mock", "moto", "readme"].iter().any(|part| path.contains(part))
        || ["//", "#", "*", "-"].iter().any(|sign| line.starts_with(sign))
        // The token of the examples in RFC 6749 is in many sources.
        || ["://", "EXAMPLE", "2Yotn", "PRIVATE KEY", "Bearer ", "\"\"\"", "assert"].iter().any(|part| line.contains(part))
}

/// Every so many files are looked at, since a build without optimization takes seconds for thousands.
const SAMPLE: usize = if cfg!(debug_assertions) { 12 } else { 1 };

#[test]
fn ordinary_files_are_unchanged_but_for_one_in_a_thousand() {
    let masking = Masking::new();
    let (mut count, mut changed) = (0, Vec::new());
    for path in ordinary_files().into_iter().step_by(SAMPLE) {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        count += 1;
        let is_json =
            path.extension().is_some_and(|it| it == "json") && serde_json::from_str::<IgnoredAny>(&text).is_ok();
        let mut body = text.clone().into_bytes();
        if !masking.body(&mut body, is_json) {
            continue;
        }
        let masked = String::from_utf8(body).unwrap();
        assert!(!is_json || serde_json::from_str::<IgnoredAny>(&masked).is_ok(), "{}", path.display());
        let line = text.lines().zip(masked.lines()).find(|(line, masked)| line != masked).unwrap_or_default().0;
        if !is_about_secrets(&path, line) {
            changed.push(format!("{}: {line}", path.display()));
        }
    }
    assert!(changed.len() <= count / 1000 + 1, "{} of {count} files changed:\n{}", changed.len(), changed.join("\n"));
}
