//! Masked JSON is JSON of an equal structure.

use otel_trace::Masking;
use proptest::prelude::*;
use serde_json::{Map, Value};

use crate::secrets::{characters, credentials, private_key};

fn text() -> impl Strategy<Value = String> {
    let ingredient = prop_oneof![
        4 => any::<String>(),
        1 => (0..credentials().len()).prop_map(|place| credentials().swap_remove(place)),
        1 => Just(private_key()),
        1 => Just(format!("Authorization: Bearer {}", characters(20))),
        1 => Just("-----BEGIN PRIVATE KEY-----\\n\\".to_owned()),
        // A sensitive name must start a word: directly after a placeholder it would be another name, so most names here
        // begin with a separator.
        1 => prop::sample::select(vec![
            r#""password""#, ":", "\"", "\\", "'password': '", "{", "}", "[", "\n", "://a:b@", "12", "secret=", "sk-", ",",
            "\\u00e9", "cookie: a=b", "eyJ", "é",
            " --secret ", "\nDB_PASSWORD=", "\nx-client-secret: ", "?api_key=a", "\\u0026", "\n  ",
            "\nx-tenant: a, b\n", " X-Tenant=", "\"x-tenant\"", "-H ",
        ]).prop_map(str::to_owned),
    ];
    prop::collection::vec(ingredient, 0..6).prop_map(|parts| parts.concat())
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => "[a-z_]{0,12}",
        1 => prop::sample::select(vec!["password", "authorization", "cookies", "X-Api-Key", "type", "secret", "value", "name", "x-tenant"])
            .prop_map(str::to_owned),
        1 => text(),
    ]
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((name(), inner.clone()), 0..5).prop_map(|fields| Value::from(Map::from_iter(fields))),
            // JSON in a JSON string, like the arguments of tools.
            inner.prop_map(|value| Value::from(value.to_string())),
        ]
    })
}

/// Returns `true` if masking can have produced `masked` from `value`: texts and numbers may have become texts.
fn is_like(masked: &Value, value: &Value) -> bool {
    match (masked, value) {
        (Value::Array(masked), Value::Array(values)) => {
            masked.len() == values.len() && masked.iter().zip(values).all(|(a, b)| is_like(a, b))
        }
        (Value::Object(masked), Value::Object(fields)) => {
            // Names with secrets in them were replaced.
            masked.len() == fields.len()
                && fields.iter().all(|(name, value)| masked.get(name).is_none_or(|masked| is_like(masked, value)))
        }
        (Value::String(masked), Value::String(text)) => {
            let is_whole = masked.starts_with("[masked:") && masked.ends_with(']');
            masked == text || is_whole || masked.contains("[masked:") && is_json(masked) == is_json(text)
        }
        (Value::String(masked), Value::Number(_)) => masked.starts_with("[masked:"),
        (masked, value) => masked == value,
    }
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|value| value.is_object() || value.is_array())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 2000 } else { 20_000 }))]

    #[test]
    fn masked_json_keeps_its_structure(value in json(), pretty in any::<bool>(), own in any::<bool>()) {
        let body = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }.unwrap();
        // Parsed again, since not every number is written as it was.
        let value: Value = serde_json::from_slice(&body).unwrap();
        let mut masking = Masking::new().name("x-tenant");
        if own {
            masking = masking.pattern(r#"[a-c"\\][^x]"#).unwrap();
        }
        let mut masked = body.clone();
        let is_changed = masking.body(&mut masked, true);
        prop_assert_eq!(is_changed, masked != body);
        let read: Value = match serde_json::from_slice(&masked) {
            Ok(read) => read,
            Err(error) => return Err(TestCaseError::fail(format!("{error}: {}", String::from_utf8_lossy(&masked)))),
        };
        if !own {
            prop_assert!(is_like(&read, &value), "{} became {}", value, read);
            // Masking is idempotent.
            let mut again = masked.clone();
            masking.body(&mut again, true);
            prop_assert_eq!(String::from_utf8_lossy(&again), String::from_utf8_lossy(&masked));
        }
    }

    #[test]
    fn any_bytes_are_masked_without_a_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), text in text()) {
        bytes.extend_from_slice(text.as_bytes());
        Masking::new().pattern("[^a]").unwrap().body(&mut bytes, false);
    }

    #[test]
    fn text_without_secrets_is_unchanged(text in "[ -~é\n]{0,200}") {
        prop_assume!(!["key", "oke", "kie", "ssw", "ecr", "riz", "phr", "sk-", "://", "earer"].iter()
            .any(|stem| text.to_lowercase().contains(stem)));
        prop_assert_eq!(Masking::new().text(&text), text.as_str());
    }
}

#[test]
fn masking_takes_linear_time() {
    let masking = Masking::new().name("x-tenant");
    for begin in [
        "authorization: ",
        "authorization: digest ",
        "cookie:",
        "secret=",
        "x-api-key:",
        r#""password":{"#,
        r#"\"password\":["#,
        r#"["cookie","#,
        "-----BEGIN PRIVATE KEY-----",
        "eyJ-eyJ.",
        "sk-",
        "://a:",
        "bearer ",
        "x-client-secret: word ",
        "--password ",
        "PASSWORD=",
        "?password=",
        "    password: ",
        "x-tenant: $",
        "{x-tenant: ",
        "\\u0026api_key=",
        "secret=\\u0026",
        "\\\\\\\"secret\\\\\\\":\\\\\\\"",
    ] {
        // Quadratic time would exceed the time limit of the tests.
        let text = begin.repeat(300_000 / begin.len());
        let masked = masking.text(&text);
        assert!(masked.len() < 2 * text.len() + 64 * 1024 || masked.contains("[masked:"), "{begin}");
    }
}
