//! Sealed texts: texts that contain their own name and length, so that a reader can verify that they are complete.

use serde_json::Value;

const PREFIX: &str = "sealed ";

/// Creates a sealed text from a name and a length: the prefix, both values, and `length` letters that depend on the
/// name alone.
pub(crate) fn text(name: &str, length: usize) -> String {
    let mut text = format!("{PREFIX}{name} {length} ");
    append_letters(name, length, &mut text);
    text
}

/// Appends pseudorandom letters that are seeded with the name.
fn append_letters(name: &str, length: usize, text: &mut String) {
    let seed = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    let mut state = seed | 1;
    text.extend((0..length).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'a' + (state >> 60) as u8)
    }));
}

/// Collects the names of the sealed texts in a payload. Panics if a text differs from the text with its name and length.
#[track_caller]
pub(crate) fn collect_names(payload: &Value, names: &mut Vec<String>) {
    match payload {
        Value::String(text) => {
            let Some(rest) = text.strip_prefix(PREFIX) else { return };
            let mut words = rest.splitn(3, ' ');
            let (name, length) = (words.next().unwrap(), words.next().unwrap());
            assert_eq!(*text, self::text(name, length.parse().unwrap()), "{name} is incomplete");
            names.push(name.to_owned());
        }
        Value::Array(values) => values.iter().for_each(|value| collect_names(value, names)),
        Value::Object(fields) => fields.values().for_each(|value| collect_names(value, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
