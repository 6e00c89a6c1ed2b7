//! Texts that say themselves what they are: who reads one knows whether all of it is there.

use serde_json::Value;

const PREFIX: &str = "sealed ";

/// A text of a writer's own: its name, its length, and as many letters as that, which the name decides.
pub(crate) fn text(name: &str, length: usize) -> String {
    let mut text = format!("{PREFIX}{name} {length} ");
    letters(name, length, &mut text);
    text
}

fn letters(name: &str, length: usize, text: &mut String) {
    let seed = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    let mut state = seed | 1;
    text.extend((0..length).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'a' + (state >> 60) as u8)
    }));
}

/// The names of the sealed texts in a body. One that is not as it was made fails.
#[track_caller]
pub(crate) fn names(body: &Value, names: &mut Vec<String>) {
    match body {
        Value::String(found) => {
            let Some(rest) = found.strip_prefix(PREFIX) else { return };
            let mut words = rest.splitn(3, ' ');
            let (name, length) = (words.next().unwrap(), words.next().unwrap());
            assert_eq!(*found, text(name, length.parse().unwrap()), "{name} is not whole");
            names.push(name.to_owned());
        }
        Value::Array(values) => values.iter().for_each(|value| self::names(value, names)),
        Value::Object(fields) => fields.values().for_each(|value| self::names(value, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
