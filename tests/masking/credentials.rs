//! Credentials that are found by their format.

use std::collections::HashSet;

use otel_trace::Masking;
use serde_json::{Value, json};

use crate::secrets::{characters, credentials, key_lines, private_key};

/// Returns the placeholder of a text. Panics unless there is exactly one.
#[track_caller]
fn placeholder(text: &str) -> &str {
    let start = text.find("[masked:").unwrap_or_else(|| panic!("nothing is masked in {text:?}"));
    assert_eq!(text.matches("[masked:").count(), 1, "{text}");
    &text[start..=start + text[start..].find(']').unwrap()]
}

#[test]
fn credentials_of_every_kind_are_found_in_any_context() {
    let masking = Masking::new();
    for secret in credentials() {
        let contexts = [
            secret.clone(),
            format!("the key is {secret}."),
            format!("KEY={secret}\nNEXT=1"),
            format!("curl https://example.com/?key={secret}&x=1"),
            format!("first line\n{secret}\nlast line"),
            format!("\u{e9}{secret}\u{e9}"),
        ];
        let mut placeholders = HashSet::new();
        for text in contexts {
            let masked = masking.text(&text);
            assert!(!masked.contains(&secret), "{masked}");
            placeholders.insert(placeholder(&masked).to_owned());
            let mut body = json!([{ "text": text, "arguments": json!({ "cmd": text }).to_string() }]).to_string();
            for _ in 0..3 {
                let mut bytes = body.clone().into_bytes();
                assert!(masking.body(&mut bytes, true));
                let masked = String::from_utf8(bytes).unwrap();
                assert!(!masked.contains(&secret), "{masked}");
                assert_eq!(masked.matches(placeholders.iter().next().unwrap().as_str()).count(), 2, "{masked}");
                serde_json::from_str::<Value>(&masked).unwrap();
                body = json!({ "nested": body }).to_string();
            }
        }
        assert_eq!(placeholders.len(), 1, "{placeholders:?}");
    }
}

#[test]
fn placeholders_are_stable_per_masking() {
    let secret = &credentials()[0];
    let (first, second) = (Masking::new(), Masking::new());
    assert_eq!(first.text(secret), first.text(secret));
    assert_ne!(first.text(secret), second.text(secret));
    let salted = || Masking::new().salt(*b"sixteen bytes...");
    assert_eq!(salted().text(secret), salted().text(secret));
    // A secret has one placeholder, whether it is found by its name or by its format.
    let named = first.text(&format!(r#"{{"api_key":"{secret}"}}"#)).into_owned();
    assert_eq!(placeholder(&named), first.text(secret));
    let named = Masking::new().text(&format!("Authorization: Bearer {secret}")).into_owned();
    assert!(named.starts_with("Authorization: Bearer [masked:anthropic:"), "{named}");
}

#[test]
fn private_key_is_masked_at_every_level_of_escapes() {
    let masking = Masking::new();
    let expected = placeholder(&masking.text(&private_key())).to_owned();
    let mut text = private_key();
    for _ in 0..4 {
        let masked = masking.text(&text).into_owned();
        assert!(!masked.contains(&key_lines()[10..30]), "{masked}");
        assert_eq!(placeholder(&masked), expected);
        assert!(masked.contains("-----BEGIN RSA") && masked.contains("-----END RSA"), "{masked}");
        text = serde_json::to_string(&json!({ "file": text })).unwrap();
        serde_json::from_str::<Value>(&masking.text(&text)).unwrap();
    }
    let cut = &private_key()[..200];
    assert!(!masking.text(cut).contains(&key_lines()[10..30]));
}

#[test]
fn only_the_value_of_tokens_and_assignments_is_masked() {
    let masking = Masking::new();
    let key = characters(24);
    let check = |text: String| {
        let masked = masking.text(&text).into_owned();
        assert_eq!(masked.replace(placeholder(&masked), &key), text);
    };
    check(format!("sent with bearer {key} to them"));
    check(format!("postgres://agent:{key}@db.example.com:5432/x"));
    check(format!("DB_PASSWORD={key}\n"));
    check(format!("export OPENAI_API_KEY=\"{key}\""));
    check(format!("aws_secret_access_key = {key}"));
    check(format!("grant_type=refresh&client_secret={key}&x=1"));
    check(format!("curl -u agent:{key} https://example.com"));
    check(format!("<password>{key}</password>"));
}
