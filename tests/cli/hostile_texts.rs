//! Texts of a bundle that would control a terminal, are endless, or have unusual widths: they are escaped and counted.

use std::fs;
use std::path::Path;

use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use crate::copy;
use crate::show::run;

/// Puts a text in front of texts of a payload, as many as `budget` has.
fn poison(value: &mut Value, hostile: &str, budget: &mut usize) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if let Value::String(text) = member
                    && is_text(name)
                    && *budget > 0
                {
                    text.insert_str(0, hostile);
                    *budget -= 1;
                }
                poison(member, hostile, budget);
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(|element| poison(element, hostile, budget)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Returns `true` for the name of a member by whose text nothing is found.
fn is_text(name: &str) -> bool {
    matches!(name, "text" | "content" | "output" | "stdout" | "stderr" | "formatted_output" | "aggregated_output")
}

#[test]
fn hostile_texts_are_escaped_and_cut() {
    let long = "x".repeat(10 << 20);
    let combining = format!("e{}", "\u{301}".repeat(10_000));
    let texts = [
        "\u{1b}[31m\u{1b}]0;owned\u{7}\u{9b}2J\r\u{8}",
        "\u{202e}\u{2066}\u{200f}\u{61c}\u{2028}",
        "\u{0}\u{7f}\u{85}",
        "端末のテスト🧪👩‍👩‍👧‍👦",
        &combining,
        "\u{fffd}\u{feff}\u{e000}",
        &long,
    ];
    let root = tempfile::tempdir().unwrap();
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/tools");
    for (number, hostile) in texts.into_iter().enumerate() {
        let bundle = root.path().join(format!("trace-{number}"));
        copy(&case, &bundle);
        // A few texts of 10 MB are as good as many.
        let mut budget = if hostile.len() < 1 << 20 { usize::MAX } else { 3 };
        for entry in bundle.join("payloads").read_dir().unwrap().map(Result::unwrap) {
            let mut payload: Value = serde_json::from_slice(&fs::read(entry.path()).unwrap()).unwrap();
            poison(&mut payload, hostile, &mut budget);
            fs::write(entry.path(), payload.to_string()).unwrap();
        }
        for columns in [40, 120] {
            let output = run(&["show", "--full", "--width", &columns.to_string(), bundle.to_str().unwrap()]);
            let text = String::from_utf8(output.stdout).unwrap();
            assert!(text.lines().count() > 20, "{text}");
            for line in text.lines() {
                assert!(!line.contains(is_control), "{line:?}");
                assert!(UnicodeWidthStr::width(line) <= columns, "{line:?}");
                assert!(line.chars().count() <= 6 * columns, "{} characters", line.chars().count());
            }
        }
        let json = run(&["show", "--json", bundle.to_str().unwrap()]);
        assert!(json.stdout.len() < 1 << 20, "the JSON has {} bytes", json.stdout.len());
        assert!(serde_json::from_slice::<Value>(&json.stdout).unwrap()["nodes"].as_array().unwrap().len() > 20);
    }
}

fn is_control(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[test]
fn bytes_that_are_no_text_are_shown_as_damage() {
    let root = tempfile::tempdir().unwrap();
    let bundle = root.path().join("trace-1");
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/tools"), &bundle);
    for entry in bundle.join("payloads").read_dir().unwrap().map(Result::unwrap) {
        let mut bytes = fs::read(entry.path()).unwrap();
        if let Some(place) = bytes.iter().position(|byte| byte.is_ascii_lowercase()) {
            bytes[place] = 0xff;
        }
        fs::write(entry.path(), bytes).unwrap();
    }
    let output = run(&["show", bundle.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(3));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("left out: bad_payload ×"), "{text}");
}
